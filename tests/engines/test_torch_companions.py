"""Packages beside torch that do not load, as pip may bring them with vLLM's CPU build."""

import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from critique_graph.engines.torch_companions import DISPENSABLE, hidden_from_children, hide_unloadable

BROKEN = {
    "torchvision": "raise RuntimeError('operator torchvision::nms does not exist')",
    "torchaudio": "raise OSError('Could not load this library: _torchaudio.abi3.so')",
    "torchcodec": "is_loaded = True",
}


@pytest.fixture(autouse=True)
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = {name: sys.modules.pop(name, None) for name in DISPENSABLE}
    for name, text in BROKEN.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name, module in before.items():
        sys.modules.pop(name, None)
        if module is not None:
            sys.modules[name] = module


def test_packages_that_do_not_load_look_as_if_they_were_not_installed():
    assert find_spec("torchvision") is not None
    assert hide_unloadable() == ["torchvision", "torchaudio"]
    assert find_spec("torchvision") is None
    with pytest.raises(ModuleNotFoundError):
        import_module("torchvision.transforms")
    assert import_module("torchcodec").is_loaded
    assert hide_unloadable() == ["torchvision", "torchaudio"]


def test_transformers_looks_again():
    from_transformers = pytest.importorskip("transformers.utils.import_utils")
    from_transformers.is_torchaudio_available.cache_clear()
    assert from_transformers.is_torchaudio_available()
    hide_unloadable()
    assert not from_transformers.is_torchaudio_available()


def test_they_are_hidden_from_processes_that_are_started_in_the_block():
    own = sys.modules["__main__"].__spec__
    with hidden_from_children(), ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = [pool.submit(find_spec, name).result() for name in ("torchvision", "torchaudio")]
        assert pool.submit(find_spec, "torchcodec").result() is not None
    assert found == [None, None]
    assert sys.modules["__main__"].__spec__ is own
