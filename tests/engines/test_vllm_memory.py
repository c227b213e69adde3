"""How vLLM engines divide a device, tested without vLLM."""

import pytest

from critique_graph.engines.vllm_memory import WHOLE, divided, memory_settings

GIB = 1024**3


@pytest.fixture
def model(tmp_path):
    def make(name: str, gib: int) -> str:
        (tmp_path / name).mkdir()
        with (tmp_path / name / "model.safetensors").open("wb") as weights:
            weights.truncate(gib * GIB)  # a hole, which takes no space on the disk
        return str(tmp_path / name)

    return make


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch):
    monkeypatch.delenv("VLLM_CPU_KVCACHE_SPACE", raising=False)


def test_engines_divide_the_device_by_their_weights_and_what_each_needs_beside_them(model):
    assert divided([(model("actor", 14), {}), (model("critic", 6), {})]) == pytest.approx([16 / 24, 8 / 24])


def test_tiny_model_beside_a_large_one_has_room_to_work(model):
    assert divided([(model("actor", 14), {}), (model("critic", 0), {})])[1] == pytest.approx(2 / 18)


def test_names_on_the_hub_divide_it_equally():
    assert divided([("a/b", {}), ("c/d", {}), ("e/f", {})]) == pytest.approx([1 / 3] * 3)


def test_one_engine_has_it_all():
    assert divided([("a/b", {})]) == [1.0]


def test_engine_that_was_told_its_share_leaves_the_rest():
    shares = divided([("a/b", {"gpu_memory_utilization": WHOLE / 3}), ("c/d", {}), ("e/f", {})])
    assert shares == pytest.approx([0, 1 / 3, 1 / 3])


def test_engine_that_was_told_its_cache_counts_for_nothing():
    assert divided([("a/b", {"kv_cache_memory_bytes": GIB}), ("c/d", {})]) == [0, 1]


def test_nothing_is_left_where_others_were_told_everything():
    told = {"gpu_memory_utilization": 0.95}
    assert divided([("a/b", told), ("c/d", {})]) == [0, 0]


@pytest.mark.parametrize(
    ("settings", "share", "free", "expected"),
    [
        ({}, 1.0, None, {}),
        ({}, 0.5, None, {"gpu_memory_utilization": 0.45}),
        ({}, 0.5, 8 * GIB, {"kv_cache_memory_bytes": 2 * GIB}),
        ({}, 1.0, 8 * GIB, {"kv_cache_memory_bytes": 4 * GIB}),
        ({"gpu_memory_utilization": 0.3}, 0.5, 8 * GIB, {}),
        ({"kv_cache_memory_bytes": 10}, 0.5, None, {}),
        ({}, 0.0, None, {}),
    ],
    ids=["alone", "device", "computer", "alone on a computer", "told a share", "told a cache", "nothing left"],
)
def test_settings_of_a_share(settings, share, free, expected):
    assert memory_settings(settings, share, free=free) == expected


def test_cache_of_the_environment_is_left_alone(monkeypatch):
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    assert memory_settings({}, 0.5, free=8 * GIB) == {}
