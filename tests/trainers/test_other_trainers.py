"""Rows for trainers that cannot be installed beside this project: what their readers find, and what is refused."""

import json
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

from critique_graph.cli import run_command
from critique_graph.core.errors import InputError
from critique_graph.miniature import weights_path
from critique_graph.nodes.critique import critique_messages
from critique_graph.nodes.refine import refine_messages
from critique_graph.trainers.other_trainers import CHARACTERS_PER_TOKEN, max_length, portable_model, write_export
from critique_graph.trainers.rows import LabelledRow, TrainingRow, labelled_row, row

CRITIC = [row(critique_messages(f"{n} + 1?", f"It is {n + 1}."), f"Critique {n}.") for n in range(3)]
REFINER = [row(refine_messages(f"{n} + 1?", "It is 9.", "No."), f"It is {n + 1}.") for n in range(3)]
TASKS = {"critic": CRITIC, "refiner": REFINER}

Name = Literal["llama-factory", "axolotl", "verl", "openrlhf"]


def exported(
    trainer: Name, rows: list[TrainingRow] | list[LabelledRow], folder: Path
) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
    """The rows as written, the configuration, and the command."""
    count, command = write_export(trainer, rows, folder, model="hub/model")
    assert count == len(rows)
    place, command = command.split(" && ")
    assert place == f"cd {folder}"
    assert command in (folder / "train.sh").read_text()
    lines = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    config = folder / "train.yaml"
    return lines, yaml.safe_load(config.read_text()) if config.exists() else {}, shlex.split(command)


@pytest.mark.parametrize("task", TASKS)
def test_llama_factory_masks_the_history(task: str, tmp_path: Path) -> None:
    lines, config, command = exported("llama-factory", TASKS[task], tmp_path / "out")
    assert [line["messages"] for line in lines] == [[*r["prompt"], *r["completion"]] for r in TASKS[task]]
    for line in lines:  # its converter wants user and assistant in turn, and an assistant at the end
        roles = [turn["role"] for turn in line["messages"]]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
    info = json.loads((tmp_path / "out" / "dataset_info.json").read_text())
    assert info[config["dataset"]]["file_name"] == "rows.jsonl"
    assert config["mask_history"] is True
    assert config["model_name_or_path"] == "hub/model"
    assert command == ["llamafactory-cli", "train", "train.yaml"]


@pytest.mark.parametrize("task", TASKS)
def test_axolotl_says_of_every_turn_whether_it_is_learned(task: str, tmp_path: Path) -> None:
    lines, config, command = exported("axolotl", TASKS[task], tmp_path / "out")
    for line, made in zip(lines, TASKS[task], strict=True):
        assert [turn["train"] for turn in line["messages"]] == [*[False] * len(made["prompt"]), True]
        assert line["messages"][-1]["content"] == made["completion"][0]["content"]
    (dataset,) = config["datasets"]
    assert (dataset["roles_to_train"], dataset["message_field_training"]) == ([], "train")
    assert command == ["axolotl", "train", "train.yaml"]


@pytest.mark.parametrize("task", TASKS)
def test_openrlhf_reads_prompt_and_completion(task: str, tmp_path: Path) -> None:
    lines, _, command = exported("openrlhf", TASKS[task], tmp_path / "out")
    assert lines == TASKS[task]
    options = dict(pairwise(command))
    assert (options["--data.input_key"], options["--data.output_key"]) == ("prompt", "completion")
    assert "--data.multiturn" not in command


def test_verl_reads_conversations_of_one_answer(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    count, command = write_export("verl", CRITIC, tmp_path / "out", model="hub/model")
    rows = parquet.read_table(tmp_path / "out" / "rows.parquet").to_pylist()
    assert [made["messages"] for made in rows] == [[*r["prompt"], *r["completion"]] for r in CRITIC]
    assert (count, "model.path=hub/model" in command, "data.truncation=error" in command) == (3, True, True)


KTO = [labelled_row(critique_messages(f"{n} + 1?", "It is 1."), f"Critique {n}.", label=n == 0) for n in range(3)]


def test_llama_factory_learns_desirable_and_undesirable_answers(tmp_path: Path) -> None:
    lines, config, _ = exported("llama-factory", KTO, tmp_path / "out")
    assert [line["kto_tag"] for line in lines] == [True, False, False]
    info = json.loads((tmp_path / "out" / "dataset_info.json").read_text())
    assert info[config["dataset"]]["columns"]["kto_tag"] == "kto_tag"
    found = [config[name] for name in ("stage", "kto_chosen_weight", "kto_rejected_weight")]
    assert found == ["kto", 2.0, 1.0]


@pytest.mark.parametrize("trainer", ["axolotl", "verl", "openrlhf"])
def test_trainers_without_kto_for_conversations_refuse_its_rows(trainer: Name, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="LLaMA-Factory alone has KTO"):
        write_export(trainer, KTO, tmp_path / "out", model="hub/model")
    assert not (tmp_path / "out").exists()


def test_model_is_named_by_a_path_that_works_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my model").mkdir()
    monkeypatch.chdir(tmp_path)
    absolute = str(tmp_path / "my model")
    assert portable_model("my model") == portable_model("hf:my model") == portable_model("./my model") == absolute
    assert portable_model("hub/model") == portable_model("hf:hub/model") == "hub/model"
    assert portable_model("miniature:critic") == str(weights_path("critic"))
    _, command = write_export("openrlhf", CRITIC, tmp_path / "out put", model="hf:my model")
    words = shlex.split(command)
    assert words[1] == str(tmp_path / "out put")
    assert words[words.index("--model.model_name_or_path") + 1] == absolute
    for named in ("./none", "hf:/none"):
        with pytest.raises(InputError, match="there is no such folder"):
            portable_model(named)
    with pytest.raises(InputError, match="training starts from hf:NAME_OR_PATH"):
        portable_model("openai:gpt-x")


def test_length_is_that_of_the_longest_row_and_more() -> None:
    long = row(critique_messages("?", "x" * 5000), "yes")
    assert max_length(CRITIC) == 512
    assert max_length([*CRITIC, long]) % 512 == 0
    assert max_length([*CRITIC, long]) > 5000 / CHARACTERS_PER_TOKEN


def test_command_line_writes_the_folder_and_says_how_to_train(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["export", str(data), "--to", "axolotl", "--task", "refiner", "--model", "hub/model", "--out", str(out)]
    assert run_command(command) == 0
    assert "axolotl train train.yaml" in " ".join(capsys.readouterr().err.split())
    assert (out / "rows.jsonl").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--to", "axolotl"), "--to axolotl needs --out FOLDER and --model NAME_OR_PATH"),
        (("--to", "verl", "--task", "refiner", "--model", "m", "--out", "{}"), "would also learn the flawed responses"),
        (("--to", "parquet"), "--to parquet needs --out"),
        (("--to", "axolotl", "--task", "preference", "--model", "m", "--out", "{}"), "can only be exported --to trl"),
        (("--to", "axolotl", "--task", "grpo", "--model", "m", "--out", "{}"), "prompts alone: it can be exported"),
        (("--to", "trl", "--check-mask"), "--check-mask needs --tokenizer"),
    ],
)
def test_what_cannot_be_written_is_one_line(
    arguments: tuple[str, ...], message: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [argument.format(tmp_path / "out") for argument in arguments]
    assert run_command(["export", str(data), *given]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_steps_are_labelled_up_to_the_first_wrong_one(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["export", str(data), "--to", "prm", "--out", str(tmp_path / "steps.jsonl")]) == 0
    made = [json.loads(line) for line in (tmp_path / "steps.jsonl").read_text().splitlines()]
    rows = [json.loads(line) for line in (data / "dataset" / "train.jsonl").read_text().splitlines()]
    located = [line for line in rows if line["is_correct"] or line["first_error"] is not None]
    assert len(made) == len(located) > 0
    for steps, kept in zip(made, located, strict=True):
        assert len(steps["completions"]) == len(steps["labels"])
        assert steps["labels"][:-1] == [True] * (len(steps["labels"]) - 1)
        assert steps["labels"][-1] == kept["is_correct"]
        assert "\n".join(steps["completions"]) in kept["response"]
