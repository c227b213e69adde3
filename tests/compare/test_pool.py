import json
from pathlib import Path

import pytest
from hashed_model import HashedModel

from critique_graph.calls import caller as calls
from critique_graph.cli import run_command
from critique_graph.compare.comparison import Comparison
from critique_graph.compare.pool import compare_run, compare_strategies
from critique_graph.core.errors import InputError, NothingDoneError
from critique_graph.runs.journal import read_journal
from critique_graph.runs.traces import read_traces

STRATEGIES = [
    "greedy",
    "sample",
    "majority",
    "critic_loop",
    "critic_loop_vote",
    "critic_filtered",
    "critic_weighted",
    "sequential",
    "self_correction",
    "oracle_loop",
    "oracle_choice",
]


def problem_file(folder: Path, count: int = 6) -> str:
    rows = [{"id": f"p{i}", "question": f"What is {i} + {i * 7 % 13}?", "answer": i + i * 7 % 13} for i in range(count)]
    path = folder / "problems.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def compare(folder: Path, model: HashedModel, **settings: object) -> Comparison:
    given = {"problems": problem_file(folder), "samples": 4, "rounds": 2, **settings}
    return compare_strategies(**given, actor=model, critic=model, out=folder / "run")  # type: ignore[arg-type]


def test_every_strategy_is_compared_on_one_pool(tmp_path: Path):
    model = HashedModel()
    comparison = compare(tmp_path, model)

    assert (comparison.state, comparison.problems, comparison.unfinished) == ("complete", 6, 0)
    assert list(comparison.strategies) == STRATEGIES
    # a problem: 4 chains of response, 2 critiques, 2 refinements; 4 retries; 1 greedy response; 8 more to vote
    assert len(model.prompts) == 6 * (4 * 5 + 4 + 1 + 8)
    assert (comparison.samples, comparison.votes) == (4, 12)
    assert comparison.tokens == sum(trace.usage["total"].total_tokens for trace in read_traces(tmp_path / "run"))
    for figures in comparison.strategies.values():
        assert figures.accuracy.n == 6
        assert figures.tokens_per_problem is not None
        assert figures.seconds_per_problem is not None
    assert [name for name, its in comparison.strategies.items() if its.is_upper_bound] == STRATEGIES[-2:]


def test_same_command_again_and_the_saved_run_call_no_model(tmp_path: Path):
    comparison = compare(tmp_path, HashedModel())
    broken = HashedModel(faults={"": RuntimeError("called")})

    again = compare(tmp_path, broken)

    assert broken.prompts == []
    assert again.strategies == compare_run(tmp_path / "run").strategies == comparison.strategies


def test_reference_reaches_no_prompt(tmp_path: Path):
    rows = [{"question": "What is 3 + 4?", "answer": "7777"}]
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps(rows[0]))
    model = HashedModel()
    compare(tmp_path, model, problems=str(path))

    assert not any("7777" in prompt for prompt in model.prompts)


def test_problem_without_a_reference_is_refused_before_any_call(tmp_path: Path):
    path = tmp_path / "p.jsonl"
    path.write_text('{"question": "What is 3 + 4?"}')
    model = HashedModel()

    with pytest.raises(InputError, match="has no reference answer"):
        compare(tmp_path, model, problems=str(path))
    assert model.prompts == []


def test_problem_with_a_failed_call_is_left_out_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(calls, "MAX_ATTEMPTS", 1)
    comparison = compare(tmp_path, HashedModel(faults={"What is 3 +": ConnectionError("gone")}))

    assert (comparison.problems, comparison.unfinished) == (5, 1)


def test_failed_retry_is_a_failure_of_its_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(calls, "MAX_ATTEMPTS", 1)
    with pytest.raises(NothingDoneError, match="no problem was finished"):
        compare(tmp_path, HashedModel(faults={"<critique>\n\n</critique>": ConnectionError("gone")}))

    assert [row.outcome.status for row in read_journal(tmp_path / "run" / "journal.sqlite")] == ["failed"] * 6


def run(*arguments: str) -> int:
    return run_command(["compare", *arguments])


def test_command_prints_the_fixed_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "run"
    code = run("miniature", "--limit", "2", "--samples", "2", "--out", str(out), "--json", "--quiet")

    found = json.loads(capsys.readouterr().out)
    assert code == 0
    assert list(found["strategies"]) == STRATEGIES
    for figures in found["strategies"].values():
        assert {"value", "low", "high", "n"} == figures["accuracy"].keys()
        assert {"tokens_per_problem", "seconds_per_problem"} <= figures.keys()
    assert "the critic loop" in found["verdict"]

    assert run(str(out)) == 0
    printed = capsys.readouterr().out
    assert "oracle gate *" in printed
    assert found["verdict"] in " ".join(printed.split())


def test_saved_run_of_the_loop_is_voted_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "run"
    run_command(["run", "--limit", "2", "--samples", "2", "--out", str(out), "--json", "--quiet"])
    capsys.readouterr()

    assert run(str(out), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert "critic_loop" in found["strategies"]
    assert not {"greedy", "sequential", "oracle_loop"} & set(found["strategies"])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["FOLDER", "--samples", "3"], "--samples does not apply to a saved run"),
        (["FOLDER", "--out", "x"], "--out does not apply to a saved run"),
        (["FOLDER"], "there is no run in this folder"),
        (["miniature", "--samples", "1"], "greater than or equal to 2"),
        (["miniature", "--plot", "curve.gif"], "the ending must be one of .svg, .png, .pdf"),
        (["miniature", "--plot", "none/curve.svg"], "there is no folder none"),
    ],
    ids=["settings", "out", "no run", "samples", "format", "folder"],
)
def test_bad_input_is_one_line(arguments: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    code = run(*(str(tmp_path) if argument == "FOLDER" else argument for argument in arguments))

    assert code == 2
    assert reason in " ".join(capsys.readouterr().err.split())
