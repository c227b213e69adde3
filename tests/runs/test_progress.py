import io
from typing import Any

import pytest
from rich.console import Console

from critique_graph.core.schema import Usage
from critique_graph.generate.progress import DataProgress
from critique_graph.runs import drive, progress
from critique_graph.runs.outcomes import Outcome
from critique_graph.runs.progress import Progress

DONE = Outcome("done")


def result(first: str, final: str) -> dict[str, Any]:
    return {
        "chains": [{"response": {"grade": {"outcome": first}}}],
        "grade": {"outcome": final},
        "usage": {
            "actor": {"input_tokens": 700, "output_tokens": 200},
            "critic": {"input_tokens": 300, "output_tokens": 34},
        },
    }


def console(*, is_terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), force_terminal=is_terminal, width=200)


def output(shown: Console) -> str:
    assert isinstance(shown.file, io.StringIO)
    return shown.file.getvalue()


def test_line_counts_outcomes_accuracy_and_tokens() -> None:
    shown = Progress(console=console())
    shown.total = 10
    shown.update(DONE, result("incorrect", "correct"))
    shown.update(DONE, result("correct", "correct"))
    shown.update(DONE, result("correct", "ungraded"))
    shown.update(Outcome("failed", "timeout"), None)
    assert shown.line().plain.startswith("4/10 problems · 1 failed · accuracy 50.0% → 100.0% · 3,702 tokens · ")


def test_counts_begin_anew_with_each_run_that_is_shown() -> None:
    shown = Progress(console=console())
    for _ in range(2):
        with shown:
            shown.skip("done")
            shown.update(DONE, result("correct", "correct"))
            line = shown.line().plain
        assert line.startswith("2/? problems · accuracy 100.0% → 100.0% · 1,234 tokens")


def test_skipped_problems_count_but_not_for_the_rate() -> None:
    shown = Progress(console=console())
    shown.skip("done")
    assert shown.line().plain == "1/? problems · 0 tokens"


def test_problem_without_a_first_response_counts_no_accuracy() -> None:
    shown = Progress(console=console())
    failed = {**result("correct", "correct"), "chains": [{"response": None}], "grade": None}
    shown.update(Outcome("failed", "connection"), failed)
    assert "accuracy" not in shown.line().plain


def test_without_a_terminal_lines_are_few_and_the_last_is_complete() -> None:
    target = console()
    with Progress(console=target) as shown:
        for _ in range(100):
            shown.update(DONE, result("correct", "correct"))
    assert output(target).count("\n") == 1
    assert output(target).startswith("100/? problems")


def test_without_a_terminal_a_line_is_printed_when_it_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PLAIN_SECONDS", 0)
    target = console()
    with Progress(console=target) as shown:
        shown.update(DONE, result("correct", "correct"))
        assert output(target).startswith("1/? problems")


def test_terminal_shows_one_live_line() -> None:
    target = console(is_terminal=True)
    with Progress(console=target) as shown:
        shown.update(DONE, result("correct", "correct"))
    assert "1/? problems" in output(target)


@pytest.mark.parametrize("is_terminal", [False, True])
def test_quiet_prints_nothing(is_terminal: bool) -> None:
    target = console(is_terminal=is_terminal)
    with Progress(console=target, quiet=True) as shown:
        shown.update(DONE, result("correct", "correct"))
    assert output(target) == ""


def test_display_of_another_kind_is_in_the_same_place() -> None:
    where = console()
    shown = Progress(console=where)
    shown.update(DONE, result("incorrect", "correct"))
    other = shown.another(DataProgress)
    assert other.line().plain.startswith("0/? problems")
    with other:
        pass
    assert "0/? problems" in output(where)


def test_line_of_a_run_that_makes_data_counts_paths_by_strategy() -> None:
    progress = DataProgress(console=Console(file=io.StringIO()))
    paths = [{"strategy": "rg1", "drop": None}, {"strategy": "rg2", "drop": None}, {"strategy": "rg2", "drop": {}}]
    progress.update(Outcome("done"), {"paths": paths, "usage": {"actor": {"input_tokens": 7, "output_tokens": 3}}})
    assert "1/? problems · 2 of 3 paths kept (rg1 1, rg2 1) · 10 tokens" in progress.line().plain


class Clock:
    """A clock that a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(progress, "clock", lambda: self.now)


def test_line_of_a_slow_run_has_calls_in_flight_tokens_a_second_and_seconds_a_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)
    shown = Progress(console=console())
    shown.total = 3
    clock.now = 90.0
    shown.traffic.in_flight = 7
    shown.traffic.add(Usage(calls=2, input_tokens=1000, output_tokens=270))
    assert shown.line().plain == "0/3 problems · 1,270 tokens · 7 calls in flight · 3.0 tokens/s written"
    shown.update(DONE, result("ungraded", "ungraded"))
    shown.traffic.in_flight = 0
    assert shown.line().plain == "1/3 problems · 1,270 tokens · 3.0 tokens/s written · 90 s/problem · 0:03:00 left"


def test_line_of_a_fast_run_has_problems_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    shown = Progress(console=console())
    for _ in range(10):
        shown.update(DONE, None)
    clock.now = 4.0
    assert "2.5 problems/s" in shown.line().plain


def test_problems_of_other_processes_count_and_what_they_had_before_does_not_for_the_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)
    shown = Progress(console=console())
    shown.total = 50
    shown.note_elsewhere(10)
    shown.note_elsewhere(25)
    for _ in range(5):
        shown.update(DONE, None)
    clock.now = 4.0
    assert shown.line().plain == "30/50 problems · 0 tokens · 5.0 problems/s · 0:00:04 left"


def test_without_a_terminal_a_line_is_due_every_minute_before_a_problem_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, target = Clock(monkeypatch), console()
    with Progress(console=target) as shown:
        lines = []
        for _ in range(60):
            clock.now += drive.TICK_SECONDS
            shown.tick()
            lines.append(output(target).count("\n"))
    assert clock.now == 300
    assert lines[11] >= 1  # within a minute
    assert 5 <= lines[-1] <= 6


@pytest.mark.parametrize("is_terminal", [False, True])
def test_ticks_print_nothing_where_it_is_quiet_or_a_terminal(
    monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool
) -> None:
    clock, target = Clock(monkeypatch), console(is_terminal=is_terminal)
    shown = Progress(console=target, quiet=not is_terminal)
    clock.now = 1000.0
    shown.tick()
    assert output(target) == ""
