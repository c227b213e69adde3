from pathlib import Path

import pytest
from fakes import ScriptedModel, critique_text, solution
from journal_rows import finished, row

from critique_graph.core.schema import Chain, Problem, Trace
from critique_graph.metrics.intervals import paired_difference, wilson
from critique_graph.metrics.judgement import CriticScore
from critique_graph.runs.journal import JournalRow
from critique_graph.runs.outcomes import Outcome
from critique_graph.runs.record import Reason
from critique_graph.runs.traces import read_traces
from critique_graph.solve.by_round import RoundRates
from critique_graph.solve.run import run_problems
from critique_graph.solve.summary import Flips, LevelAccuracy, Summary, Tokens, summarise


def test_summary_of_a_mixed_run() -> None:
    rows = [
        row("a", "right", "right", verdict="correct", level=1),
        row("b", "right", "wrong", level=1),
        row("c", "wrong", "right", level=2),
        row("d", "wrong", "right", verdict=None),
        row("e", "wrong", "wrong", verdict="correct", finish_reason="length"),
        row("f", "right", "ungraded"),
        row("g", None, None),
        row("h", "right", "right", status="failed"),
        JournalRow("i", Outcome("quarantined", "RuntimeError: no worker"), None),
        JournalRow("j", Outcome("pending"), None),
    ]
    first, final = [True, True, False, False, False], [True, False, True, True, False]
    assert summarise(finished(rows, seconds=12.34567, total=20)) == Summary(
        problems=20,
        done=7,
        failed=1,
        quarantined=1,
        pending=11,
        ungraded=2,
        accuracy_first=wilson(2, 5),
        accuracy_final=wilson(3, 5),
        gain=paired_difference(first, final),
        flips=Flips(right_to_right=1, right_to_wrong=1, wrong_to_right=2, wrong_to_wrong=1),
        by_level={
            1: LevelAccuracy(first=wilson(2, 2), final=wilson(1, 2)),
            2: LevelAccuracy(first=wilson(0, 1), final=wilson(1, 1)),
        },
        answer_changed=wilson(0, 7),
        by_round=(
            RoundRates(
                round=1,
                critic_said_wrong=wilson(4, 7),
                actor_changed_answer=wilson(0, 6),  # one refinement was cut off
                vote_moved=wilson(0, 7),
            ),
        ),
        critic=CriticScore(
            right_called_correct=1,
            right_called_wrong=2,
            right_unparsed=0,
            wrong_called_correct=1,
            wrong_called_wrong=1,
            wrong_unparsed=1,
            discriminability=wilson(2, 6),
            discriminability_on_right=wilson(1, 3),
            discriminability_on_wrong=wilson(1, 3),
            discriminability_of_parsed=wilson(2, 5),
            discriminability_of_parsed_on_right=wilson(1, 3),
            discriminability_of_parsed_on_wrong=wilson(1, 2),
        ),
        unparsed_critiques=1,
        readable_critiques=wilson(0, 7),
        critiques_asked_again=0,
        failed_critiques=0,
        unanimous_critiques=wilson(0, 0),
        identical_critiques=wilson(0, 0),
        abstained=wilson(0, 7),
        kept_original=wilson(0, 0),
        bare_refinements=wilson(7, 7),
        truncated_responses=1,
        tokens=Tokens(actor=8 * 40, critic=0, total=8 * 40, prompts=8 * 30, cached=8 * 15, unknown_calls=8),
        seconds=12.346,
        run="runs/a",
        reasons=(
            Reason(status="failed", reason="unknown", problems=1, example="h"),
            Reason(status="quarantined", reason="RuntimeError: no worker", problems=1, example="i"),
        ),
    )


def test_summary_of_nothing_has_no_rates() -> None:
    summary = summarise(finished([]))
    assert summary.problems == 0
    assert summary.gain == summary.accuracy_first == wilson(0, 0)


def test_problem_whose_first_call_failed_counts_no_accuracy() -> None:
    trace = Trace.model_validate_json(row("a", "right", "right").trace or b"")
    broken = trace.model_copy(update={"chains": (Chain(index=0, stop="failed"),)})
    rows = [JournalRow("a", Outcome("done"), broken.model_dump_json(by_alias=True).encode())]
    summary = summarise(finished(rows))
    assert (summary.done, summary.ungraded, summary.accuracy_final.n) == (1, 1, 0)


@pytest.mark.parametrize(("total", "pending"), [(None, 0), (3, 1)], ids=["unknown", "known"])
def test_counts_add_up(total: int | None, pending: int) -> None:
    rows = [row("a", "right", "right"), row("b", "right", "right", status="failed")]
    summary = summarise(finished(rows, total=total))
    assert summary.pending == pending
    assert summary.problems == summary.done + summary.failed + summary.quarantined + summary.pending


def test_several_critiques_abstentions_and_kept_originals_are_counted(tmp_path: Path) -> None:
    right, wrong = critique_text("Correct"), critique_text("Wrong")
    vague = "Correctness of the final answer: Wrong\nExplanation: no."
    summary = run_problems(
        [Problem(id=name, question=f"{name}: what is 3 + 4?", answer="7") for name in "abc"],
        actor=ScriptedModel(replies=[solution(8), solution(7), solution(8), solution(8), solution(7)]),
        critic=ScriptedModel(
            replies=[
                *(wrong, wrong, right, right),  # a is refined, and the refinement is preferred
                *(wrong, right),  # b: too few share the verdict
                *(wrong, vague, "I like it.", ValueError("broken")),  # c is refined, and the original kept
            ]
        ),
        out=tmp_path / "run",
        concurrency=1,
        critiques=2,
        critic_temperature=1,
        agree="any_wrong",
        abstain_below=0.6,
        keep_original=True,
    )
    assert (summary.accuracy_final, summary.failed_critiques, summary.unparsed_critiques) == (wilson(1, 3), 1, 1)
    assert summary.unanimous_critiques == wilson(3, 4)
    assert summary.identical_critiques == wilson(2, 4)
    assert summary.abstained == wilson(1, 3)
    assert summary.kept_original == wilson(1, 2)
    assert summary.tokens.critic == 9 * 15
    traces = list(read_traces(tmp_path / "run"))
    assert [len(turn.judgements) for trace in traces for turn in trace.chains[0].rounds] == [2, 2, 2, 2, 1]
    assert [trace.usage["critic"].calls for trace in traces] == [4, 2, 3]
