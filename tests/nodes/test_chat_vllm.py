"""`ChatVLLM` with a scripted vLLM (`fake_vllm`); `test_vllm_engine.py` runs the real vLLM."""

import asyncio
import importlib
import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fakes import ScriptedModel, solution
from langchain_core.messages import AIMessage, HumanMessage

from critique_graph.calls.faults import classify
from critique_graph.core.critique_json import critique_format
from critique_graph.core.errors import InputError, MissingDependencyError, ModelCallError
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.miniature import weights_path
from critique_graph.models.load import load_model
from critique_graph.models.roles import load_roles
from critique_graph.nodes.chat_vllm import ChatVLLM

FAKE = Path(__file__).parents[1] / "fake_vllm"
MODEL = str(weights_path("actor"))


def forget_vllm() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "vllm"]:
        del sys.modules[name]


@pytest.fixture
def vllm(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(FAKE))
    for name in ("VLLM_LOGGING_CONFIG_PATH", "VLLM_WORKER_MULTIPROC_METHOD", "VLLM_NO_USAGE_STATS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    forget_vllm()
    fake = importlib.import_module("vllm")
    yield fake
    forget_vllm()


@pytest.fixture
def model(vllm):
    model = ChatVLLM(model=MODEL, temperature=0.0)
    yield model
    model.close()


async def test_calls_and_objects_share_one_engine(vllm, model):
    other = ChatVLLM(model=MODEL, temperature=0.7)
    replies = await asyncio.gather(*(chat.ainvoke("2 + 3 =", seed=7) for chat in (model, other) for _ in range(20)))
    assert {reply.content for reply in replies} == {"2 + 3 = 5"}
    assert len(vllm.engines) == 1
    params = [request.params for request in vllm.engines[0].requests]
    assert {(p.temperature, p.seed) for p in params} == {(0.0, 7), (0.7, 7)}


def test_other_engine_settings_are_another_engine(vllm, model):
    other = ChatVLLM(model=MODEL, engine={"max_model_len": 100})
    model.invoke("2 + 3 =")
    other.invoke("2 + 3 =")
    assert [engine.args.max_model_len for engine in vllm.engines] == [256, 100]
    other.close()
    assert [engine.is_shut_down for engine in vllm.engines] == [False, True]


def test_sync_calls_work_from_any_thread(model):
    with ThreadPoolExecutor(4) as threads:
        replies = list(threads.map(lambda _: model.invoke("2 + 3 =").content, range(8)))
    assert replies == ["2 + 3 = 5"] * 8
    assert [reply.content for reply in model.batch(["a", "b"])] == ["2 + 3 = 5"] * 2


def test_engines_of_one_run_divide_the_memory(vllm, monkeypatch, tmp_path):
    monkeypatch.delenv("VLLM_CPU_KVCACHE_SPACE", raising=False)
    critic = str(weights_path("critic"))
    models = load_roles({"actor": f"vllm:{MODEL}", "critic": f"vllm:{critic}"})
    for model in models.values():
        model.invoke("2 + 3 =")
    assert [engine.args.model for engine in vllm.engines] == [MODEL, critic]
    assert [engine.args.kv_cache_memory_bytes / 1024**3 for engine in vllm.engines] == pytest.approx([2, 2], rel=0.01)
    for model in models.values():
        model.close()


def test_roles_with_one_string_share_an_engine_that_has_it_all(vllm, monkeypatch):
    monkeypatch.delenv("VLLM_CPU_KVCACHE_SPACE", raising=False)
    models = load_roles({"actor": f"vllm:{MODEL}", "critic": f"vllm:{MODEL}"})
    for model in models.values():
        model.invoke("2 + 3 =")
    assert [engine.args.kv_cache_memory_bytes for engine in vllm.engines] == [4 * 1024**3]
    models["actor"].close()


async def test_reply_is_no_longer_than_asked_for_or_than_the_context(vllm, model):
    await asyncio.gather(model.ainvoke("2 + 3 =", max_tokens=3), model.ainvoke("2 + 3 =", max_tokens=1000))
    asked, bounded = (request.params.max_tokens for request in vllm.engines[0].requests)
    assert asked == 3
    assert 200 < bounded < 256


def test_reply_says_what_it_cost_and_how_it_ended(model):
    reply = model.invoke("2 + 3 =")
    assert reply.usage_metadata["output_tokens"] == 5
    assert reply.usage_metadata["input_token_details"] == {"cache_read": 4}
    assert reply.response_metadata == {"finish_reason": "stop", "model_name": "actor"}


async def test_stream_gives_the_reply_in_pieces(model):
    chunks = [chunk async for chunk in model.astream("2 + 3 =")]
    assert len(chunks) > 4
    assert "".join(chunk.content for chunk in chunks) == "2 + 3 = 5"
    assert "".join(chunk.content for chunk in model.stream("2 + 3 =")) == "2 + 3 = 5"


async def test_reasoning_is_kept_apart(vllm, model):
    vllm.script["How much"] = "<think>\n2 + 3</think>\n\n5"
    reply = await model.ainvoke("How much")
    assert (reply.content, reply.additional_kwargs) == ("5", {"reasoning_content": "2 + 3"})
    chunks = [chunk async for chunk in model.astream("How much")]
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert (whole.content, whole.additional_kwargs) == ("5", {"reasoning_content": "2 + 3"})


def test_reasoning_the_template_began_is_reasoning(vllm, tmp_path):
    folder = tmp_path / "thinker"
    shutil.copytree(MODEL, folder)
    template = (folder / "chat_template.jinja").read_text()
    opened = "{% if enable_thinking is not defined or enable_thinking %}<think>\n{% endif %}"
    (folder / "chat_template.jinja").write_text(template + opened)
    vllm.script["How much"] = "2 + 3</think>\n\n5"
    model = ChatVLLM(model=str(folder))
    reply = model.invoke("How much")
    assert (reply.content, reply.additional_kwargs) == ("5", {"reasoning_content": "2 + 3"})
    silent = ChatVLLM(model=str(folder), template_arguments={"enable_thinking": False})
    assert silent.invoke("2 + 3 =").content == "2 + 3 = 5"
    assert [request.prompt.endswith("<think>\n") for request in vllm.engines[0].requests] == [True, False]
    model.close()


async def test_final_message_can_be_continued(vllm, model):
    messages = [HumanMessage("2 + 3 ="), AIMessage("It is")]
    assert (await model.ainvoke(messages, continue_final_message=True)).content == "2 + 3 = 5"
    assert vllm.engines[0].requests[0].prompt.endswith("<|assistant|>It is")
    with pytest.raises(ValueError, match="needs a final AI message"):
        await model.ainvoke("2 + 3 =", continue_final_message=True)


def test_reply_keeps_to_a_schema_and_does_not_loop(vllm, model):
    asked = critique_format(2)
    model.invoke("Is it correct?", **asked, stop_repetition=True)
    model.invoke("Is it correct?")
    strict, free = (request.params for request in vllm.engines[0].requests)
    assert strict.structured_outputs.json == asked["extra_body"]["response_format"]["json_schema"]["schema"]
    assert strict.repetition_detection.min_count > 2
    assert (free.structured_outputs, free.repetition_detection) == (None, None)


def test_older_vllm_detects_no_repetition(vllm, model, monkeypatch):
    monkeypatch.delattr("vllm.sampling_params.RepetitionDetectionParams")
    model.invoke("Is it correct?", stop_repetition=True)
    assert vllm.engines[0].requests[0].params.repetition_detection is None


def test_other_parts_of_a_request_body_are_refused(model):
    with pytest.raises(ValueError, match="only have a response_format"):
        model.invoke("Is it correct?", extra_body={**critique_format(2)["extra_body"], "top_k": 3})


async def test_critic_is_asked_for_json_unless_it_was_trained_on_the_fixed_format(vllm, tmp_path):
    vllm.script["3 + 4"] = "no JSON"
    folder = tmp_path / "another"
    shutil.copytree(MODEL, folder)
    for path, is_asked in ((MODEL, False), (str(folder), True)):
        critic = ChatVLLM(model=path, engine={"max_model_len": 2000})
        actor = ScriptedModel(replies=[solution(7)])
        await create_actor_critic(actor, critic).compile().ainvoke({"question": "What is 3 + 4?"})
        assert [bool(one.params.structured_outputs) for one in vllm.engines[-1].requests] == [is_asked]
        critic.close()


def test_logprobs_have_the_form_of_openai(model):
    first, *_ = model.invoke("2 + 3 =", logprobs=True, top_logprobs=2).response_metadata["logprobs"]["content"]
    assert (first["token"], first["bytes"], first["logprob"]) == ("2", [50], -0.5)
    assert [rival["logprob"] for rival in first["top_logprobs"]] == [-0.5, -2.0]


@pytest.mark.parametrize(("asked", "given"), [(0, []), (1, [-0.5])])
def test_as_many_rivals_as_asked_for_stand_beside_a_token(model, asked, given):
    first, *_ = model.invoke("2 + 3 =", logprobs=True, top_logprobs=asked).response_metadata["logprobs"]["content"]
    assert [rival["logprob"] for rival in first["top_logprobs"]] == given


async def test_cancelled_call_frees_its_slot(vllm, model):
    await model.ainvoke("2 + 3 =")
    (engine,) = vllm.engines
    engine.waits.clear()
    stream = model.astream("2 + 3 =")
    await anext(stream)
    assert len(engine.running) == 1
    await stream.aclose()
    await _until(lambda: not engine.running)


async def test_call_that_takes_too_long_is_a_timeout_and_frees_its_slot(vllm):
    model = ChatVLLM(model=MODEL, timeout=0.2)
    await model.ainvoke("2 + 3 =")
    vllm.engines[0].waits.clear()
    with pytest.raises(TimeoutError):
        await model.ainvoke("2 + 3 =")
    await _until(lambda: not vllm.engines[0].running)
    model.close()


@pytest.mark.parametrize(
    ("prompt", "message"), [("2 " * 300, "tokens, the model's context 256"), ("refuse me", "this is no request")]
)
async def test_refused_request_is_a_rejection(model, prompt, message):
    with pytest.raises(ModelCallError, match=message) as caught:
        await model.ainvoke(prompt)
    assert caught.value.failure.kind == "rejected"


async def test_death_of_the_engine_fails_calls_that_are_not_tried_again(vllm, model):
    await model.ainvoke("2 + 3 =")
    vllm.engines[0].errored = True
    with pytest.raises(ModelCallError, match="the engine has died") as caught:
        await model.ainvoke("2 + 3 =")
    assert caught.value.failure.kind == "server"
    assert not classify(caught.value).retryable


async def test_closed_engine_fails_what_is_in_flight_and_the_next_call_starts_another(vllm, model):
    await model.ainvoke("2 + 3 =")
    vllm.engines[0].waits.clear()
    in_flight = asyncio.ensure_future(model.ainvoke("2 + 3 ="))
    await _until(lambda: vllm.engines[0].running)
    await asyncio.to_thread(model.close)
    with pytest.raises(ModelCallError, match="the engine was closed"):
        await in_flight
    assert (await model.ainvoke("2 + 3 =")).content == "2 + 3 = 5"
    assert [engine.is_shut_down for engine in vllm.engines] == [True, False]


def test_engine_of_objects_that_are_gone_is_shut_down(vllm):
    ChatVLLM(model=MODEL).invoke("2 + 3 =")
    assert vllm.engines[0].is_shut_down


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("Free memory on device (3/8 GiB) is less than desired"), "not enough memory.*max_model_len"),
        (ValueError("The repository contains custom code; pass trust_remote_code=True"), "code of its own"),
        (OSError("no such repository"), "did not start: no such repository"),
    ],
)
def test_failed_start_says_in_a_line_what_to_do(vllm, model, error, message):
    vllm.start_error.append(error)
    with pytest.raises(InputError, match=message) as caught:
        model.invoke("2 + 3 =")
    assert "\n" not in str(caught.value)


def test_failed_start_of_another_process_is_explained_by_the_log(vllm, monkeypatch):
    def start(args):
        vllm.log_file().write_text("Traceback:\n  File x\nRuntimeError: CUDA out of memory\n")
        raise RuntimeError("Engine core initialization failed. See root cause above.")

    monkeypatch.setattr(vllm.AsyncLLMEngine, "from_engine_args", start)
    with pytest.raises(InputError, match=r"not enough memory to start: RuntimeError: CUDA out of memory \(log: "):
        ChatVLLM(model=MODEL).invoke("2 + 3 =")


def test_pickled_weights_are_refused(vllm, tmp_path):
    folder = tmp_path / "pickled"
    shutil.copytree(MODEL, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    (folder / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(InputError, match="no safetensors weights"):
        ChatVLLM(model=str(folder)).invoke("2 + 3 =")


def test_adapter_goes_with_the_request(vllm, tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    (tmp_path / "adapter_model.safetensors").touch()
    model = ChatVLLM(model=MODEL, lora=str(tmp_path))
    model.invoke("2 + 3 =")
    assert vllm.engines[0].args.enable_lora
    assert vllm.engines[0].requests[0].lora.lora_path == str(tmp_path)
    with pytest.raises(InputError, match="holds no LoRA adapter"):
        ChatVLLM(model=MODEL, lora="nowhere").invoke("2 + 3 =")
    model.close()


def test_processes_are_spawned_and_log_to_a_file(vllm, model, monkeypatch):
    model.invoke("2 + 3 =")
    assert os.environ["VLLM_WORKER_MULTIPROC_METHOD"] == "spawn"
    configuration = json.loads(Path(os.environ["VLLM_LOGGING_CONFIG_PATH"]).read_text())
    assert configuration["loggers"]["vllm"]["handlers"] == ["file"]


def test_own_logging_configuration_is_left_alone(vllm, model, monkeypatch):
    monkeypatch.setenv("VLLM_LOGGING_CONFIG_PATH", "/mine.json")
    model.invoke("2 + 3 =")
    assert os.environ["VLLM_LOGGING_CONFIG_PATH"] == "/mine.json"


def test_string_names_the_model(vllm):
    model = load_model(f"vllm:{MODEL}")
    assert (type(model), model.model) == (ChatVLLM, str(Path(MODEL).resolve()))
    with pytest.raises(InputError, match="no such folder"):
        load_model("vllm:/nowhere")


def test_string_can_hold_settings_of_the_engine_and_an_adapter(vllm):
    model = load_model(f"vllm:{MODEL}?gpu_memory_utilization=0.45&max_model_len=100&lora=/adapter")
    assert (model.engine, model.lora) == ({"gpu_memory_utilization": 0.45, "max_model_len": 100}, "/adapter")
    with pytest.raises(InputError, match="settings are NAME=VALUE"):
        load_model(f"vllm:{MODEL}?half")


def test_model_runs_without_code_of_its_own_and_from_safetensors(vllm, model):
    model.invoke("2 + 3 =")
    (engine,) = vllm.engines
    assert (engine.args.trust_remote_code, engine.args.load_format) == (False, "safetensors")


def test_pickled_adapter_is_refused(vllm, tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    (tmp_path / "adapter_model.bin").touch()
    with pytest.raises(InputError, match=r"no adapter_model\.safetensors; pickled weights are refused"):
        ChatVLLM(model=MODEL, lora=str(tmp_path)).invoke("2 + 3 =")


def test_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setattr("critique_graph.nodes.chat_vllm.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"critique-graph\[(vllm|vllm-cpu|ascend)\]"):
        ChatVLLM(model=MODEL)


async def _until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the other thread has no event to wait for
            await asyncio.sleep(0)
