"""Play a few problems with a pair of models, and say whether the pair is fit for the method."""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from critique_graph.calls.caller import Caller
from critique_graph.check.settings import CheckSettings
from critique_graph.core.async_node import wait_for
from critique_graph.core.schema import Call, Chain, Usage
from critique_graph.metrics.intervals import Rate, wilson
from critique_graph.problems.problem_set import Problems, find_problems
from critique_graph.runs.progress import Progress
from critique_graph.runs.record import RunRecord
from critique_graph.runs.traces import read_traces
from critique_graph.solve.run import run_problems
from critique_graph.verbs.job import Job, prepare_problems

ENOUGH = 0.8
"""Share of readable critiques, and of whole texts, under which something is advised."""
TOO_BARE = 0.2
"""Share of bare refinements over which something is advised."""


class Check(RunRecord):
    """What a pair of models can do, as `critique-graph check --json` prints it; every rate has its n."""

    readable: Rate
    """Critiques with a verdict on the final answer and on every step, each found in the response."""
    aligned: Rate
    """Judged steps that were found in the response."""
    truncated: Rate
    """Responses, critiques and refinements that a token limit cut off."""
    bare_refinements: Rate
    """Refinements that give an answer alone and do not show its work."""
    says_wrong_on_right: Rate
    """Correct responses that the critic calls wrong; without references there are none."""
    says_wrong_on_wrong: Rate
    """Wrong responses that the critic calls wrong."""
    continues_prefix: bool
    """Whether the actor's model continues a text that was begun for it."""
    structured: bool
    """Whether the critic's model keeps to a JSON schema."""
    tokens_per_second: float | None
    """Tokens written per second, all calls in flight together; None where the server reports no usage."""
    calls: int
    """Number of calls of the actor and the critic, by which `tokens_per_second` is measured."""
    advice: tuple[str, ...]
    """What to change, a sentence each."""


def check_pair(
    problems: Problems = "miniature",
    *,
    out: Path | str | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> Check:
    """Play a few problems with a pair of models, and say what it can do. `critique-graph check` calls it.

    Example:
        >>> check_pair(actor="openai:NAME", base_url="http://127.0.0.1:8000/v1").advice

    Args:
        problems: `miniature`, a file, `hf:owner/name[:config[:split]]`, or the problems themselves.
        out: Folder of the run, which can be resumed; by default one that is deleted afterwards.
        fresh: Start over in a folder that holds a run.
        progress: Shows how the run goes; nothing by default.
        settings: Fields of `CheckSettings`, such as `actor` and `critic`.

    Raises:
        CritiqueGraphError: Bad input, or a folder that cannot be written.
        pydantic.ValidationError: A setting is unknown or out of its range.
    """
    with tempfile.TemporaryDirectory(prefix="critique-graph-check-") as temporary:
        folder = Path(out) if out is not None else Path(temporary) / "run"
        job = prepare_problems(CheckSettings, problems, settings, find_problems)
        chosen = {**job.settings.model_dump(include={"limit", "gate", "rounds"}), **settings}
        summary = run_problems(problems, out=folder, fresh=fresh, progress=progress, **chosen)
        chains = [chain for trace in read_traces(folder) for chain in trace.chains]
        counts = {name: getattr(summary, name) for name in RunRecord.model_fields}
        return _checked(counts, chains, wait_for(_abilities(job)))


async def _abilities(job: Job[CheckSettings]) -> tuple[bool, bool]:
    actor = Caller(job.models["actor"], "actor", temperature=0.0, max_tokens=100, seed=0)
    critic = Caller(job.models["critic"], "critic", temperature=0.0, max_tokens=100, seed=0)
    return await actor.can_continue(), await critic.kept_schema() != "none"


def _checked(counts: dict[str, Any], chains: list[Chain], abilities: tuple[bool, bool]) -> Check:
    rounds = [one for chain in chains for one in chain.rounds]
    calls = [*(response.call for chain in chains for response in chain.responses), *(one.call for one in rounds)]
    verdicts = [
        (chain.response.is_correct, chain.rounds[0].critique.final == "wrong")
        for chain in chains
        if chain.response is not None and chain.rounds
    ]
    usage = Usage.sum(call.usage for call in calls)
    seconds = counts["seconds"]
    check = Check(
        **counts,
        readable=_share(one.critique.is_readable for one in rounds),
        aligned=_share(step.step_index is not None for one in rounds for step in one.critique.steps),
        truncated=_share(call.is_truncated for call in calls),
        bare_refinements=_share(one.refinement.is_bare for one in rounds if one.refinement is not None),
        says_wrong_on_right=_share(is_wrong for is_correct, is_wrong in verdicts if is_correct is True),
        says_wrong_on_wrong=_share(is_wrong for is_correct, is_wrong in verdicts if is_correct is False),
        continues_prefix=abilities[0],
        structured=abilities[1],
        tokens_per_second=round(usage.output_tokens / seconds, 1) if usage.output_tokens and seconds else None,
        calls=len(calls),
        advice=(),
    )
    return check.model_copy(update={"advice": tuple(_advice(check, [one.call for one in rounds]))})


def _advice(check: Check, critiques: list[Call]) -> Iterable[str]:
    if check.calls == 0:
        yield "No model answered: see the reasons of the failed problems in the run's journal (--out keeps it)."
        return
    cut = sum(call.is_truncated for call in critiques)
    if cut > len(critiques) * (1 - ENOUGH):
        yield f"{cut} of {len(critiques)} critiques are cut off: raise --critic-max-tokens."
    elif _is_over(check.truncated, 1 - ENOUGH):
        yield "Responses are cut off: raise --max-tokens."
    if check.readable.value is not None and check.readable.value < ENOUGH and not check.structured:
        yield (
            "Many critiques cannot be read: use a server that keeps to a JSON schema, a critic trained with "
            "`critique-graph train critic`, or another wording (--prompts)."
        )
    if _is_over(check.bare_refinements, TOO_BARE):
        yield "Refinements give an answer alone: use a server that continues a text, or another wording (--prompts)."
    if check.says_wrong_on_wrong.value == 0:
        yield "This critic called no wrong response wrong: train one, `critique-graph train critic`, or take a larger."
    if _is_over(check.says_wrong_on_right, 0.5):
        yield "This critic calls most correct responses wrong: train one, `critique-graph train critic`."
    if not check.continues_prefix:
        yield "The actor continues no text that was begun: `generate` will leave out the strategies rg2 and rg3."


def _is_over(rate: Rate, bound: float) -> bool:
    return rate.value is not None and rate.value > bound


def _share(values: Iterable[bool]) -> Rate:
    found = list(values)
    return wilson(sum(found), len(found))
