"""`critique-graph generate`: the funnel, the data set, and runs that stop in the middle."""

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from fakes import ScriptedModel, critique_text
from killable_generation import RIGHT
from langchain_core.messages import AIMessage

from critique_graph.cli import run_command
from critique_graph.core.critique import parse_critique
from critique_graph.core.steps import split_steps
from critique_graph.generate.dataset import CritiqueRow, write_parquet
from critique_graph.generate.mathcritique import read_example
from critique_graph.graphs.prompts import data_prompts, prompt_hash
from critique_graph.metrics.intervals import independent_difference, wilson
from critique_graph.miniature.annotator import ExactAnnotator, read_exercise
from critique_graph.miniature.task import split_of
from critique_graph.nodes.critique import critique_messages


class Continuing(ScriptedModel):
    """A scripted model that can continue a message of its own."""

    continues_final_message: ClassVar[bool] = True
    is_trained_here: ClassVar[bool] = True


CHATTY = {
    "actor": ScriptedModel(answer=lambda messages: "2 + 3 = 5.\nThe answer is 5."),
    "annotator": ScriptedModel(answer=lambda messages: "What a lovely solution!"),
    "corruptor": "exact",
}
"""An annotator that ignores the format."""
SMALL = ("--samples", "4", "--attempts", "2", "--refinements", "4", "--rollouts", "2", "--quiet", "--json")


def generate(out: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[dict[str, Any], list[Any]]:
    """The summary and the data set's rows."""
    assert run_command(["generate", *(arguments or ("miniature",)), "--out", str(out), *SMALL]) == 0
    lines = (out / "dataset" / "train.jsonl").read_text().splitlines()
    return json.loads(capsys.readouterr().out), [json.loads(line) for line in lines]


def test_data_set_and_funnel_add_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    summary, rows = generate(tmp_path / "run", capsys, "miniature", "--limit", "8", "--seed", "3")
    assert (summary["problems"], summary["done"]) == (8, 8)
    assert summary["kept"] == len(rows) == sum(summary["kept_by_strategy"].values()) > 0
    for strategy in ("rg1", "rg2", "rg3", "correct"):
        passages = [summary["funnel"][stage][strategy] for stage in ("paths", "annotate", "filter")]
        for passage in passages:
            assert passage["in"] == passage["out"] + sum(passage["dropped"].values())
        assert [passage["out"] for passage in passages[:2]] == [passage["in"] for passage in passages[1:]]
        assert passages[-1]["out"] == summary["kept_by_strategy"][strategy]
        share = summary["kept_share"][strategy]
        assert (share["n"], round((share["value"] or 0) * share["n"])) == (passages[1]["in"], passages[2]["out"])
    assert sum(summary["kept_by_steps"].values()) == sum(summary["kept_by_verdict"].values()) == summary["kept"]
    assert summary["kept_by_verdict"]["correct"] == summary["kept_by_strategy"]["correct"]
    assert sum(share["n"] for share in summary["kept_share_by_level"].values()) == sum(
        passage["in"] for passage in summary["funnel"]["annotate"].values()
    )
    assert summary["tokens"]["total"] > 0
    costs = summary["cost_by_strategy"]
    assert sum(cost["actor_calls"] for cost in costs.values()) == summary["calls"]["actor"]
    assert sum(cost["tokens"] for cost in costs.values()) == summary["tokens"]["total"]
    assert summary["actor_calls_per_kept"] == summary["calls"]["actor"] / summary["kept"]
    for strategy, kept in summary["kept_by_strategy"].items():
        assert costs[strategy]["tokens_per_kept"] == (costs[strategy]["tokens"] / kept if kept else None)
    for row in rows:
        assert (row["verdict"] == "correct") == row["is_correct"] == (row["answer"] == row["reference"])
        assert row["is_correct"] == (row["strategy"] == "correct")
        critique = parse_critique(row["critique"], row["response"])
        assert critique.final == row["verdict"]
        assert row["error_step"] in (None, row["first_error"])
        assert row["is_correct"] or row["right_with"] > row["right_without"]


def test_problems_of_the_miniature_are_for_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    _, rows = generate(tmp_path / "run", capsys, "--limit", "4", "--strategies", "correct")
    assert {split_of(read_exercise(row["question"]).operations) for row in rows} == {"train"}


def test_same_command_again_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    given = ("--limit", "4", "--seed", "5")
    first = generate(tmp_path / "run", capsys, *given)
    again = generate(tmp_path / "run", capsys, *given)
    assert again[1] == first[1]
    assert again[0]["funnel"] == first[0]["funnel"]


def test_data_set_loads_and_its_card_says_how_it_was_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    datasets = pytest.importorskip("datasets")
    _, rows = generate(tmp_path / "run", capsys, "--limit", "4")
    folder = tmp_path / "run" / "dataset"
    loaded = datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded["critique"] == [row["critique"] for row in rows]
    card = (folder / "README.md").read_text()
    assert "Actor: miniature:actor. Annotator: miniature:annotator." in card
    assert "| filter | correct |" in card
    header = yaml.safe_load(card.split("---\n")[1])
    assert (header["license"], header["configs"][0]["data_files"][0]["path"]) == ("apache-2.0", "train.jsonl")
    assert all(f"| `{name}` | " in card for name in rows[0])
    assert prompt_hash(data_prompts()["annotate"]) in card
    assert "arXiv:2411.16579" in card


def test_card_of_problems_of_unknown_licence_says_so_and_names_no_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("critique_graph.verbs.job.load_roles", lambda roles: CHATTY)
    (tmp_path / "problems.jsonl").write_text('{"question": "What is 2 + 3?", "answer": "5"}\n')
    generate(tmp_path / "run", capsys, str(tmp_path / "problems.jsonl"), "--base-url", "http://gpu7.lab.example/v1")
    card = (tmp_path / "run" / "dataset" / "README.md").read_text()
    assert "\nlicense: unknown\n" in card
    assert "state it in the header before" in card
    assert "gpu7" not in card


def test_problem_without_a_reference_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "problems.jsonl").write_text('{"id": "a", "question": "What is 2 + 3?"}\n')
    assert run_command(["generate", str(tmp_path / "problems.jsonl"), "--out", str(tmp_path / "run")]) == 2
    assert "problem 'a' has no reference answer; generation needs one." in " ".join(capsys.readouterr().err.split())


def test_annotator_that_knows_the_miniature_alone_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    makers = {**CHATTY, "annotator": ExactAnnotator()}
    monkeypatch.setattr("critique_graph.verbs.job.load_roles", lambda roles: makers)
    (tmp_path / "problems.jsonl").write_text('{"question": "What is 2 + 3?", "answer": "5"}\n')
    summary, rows = generate(tmp_path / "run", capsys, str(tmp_path / "problems.jsonl"))
    assert rows == []
    assert summary["funnel"]["annotate"]["correct"] == {"in": 1, "out": 0, "dropped": {"failed": 1}}


def test_problems_that_the_actor_never_solves_get_rows_from_their_solutions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def solve(messages: Any) -> str:
        if isinstance(messages[-1], AIMessage):
            return "\nThe answer is 99."
        return RIGHT if "<critique>\nStep" in messages[-1].text else "I cannot say."

    def annotate(messages: Any) -> str:
        response = re.search("<response>\n(.*)\n</response>", messages[-1].text, re.DOTALL)
        steps = split_steps(html.unescape(response[1]))[:-1] if response else ()
        return critique_text("Wrong", *((step, "Correct") for step in steps[:-1]), (steps[-1], "Wrong"))

    models = {"actor": Continuing(answer=solve), "annotator": ScriptedModel(answer=annotate), "corruptor": "exact"}
    monkeypatch.setattr("critique_graph.verbs.job.load_roles", lambda roles: models)
    solution = "Ann has 3+4 = <<3+4=7>>7 apples.\nDoubled, she has 7*2 = <<7*2=14>>14 apples.\n#### 14"
    (tmp_path / "problems.jsonl").write_text(json.dumps({"question": "How many apples?", "answer": solution}))
    problems = str(tmp_path / "problems.jsonl")
    _, rows = generate(tmp_path / "without", capsys, problems)
    assert rows == []
    _, rows = generate(tmp_path / "run", capsys, problems, "--from-solutions")
    assert {row["strategy"] for row in rows} == {"rg2", "rg3"}
    assert {row["template"] for row in rows} == {"reference"}
    assert not any("<<" in row["response"] or "####" in row["response"] for row in rows)
    assert "from_solutions" in (tmp_path / "run" / "dataset" / "README.md").read_text()


def test_solutions_that_are_wanted_and_not_there_are_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("critique_graph.verbs.job.load_roles", lambda roles: CHATTY)
    (tmp_path / "problems.jsonl").write_text('{"question": "What is 2 + 3?", "answer": "5"}\n')
    command = ["generate", str(tmp_path / "problems.jsonl"), "--out", str(tmp_path / "run"), *SMALL, "--from-solutions"]
    run_command(command)
    assert "no worked solutions found, so from_solutions changes nothing" in caplog.text


def test_target_and_ratio_choose_the_first_rows_and_no_more_problems_are_begun(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    given = ("--limit", "400", "--seed", "3", "--concurrency", "2")
    wanted = ("--target", "4", "--ratio", "correct=0.5")
    summary, rows = generate(tmp_path / "run", capsys, *given, *wanted)
    assert summary["rows"] == len(rows) == 4
    assert [row["is_correct"] for row in rows].count(True) == 2
    assert summary["done"] < summary["problems"] == 400
    more, _ = generate(tmp_path / "run", capsys, *given, "--target", "5")
    assert more["rows"] == 5


def test_near_copies_of_a_test_set_and_of_earlier_problems_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("datasketch")
    monkeypatch.setattr("critique_graph.verbs.job.load_roles", lambda roles: CHATTY)
    questions = ["What is 2 + 3?", "Natalia sold 5 clips in May. How many is that?", "what is 2  + 3 ?"]
    for name, texts in (("train", questions), ("test", questions[1:2])):
        rows = [json.dumps({"question": text, "answer": "5"}) for text in texts]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(rows))
    given = (str(tmp_path / "train.jsonl"), "--exclude", str(tmp_path / "test.jsonl"), "--distinct")
    summary, _ = generate(tmp_path / "run", capsys, *given)
    assert (summary["problems"], summary["left_out"]) == (1, {"excluded": 1, "repeated": 1})


def test_export_gives_rows_of_every_task_in_the_nodes_prompts(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    _, rows = generate(tmp_path / "run", capsys, "--limit", "8", "--seed", "3")
    wrong = [row for row in rows if not row["is_correct"]]

    def export(*arguments: str) -> list[Any]:
        assert run_command(["export", str(tmp_path / "run"), *arguments, "--out", str(tmp_path / "rows.jsonl")]) == 0
        return [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]

    critic = export("--to", "trl", "--task", "critic")
    assert [row["completion"][0]["content"] for row in critic] == [row["critique"] for row in rows]
    expected = critique_messages(rows[0]["question"], rows[0]["response"])
    assert critic[0]["prompt"] == [{"role": "user", "content": expected[0].text}]
    with_reasoning = export("--to", "trl", "--task", "critic", "--reasoning")
    learned = [row["completion"][0]["content"] for row in with_reasoning]
    assert learned == [f"<think>\n{row['reasoning']}\n</think>\n\n{row['critique']}" for row in rows]
    refiner = export("--to", "trl", "--task", "refiner")
    assert [row["completion"][0]["content"] for row in refiner] == [row["refinement"] for row in wrong]
    assert [len(row["prompt"]) for row in refiner] == [3] * len(wrong)
    assert len(export("--to", "trl", "--task", "actor")) == len(rows)
    assert [read_example(record).critique for record in export("--to", "mathcritique")] == [
        row["critique"] for row in wrong
    ]


def test_rows_have_the_shares_of_both_arms_and_the_lift_with_their_intervals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    _, rows = generate(tmp_path / "run", capsys, "--limit", "8", "--seed", "3")
    for row in rows:
        shares = wilson(row["right_with"], row["refinements"]), wilson(row["right_without"], row["refinements_without"])
        assert (row["share_with"], row["share_without"]) == tuple(share.model_dump() for share in shares)
        assert row["lift"] == independent_difference(shares[1], shares[0]).model_dump()
        assert (row["lift"]["value"] is None) == row["is_correct"]


def test_export_to_parquet_has_the_same_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    parquet = pytest.importorskip("pyarrow.parquet")
    _, rows = generate(tmp_path / "run", capsys, "--limit", "8", "--seed", "3")
    file = tmp_path / "rows.parquet"
    assert run_command(["export", str(tmp_path / "run"), "--to", "parquet", "--out", str(file)]) == 0
    assert parquet.read_table(file).to_pylist() == [{**row, "prompts": None} for row in rows]


def test_parquet_file_that_cannot_be_written_to_its_end_leaves_nothing(tmp_path: Path):
    pytest.importorskip("pyarrow")

    def rows() -> Iterator[CritiqueRow]:
        raise OSError("disk full")
        yield

    with pytest.raises(OSError, match="disk full"):
        write_parquet(tmp_path / "rows.parquet", rows())
    assert list(tmp_path.iterdir()) == []


def test_test_split_of_the_hub_is_refused(capsys: pytest.CaptureFixture[str]):
    assert run_command(["generate", "hf:openai/gsm8k:main:test"]) == 2
    assert "a test split makes no training data" in " ".join(capsys.readouterr().err.split())


def test_export_of_something_else_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run_command(["export", str(tmp_path), "--to", "trl"]) == 2
    assert "there is no data set here" in " ".join(capsys.readouterr().err.split())


def test_preview_shows_a_prompt_and_records_and_the_whole_run_goes_on_from_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    command = ["generate", "--seed", "3", "--out", str(tmp_path / "run"), *SMALL]
    assert run_command([*command, "--preview", "8"]) == 0
    printed = capsys.readouterr()
    preview = json.loads(printed.out)
    assert preview["problems"] == 8
    assert "The reference answer is" in printed.err
    assert printed.err.count("correct refinements:") == preview["kept"] > 0
    assert run_command([*command, "--limit", "9"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert whole["problems"] == 9
    assert whole["kept"] >= preview["kept"]


def test_preview_says_what_all_problems_would_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    command = ["generate", "--limit", "40", "--seed", "3", "--out", str(tmp_path / "run"), *SMALL]
    assert run_command([*command, "--preview", "4"]) == 0
    printed = capsys.readouterr()
    preview = json.loads(printed.out)
    said = " ".join(printed.err.split())
    assert f"at this rate, 40 problems: actor {10 * preview['calls']['actor']:,} calls" in said
    assert f"{10 * preview['tokens']['total']:,} tokens in all" in said


def test_dry_run_guesses_the_calls_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    command = ["generate", "--limit", "8", "--seed", "3", "--out", str(tmp_path / "run"), *SMALL]
    assert run_command([*command, "--dry-run"]) == 0
    bound = json.loads(capsys.readouterr().out)
    assert not (tmp_path / "run").exists()
    assert run_command(command) == 0
    calls = json.loads(capsys.readouterr().out)["calls"]
    assert bound["problems"] == 8
    assert all(0 < calls[role] <= bound["calls"][role] for role in ("actor", "annotator"))
    assert "corruptor" not in bound["calls"], "the exact one calls no model"


def test_show_prints_records_drawn_at_random(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    _, rows = generate(tmp_path / "run", capsys, "--limit", "4", "--seed", "3")
    assert run_command(["show", str(tmp_path / "run"), "-n", "2"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("correct refinements:") == 2 < len(rows)


def test_annotator_that_never_keeps_to_the_format_stops_the_run_and_is_quoted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("critique_graph.verbs.job.load_roles", lambda roles: CHATTY)
    lines = [json.dumps({"question": f"What is 2 + 3? ({n})", "answer": "5"}) for n in range(100)]
    (tmp_path / "problems.jsonl").write_text("\n".join(lines))
    code = run_command(["generate", str(tmp_path / "problems.jsonl"), "--out", str(tmp_path / "run"), *SMALL])
    assert code == 4
    assert "critiques that cannot be read: 'What a lovely solution!'" in " ".join(capsys.readouterr().err.split())
