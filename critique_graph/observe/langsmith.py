"""Verdicts and flips as feedback of LangSmith, on the model calls that wrote the judged responses."""

import logging
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from langsmith import RunTree, get_current_run_tree

from critique_graph.core.errors import one_line
from critique_graph.nodes.evaluations import Evaluation
from critique_graph.observe.listener import EvaluationListener, JudgedCall

logger = logging.getLogger(__name__)


class LangSmithFeedback(EvaluationListener):
    """Callback handler that adds every verdict and flip to LangSmith, where an invocation is traced there.

    Without tracing (`LANGSMITH_TRACING=true`, or `langsmith.tracing_context`) nothing is sent. The feedback goes to the
    project of the trace, by its client, in a thread of its own, which Python waits for at its end. A response that no
    call of this invocation wrote, as one from a journal, has its feedback on the node that announced it.

    Example:
        >>> graph.invoke({"question": question}, {"callbacks": [LangSmithFeedback()]})
    """

    def __init__(self) -> None:
        super().__init__()
        self._sender = ThreadPoolExecutor(1, thread_name_prefix="langsmith-feedback")
        self._projects: dict[str | None, UUID] = {}

    def send(self, evaluation: Evaluation, judged: JudgedCall | None) -> None:
        """Have one feedback sent."""
        run = get_current_run_tree()
        if run is not None:
            self._sender.submit(self._create, run, run.id if judged is None else judged.run_id, evaluation)

    def flush(self) -> None:
        """Wait until all feedback is sent."""
        self._sender.submit(lambda: None).result()

    def _create(self, run: RunTree, run_id: UUID, evaluation: Evaluation) -> None:
        try:
            run.client.create_feedback(
                run_id,
                evaluation.name,
                trace_id=run.trace_id,
                session_id=self._project(run),
                score=evaluation.score,
                value=evaluation.label,
                comment=evaluation.explanation or None,
                feedback_source_type="model",
                source_info={"problem": evaluation.problem, "chain": evaluation.chain, "round": evaluation.round},
            )
        except Exception as error:  # noqa: BLE001 - whatever LangSmith's client raises must not end the application
            logger.warning("feedback on %s is lost: %s", evaluation.problem, one_line(str(error)))

    def _project(self, run: RunTree) -> UUID:
        """Give the id of the trace's project, which exists once a run of it has arrived."""
        name = run.session_name
        if name not in self._projects:
            run.client.flush()
            self._projects[name] = run.client.read_project(project_name=name).id
        return self._projects[name]
