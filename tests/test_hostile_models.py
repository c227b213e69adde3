"""Every verb that loads a model, with every hostile folder: no code of the folder ever runs."""

import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

pytest.importorskip("trl")

import hostile_models
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from critique_graph.cli import run_command
from critique_graph.engines.pretrained import load_tokenizer, load_weights
from critique_graph.miniature import weights_path
from critique_graph.miniature.task import generate_exercises
from critique_graph.models.load import release_models
from critique_graph.trainers.sft import train_sft
from critique_graph.trainers.trainer import SFTSettings

PROMPT = [{"role": "user", "content": "What is 2 + 3?"}]
ANSWER = [{"role": "assistant", "content": "5"}]
ROWS = {
    "critic": {"prompt": PROMPT, "completion": ANSWER},
    "preference": {"prompt": PROMPT, "chosen": ANSWER, "rejected": [{"role": "assistant", "content": "6"}]},
    "kto": {"prompt": PROMPT, "completion": ANSWER, "label": True},
    "step-critic": {"prompt": "What is 2 + 3?", "completions": ["2 + 3 = 5."], "labels": [True]},
}
PAIR = ("--actor", "MODEL", "--critic", "MODEL", "--max-tokens", "4")
ONE = ("miniature", "--limit", "1", "--out", "OUT", "--quiet")
TRAIN = ("--model", "MODEL", "--out", "OUT", "--max-steps", "1", "--batch-size", "2", "--quiet")
COMMANDS = {
    "solve": ("solve", "What is 2 + 3?", *PAIR),
    "run": ("run", *ONE, *PAIR),
    "generate": ("generate", *ONE, "--actor", "MODEL", "--annotator", "MODEL", "--max-tokens", "4"),
    "self-talk": ("self-talk", *ONE, *PAIR),
    "compare": ("compare", *ONE, "--samples", "2", *PAIR),
    "eval-critic": ("eval-critic", *ONE, "--critic", "MODEL", "--max-tokens", "4"),
    "improve": ("improve", *ONE, *PAIR, "--iterations", "1", "--samples", "1", "--validation-limit", "1"),
    "miniature eval": ("miniature", "eval", "--actor", "MODEL", "--critic", "MODEL", "--limit", "1", "--samples", "1"),
    "train critic": ("train", "critic", "critic.jsonl", *TRAIN),
    "train with adapters": ("train", "critic", "critic.jsonl", *TRAIN, "--lora-rank", "2"),
    "train preference": ("train", "preference", "preference.jsonl", *TRAIN),
    "train kto": ("train", "kto", "kto.jsonl", *TRAIN),
    "train step-critic": ("train", "step-critic", "step-critic.jsonl", *TRAIN),
    "check-mask": ("export", "RUN", "--to", "trl", "--task", "actor", "--check-mask", "--tokenizer", "FOLDER"),
}

kinds = pytest.mark.parametrize("kind", hostile_models.KINDS, ids=lambda kind: kind.__name__)


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Gives the file that hostile code creates; whoever is asked whether to run code says yes."""
    for task, row in ROWS.items():
        rows = [row, {**row, "label": False}] if "label" in row else [row]
        (tmp_path / f"{task}.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("builtins.input", lambda prompt="": "y")
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    yield tmp_path / "canary"
    release_models()


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "run"
    problems = tmp_path_factory.mktemp("problems") / "problems.jsonl"
    drawn = [exercise.problem for exercise in generate_exercises(8, seed=3, split="train")]
    problems.write_text("".join(json.dumps({"question": p.question, "answer": p.answer}) + "\n" for p in drawn))
    assert run_command(["run", str(problems), "--out", str(run), "--quiet"]) == 0
    return run


def run_with(folder: Path, command: tuple[str, ...], traces: Path) -> int:
    words = {"MODEL": f"hf:{folder}", "FOLDER": str(folder), "OUT": str(folder.parent / "out"), "RUN": str(traces)}
    return run_command([words.get(word, word) for word in command])


@kinds
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_no_code_of_a_model_runs(
    kind: Callable[[Path, Path], None],
    command: tuple[str, ...],
    traces: Path,
    canary: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = hostile_models.hostile_model(kind, canary.parent / "model", canary)
    code = run_with(folder, command, traces)
    assert not canary.exists()
    assert code != 1, capsys.readouterr().err  # an internal error


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_commands_work_with_a_harmless_model(command: tuple[str, ...], traces: Path, canary: Path) -> None:
    folder = hostile_models.hostile_model(lambda folder, canary: None, canary.parent / "model", canary)
    assert run_with(folder, command, traces) in (0, 3, 4)  # four tokens are too few for an answer


@pytest.mark.parametrize(
    ("verb", "kind"),
    [
        ("solve", hostile_models.own_architecture),
        ("solve", hostile_models.own_tokenizer),
        ("train critic", hostile_models.own_architecture),
        ("train critic", hostile_models.own_tokenizer),
        ("check-mask", hostile_models.own_tokenizer),
    ],
)
def test_the_message_names_the_folder_and_says_that_it_needs_code(
    verb: str, kind: Callable[[Path, Path], None], traces: Path, canary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = hostile_models.hostile_model(kind, canary.parent / "model", canary)
    assert run_with(folder, COMMANDS[verb], traces) == 2
    assert f"{folder} needs code of its own, which is never run here" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [hostile_models.own_architecture, hostile_models.code_beside_a_known_architecture])
def test_planted_models_run_where_they_are_trusted(kind: Callable[[Path, Path], None], canary: Path) -> None:
    folder = hostile_models.hostile_model(kind, canary.parent / "model", canary)
    AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)
    assert canary.exists()


def test_planted_tokenizer_runs_where_it_is_trusted(canary: Path) -> None:
    folder = hostile_models.hostile_model(hostile_models.own_tokenizer, canary.parent / "model", canary)
    AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
    assert canary.exists()


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin", "model.bin"])
def test_no_pickle_of_a_training_that_is_continued_runs(name: str, canary: Path) -> None:
    def train() -> None:
        train_sft(
            [ROWS["critic"]] * 2,
            model=load_weights(AutoModelForCausalLM, weights_path("actor"), dtype=torch.float32),
            tokenizer=load_tokenizer(weights_path("actor")),
            settings=SFTSettings(batch_size=1, max_steps=2, save_every=1, use_cpu=True),
            checkpoints=canary.parent / "checkpoints",
        )

    train()
    shutil.rmtree(canary.parent / "checkpoints" / "checkpoint-2")
    checkpoint = canary.parent / "checkpoints" / "checkpoint-1"
    if name == "model.bin":
        (checkpoint / "model.safetensors").unlink()
        name = "pytorch_model.bin"
    torch.save(hostile_models.Touch(canary), checkpoint / name)
    with suppress(pickle.UnpicklingError):  # not every file is read
        train()
    assert not canary.exists()
    torch.load(checkpoint / name, weights_only=False)
    assert canary.exists()
