"""Training in another process."""

import fcntl
import json
import threading
from pathlib import Path

import pytest

pytest.importorskip("trl")

from critique_graph.core.errors import RunError
from critique_graph.models.load import load_model
from critique_graph.trainers.settings import TrainSettings
from critique_graph.trainers.train_process import TrainingOrder, train_in_own_process

ROW = {"prompt": [{"role": "user", "content": "2 + 3?"}], "completion": [{"role": "assistant", "content": "5"}]}


def order(folder: Path, **settings: object) -> TrainingOrder:
    (folder / "rows.jsonl").write_text(f"{json.dumps(ROW)}\n" * 2)
    return TrainingOrder(
        folder / "rows.jsonl",
        "miniature:actor",
        folder / "model",
        TrainSettings(**settings),  # type: ignore[arg-type]
    )


@pytest.mark.slow
def test_trained_model_is_left_and_the_lock_is_waited_for(tmp_path: Path) -> None:
    begun = order(tmp_path, batch_size=2, learning_rate=1e-3)
    with (tmp_path / "model.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as a training does whose parent was killed
        threading.Timer(0.2, lambda: fcntl.flock(lock, fcntl.LOCK_UN)).start()
        done = train_in_own_process(begun)
    assert (done.rows, done.steps, done.device) == (2, 1, "cpu")
    assert load_model(f"hf:{begun.out}").invoke("2 + 3?", max_tokens=3).usage_metadata is not None


@pytest.mark.slow
def test_failure_is_one_line_with_the_place_of_the_log(tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match=r"the training of \S+model failed: .*no multiple of --rows-at-once 3.*model\.log"
    ):
        train_in_own_process(order(tmp_path, batch_size=4, rows_at_once=3))
