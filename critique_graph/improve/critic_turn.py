"""The critic's turn of an iteration in which it learns, too: what it practises on, and what it learns of that.

Rejection sampling: the critic judges what the last actor wrote, correct responses and wrong ones, several times if need
be, and learns the first critique of each that is worth it (`nodes/practise.py`). As the paper's scripts train an actor,
it is always trained from its start. The paper's critic stays as it is; all of this is ours:

1. It learns as many critiques of correct responses as of wrong ones, so that it does not learn to object to everything.
2. It learns the rows of all iterations so far, since a critique of an earlier actor's response is as true as before.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

from pydantic import JsonValue

from critique_graph.core.json_lines import write_json_lines
from critique_graph.core.prompts import Prompts
from critique_graph.core.schema import Problem, Record, Trace
from critique_graph.improve.weights import weights_hash
from critique_graph.metrics.intervals import Rate, clustered_share
from critique_graph.runs.traces import read_traces
from critique_graph.solve.summary import Summary
from critique_graph.trainers.candidates import Candidate, judged_responses, trace_candidates
from critique_graph.trainers.rows_file import read_rows_file
from critique_graph.trainers.selection import select
from critique_graph.trainers.train_process import Trained

TRIES = 4
"""Most critiques of a response in practice."""
KEPT, ROWS = "critic-kept.jsonl", "critic-rows.jsonl"


class Practice(Record):
    """Results of the critic's practice, and its rows."""

    critic: str
    """Model string of the critic that judged, in the exploration and in practice."""
    good_on_correct: Rate
    """Share of the actor's correct responses, each text of a problem once, of which a critique is worth learning: its
    verdict agrees with the reference. `n` counts problems, here and below."""
    good_on_wrong: Rate
    """Share of the wrong responses of which one is: its verdict agrees, too, and the refinement is correct."""
    kept: int
    """Number of rows of this iteration; one half is of correct responses."""
    rows: int
    """Number of rows that are learned, those of earlier iterations included; 0: the critic stays as it is."""
    data_hash: str
    """First 12 digits of the SHA-256 of the file of rows."""
    failed: int
    """Number of problems whose responses could not all be judged."""
    practice_calls: dict[str, int]
    """Number of model calls of the practice by role."""
    practice_tokens: dict[str, int]
    """Tokens of the practice by role, and in `total`."""
    practice_seconds: float


class CriticTurn(Practice):
    """The critic's turn of an iteration: what it practised, learned and became."""

    model: str
    """Model string of the critic after the turn."""
    model_hash: str | None
    """First 12 digits of the SHA-256 of its weights; None if they are not in a folder."""
    steps: int = 0
    loss_last: float | None = None
    learning_rate: float | None = None
    training_tokens: int = 0
    training_seconds: float = 0.0

    @classmethod
    def of(cls, practice: Practice, model: str, done: Trained | None) -> Self:
        """Make the record of a turn; `done` is None if there was nothing to learn."""
        return cls(
            **dict(practice), model=model, model_hash=weights_hash(model), **({} if done is None else figures(done))
        )

    @property
    def tokens(self) -> int:
        """Tokens of the practice and of the training."""
        return self.practice_tokens["total"] + self.training_tokens

    @property
    def seconds(self) -> float:
        """Seconds of the practice and of the training."""
        return self.practice_seconds + self.training_seconds


class JudgedProblem(Problem):
    """A problem with responses for the critic to judge."""

    responses: tuple[str, ...]

    def to_input(self) -> dict[str, JsonValue]:
        return super().to_input() | {"responses": list(self.responses)}


def figures(done: Trained) -> dict[str, Any]:
    """Give the figures of a training that the records hold."""
    return {
        "steps": done.steps,
        "loss_last": done.loss_last,
        "learning_rate": done.learning_rate,
        "training_tokens": done.tokens,
        "training_seconds": done.seconds,
    }


def judged_problems(traces: Iterable[Trace]) -> list[JudgedProblem]:
    """Give the first responses of every trace, each text once, without those that are cut off or not graded."""
    found = []
    for trace in traces:
        first = (chain.response for chain in trace.chains)
        texts = (each.text for each in first if each and not each.is_truncated and each.is_correct is not None)
        if responses := tuple(dict.fromkeys(texts)):
            found.append(JudgedProblem(**dict(trace.problem), responses=responses))
    return found


def critic_rows(
    folder: Path, earlier: Iterable[Path], practised: Summary, *, critic: str, prompts: Prompts, seed: int
) -> Practice:
    """Choose and write the rows of an iteration; there are none unless there are some of responses of both kinds.

    Args:
        folder: Folder of the iteration, with the practice.
        earlier: Folders of the iterations before, whose rows are learned, too.
        practised: Summary of the practice.
        critic: Model string of the critic that practised.
        prompts: Wording of the rows.
        seed: Seed for drawing the rows of the more frequent kind.
    """
    candidates = list(_candidates(folder, prompts))
    has_both = {candidate.is_correct for candidate in candidates} == {True, False}
    kept: list[Any] = select(candidates, per_problem=None, balance="verdict", seed=seed).rows if has_both else []
    write_json_lines(folder / KEPT, kept)
    files = [each / KEPT for each in earlier] if kept else []
    learned = [candidate.row for file in files for candidate in read_rows_file(file, "critic")] + kept
    write_json_lines(folder / ROWS, learned)
    traces = list(read_traces(folder / "practice"))
    calls = {role: sum(trace.usage[role].calls for trace in traces) for role in ("actor", "critic")}
    tokens = practised.tokens
    return Practice(
        critic=critic,
        good_on_correct=_good_share(traces, is_correct=True),
        good_on_wrong=_good_share(traces, is_correct=False),
        kept=len(kept),
        rows=len(learned),
        data_hash=hashlib.sha256((folder / ROWS).read_bytes()).hexdigest()[:12],
        failed=practised.failed + practised.quarantined,
        practice_calls=calls,
        practice_tokens={"actor": tokens.actor, "critic": tokens.critic, "total": tokens.total},
        practice_seconds=round(practised.seconds, 1),
    )


def _candidates(folder: Path, prompts: Prompts) -> Iterator[Candidate]:
    return trace_candidates(read_traces(folder / "practice"), "critic", with_reasoning=True, prompts=prompts)


def _good_share(traces: Iterable[Trace], *, is_correct: bool) -> Rate:
    """Give the share of correct or of wrong responses with a critique that is worth learning."""
    good, sizes = list[int](), list[int]()
    for trace in traces:
        by_text = defaultdict[str, list[bool]](list)
        for judged in judged_responses(trace):
            if judged.is_correct == is_correct:
                by_text[judged.response].append(judged.is_reliable)
        good.append(sum(map(any, by_text.values())))
        sizes.append(len(by_text))
    return clustered_share(good, sizes)
