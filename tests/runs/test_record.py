"""What the record of a run says about problems that did not end well, and about the cost of unfinished ones."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest
from hashed_model import HashedModel, addition_problems
from journal_rows import finished
from rich.console import Console

from critique_graph import generate_data, make_self_talk, run_problems
from critique_graph.calls import caller as calls
from critique_graph.runs import drive
from critique_graph.runs.journal import JournalRow
from critique_graph.runs.outcomes import Outcome, Status
from critique_graph.runs.progress import Progress
from critique_graph.runs.record import Reason
from critique_graph.verbs.output import reasons_table


def ended(name: str, status: Status, reason: str | None) -> JournalRow:
    return JournalRow(name, Outcome(status, reason), None)


def test_reasons_are_counted_with_an_example() -> None:
    rows = [
        ended("a", "done", None),
        ended("b", "failed", "timeout: no reply within 600 s"),
        ended("c", "quarantined", "rejected: 4200 tokens are too many (req-1a)"),
        ended("d", "quarantined", "rejected: 5100 tokens are too many (req-2b)"),
        ended("e", "pending", None),
    ]
    assert finished(rows).reasons() == (
        Reason(status="quarantined", reason="rejected: 4200 tokens are too many (req-1a)", problems=2, example="c"),
        Reason(status="failed", reason="timeout: no reply within 600 s", problems=1, example="b"),
    )


def test_journal_without_troubles_is_not_read_for_reasons() -> None:
    run = finished([ended("a", "done", None)])
    assert type(run)(**{**vars(run), "rows": None}).reasons() == ()  # type: ignore[arg-type]


def test_reasons_are_shown_as_they_are() -> None:
    console = Console(width=100, record=True)
    console.print(reasons_table([Reason(status="failed", reason="[bold]no\x1b", problems=3, example="p7")]))
    shown = " ".join(console.export_text().split())
    assert shown == "outcome problems example reason failed 3 p7 [bold]no"


def test_command_prints_the_reasons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from critique_graph.cli import run_command

    monkeypatch.setattr(calls, "MAX_ATTEMPTS", 1)
    model = HashedModel(faults={"": RuntimeError("no such luck")})
    monkeypatch.setattr("critique_graph.verbs.job.load_roles", lambda roles: {"actor": model, "critic": model})
    command = ["run", "miniature", "--limit", "3", "--out", str(tmp_path / "run"), "--quiet"]
    assert run_command(command) == 3
    assert "failed 3 " in (shown := " ".join(capsys.readouterr().out.split()))
    assert "no such luck" in shown


class Interrupting(HashedModel):
    """Answers once; the next call interrupts the run twice and never ends."""

    begun: int = 0
    tokens: int = 0

    async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
        self.begun += 1
        if self.begun > 1:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            await asyncio.Event().wait()
        result = await super()._agenerate(*args, **kwargs)
        self.tokens = result.generations[0].message.usage_metadata["total_tokens"]
        return result


@pytest.mark.parametrize("verb", [run_problems, generate_data, make_self_talk])
def test_interrupted_run_says_what_it_spent(verb: Any, tmp_path: Path) -> None:
    model = Interrupting()
    others = {"annotator": model, "strategies": ("rg1", "correct")} if verb is generate_data else {"critic": model}
    found = verb(addition_problems(3), actor=model, **others, samples=1, concurrency=1, out=tmp_path / "run")
    assert (found.state, found.done) == ("interrupted", 0)
    tokens = found.model_dump()["tokens"]
    assert model.begun == 2
    assert tokens["total"] == tokens["actor"] == model.tokens > 0


def test_run_asks_for_lines_while_no_problem_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = asyncio.Event()

    class Shown(Progress):
        def tick(self) -> None:
            if self.traffic.in_flight == 1:
                ticks.set()

    class Waiting(HashedModel):
        async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
            await ticks.wait()
            return await super()._agenerate(*args, **kwargs)

    monkeypatch.setattr(drive, "TICK_SECONDS", 0.0)
    model, shown = Waiting(), Shown(quiet=True)
    found = run_problems(addition_problems(1), actor=model, critic=model, out=tmp_path / "run", progress=shown)
    assert found.done == 1
    assert shown.traffic.in_flight == 0
    assert shown.traffic.tokens == found.tokens.total
