"""Traces of pools in which everything is known: answers, verdicts, costs."""

from critique_graph.core.schema import (
    Ballot,
    Call,
    Chain,
    Critique,
    Grade,
    Problem,
    Response,
    Round,
    Trace,
    Usage,
    Verdict,
)

SETTINGS = {"samples": 3, "rounds": 1, "gate": "always", "seed": 0}
RIGHT = "1"
SOLVE_TOKENS, CRITIQUE_TOKENS, REFINE_TOKENS = 10, 30, 20


def call(tokens: int, *, started: float = 0.0, seconds: float = 1.0) -> Call:
    usage = Usage(calls=1, input_tokens=tokens - 1, output_tokens=1)
    return Call(model="m", finish_reason="stop", usage=usage, started=started, seconds=seconds)


def answered(answer: str | None, tokens: int = SOLVE_TOKENS, *, grade: str | None = None) -> Response:
    outcome = grade or ("correct" if answer == RIGHT else "incorrect")
    return Response(text="…", answer=answer, call=call(tokens), grade=Grade.model_validate({"outcome": outcome}))


def chain(index: int, first: str | None, verdict: Verdict | None, refined: str | None) -> Chain:
    """A chain that was critiqued and refined once."""
    turn = Round(
        critique=Critique(text="…", final=verdict),
        call=call(CRITIQUE_TOKENS),
        refinement=answered(refined, REFINE_TOKENS),
    )
    return Chain(index=index, response=answered(first), rounds=(turn,), stop="rounds")


def pool(
    *chains: tuple[str | None, Verdict | None, str | None],
    name: str = "p",
    greedy: str | None = None,
    retries: tuple[str | None, ...] = (),
    settings: dict[str, object] | None = None,
) -> Trace:
    return Trace.model_validate(
        {
            "problem": Problem(id=name, question="?", answer=RIGHT),
            "graph": "pool",
            "settings": settings or SETTINGS,
            "chains": [chain(index, *given) for index, given in enumerate(chains)],
            "ballot": Ballot(rule="majority"),
            "answer": None,
            "correct": None,
            "usage": {},
            "seconds": 1.0,
            "greedy": answered(greedy) if greedy else None,
            "retries": [answered(retry) for retry in retries],
        }
    )
