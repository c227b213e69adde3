"""`critique-graph train`, on data of the miniature: what it leaves, how it resumes, what it refuses."""

import json
import os
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path
from shutil import copytree
from typing import Any, get_args

import pytest

pytest.importorskip("trl")

import torch
from safetensors.torch import load_file
from shipped import shipped_tokenizer
from transformers import BertConfig, BertModel
from trl.scripts.sft import make_parser

from critique_graph.cli import run_command
from critique_graph.engines.plain_template import PLAIN
from critique_graph.miniature import weights_path
from critique_graph.models.load import load_model
from critique_graph.nodes.critique import critique_messages
from critique_graph.problems.held_out import is_held_out
from critique_graph.trainers.rows import Task
from critique_graph.trainers.sft import train_sft
from critique_graph.trainers.step_critic import StepCritic
from critique_graph.trainers.trainer import SFTSettings

QUICK = ("--max-steps", "2", "--batch-size", "4", "--learning-rate", "1e-3", "--quiet")


def trained(capsys: pytest.CaptureFixture[str], task: str, data: Path, out: Path, *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    model = "miniature:critic" if task == "critic" else "miniature:actor"
    given = () if "--model" in arguments else ("--model", model)
    command = ["train", task, str(data), *given, "--out", str(out), *QUICK, "--json", *arguments]
    assert run_command(command) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert run_command(["train", *arguments, *QUICK]) == 2
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("task", [task for task in get_args(Task) if task not in ("step-critic", "self-talk")])
def test_trained_model_can_be_used_at_once(
    task: str, data: Path, critiques_compared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = critiques_compared if task in ("critic-preference", "critic-kto") else data
    done = trained(capsys, task, source, tmp_path / "model")
    assert {"task", "rows", "loss_first", "loss_last", "steps", "model", "device"} <= set(done)
    assert (done["task"], done["steps"], done["device"]) == (task, 2, "cpu")
    assert done["rows"] == len((tmp_path / "model" / "training" / "rows" / "train.jsonl").read_text().splitlines())
    reply = load_model(done["model"]).invoke(critique_messages("What is 2 + 3?", "2 + 3 = 5."), max_tokens=5)
    assert reply.usage_metadata is not None
    assert done["learning_rate"] == 1e-3
    assert not (tmp_path / "model" / "training" / "checkpoints").exists()
    assert not (tmp_path / "model" / "training" / "encoded").exists()
    assert f"# {task} trained from miniature:" in (tmp_path / "model" / "README.md").read_text()


def test_rate_that_nobody_gave_is_said_and_recorded(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "actor", str(data), "--model", "miniature:actor", "--out", str(tmp_path / "model")]
    capsys.readouterr()
    assert run_command([*command, "--max-steps", "1", "--batch-size", "2"]) == 0
    printed, said = (" ".join(text.split()) for text in capsys.readouterr())
    assert "learning rate 0.0001, the default for 927,232 weights" in said
    assert "in 1 steps at learning rate 0.0001, " in printed
    assert "--learning_rate 0.0001 " in said, "the command of TRL"
    assert json.loads((tmp_path / "model" / "training" / "result.json").read_bytes())["learning_rate"] == 1e-4


def test_training_is_reported_to_a_tool(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("trackio")
    command = [sys.executable, "-m", "critique_graph", "train", "critic", str(data), "--model", "miniature:critic"]
    command += ["--out", str(tmp_path / "model"), *QUICK, "--json", "--report-to", "trackio"]
    folder = tmp_path / "reported"  # trackio reads its folder's name when it is imported: another process
    environment = os.environ | {"TRACKIO_DIR": str(folder)}
    done = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)  # JSON alone
    with sqlite3.connect(folder / "huggingface.db") as reported:
        rows = reported.execute("SELECT metrics FROM metrics ORDER BY id").fetchall()
    losses = [json.loads(row)["train/loss"] for (row,) in rows if b"train/loss" in row]
    assert losses == pytest.approx(done["losses"], abs=1e-4)
    assert trained(capsys, "critic", data, tmp_path / "model") == done, "another tool is no other training"


def test_tool_that_is_not_installed_is_refused_before_the_training(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("critique_graph.trainers.train_task.find_spec", lambda name: None)
    given = ("--model", "miniature:critic", "--out", str(tmp_path / "model"), "--report-to", "wandb")
    assert "--report-to wandb needs wandb: pip install wandb" in refused(capsys, "critic", str(data), *given)
    assert not (tmp_path / "model").exists()


def test_step_critic_is_measured_on_problems_that_were_held_out(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = trained(capsys, "step-critic", data, tmp_path / "model")
    kept = [json.loads(line) for line in (data / "dataset" / "train.jsonl").read_text().splitlines()]
    held_out = [row for row in kept if is_held_out(row["problem"])]
    assert done["located_before"]["n"] == done["located_after"]["n"] == len(held_out)
    assert done["rows"] <= len(kept) - len(held_out)
    critic = StepCritic.load(tmp_path / "model")
    assert [0 < right < 1 for right in critic.judge("Tom has 2 pens.", ["2 + 1 = 3.", "3 + 1 = 5."])] == [True, True]


def test_weights_of_labels_are_said_and_recorded(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    balanced = trained(capsys, "step-critic", data, tmp_path / "balanced", "--label-weights", "balanced")
    rows = [json.loads(line) for line in (tmp_path / "balanced/training/rows/train.jsonl").read_text().splitlines()]
    labels = [label for row in rows for label in row["labels"]]
    assert balanced["label_weights"] == {
        "wrong": pytest.approx(len(labels) / labels.count(False) / 2),
        "right": pytest.approx(len(labels) / labels.count(True) / 2),
    }
    assert f"right {balanced['label_weights']['right']:.3g}" in (tmp_path / "balanced" / "README.md").read_text()
    plain = trained(capsys, "step-critic", data, tmp_path / "plain")
    assert plain["label_weights"] is None
    assert plain["losses"] != balanced["losses"]


def test_labels_that_cannot_be_weighed_are_refused(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = ("--model", "miniature:actor", "--out", str(tmp_path / "out"))
    told = refused(capsys, "critic", str(data), *start, "--label-weights", "balanced")
    assert "--label-weights is a setting of step-critic: rows of critic have no labels of steps." in told
    rows = tmp_path / "rows.jsonl"
    turn = [{"role": "user", "content": "2 + 3?"}]
    rows.write_text(json.dumps({"prompt": turn, "completion": [{"role": "assistant", "content": "5"}], "label": True}))
    told = refused(capsys, "kto", str(rows), "--model", "miniature:actor", "--out", str(tmp_path / "kto"))
    assert "all 1 rows are of one kind: KTO also needs undesirable ones." in told


def test_encoder_can_become_a_step_critic(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tokenizer = shipped_tokenizer()
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertModel(BertConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(tmp_path / "bert")
    tokenizer.save_pretrained(tmp_path / "bert")
    start = ("--model", f"hf:{tmp_path / 'bert'}", "--out", str(tmp_path / "model"))
    assert run_command(["train", "step-critic", str(data), *start, *QUICK]) == 0
    assert all(0 < right < 1 for right in StepCritic.load(tmp_path / "model").judge("Tom has 2 pens.", ["2 + 1 = 3."]))


def trained_unevenly(task: str, data: Path, out: Path, *arguments: str) -> dict[str, Any]:
    """Train in a process of its own, or in two: of the last batch, one of the two then has no row."""
    model = "miniature:critic" if task == "critic" else "miniature:actor"
    settings = ("--epochs", "1", "--batch-size", "8", "--learning-rate", "1e-3", "--quiet", "--json", "--out", str(out))
    command = [
        sys.executable,
        "-m",
        "critique_graph",
        "train",
        task,
        str(data),
        "--model",
        model,
        *settings,
        *arguments,
    ]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert 0 < told["rows"] % 8 <= 4
    return told


@pytest.mark.slow
def test_two_processes_train_as_one_does_and_the_first_alone_writes_and_prints(data: Path, tmp_path: Path) -> None:
    alone = trained_unevenly("critic", data, tmp_path / "alone")
    together = trained_unevenly("critic", data, tmp_path / "model", "--devices", "2")
    assert together["losses"] == pytest.approx(alone["losses"], abs=2e-3)
    assert (together["rows"], together["steps"]) == (alone["rows"], alone["steps"])
    assert alone["tokens"] < together["tokens"] < alone["tokens"] + 8, "the blank rows are read"
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("alone", "model"))
    assert all(torch.allclose(first[name], second[name], atol=1e-3) for name in first)


@pytest.mark.slow
def test_two_processes_train_a_step_critic_as_one_does_but_for_its_dropout(data: Path, tmp_path: Path) -> None:
    alone = trained_unevenly("step-critic", data, tmp_path / "alone")
    together = trained_unevenly("step-critic", data, tmp_path / "model", "--devices", "2")
    assert together["losses"] == pytest.approx(alone["losses"], rel=0.3)


@pytest.mark.slow
def test_what_several_processes_find_wrong_is_said_once(data: Path, tmp_path: Path) -> None:
    command = ["train", "critic", str(data), "--model", "miniature:critic", "--out", str(tmp_path / "model")]
    told = subprocess.run(
        [sys.executable, "-m", "critique_graph", *command, *QUICK, "--devices", "2", "--max-length", "50"],
        capture_output=True,
        text=True,
        check=False,
    )
    (said,) = told.stderr.splitlines()
    assert (told.returncode, told.stdout) == (2, "")
    assert "rows are longer than 50 tokens" in said


def test_evaluation_is_no_task_for_several_processes(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    given = ("--model", "miniature:critic", "--eval", "miniature", "--partner", "miniature:actor")
    said = refused(capsys, "critic", str(data), "--out", str(tmp_path / "model"), *given)
    assert "--eval plays the loop in one process" in said


def test_batch_is_shared_by_the_processes(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    given = ("critic", str(data), "--model", "miniature:critic", "--out", str(tmp_path / "model"))
    assert "--batch-size 4 is no multiple of --rows-at-once 1 times the 3 processes" in refused(capsys, *given)


def test_same_command_again_trains_no_more(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = trained(capsys, "critic", data, tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    written = weights.stat().st_mtime_ns
    assert trained(capsys, "critic", data, tmp_path / "model") == first
    assert weights.stat().st_mtime_ns == written


def test_evaluation_before_and_after_plays_the_loop(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--eval", "miniature", "--eval-limit", "3", "--partner", "miniature:actor")
    done = trained(capsys, "critic", data, tmp_path / "model", *given)
    assert done["before"]["accuracy_first"]["n"] == done["after"]["accuracy_first"]["n"] == 3
    assert done["before"]["accuracy_first"] == done["after"]["accuracy_first"], "the actor is the same"
    card = (tmp_path / "model" / "README.md").read_text()
    assert "| critic's verdict correct, n = 3, 3 | " in card


def test_adapters_are_merged_into_the_weights(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = trained(capsys, "actor", data, tmp_path / "model", "--lora-rank", "4")
    assert not (tmp_path / "model" / "adapter_config.json").exists()
    assert (tmp_path / "model" / "model.safetensors").is_file()
    assert load_model(done["model"]).invoke("What is 2 + 3?", max_tokens=3).usage_metadata is not None


def test_adapters_over_4_bits_are_merged_into_the_weights_as_they_are_stored(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model"
    done = trained(capsys, "actor", data, out, "--lora-rank", "4", "--dtype", "nf4")
    assert (done["plan"]["dtype"], done["steps"]) == ("nf4", 2)
    assert done["plan"]["memory"]["weights"] < 0.3 * 4 * done["plan"]["parameters"]
    assert "quantization_config" not in json.loads((out / "config.json").read_bytes())
    start, learned = (load_file(folder / "model.safetensors") for folder in (weights_path("actor"), out))
    changed = {name: learned[name].float() - start[name].float() for name in start}
    ranks = {int(torch.linalg.matrix_rank(change, rtol=1e-3)) for change in changed.values() if change.any()}
    assert ranks == {4}, "what 4 bits lose has not come into the weights"
    assert load_model(done["model"]).invoke("What is 2 + 3?", max_tokens=3).usage_metadata is not None


def test_weights_of_4_bits_are_not_trained_themselves(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = (str(data), "--model", "miniature:actor", "--dtype", "nf4", "--out", str(tmp_path / "model"))
    assert "are not trained themselves: set lora_rank" in refused(capsys, "actor", *given)
    assert "all weights of a step critic are trained" in refused(capsys, "step-critic", *given, "--lora-rank", "4")


def test_weights_of_4_bits_need_bitsandbytes(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("critique_graph.trainers.quantized.find_spec", lambda name: None)
    given = (str(data), "--model", "miniature:actor", "--dtype", "nf4", "--out", str(tmp_path / "model"))
    said = refused(capsys, "actor", *given, "--lora-rank", "4")
    assert "--dtype nf4 needs bitsandbytes" in said
    assert 'pip install "critique-graph[train-cuda]"' in said


def test_plan_is_said_before_the_training_and_kept_with_it(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "critic", str(data), "--model", "miniature:critic", "--out", str(tmp_path / "model")]
    assert run_command([*command, "--max-steps", "2", "--batch-size", "4", "--json"]) == 0
    told = capsys.readouterr()
    plan = json.loads(told.out)["plan"]
    assert "weights trained in float32 with adamw_torch_fused, 4 rows of at most" in " ".join(told.err.split())
    assert (plan["rows_at_once"], plan["checkpointing"]) == (4, False)
    assert json.loads((tmp_path / "model" / "training" / "plan.json").read_text()) == plan


def test_rows_at_once_are_lowered_where_memory_does_not_do(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(capsys, "critic", data, tmp_path / "whole")

    def small_memory(*arguments: Any, settings: SFTSettings, **others: Any) -> Any:
        if settings.rows_at_once is None or settings.rows_at_once > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return train_sft(*arguments, settings=settings, **others)

    monkeypatch.setattr("critique_graph.trainers.objectives.train_sft", small_memory)
    done = trained(capsys, "critic", data, tmp_path / "model")
    assert done["plan"]["rows_at_once"] == 1
    assert done["losses"] == pytest.approx(whole["losses"], abs=2e-3), "the batch is the same"


def test_memory_that_does_not_do_for_one_row_is_a_clear_error(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*arguments: Any, **others: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr("critique_graph.trainers.objectives.train_sft", no_memory)
    said = refused(capsys, "critic", str(data), "--model", "miniature:critic", "--out", str(tmp_path / "model"))
    assert "out of memory with 1 rows at once" in said
    assert "--lora-rank 16" in said


def test_resumed_training_keeps_the_type_of_its_weights(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*arguments: Any, **others: Any) -> Any:
        raise KeyboardInterrupt

    out = tmp_path / "model"
    with monkeypatch.context() as patch:
        patch.setattr("critique_graph.trainers.objectives.train_sft", killed)
        with pytest.raises(SystemExit):
            run_command(["train", "critic", str(data), "--model", "miniature:critic", "--out", str(out), *QUICK])
    plan = out / "training" / "plan.json"
    begun = json.loads(plan.read_text())
    plan.write_text(json.dumps({**begun, "optimizer": "adafactor"}))
    assert trained(capsys, "critic", data, out)["plan"]["optimizer"] == "adafactor"


def test_optimizer_that_is_not_installed_is_named_before_the_model_is_loaded(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("critique_graph.trainers.trainer.find_spec", lambda name: None)
    given = ("--model", "miniature:critic", "--out", str(tmp_path / "model"), "--optimizer", "adamw_torch_8bit")
    assert 'pip install "critique-graph[train-cuda]"' in refused(capsys, "critic", str(data), *given)


def test_unknown_optimizer_is_a_clear_error(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ("--model", "miniature:critic", "--out", str(tmp_path / "model"), "--optimizer", "adamwhat")
    assert "--optimizer adamwhat is none of transformers' optimizers" in refused(capsys, "critic", str(data), *given)


def test_reasoning_can_be_learned_too(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained(capsys, "critic", data, tmp_path / "model", "--reasoning")
    rows = (tmp_path / "model" / "training" / "rows" / "train.jsonl").read_text().splitlines()
    assert all(json.loads(row)["completion"][0]["content"].startswith("<think>") for row in rows)


def test_loss_that_is_no_number_stops_the_training(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wild = ("--max-steps", "9", "--learning-rate", "1e30")
    capsys.readouterr()
    command = ["train", "critic", str(data), "--model", "miniature:critic", "--out", str(tmp_path / "model")]
    assert run_command([*command, "--batch-size", "4", "--quiet", *wild]) == 2
    assert "lower the learning rate" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "model" / "model.safetensors").exists()


def test_folder_of_another_training_is_refused(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained(capsys, "critic", data, tmp_path / "model")
    said = refused(capsys, "actor", str(data), "--model", "miniature:actor", "--out", str(tmp_path / "model"))
    assert "holds a training with task 'critic', not 'actor'" in said


def test_rows_longer_than_may_be_are_counted_and_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("critic", str(data), "--model", "miniature:critic", "--out", str(tmp_path / "model"))
    said = refused(capsys, *given, "--max-length", "50")
    assert "rows are longer than 50 tokens" in said
    trained(capsys, "critic", data, tmp_path / "model")  # nothing had begun, so that the folder is free


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "openai:gpt"), "training starts from hf:NAME_OR_PATH"),
        (("--model", "miniature:critic", "--eval", "miniature"), "--eval needs --partner"),
        (("--model", "miniature:critic", "--rows-at-once", "3"), "no multiple of --rows-at-once 3"),
    ],
)
def test_impossible_settings_are_one_line(
    arguments: tuple[str, ...], message: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refused(capsys, "critic", str(data), "--out", str(tmp_path / "model"), *arguments)
    assert not (tmp_path / "model").exists()


def test_base_model_learns_the_plain_template_and_is_saved_with_it(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start, out = tmp_path / "start", tmp_path / "model"
    copytree(weights_path("critic"), start)
    (start / "chat_template.jinja").unlink()
    done = trained(capsys, "critic", data, out, "--model", f"hf:{start}")
    assert done["template"] == "plain"
    assert (out / "chat_template.jinja").read_text() == PLAIN
    assert "The chat template is the plain one of critique-graph" in (out / "README.md").read_text()


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning")  # TRL's own default
def test_command_for_trl_alone_is_one_it_reads(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "critic", str(data), "--model", "miniature:critic", "--out", str(tmp_path / "model"), *QUICK]
    capsys.readouterr()
    assert run_command([*command, "--lora-rank", "4"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    arguments = shlex.split(said.partition("trl sft ")[2])
    script, sft, model = make_parser().parse_args_and_config(arguments)[:3]
    assert [Path(script.dataset_name), sft.max_steps] == [tmp_path / "model" / "training" / "rows", 2]
    assert (sft.per_device_train_batch_size, sft.learning_rate, sft.use_cpu) == (4, 1e-3, True)
    assert (model.use_peft, model.lora_r, model.load_in_4bit) == (True, 4, False)


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning")  # TRL's own default
def test_command_for_trl_says_that_weights_have_4_bits(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "critic", str(data), "--model", "miniature:critic", "--out", str(tmp_path / "model"), *QUICK]
    capsys.readouterr()
    assert run_command([*command, "--lora-rank", "4", "--dtype", "nf4"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    model = make_parser().parse_args_and_config(shlex.split(said.partition("trl sft ")[2]))[2]
    assert (model.load_in_4bit, model.bnb_4bit_quant_type, model.use_bnb_nested_quant) == (True, "nf4", True)


def test_problems_of_a_test_split_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["run", "miniature", "--limit", "2", "--out", str(tmp_path / "run"), "--quiet"]) == 0
    given = ("actor", str(tmp_path / "run"), "--model", "miniature:actor", "--out", str(tmp_path / "model"))
    assert "is a test problem" in refused(capsys, *given)


def test_traces_of_training_problems_are_learned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run_command(["miniature", "problems", "-n", "4", "--split", "train"]) == 0
    (tmp_path / "problems.jsonl").write_text(capsys.readouterr().out)
    run = tmp_path / "run"
    assert run_command(["run", str(tmp_path / "problems.jsonl"), "--out", str(run), "--samples", "2", "--quiet"]) == 0
    assert trained(capsys, "actor", run, tmp_path / "model")["rows"] > 0


@pytest.mark.parametrize(
    "place", ["model.safetensors", "README.md", "training", "training/rows", "training/.result.json.tmp"]
)
def test_links_in_the_folder_are_refused(
    place: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "model"
    elsewhere.mkdir()
    (out / place).parent.mkdir(parents=True)
    (out / place).symlink_to(elsewhere)
    told = refused(capsys, "critic", str(data), "--model", "miniature:critic", "--out", str(out))
    assert f"{out / place} is a link, and may lead anywhere" in told
    assert list(elsewhere.iterdir()) == []
