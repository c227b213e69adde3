import io

from journal_rows import finished, row
from rich.console import Console

from critique_graph.metrics.intervals import wilson
from critique_graph.solve.summary import Summary, summarise
from critique_graph.solve.table import summary_table


def shown(*rows: object, run: str = "runs/a") -> str:
    return printed(summarise(finished(rows, run=run, seconds=2)))  # type: ignore[arg-type]


def printed(summary: Summary) -> str:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(summary_table(summary))
    return console.export_text()


def test_table_names_outcomes_accuracy_and_flips() -> None:
    text = shown(row("a", "wrong", "right"), row("b", "right", "right", status="failed"))
    assert "1 of 2 done, 1 failed" in text
    assert "0.0 % [0.0, 79.3] first → 100.0 % [20.7, 100.0] final" in text
    assert "1 wrong → correct, 0 correct → wrong" in text


def test_table_gives_tokens_by_role_and_what_was_cached_of_the_prompts() -> None:
    assert "40 actor + 0 critic = 40, 50% of prompts cached, 1 calls of unknown usage" in shown(
        row("a", "right", "right")
    )


def test_table_says_what_several_critiques_found_only_where_there_are_any() -> None:
    assert not {"unanimous", "identical", "abstained", "kept"} & set(shown(row("a", "wrong", "right")).split())
    summary = summarise(finished([row("a", "wrong", "right")]))
    several = {"unanimous_critiques": wilson(3, 4), "abstained": wilson(1, 4), "kept_original": wilson(1, 2)}
    text = printed(summary.model_copy(update={**several, "failed_critiques": 2}))
    assert "several critiques agree on 75.0 % [30.1, 95.4] of 4 responses" in text
    assert "25.0 % [4.6, 69.9] of 4 responses that would have been refined" in text
    assert "the original beside 50.0 % [9.5, 90.5] of 2 refinements" in text
    assert "2 of several critiques" in text


def test_text_from_outside_is_not_read_as_markup() -> None:
    assert "runs/[red]a[/x]" in shown(run="runs/[red]a[/x]")


def test_run_without_references_shows_what_changed():
    text = shown(row("a", None, None), row("b", None, None, verdict="correct"))
    assert "unknown: no answer could be graded" in text
    assert "0.0 % [0.0, 65.8] of answers, n = 2" in text
    assert "round 1  critic: 50.0 % [9.5, 90.5] of critiques say wrong, n = 2" in text
    assert "actor: 0.0 % [0.0, 65.8] of refinements change the answer, n = 2" in text
    assert "vote: moved in 0.0 % [0.0, 65.8] of problems, n = 2" in text
    assert "gain" not in text
