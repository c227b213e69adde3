"""Every export through its trainer's own reader: which tokens that trainer learns.

The trainers' requirements contradict each other's and TRL's (LLaMA-Factory 0.9.5 wants trl <= 0.24, axolotl 0.19 trl
1.9, verl 0.9.1 transformers < 5.11, OpenRLHF 0.11.2 a flash-attn that is compiled with CUDA), so these tests are
skipped beside TRL. CI runs them where the readers are installed without the rest of what their trainers need.
"""

import json
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, get_args

import pytest
import yaml

pytest.importorskip("transformers")

from shipped import shipped_tokenizer

from critique_graph.nodes.critique import critique_messages
from critique_graph.nodes.refine import refine_messages
from critique_graph.nodes.solve import solve_messages
from critique_graph.trainers.other_trainers import ExportTarget, write_export
from critique_graph.trainers.rows import StepRow, TrainingRow, labelled_row, row

QUESTION, FLAWED, CRITIQUE, RIGHT = "Tom has 3 pens.", "Tom has 4 pens.", "Step 1 is Wrong.", "The answer is 3."
TASKS = {
    "critic": row(critique_messages(QUESTION, FLAWED), CRITIQUE),
    "refiner": row(refine_messages(QUESTION, FLAWED, CRITIQUE), RIGHT),
    "actor": row(solve_messages(QUESTION), RIGHT),
    "self-talk": row(solve_messages(QUESTION), f"Tom has 5 pens.\nWrong. Tom has 3 pens, not 5.\n{RIGHT}"),
    "self-correction": row(solve_messages(QUESTION), f"The answer is 5.\n\n{CRITIQUE}\n\n{RIGHT}"),
}


@pytest.fixture
def tokenizer_path(tmp_path: Path) -> str:
    shipped_tokenizer().save_pretrained(tmp_path / "tokenizer")
    return str(tmp_path / "tokenizer")


def learned_and_context(tokenizer: Any, ids: list[int], is_learned: list[bool]) -> tuple[str, str]:
    """The text of what is learned, and of the rest."""
    kept = [token for token, learned in zip(ids, is_learned, strict=True) if learned]
    rest = [token for token, learned in zip(ids, is_learned, strict=True) if not learned]
    return tokenizer.decode(kept), tokenizer.decode(rest)


def check(tokenizer: Any, task: str, ids: list[int], is_learned: list[bool]) -> None:
    learned, context = learned_and_context(tokenizer, ids, is_learned)
    completion = TASKS[task]["completion"][0]["content"]
    assert learned.replace(tokenizer.eos_token, "").strip() == completion
    assert QUESTION in context


def exported(target: ExportTarget, rows: list[TrainingRow], folder: Path) -> str:
    return write_export(target, rows, folder, model="MODEL")[1]


@pytest.fixture
def audio(monkeypatch: pytest.MonkeyPatch) -> None:
    """LLaMA-Factory imports torchaudio for models that hear; PyPI's does not load beside a torch without CUDA."""
    module = ModuleType("torchaudio")
    module.__spec__ = ModuleSpec("torchaudio", None)
    monkeypatch.setitem(sys.modules, "torchaudio", module)


@pytest.mark.usefixtures("audio")
@pytest.mark.parametrize("task", TASKS)
def test_llama_factory(task: str, tmp_path: Path, tokenizer_path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("llamafactory", reason="LLaMA-Factory wants another TRL")
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
    from llamafactory.hparams import get_train_args
    from transformers import AutoTokenizer

    exported("llama-factory", [TASKS[task]], tmp_path / "export")
    monkeypatch.chdir(tmp_path / "export")
    settings = yaml.safe_load(Path("train.yaml").read_text())
    settings |= {"model_name_or_path": tokenizer_path, "template": "qwen", "bf16": False, "use_cpu": True}
    model, data, training, *_ = get_train_args(settings)
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_path)
    template = get_template_and_fix_tokenizer(tokenizer, data)
    (read,) = get_dataset(template, model, data, training, stage="sft", tokenizer=tokenizer)["train_dataset"]
    learned, context = learned_and_context(tokenizer, read["input_ids"], [label != -100 for label in read["labels"]])
    assert learned.startswith(TASKS[task]["completion"][0]["content"])
    assert QUESTION in context


@pytest.mark.usefixtures("audio")
def test_llama_factory_reads_desirable_and_undesirable_answers(
    tmp_path: Path, tokenizer_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("llamafactory", reason="LLaMA-Factory wants another TRL")
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
    from llamafactory.hparams import get_train_args
    from transformers import AutoTokenizer

    rows = [
        labelled_row(solve_messages(QUESTION), text, label=label) for text, label in ((RIGHT, True), (FLAWED, False))
    ]
    write_export("llama-factory", rows, tmp_path / "export", model="MODEL")
    monkeypatch.chdir(tmp_path / "export")
    settings = yaml.safe_load(Path("train.yaml").read_text())
    settings |= {"model_name_or_path": tokenizer_path, "template": "qwen", "bf16": False, "use_cpu": True}
    model, data, training, *_ = get_train_args(settings)
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_path)
    template = get_template_and_fix_tokenizer(tokenizer, data)
    found = get_dataset(template, model, data, training, stage="kto", tokenizer=tokenizer)["train_dataset"]
    assert sorted(found["kto_tags"]) == [False, True]
    for read in found:
        learned, context = learned_and_context(
            tokenizer, read["input_ids"], [label != -100 for label in read["labels"]]
        )
        assert learned.startswith(RIGHT if read["kto_tags"] else FLAWED)
        assert QUESTION in context


@pytest.mark.parametrize("task", TASKS)
def test_axolotl(task: str, tmp_path: Path) -> None:
    pytest.importorskip("axolotl", reason="axolotl wants another TRL")
    from axolotl.prompt_strategies.chat_template import load
    from axolotl.utils.dict import DictDefault

    exported("axolotl", [TASKS[task]], tmp_path)
    settings = yaml.safe_load((tmp_path / "train.yaml").read_text())
    (dataset,) = settings["datasets"]
    tokenizer = shipped_tokenizer()
    configuration = DictDefault(settings | {"chat_template": "tokenizer_default", "train_on_inputs": False})
    strategy = load(tokenizer, configuration, dataset)
    read = strategy.tokenize_prompt(json.loads((tmp_path / "rows.jsonl").read_text()))
    check(tokenizer, task, read["input_ids"], [label != -100 for label in read["labels"]])


def test_axolotl_reads_labelled_steps() -> None:
    pytest.importorskip("axolotl", reason="axolotl wants another TRL")
    from axolotl.prompt_strategies.stepwise_supervised import load
    from axolotl.utils.dict import DictDefault

    steps: StepRow = {"prompt": QUESTION, "completions": ["2 + 3 = 5.", "5 + 3 = 9."], "labels": [True, False]}
    read = load(shipped_tokenizer(), DictDefault({"sequence_len": 512}), DictDefault({})).tokenize_prompt(steps)
    assert [label for label in read["labels"] if label != -100] == [1, 0]


@pytest.mark.parametrize("task", [task for task in TASKS if task != "refiner"])
def test_verl(task: str, tmp_path: Path) -> None:
    pytest.importorskip("verl", reason="verl wants an older transformers")
    from omegaconf import OmegaConf
    from verl.utils.dataset.multiturn_sft_dataset import MultiTurnSFTDataset

    command = exported("verl", [TASKS[task]], tmp_path)
    given = dict(part.removeprefix("data.").split("=") for part in command.split() if part.startswith("data."))
    settings = OmegaConf.create({**given, "max_length": int(given["max_length"]), "pad_mode": "no_padding"})
    tokenizer = shipped_tokenizer()
    (read,) = MultiTurnSFTDataset(str(tmp_path / given["train_files"]), tokenizer, settings)
    check(tokenizer, task, read["input_ids"].tolist(), [bool(mask) for mask in read["loss_mask"]])


@pytest.mark.parametrize("task", TASKS)
def test_openrlhf(task: str, tmp_path: Path) -> None:
    pytest.importorskip("openrlhf", reason="OpenRLHF wants a flash-attn that is compiled with CUDA")
    from datasets import load_dataset
    from openrlhf.datasets import SFTDataset

    command = exported("openrlhf", [TASKS[task]], tmp_path)
    words = command.split()
    given = {name: words[words.index(f"--data.{name}") + 1] for name in ("input_key", "output_key", "max_len")}
    data = SimpleNamespace(**given, apply_chat_template="--data.apply_chat_template" in words)
    rows = load_dataset(
        "json", data_files=str(tmp_path / "rows.jsonl"), split="train", cache_dir=str(tmp_path / "cache")
    )
    tokenizer = shipped_tokenizer()
    strategy = SimpleNamespace(args=SimpleNamespace(data=data))
    (read,) = SFTDataset(rows, tokenizer, int(given["max_len"]), strategy, num_processors=1)
    ids, mask = read[0][0].tolist(), read[2][0].tolist()
    check(tokenizer, task, ids, [False, *(bool(value) for value in mask[:-1])])


def test_every_trainer_has_a_test() -> None:
    tested = {name.removeprefix("test_").replace("_", "-") for name in globals() if name.startswith("test_")}
    assert set(get_args(ExportTarget)) <= tested
