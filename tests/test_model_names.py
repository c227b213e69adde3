"""What runs record of their models: never where these lie on the machine."""

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")

from critique_graph.cli import run_command
from critique_graph.core.weights import weights_hash
from critique_graph.miniature import weights_path
from critique_graph.models.load import load_model


@pytest.fixture
def critic(tmp_path: Path) -> Path:
    return shutil.copytree(weights_path("critic"), tmp_path / "secret-place" / "my-critic")


@pytest.mark.parametrize("verb", ["run", "compare", "self-talk"])
def test_traces_name_a_model_in_a_folder_by_its_weights(verb: str, critic: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [verb, "miniature", "--limit", "2", "--critic", f"hf:{critic}", "--out", str(out), "--quiet"]
    assert run_command(command) in (0, 3)
    name = f"hf:my-critic@{weights_hash(critic)}"
    traces = (out / "traces.jsonl").read_text()
    assert "secret-place" not in traces
    assert json.loads(traces.splitlines()[0])["settings"]["critic"] == name
    assert f'"model":"{name}"' in traces
    assert f'"model":"miniature:actor@{weights_hash(weights_path("actor"))}"' in traces
    assert str(weights_path("actor").parent) not in traces


def test_data_set_names_its_models_so_too(tmp_path: Path) -> None:
    actor = shutil.copytree(weights_path("actor"), tmp_path / "secret-place" / "my-actor")
    out = tmp_path / "out"
    command = ["generate", "miniature", "--limit", "3", "--seed", "3", "--actor", f"hf:{actor}", "--out", str(out)]
    assert run_command([*command, "--quiet"]) == 0
    rows = (out / "dataset" / "train.jsonl").read_text().splitlines()
    assert {json.loads(row)["actor"] for row in rows} == {f"hf:my-actor@{weights_hash(actor)}"}


def test_adapter_is_named_beside_its_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("critique_graph.nodes.chat_vllm.find_spec", lambda name: object())
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_model.safetensors").write_bytes(b"weights")
    model = load_model(f"vllm:some/model?lora={tmp_path / 'adapter'}")
    adapter = weights_hash(tmp_path / "adapter")
    assert model.recorded_name == f"vllm:some/model+lora:adapter@{adapter}"  # type: ignore[attr-defined]
