"""The command line as a user meets it: output, exit codes, one-line errors."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from critique_graph.cli import main, run_command
from critique_graph.core import command_line
from critique_graph.graph_command import Graphs

QUESTION = "Ann has 12 apples. Ann buys 15 more. How many apples does Ann have?"


def run(*arguments: str) -> int:
    return run_command(list(arguments))


def test_solve_shows_the_story(capsys: pytest.CaptureFixture[str]):
    code = run("solve", QUESTION, "--reference", "27")

    shown = capsys.readouterr().out
    assert code == 0
    for part in ("response", "critique", "final answer", "majority vote", "answer: "):
        assert part in shown


def test_solve_quiet_prints_the_answer_alone(capsys: pytest.CaptureFixture[str]):
    run("solve", QUESTION, "--quiet")
    assert len(capsys.readouterr().out.split()) == 1


def test_solve_json_is_all_of_stdout(capsys: pytest.CaptureFixture[str]):
    run("solve", QUESTION, "--json", "--samples", "2")

    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert {"answer", "chains", "ballot", "usage"} <= result.keys()
    assert len(result["chains"]) == 2
    assert "critique" in printed.err


def test_solve_reads_standard_input(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    import io

    monkeypatch.setattr(sys, "stdin", io.StringIO(QUESTION))
    assert run("solve", "-", "--quiet") == 0


def test_run_prints_the_fixed_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    code = run("run", "miniature", "--limit", "5", "--seed", "3", "--out", str(tmp_path / "run"), "--json", "--quiet")

    summary = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (summary["problems"], summary["done"], summary["failed"]) == (5, 5, 0)
    for rate in ("accuracy_first", "accuracy_final", "gain"):
        assert {"value", "low", "high", "n"} <= summary[rate].keys()
    assert sum(summary["flips"].values()) == 5
    assert summary["tokens"]["total"] == summary["tokens"]["actor"] + summary["tokens"]["critic"] > 0
    assert Path(summary["run"]) == tmp_path / "run"
    assert {"run.yaml", "manifest.json", "journal.sqlite", "traces.jsonl"} <= {
        p.name for p in (tmp_path / "run").iterdir()
    }


def test_run_again_resumes_and_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    command = ["run", "--limit", "3", "--seed", "3", "--out", str(tmp_path / "run"), "--json", "--quiet"]
    summaries = []
    for _ in range(2):
        assert run(*command) == 0
        summary = json.loads(capsys.readouterr().out)
        del summary["seconds"]
        summaries.append(summary)

    assert summaries[0] == summaries[1]


def test_run_takes_its_settings_from_yaml_and_flags_win(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    config = tmp_path / "run.yaml"
    config.write_text("limit: 3\nsamples: 2\nrounds: 0\n")

    run("run", "--config", str(config), "--limit", "2", "--out", str(tmp_path / "run"), "--json", "--quiet")

    assert json.loads(capsys.readouterr().out)["problems"] == 2
    trace = json.loads((tmp_path / "run" / "traces.jsonl").read_text().splitlines()[0])
    assert len(trace["chains"]) == 2
    assert {"schema", "problem", "chains", "answer", "correct", "usage"} <= trace.keys()


def test_the_run_yaml_of_a_run_repeats_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run("run", "--limit", "2", "--seed", "4", "--out", str(tmp_path / "one"), "--json", "--quiet")
    first = json.loads(capsys.readouterr().out)

    code = run("run", "--config", str(tmp_path / "one/run.yaml"), "--out", str(tmp_path / "two"), "--json", "--quiet")

    assert code == 0
    assert json.loads(capsys.readouterr().out)["tokens"] == first["tokens"]


def test_merge_prints_what_one_process_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    command = ["run", "--limit", "3", "--seed", "3", "--json", "--quiet"]
    parts = [str(tmp_path / "part-1"), str(tmp_path / "part-2")]
    assert run(*command, "--out", str(tmp_path / "whole")) == 0
    whole = json.loads(capsys.readouterr().out)
    for number, part in enumerate(parts, start=1):
        assert run(*command, "--shard", f"{number}/2", "--out", part) == 0
        assert json.loads(capsys.readouterr().out)["problems"] == 3 - number

    assert run("merge", *parts, "--out", str(tmp_path / "all"), "--json") == 0
    merged = json.loads(capsys.readouterr().out)
    assert {**merged, "seconds": 0, "run": ""} == {**whole, "seconds": 0, "run": ""}


def write(path: Path, text: str | bytes) -> str:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


BAD_INPUT: dict[str, tuple[Any, str]] = {
    "no such file": (lambda tmp: ["run", str(tmp / "none.jsonl")], "none.jsonl"),
    "a folder": (lambda tmp: ["run", str(tmp)], "folder"),
    "binary file": (lambda tmp: ["run", write(tmp / "b.jsonl", b"\x00\xff\xfe\x00")], "b.jsonl"),
    "broken line": (
        lambda tmp: ["run", write(tmp / "p.jsonl", '{"question": "1+1?", "answer": "2"}\n{"question": ')],
        "2",
    ),
    "no question field": (
        lambda tmp: ["run", write(tmp / "p.jsonl", '{"text": "1+1?"}\n')],
        "--question-field",
    ),
    "empty set": (lambda tmp: ["run", write(tmp / "p.jsonl", "")], "p.jsonl"),
    "duplicate ids": (
        lambda tmp: [
            "run",
            write(tmp / "p.jsonl", '{"id": "a", "question": "1?"}\n{"id": "a", "question": "2?"}\n'),
        ],
        "'a'",
    ),
    "bad flag value": (lambda tmp: ["run", "--samples", "0"], "--samples"),
    "bad choice": (lambda tmp: ["run", "--gate", "never"], "--gate"),
    "unknown flag": (lambda tmp: ["run", "--sampels", "2"], "--samples"),
    "no such shard": (lambda tmp: ["run", "--shard", "9/8"], "'9/8'"),
    "no shards": (lambda tmp: ["merge"], "runs/part-1"),
    "shards of no run": (lambda tmp: ["merge", str(tmp)], "manifest.json"),
    "unknown verb": (lambda tmp: ["rnu"], "run"),
    "unknown model": (lambda tmp: ["run", "--actor", "gpt"], "gpt"),
    "no such model folder": (lambda tmp: ["run", "-n", "1", "--actor", f"hf:{tmp}/none"], "none"),
    "unknown miniature": (lambda tmp: ["run", "--actor", "miniature:judge"], "miniature:judge"),
    "no config": (lambda tmp: ["run", "--config", str(tmp / "no.yaml")], "no.yaml"),
    "broken config": (lambda tmp: ["run", "--config", write(tmp / "c.yaml", "a: [")], ""),
    "unknown setting in config": (
        lambda tmp: ["run", "--config", write(tmp / "c.yaml", "smples: 2")],
        "smples",
    ),
    "evaluation of nothing": (lambda tmp: ["miniature", "eval", "-n", "0"], "0"),
    "evaluation of no model": (lambda tmp: ["miniature", "eval", "-n", "1", "--actor", f"hf:{tmp}/none"], "none"),
    "negative number of problems": (lambda tmp: ["miniature", "problems", "-n", "-1"], "-1"),
    "empty question": (lambda tmp: ["solve", " "], "empty"),
    "oracle without reference": (lambda tmp: ["solve", "1?", "--gate", "oracle"], "--reference"),
}


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_is_one_line_and_exit_2(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    build, names = BAD_INPUT[name]
    arguments = build(tmp_path)
    if arguments[0] == "run":
        arguments += ["--out", str(tmp_path / "run"), "--quiet"]

    code = run(*arguments)

    printed = capsys.readouterr()
    assert (code, printed.out) == (2, "")
    assert printed.err.startswith("critique-graph: ")
    assert printed.err.count("\n") == 1
    assert names in printed.err


@pytest.mark.enable_socket
def test_server_that_does_not_answer_is_one_line_and_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    command = ["run", "--actor", "openai:any", "--base-url", "http://127.0.0.1:9/v1", "--out", str(tmp_path / "run")]

    assert run(*command) == 2

    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "http://127.0.0.1:9/v1: no server answers there" in message
    assert not (tmp_path / "run" / "journal.sqlite").exists()


def test_run_of_another_configuration_is_refused_with_the_setting_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    common = ["--limit", "2", "--out", str(tmp_path / "run"), "--quiet"]
    run("run", *common)
    capsys.readouterr()

    assert run("run", *common, "--samples", "3") == 2
    message = capsys.readouterr().err
    assert "samples" in message
    assert "--fresh" in message

    assert run("run", *common, "--samples", "3", "--fresh") == 0


def test_graph_prints_mermaid(capsys: pytest.CaptureFixture[str]):
    assert run("graph", "actor_critic") == 0
    shown = capsys.readouterr().out
    for node in ("solve", "critique", "refine", "vote"):
        assert node in shown


@pytest.mark.parametrize("name", Graphs)
def test_every_graph_is_drawn_with_its_end(name: str, capsys: pytest.CaptureFixture[str]):
    assert run("graph", name) == 0
    assert "> __end__;" in capsys.readouterr().out


def test_doctor_json_has_the_fixed_keys(capsys: pytest.CaptureFixture[str]):
    assert run("doctor", "--json") == 0
    diagnosis = json.loads(capsys.readouterr().out)
    assert {"devices", "backends", "versions", "miniature"} <= diagnosis.keys()
    assert all(Path(path).is_dir() for path in diagnosis["miniature"].values())


@pytest.mark.slow
def test_miniature_eval_prints_one_object_or_a_table(capsys: pytest.CaptureFixture[str]):
    command = ("miniature", "eval", "-n", "3", "--samples", "1", "--seed", "5")
    assert run(*command, "--json") == 0
    assert json.loads(capsys.readouterr().out)["actor"]["greedy"]["n"] == 3
    assert run(*command) == 0
    assert re.search(r"actor, greedy +[\d.]+ % \[[\d.]+, [\d.]+\] \(n = 3\)", capsys.readouterr().out)


@pytest.mark.parametrize("verb", ["solve", "run", "self-talk", "graph", "doctor", "miniature"])
def test_help_shows_an_example(verb: str, capsys: pytest.CaptureFixture[str]):
    assert run(verb, "--help") == 0
    assert f"critique-graph {verb}" in capsys.readouterr().out


def test_output_into_a_closed_pipe_is_no_error():
    command = f"{sys.executable} -m critique_graph graph | true"
    assert subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True).stderr == b""


def test_threads_of_torch_do_not_spin_for_long_unless_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["critique-graph", "--version"])
    monkeypatch.setattr(command_line, "end_process", None)  # main sets it, and it would end the tests' own process
    for given, expected in ((None, "3000"), ("9", "9")):
        monkeypatch.setenv("GOMP_SPINCOUNT", given or "")
        if given is None:
            monkeypatch.delenv("GOMP_SPINCOUNT")
        with pytest.raises(SystemExit):
            main()
        assert os.environ["GOMP_SPINCOUNT"] == expected
