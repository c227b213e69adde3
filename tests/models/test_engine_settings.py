"""Settings of vLLM in model strings: what could load code is refused, wherever the string comes from."""

import subprocess
import sys

import pytest

from critique_graph.core.errors import InputError
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.models.engine_settings import read_engine_settings
from critique_graph.models.load import load_model

LOADING_CODE = [
    "trust_remote_code=true",
    "trust-remote-code=true",
    "Trust_Remote_Code=1",
    "trust_remote_code=false&trust_remote_code=true",
    "max_model_len=100&trust_remote_code=true",
    "hf_overrides={auto_map: {AutoConfig: x.Y}}",
    "worker_cls=x.Y",
    "worker_extension_cls=x.Y",
    "load_format=pt",
    "load_format=auto",
    "distributed_executor_backend=x.Y",
    "scheduler_cls=x.Y",
    "logits_processors=[x.Y]",
    "compilation_config={backend: x.y}",
    "speculative_config={model: /x}",
    "reasoning_parser_plugin=/x.py",
    "tool_parser_plugin=/x.py",
    "plugins=x",
    "model=/x",
    "tokenizer=/x",
    "hf_config_path=/x",
    "generation_config=/x",
    "model_loader_extra_config={a: b}",
    "additional_config={a: b}",
    "download_dir=/x",
    "kv_transfer_config={kv_connector_module_path: x}",
]


@pytest.mark.parametrize("settings", LOADING_CODE)
def test_setting_that_can_load_code_is_one_line_of_input_error(settings: str) -> None:
    with pytest.raises(InputError, match="is not allowed in a model string, because") as caught:
        load_model(f"vllm:some/model?{settings}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("settings", ["trust_remote_code=true", "worker_cls=x.Y"])
async def test_context_of_a_served_graph_cannot_set_it_either(settings: str) -> None:
    graph = create_actor_critic().compile()
    with pytest.raises(InputError, match="is not allowed in a model string"):
        await graph.ainvoke({"question": "2 + 3?"}, context={"actor": f"vllm:some/model?{settings}"})


@pytest.mark.parametrize("prefix", ["hf", "miniature", "openai"])
def test_only_strings_of_vllm_have_settings(prefix: str) -> None:
    with pytest.raises(InputError):
        load_model(f"{prefix}:actor?trust_remote_code=true")


@pytest.mark.parametrize("value", ["[1, 2]", "{a: 1}", "[", "[" * 5000, "&a", "!!python/object/apply:os.getcwd []", ""])
def test_value_is_a_number_a_word_or_a_switch(value: str) -> None:
    with pytest.raises(InputError, match=r"must be a number, a word|settings are NAME=VALUE"):
        read_engine_settings("vllm:x", f"max_model_len={value}")


def test_values_have_their_types() -> None:
    given = "gpu_memory_utilization=0.45&max_model_len=8192&dtype=bfloat16&enforce_eager=true"
    assert read_engine_settings("vllm:x", given) == {
        "gpu_memory_utilization": 0.45,
        "max_model_len": 8192,
        "dtype": "bfloat16",
        "enforce_eager": True,
    }


@pytest.mark.parametrize("provider", ["huggingface", "HuggingFace", "hugging-face"])
def test_langchain_loads_no_weights(provider: str) -> None:
    with pytest.raises(InputError, match="use hf:some/model"):
        load_model(f"{provider}:some/model")


def test_importing_it_loads_no_engine() -> None:
    code = (
        "import sys, critique_graph.models.engine_settings; print({'torch', 'vllm', 'transformers'} & {*sys.modules})"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
