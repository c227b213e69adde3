"""What the records of a state come to, in a line of text each, for a person who looks at it, as in Studio."""

from collections.abc import Iterable, Iterator

from critique_graph.core.errors import one_line
from critique_graph.core.paths import ReasoningPath
from critique_graph.core.schema import Chain, Response


def chains_at_a_glance(chains: Iterable[Chain]) -> str:
    """Give a line for every chain: its answers and the verdicts on them, in order, and why it stopped."""
    return "\n".join(f"{_name(chain)}: {', '.join(_events(chain))}" for chain in chains)


def paths_at_a_glance(paths: Iterable[ReasoningPath]) -> str:
    """Give a line for every path: its name, its answer, and where and why it was dropped, if it was."""
    return "\n".join(_path(path) for path in paths)


def _name(chain: Chain) -> str:
    return f"chain {chain.index}" + ("" if chain.parent is None else f", a refinement of {chain.parent}")


def _events(chain: Chain) -> Iterator[str]:
    if chain.response is not None:
        yield _answered(chain.response)
    for turn in chain.rounds:
        yield f"judged {turn.critique.final or 'without a verdict'}"
        if turn.refinement is not None:
            yield f"refined to {_answered(turn.refinement)}"
    if chain.failure is not None:
        yield f"failed ({chain.failure.kind}: {chain.failure.message})"
    elif chain.stop is not None:
        yield f"stopped: {chain.stop}"


def _answered(response: Response) -> str:
    if response.is_truncated:
        return "cut off"
    return "no answer" if response.answer is None else one_line(response.answer, limit=200)


def _path(path: ReasoningPath) -> str:
    text = f"{path.name}: {'no path' if path.response is None else _answered(path.response)}"
    if path.critique is not None:
        text += f", judged {path.critique.final or 'without a verdict'}"
    return text if path.drop is None else f"{text}, dropped by {path.drop.stage}: {path.drop.reason}"
