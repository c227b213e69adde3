from types import SimpleNamespace

import pytest

from critique_graph import doctor


@pytest.fixture
def installed(monkeypatch):
    """Packages that seem to be installed, beside those that are."""
    extra: set[str] = set()
    find_spec = doctor.importlib.util.find_spec
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: name in extra or find_spec(name))
    return extra


def test_torch_that_does_not_load_for_want_of_cann_is_a_line_that_says_what_to_do(installed, monkeypatch):
    def fail(name):
        raise RuntimeError("Failed to load the backend extension: torch_npu.\nYou can disable it")

    installed.add("torch_npu")
    monkeypatch.setattr(doctor.importlib, "import_module", fail)
    _, line = doctor.diagnose()["devices"]
    assert line.startswith(
        "torch does not load: Failed to load the backend extension: torch_npu.; torch-npu needs CANN"
    )
    assert "TORCH_DEVICE_BACKEND_AUTOLOAD=0" in line


def test_npus_are_listed_with_what_is_visible(monkeypatch):
    torch = SimpleNamespace(
        cuda=SimpleNamespace(is_available=lambda: False),
        backends=SimpleNamespace(mps=SimpleNamespace(is_available=lambda: False)),
        npu=SimpleNamespace(is_available=lambda: True, device_count=lambda: 2, get_device_name=lambda i: "Ascend910B"),
    )
    monkeypatch.setattr(doctor.importlib, "import_module", lambda name: torch)
    monkeypatch.setenv("ASCEND_RT_VISIBLE_DEVICES", "4,5")
    _, *npus = doctor.diagnose()["devices"]
    assert npus == ["npu:0 (Ascend910B)", "npu:1 (Ascend910B)", "ASCEND_RT_VISIBLE_DEVICES: 4,5"]


def test_torch_npu_without_an_npu_is_said(installed):
    installed.add("torch_npu")
    assert "torch-npu is installed, but no NPU is available" in doctor.diagnose()["devices"]


def test_platform_plugins_of_vllm_are_named_unless_they_are_switched_off(installed, monkeypatch):
    installed.add("vllm")
    monkeypatch.setattr(doctor, "entry_points", lambda group: [SimpleNamespace(name="ascend")])
    assert doctor.diagnose()["backends"]["vllm"] == "ready, platform plugin: ascend"
    monkeypatch.setenv("VLLM_PLUGINS", "other")
    assert doctor.diagnose()["backends"]["vllm"] == "ready"


def test_packages_that_vllm_goes_without_are_named(installed, monkeypatch):
    installed.add("vllm")
    monkeypatch.setattr(doctor, "hide_unloadable", lambda: ["torchvision", "torchaudio"])
    expected = "ready; goes without torchvision, torchaudio: not a build for this torch"
    assert doctor.diagnose()["backends"]["vllm"] == expected
