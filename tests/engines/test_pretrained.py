"""How models of others are loaded; `tests/test_hostile_models.py` has every verb with hostile ones."""

from pathlib import Path

import pytest

pytest.importorskip("transformers")

from transformers import AutoModelForCausalLM

from critique_graph.core.errors import InputError
from critique_graph.engines.pretrained import check_adapter, load_tokenizer, load_weights

ROOT = Path(__file__).parents[2]


def test_everything_is_loaded_in_one_place() -> None:
    found = [
        str(path.relative_to(ROOT))
        for folder in ("critique_graph", "nodes", "trainers")
        for path in (ROOT / folder).rglob("*.py")
        if ".from_pretrained(" in path.read_text()
    ]
    assert found == ["critique_graph/engines/pretrained.py"]


@pytest.mark.parametrize("files", [{}, {"config.json": "{"}, {"config.json": "[]"}, {"tokenizer_config.json": "\0"}])
def test_folder_that_cannot_be_loaded_is_named(files: dict[str, str], tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=f"cannot load {tmp_path}: "):
        load_tokenizer(tmp_path)
    with pytest.raises(InputError, match=f"cannot load {tmp_path}: "):
        load_weights(AutoModelForCausalLM, tmp_path)


def test_pickled_adapter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match=r"no adapter_model\.safetensors"):
        check_adapter(tmp_path)
    (tmp_path / "adapter_model.safetensors").touch()
    check_adapter(tmp_path)
