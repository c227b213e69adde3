"""Properties of accelerators; the NPU is a fake of what torch-npu registers."""

from types import SimpleNamespace

import pytest

pytest.importorskip("torch")

import torch

from critique_graph.doctor import diagnose
from critique_graph.engines.accelerators import VisibleDevices, find_accelerator, visible_devices


def test_cpu_trains_in_single_precision():
    found = find_accelerator("cpu")
    assert (found.device.type, found.has_bf16, found.dtype, found.backend) == ("cpu", False, torch.float32, "gloo")
    assert found.optimizer == "adamw_torch_fused"


@pytest.fixture
def npu(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A torch that has an NPU, as after `import torch_npu` on a machine with CANN."""
    device = SimpleNamespace(type="npu")
    module = SimpleNamespace(
        is_bf16_supported=lambda: True,
        is_available=lambda: True,
        device_count=lambda: 1,
        get_device_name=lambda index: "Ascend910B",
    )
    monkeypatch.setattr(torch, "npu", module, raising=False)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: device)
    return module


def test_npu_is_found_with_its_own_backend_and_optimizer(npu: SimpleNamespace):
    found = find_accelerator()
    assert (found.device.type, found.backend, found.optimizer) == ("npu", "hccl", "adamw_torch_npu_fused")
    assert (found.has_bf16, found.dtype) == (True, "auto")
    npu.is_bf16_supported = lambda: False
    assert not find_accelerator().has_bf16


def test_visible_devices_have_the_names_of_the_variable(npu: SimpleNamespace, monkeypatch: pytest.MonkeyPatch):
    npu.device_count = lambda: 2
    monkeypatch.delenv("ASCEND_RT_VISIBLE_DEVICES", raising=False)
    assert visible_devices() == VisibleDevices("ASCEND_RT_VISIBLE_DEVICES", ("0", "1"))
    monkeypatch.setenv("ASCEND_RT_VISIBLE_DEVICES", "3, 5")
    assert visible_devices() == VisibleDevices("ASCEND_RT_VISIBLE_DEVICES", ("3", "5"))


def test_machine_without_an_accelerator_has_no_visible_device(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    assert visible_devices() == VisibleDevices("", ())


def test_trainers_take_what_the_npu_can(npu: SimpleNamespace):
    pytest.importorskip("trl")
    from critique_graph.trainers.trainer import SFTSettings, arguments

    taken = arguments(SFTSettings(), "out", keeps_state=False)
    assert (taken["optim"], taken["bf16"], taken["dataloader_pin_memory"]) == ("adamw_torch_npu_fused", True, True)
    on_cpu = arguments(SFTSettings(use_cpu=True), "out", keeps_state=False)
    assert (on_cpu["optim"], on_cpu["bf16"], on_cpu["dataloader_pin_memory"]) == ("adamw_torch_fused", False, False)


def test_doctor_says_how_one_would_train_here(npu: SimpleNamespace):
    accelerator = diagnose()["accelerator"]
    assert accelerator == {
        "device": "npu",
        "bf16": "yes",
        "distributed": "hccl",
        "optimizer": "adamw_torch_npu_fused",
    }


def test_doctor_on_a_cpu():
    assert diagnose()["accelerator"]["device"] in ("cpu", "cuda", "mps")
