"""The best of several runs is chosen on one half of the problems, and measured on the other."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import ScriptedModel, critique_text, reply, solution

from critique_graph import Problem, run_problems
from critique_graph.choose.choose import choose_run, strategy_of
from critique_graph.cli import run_command
from critique_graph.core.errors import InputError

PROBLEMS = [Problem(id=f"p{n}", question=f"{n}: 3 + 4?", answer="7") for n in range(40)]


def play(out: Path, is_right: Callable[[int], bool], *, tokens: int = 5, **settings: Any) -> Path:
    """Play a run whose responses are correct on some problems, and cost a number of tokens beside 10 of the prompt."""

    def act(messages: Any) -> Any:
        number = int(messages[0].text.partition(":")[0].rpartition("\n")[2])
        return reply(solution(7 if is_right(number) else 8), output_tokens=tokens)

    critic = ScriptedModel(answer=lambda messages: critique_text("Correct"))
    settings = {"rounds": 0, **settings}
    run_problems(
        settings.pop("problems", PROBLEMS), actor=ScriptedModel(answer=act), critic=critic, out=out, **settings
    )
    return out


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [
        play(tmp_path / "cheap", lambda n: n % 4 == 0),
        play(tmp_path / "dear", lambda n: n % 4 != 0, tokens=90),
        play(tmp_path / "loop", lambda n: True, tokens=190, rounds=1),
    ]


def test_best_run_within_each_budget_is_measured_on_the_other_half(runs: list[Path]):
    cheap, dear, loop = map(str, runs)

    choice = choose_run(runs, budgets=[14, 15, 100, 1000])

    none, *found = choice.budgets
    assert (none.best, none.without_critic, none.difference) == (None, None, None)
    assert [each.best and each.best.run for each in found] == [cheap, dear, loop]
    assert [each.without_critic and each.without_critic.run for each in found] == [cheap, dear, dear]
    last = found[-1]
    assert last.best is not None
    assert last.without_critic is not None
    assert last.difference is not None
    assert last.best.cost == 10 + 190 + 15
    assert (choice.problems, last.best.when_chosen.n, last.best.accuracy.n) == (40, 20, 20)
    assert last.difference.value == pytest.approx(1 - (last.without_critic.accuracy.value or 0))
    assert choice.runs[loop] == {"rounds": 1}


def test_halves_share_no_problem_and_the_seed_draws_them(runs: list[Path]):
    by_seed = [choose_run(runs[:2], seed=seed).budgets[-1].best for seed in range(8)]

    for best in by_seed:
        assert best is not None
        right = 20 * ((best.when_chosen.value or 0) + (best.accuracy.value or 0))
        assert round(right) == 30  # every problem is in one half
    assert len({best and best.accuracy.value for best in by_seed}) > 1


def test_accuracy_of_the_luckiest_of_many_is_not_that_by_which_it_was_chosen(tmp_path: Path):
    draw = random.Random(0)
    tossed = [play(tmp_path / f"coin{n}", lambda _: draw.random() < 0.5) for n in range(12)]

    chosen = [choose_run(tossed, seed=seed).budgets[-1].best for seed in range(10)]

    when_chosen = sum(best.when_chosen.value or 0 for best in chosen if best) / 10
    held_out = sum(best.accuracy.value or 0 for best in chosen if best) / 10
    assert when_chosen > 0.6
    assert held_out < when_chosen - 0.05


def test_calls_are_a_budget_too_and_three_budgets_are_the_default(runs: list[Path]):
    choice = choose_run(runs, unit="calls")

    assert [each.budget for each in choice.budgets] == [1, 1, 2]
    assert [each.best and each.best.cost for each in choice.budgets] == [1, 1, 2]


def test_curve_has_the_best_of_each_strategy(runs: list[Path]):
    choice = choose_run(runs)

    assert [(point.strategy, point.best.run) for point in choice.curve] == [
        ("without a critic", str(runs[0])),
        ("without a critic", str(runs[1])),
        ("one critique", str(runs[2])),
    ]


@pytest.mark.parametrize(
    ("settings", "strategy"),
    [
        ({"rounds": 0, "samples": 8}, "without a critic"),
        ({"rounds": 1}, "one critique"),
        ({"rounds": 1, "critiques": 3}, "several critiques"),
        ({"rounds": 1, "critiques": 3, "abstain_below": 0.5}, "several critiques, with care"),
        ({"rounds": 1, "keep_original": True}, "one critique, with care"),
        ({"rounds": 1, "critiques": 3, "refine_best": 2}, "pool"),
    ],
)
def test_strategies_are_named_by_their_settings(settings: dict[str, Any], strategy: str):
    assert strategy_of(settings) == strategy


def test_only_problems_that_all_runs_graded_count(tmp_path: Path, runs: list[Path]):
    fewer = play(tmp_path / "fewer", lambda n: True, problems=PROBLEMS[:10])

    assert choose_run([runs[0], fewer]).problems == 10


def test_runs_that_cannot_be_compared_are_refused(tmp_path: Path, runs: list[Path]):
    others = [Problem(id=each.id, question=f"{each.question} please", answer="7") for each in PROBLEMS]
    ungraded = [Problem(id=each.id, question=each.question) for each in PROBLEMS]

    with pytest.raises(InputError, match="needs two runs or more"):
        choose_run(runs[:1])
    with pytest.raises(InputError, match="are of different problems: p0 is not the same in both"):
        choose_run([runs[0], play(tmp_path / "others", lambda n: True, problems=others)])
    with pytest.raises(InputError, match="fewer than two graded problems in common"):
        choose_run([runs[0], play(tmp_path / "ungraded", lambda n: True, problems=ungraded)])
    with pytest.raises(InputError, match="nothing: this is no run folder"):
        choose_run([runs[0], tmp_path / "nothing"])


def test_command_prints_a_table_and_json_and_draws(
    runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    names = [run.name for run in runs]

    assert run_command(["choose", *names, "--budget", "100", "--budget", "1", "--plot", str(tmp_path / "a.svg")]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "none takes so little" in shown
    assert "it is a run without a critic" in shown
    assert run_command(["choose", *names, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["budgets"]) == 3
    assert (tmp_path / "a.csv").read_text().count("without a critic") == 2
    assert run_command(["choose", *names, "--budget", "-1"]) == 2


def test_seconds_are_the_shares_of_the_time_of_a_run(runs: list[Path]):
    for run, seconds in zip(runs[:2], (1.0, 4.0), strict=True):
        file = run / "traces.jsonl"
        traces = [json.loads(line) for line in file.read_text().splitlines()]
        for place, trace in enumerate(traces):  # two calls in flight at each moment
            trace["chains"][0]["response"]["call"] |= {"started": seconds * (place // 2), "seconds": seconds}
        file.write_text("\n".join(map(json.dumps, traces)) + "\n")
        (run / "journal.sqlite").unlink()  # else its traces would count, not the changed ones

    cheap, dear = choose_run(runs[:2], budgets=[0.6, 2.5], unit="seconds").budgets

    assert cheap.best is not None
    assert dear.best is not None
    assert (cheap.best.run, cheap.best.cost) == (str(runs[0]), pytest.approx(0.5))
    assert (dear.best.run, dear.best.cost) == (str(runs[1]), pytest.approx(2.0))
