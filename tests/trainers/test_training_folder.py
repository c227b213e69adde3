"""Who owns the folder of a training."""

import json
from pathlib import Path

import pytest

from critique_graph.core.errors import InputError
from critique_graph.trainers.training_folder import claim


def test_same_configuration_goes_on_and_another_is_refused(tmp_path: Path):
    out = tmp_path / "model"
    claim(out, {"task": "critic", "seed": 0})
    (out / "training" / "checkpoints").mkdir()

    claim(out, {"task": "critic", "seed": 0})
    with pytest.raises(InputError, match="holds a training with seed 0, not 1: give another folder"):
        claim(out, {"task": "critic", "seed": 1})


def test_training_that_had_not_begun_gives_way_and_leaves_what_is_kept(tmp_path: Path):
    out = tmp_path / "model"
    claim(out, {"seed": 0})
    for name in ("responses", "rows"):
        (out / "training" / name).mkdir()

    claim(out, {"seed": 1}, kept="responses")

    assert sorted(path.name for path in (out / "training").iterdir()) == ["responses", "settings.json"]
    assert json.loads((out / "training" / "settings.json").read_text()) == {"seed": 1}


def test_folder_with_something_else_is_refused(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine")

    with pytest.raises(InputError, match="is not empty and holds no training"):
        claim(tmp_path, {"seed": 0})


def test_link_is_refused(tmp_path: Path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "away").symlink_to(tmp_path)

    with pytest.raises(InputError, match="is a link, and may lead anywhere"):
        claim(tmp_path / "model", {"seed": 0})
