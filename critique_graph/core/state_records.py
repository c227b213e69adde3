"""What a graph's state holds, as records: the problem, its chains or paths, and what they used."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from typing import Any

from critique_graph.core.errors import one_line
from critique_graph.core.glance import chains_at_a_glance, paths_at_a_glance
from critique_graph.core.paths import ReasoningPath
from critique_graph.core.schema import Call, Chain, Record, Usage
from critique_graph.core.state import ActorCriticState, AutoCritiqueState, KnownProblem


def known_problem(given: Mapping[str, Any]) -> KnownProblem:
    """Read the id, the reference and the solution of an input.

    Raises:
        TypeError: The question or the solution is not text, or the reference or the id is neither text nor a number.
        ValueError: The reference or the id is not a number that JSON knows.
    """
    question = given.get("question")
    if not isinstance(question, str):
        raise TypeError(f"question must be text, got {_shown(question)}.")
    named = _text_of("id", given.get("id"))
    problem: KnownProblem = {
        "id": named or hashlib.sha256(question.encode("utf-8", "surrogatepass")).hexdigest()[:12],
        "reference": _text_of("reference", given.get("reference")),
    }
    solution = given.get("solution")
    if solution is not None and not isinstance(solution, str):
        raise TypeError(f"solution must be text, got {_shown(solution)}.")
    return problem if solution is None else {**problem, "solution": solution}


def problem_id(state: Mapping[str, Any]) -> str:
    """Give the problem's id, or a hash of the question if there is no id."""
    return _problem_of(state)["id"]


def reference_of(state: Mapping[str, Any]) -> str | None:
    """Give the reference answer as text, or None if there is none."""
    return _problem_of(state)["reference"]


def solution_of(state: Mapping[str, Any]) -> str | None:
    """Give the worked solution, or None if there is none."""
    return _problem_of(state).get("solution")


def _problem_of(state: Mapping[str, Any]) -> KnownProblem:
    """Give what the first node has kept; a state that no first node has seen is read like an input."""
    known: KnownProblem | None = state.get("problem")
    return known_problem(state) if known is None else known


def _text_of(name: str, value: object) -> str | None:
    match value:
        case None | str():
            return value
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float():
            if math.isfinite(value):
                return str(value)
            raise ValueError(f"{name} must be text or a finite number, got {value}.")
        case _:
            raise TypeError(f"{name} must be text or a number, got {_shown(value)}.")


def _shown(value: object) -> str:
    return f"{type(value).__name__} ({one_line(repr(value), limit=80)})"


class _WrittenChains(list[dict[str, Any]]):
    """Chains as JSON, together with the records that they were written from: the next node need not read them again.

    A state that was stored in between holds a plain list, which is read. The two agree, because nodes return updates
    and never change a state in place (LangGraph's rule).
    """

    records: tuple[Chain, ...] = ()


def read_chains(state: ActorCriticState) -> list[Chain]:
    """Give the chains of a state as records."""
    written = state.get("chains", [])
    if isinstance(written, _WrittenChains):
        return list(written.records)
    return [Chain.model_validate(chain) for chain in written]


def write_chains(chains: Iterable[Chain], before: ActorCriticState | None = None) -> dict[str, Any]:
    """Give the state update that stores `chains`; of those in the state `before`, only what is new is written anew.

    So a node costs what it adds, however many rounds there were before it. A line of text about each chain is added.
    """
    records = tuple(chains)
    known = _written_parts(before)
    written = _WrittenChains(
        {
            "index": chain.index,
            **({} if chain.parent is None else {"parent": chain.parent, "told": chain.told}),
            "response": _json_of(chain.response, known),
            "rounds": [_json_of(turn, known) for turn in chain.rounds],
            "stop": chain.stop,
            "failure": _json_of(chain.failure, known),
        }
        for chain in records
    )
    written.records = records
    return {"chains": written, "glance": chains_at_a_glance(records)}


def _written_parts(state: ActorCriticState | None) -> dict[int, Any]:
    """Give the JSON of the responses and rounds of a state, by the identity of their records, which the state holds."""
    written = None if state is None else state.get("chains")
    parts: dict[int, Any] = {}
    if isinstance(written, _WrittenChains):
        for chain, json in zip(written.records, written, strict=True):
            parts[id(chain.response)] = json["response"]
            parts.update(zip(map(id, chain.rounds), json["rounds"], strict=True))
    return parts


def _json_of(record: Record | None, known: Mapping[int, Any]) -> Any:
    if record is None:
        return None
    written = known.get(id(record))
    return record.model_dump(mode="json") if written is None else written


def add_usages(before: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Add the usages of roles (JSON of `Usage`), as several nodes report them."""
    return {
        role: (Usage.model_validate(before.get(role, {})) + Usage.model_validate(new.get(role, {}))).model_dump()
        for role in {**before, **new}
    }


def read_paths(state: AutoCritiqueState) -> list[ReasoningPath]:
    """Give the paths of a state as records."""
    return [ReasoningPath.model_validate(path) for path in state.get("paths", [])]


def write_paths(
    state: AutoCritiqueState, paths: Iterable[ReasoningPath], **calls: Mapping[str, Iterable[Call]]
) -> dict[str, Any]:
    """Give the state update that stores `paths`, and adds what was used to their usage and to that of `state`.

    Args:
        state: The state before.
        paths: The paths.
        calls: The calls that each role has made since then, by the name of the path that they were made for.
    """
    used = {
        role: {name: Usage.sum(call.usage for call in made) for name, made in by_path.items()}
        for role, by_path in calls.items()
    }

    def with_usage(path: ReasoningPath) -> ReasoningPath:
        added = {
            role: path.usage.get(role, Usage()) + by_path[path.name]
            for role, by_path in used.items()
            if path.name in by_path
        }
        return path.model_copy(update={"usage": path.usage | added})

    added = {role: Usage.sum(by_path.values()).model_dump() for role, by_path in used.items()}
    kept = list(paths)
    return {
        "paths": [with_usage(path).model_dump(mode="json") for path in kept],
        "glance": paths_at_a_glance(kept),
        "usage": add_usages(state.get("usage", {}), added),
    }
