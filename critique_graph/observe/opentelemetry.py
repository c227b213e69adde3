"""Verdicts and flips as events of OpenTelemetry: `gen_ai.evaluation.result`, sent through the Logs API.

The names are those of OpenTelemetry's conventions for generative AI, which are still in development. Where the
application has set up no logger provider, the events go nowhere.
"""

from time import time_ns

from critique_graph.core.errors import MissingDependencyError
from critique_graph.nodes.evaluations import Evaluation
from critique_graph.observe.listener import EvaluationListener, JudgedCall

try:
    from opentelemetry._logs import LoggerProvider, LogRecord, get_logger
except ModuleNotFoundError as error:
    raise MissingDependencyError("opentelemetry-api", extra="otel", purpose="OpenTelemetryEvaluations") from error

EVENT = "gen_ai.evaluation.result"


class OpenTelemetryEvaluations(EvaluationListener):
    """Callback handler that sends every verdict and flip as an event, parented to the current span.

    Example:
        >>> graph.invoke({"question": question}, {"callbacks": [OpenTelemetryEvaluations()]})
    """

    def __init__(self, logger_provider: LoggerProvider | None = None) -> None:
        """Make the handler.

        Args:
            logger_provider: Where events go; None: the application's global logger provider.
        """
        super().__init__()
        self._logger = get_logger("critique_graph", logger_provider=logger_provider)

    def send(self, evaluation: Evaluation, judged: JudgedCall | None) -> None:
        """Emit one event; the reply's id names what is judged, where the server gave one."""
        attributes = {
            "gen_ai.evaluation.name": evaluation.name,
            "gen_ai.evaluation.score.label": evaluation.label,
            "gen_ai.evaluation.score.value": evaluation.score,
            "gen_ai.evaluation.explanation": evaluation.explanation or None,
            "gen_ai.response.id": None if judged is None else judged.response_id,
            "critique_graph.problem": evaluation.problem,
            "critique_graph.chain": evaluation.chain,
            "critique_graph.round": evaluation.round,
        }
        known = {name: value for name, value in attributes.items() if value is not None}
        self._logger.emit(LogRecord(timestamp=time_ns(), event_name=EVENT, attributes=known))
