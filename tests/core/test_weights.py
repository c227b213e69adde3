"""How traces name models: the same on every machine, and different for different weights."""

from pathlib import Path

import pytest

from critique_graph.core.weights import named_by_weights, weights_hash, without_paths


def model(folder: Path, *, size: int = 100, changed: int | None = None) -> Path:
    content = bytearray(range(256)) * (size // 256 + 1)
    if changed is not None:
        content[changed] ^= 1
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(content[:size])
    return folder


def test_name_on_the_hub_stays() -> None:
    assert named_by_weights("hf", "Qwen/Qwen3-0.6B") == "hf:Qwen/Qwen3-0.6B"


def test_folder_is_named_by_its_last_part_and_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = model(tmp_path / "here" / "critic"), model(tmp_path / "there" / "critic")
    name = f"hf:critic@{weights_hash(here)}"
    assert len(weights_hash(here)) == 12
    monkeypatch.chdir(here)
    assert [named_by_weights("hf", str(path)) for path in (here, there, f"{there}/", ".")] == [name] * 4


@pytest.mark.parametrize("size", [1, 4096, 4097, 4 * 2**20, 4 * 2**20 + 1, 9_000_000])
@pytest.mark.parametrize("place", ["first", "last"])
def test_other_weights_have_another_hash(size: int, place: str, tmp_path: Path) -> None:
    changed = 0 if place == "first" else size - 1
    one, other = model(tmp_path / "one", size=size), model(tmp_path / "other", size=size, changed=changed)
    assert weights_hash(one) != weights_hash(other)


def test_small_files_are_read_whole(tmp_path: Path) -> None:
    hashes = {weights_hash(model(tmp_path / str(at), size=20_000, changed=at)) for at in range(0, 20_000, 999)}
    assert len(hashes) == 21


def test_names_and_sizes_of_files_count(tmp_path: Path) -> None:
    one, renamed, longer = (model(tmp_path / name) for name in ("one", "renamed", "longer"))
    (renamed / "model.safetensors").rename(renamed / "model-1.safetensors")
    with (longer / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    assert len({weights_hash(folder) for folder in (one, renamed, longer)}) == 3


def test_settings_name_models_without_paths(tmp_path: Path) -> None:
    folder = model(tmp_path / "actor")
    name = f"actor@{weights_hash(folder)}"
    given = {
        "actor": f"hf:{folder}",
        "critic": f"vllm:{folder}?max_model_len=100&lora={folder}",
        "annotator": "openai:small",
        "smoother": "exact",
        "samples": 4,
    }
    assert without_paths(given) == {
        **given,
        "actor": f"hf:{name}",
        "critic": f"vllm:{name}?max_model_len=100&lora={name}",
    }
    assert without_paths({"critic": "miniature:critic", "actor": None}) == {"critic": "miniature:critic", "actor": None}
