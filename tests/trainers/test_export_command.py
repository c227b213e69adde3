"""What `critique-graph export --to trl` writes, trained on by TRL as its users would: file, trainer, no more."""

import json
import logging
import warnings
from pathlib import Path

import pytest

from critique_graph import export_rows
from critique_graph.cli import run_command
from critique_graph.miniature import weights_path

pytest.importorskip("trl")

from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the log of the libraries reach `caplog`: they keep it to themselves."""
    for name in ("transformers", "datasets"):
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("arguments", [("critic",), ("critic", "--reasoning"), ("refiner",), ("actor",)])
def test_exported_file_trains_in_trl_without_a_warning(
    arguments: tuple[str, ...], data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    file = tmp_path / "rows.jsonl"
    assert run_command(["export", str(data), "--to", "trl", "--task", *arguments, "--out", str(file)]) == 0
    rows = load_dataset("json", data_files=str(file), split="train", cache_dir=str(tmp_path / "cache"))
    weights = weights_path("critic" if arguments[0] == "critic" else "actor")
    config = SFTConfig(
        str(tmp_path / "out"),
        max_steps=1,
        per_device_train_batch_size=2,
        max_length=2048,
        use_cpu=True,
        bf16=False,
        activation_checkpointing=False,  # TRL's own default warns
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
    )
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        trainer = SFTTrainer(
            model=AutoModelForCausalLM.from_pretrained(weights),
            processing_class=AutoTokenizer.from_pretrained(weights),
            train_dataset=rows,
            args=config,
        )
        trained = trainer.train()
    assert len(trainer.train_dataset) == len(rows) > 0
    assert trained.training_loss > 0
    assert [record.getMessage() for record in caplog.records] == []


def test_export_from_python_says_what_it_wrote(data: Path, tmp_path: Path) -> None:
    done = export_rows(data, to="trl", task="critic", out=tmp_path / "critic.jsonl")
    assert (done.format, done.task, done.command) == ("trl", "critic", None)
    assert done.rows == len((tmp_path / "critic.jsonl").read_text().splitlines()) > 0


def test_export_prints_its_record_as_json(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "axolotl"
    code = run_command(["export", str(data), "--to", "axolotl", "--model", "m", "--out", str(out), "--json"])
    done = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (done["format"], done["out"]) == ("axolotl", str(out))
    assert "axolotl train" in done["command"]


def test_json_and_rows_do_not_share_standard_output(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["export", str(data), "--to", "trl", "--json"]) == 2
    assert "--json needs --out" in capsys.readouterr().err
