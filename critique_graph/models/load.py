"""Load a LangChain chat model from its name, a string like `hf:NAME` or `openai:NAME`.

Heavy packages are imported only when a string needs them.
"""

import gc
import os
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
from langchain_core.language_models import BaseChatModel
from pydantic import JsonValue, ValidationError

from critique_graph.core.addresses import addresses_of, names_pool, read_address
from critique_graph.core.errors import InputError, MissingDependencyError
from critique_graph.core.secrets import redacted
from critique_graph.miniature import SHIPPED
from critique_graph.models.engine_settings import read_engine_settings
from critique_graph.models.model_string import ModelString, unknown_model
from critique_graph.models.options import check_options, read_key
from critique_graph.nodes.chat_transformers import ChatTransformers

_CACHED_MODELS = 8
"""Number of models kept for the next `load_model` with the same string; local models hold their weights."""
_NONE = orjson.dumps({})
"""No options."""
_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


def load_model(
    spec: str | BaseChatModel,
    *,
    base_url: str | None = None,
    api_key_env: str | None = None,
    options: Mapping[str, JsonValue] | None = None,
) -> BaseChatModel:
    """Give the chat model that `spec` names; the same string gives the same object, so roles share an engine.

    Args:
        spec: `miniature:actor`, `miniature:critic`, `hf:NAME_OR_PATH`, `vllm:NAME_OR_PATH`, `openai:NAME`, or
            whatever `langchain.chat_models.init_chat_model` understands, if langchain is installed. Settings of
            vLLM's engine and a LoRA adapter follow a question mark:
            `vllm:NAME?gpu_memory_utilization=0.45&max_model_len=8192&lora=FOLDER`; settings that could load code are
            refused. A model object is returned unchanged.
        base_url: The server's address for `openai:NAME`, e.g. `http://localhost:8000/v1`; several, joined by commas,
            or `@FILE` with one a line, are a pool of servers.
        api_key_env: Name of the environment variable that holds the key of the server or the provider.
        options: Arguments of every call: `top_p`, `stop`; for a server also `extra_body` and others, for a model in
            this process `template_arguments`.

    Raises:
        InputError: The string does not name a model, an option is unknown or wrong, or the variable is not set.
        MissingDependencyError: The model needs an extra that is not installed.

    Example:
        ```python
        actor = load_model("openai:Qwen/Qwen3-4B", base_url="http://localhost:8000/v1")
        ```
    """
    if isinstance(spec, BaseChatModel):
        return spec
    if not isinstance(spec, str):
        raise TypeError(f"A model is a model string or a chat model, got {type(spec).__name__}.")
    named = ModelString.parse(spec)
    if base_url is not None and named.prefix != "openai":
        raise InputError(f"base_url is for openai:NAME, not for {spec!r}.")
    check_options(spec, named.prefix, options or {}, has_key=api_key_env is not None)
    key = None if api_key_env is None else read_key(api_key_env)
    more = orjson.dumps(options or {}, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)  # which a cache can hash
    try:
        match named.prefix:
            case "miniature":
                return _miniature(named, more)
            case "hf":
                return _transformers(path_or_hub_name(spec, named.name), more)
            case "openai":
                return _server(named.name, base_url, key, more)
            case "vllm":
                return _vllm(path_or_hub_name(spec, named.name), named.engine, more)
            case _:
                return _langchain(spec, key, more)
    except ValidationError as error:
        raise InputError(f"{spec}: {_wrong_option(error)}.") from None


def release_models() -> None:
    """Forget every loaded model; memory of models in this process is freed once nothing else refers to them."""
    for cached in (_transformers, _vllm, _server, _langchain):
        cached.cache_clear()
    gc.collect()  # engines and their threads refer to each other
    if "torch" in sys.modules:
        from critique_graph.engines.accelerators import free_memory

        free_memory()


def _miniature(named: ModelString, options: bytes) -> BaseChatModel:
    if named.name == "annotator":
        if options != _NONE:
            raise InputError("miniature:annotator is no language model, and takes no options.")
        from critique_graph.miniature.annotator import ExactAnnotator

        return ExactAnnotator()
    if named.weights is None:
        raise InputError(
            f"There is no miniature:{named.name}; use "
            f"{', '.join(f'miniature:{name}' for name in SHIPPED)} or miniature:annotator."
        )
    if not (Path(named.weights) / "config.json").is_file():
        raise InputError(
            f"miniature:{named.name} has no weights in {named.weights}; make them with "
            "`critique-graph miniature train`."
        )
    return _transformers(named.weights, options)


def path_or_hub_name(spec: str, name: str) -> str:
    """Give the whole path of a folder with a model, or the name of a model on the hub.

    Raises:
        InputError: It is neither.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise InputError(f"{spec}: the folder holds no model (no config.json).")
        return str(folder.resolve())
    if not _HUB_NAME.fullmatch(name):
        raise InputError(f"{spec}: there is no such folder, and a model on the hub is called NAME or OWNER/NAME.")
    return name


@lru_cache(maxsize=_CACHED_MODELS)
def _transformers(path: str, options: bytes) -> BaseChatModel:
    return ChatTransformers(model=path, **orjson.loads(options))


@lru_cache(maxsize=_CACHED_MODELS)
def _vllm(path: str, settings: str, options: bytes) -> BaseChatModel:
    from critique_graph.nodes.chat_vllm import ChatVLLM

    engine: dict[str, Any] = {**read_engine_settings(f"vllm:{path}", settings)}
    return ChatVLLM(model=path, lora=engine.pop("lora", None), engine=engine, **orjson.loads(options))


@lru_cache(maxsize=_CACHED_MODELS)
def _server(name: str, base_url: str | None, key: str | None, options: bytes) -> BaseChatModel:
    if find_spec("langchain_openai") is None:
        raise MissingDependencyError("langchain-openai", extra="openai", purpose=f"openai:{name}")
    addresses = () if base_url is None else tuple(map(read_address, addresses_of(base_url)))
    from openai import OpenAIError

    from critique_graph.nodes.chat_openai import ChatOpenAIServer, is_local

    settings: dict[str, Any] = orjson.loads(options)
    if base_url is not None and names_pool(base_url):
        settings["server_pool"] = base_url
    elif addresses:
        (address,) = addresses
        settings["base_url"] = address.url
        if address.has_credentials:
            settings |= {"default_headers": {"Connection": "close", **address.headers}, "default_query": address.query}
    needs_no_key = addresses and all(address.has_credentials or is_local(address.url) for address in addresses)
    if needs_no_key and not os.environ.get("OPENAI_API_KEY"):
        settings["api_key"] = "not-needed"
    if key is not None:
        settings["api_key"] = key
    try:
        return ChatOpenAIServer(model=name, **settings)
    except OpenAIError as error:
        raise InputError(
            f"openai:{name} needs an API key in OPENAI_API_KEY or api_key_env, or base_url of a local server."
        ) from error


@lru_cache(maxsize=_CACHED_MODELS)
def _langchain(spec: str, key: str | None, options: bytes) -> BaseChatModel:
    provider, _, name = spec.partition(":")
    if provider.replace("-", "").lower() == "huggingface":  # its loader also takes pickled weights
        raise InputError(f"{spec}: use hf:{name}, which loads safetensors alone.")
    if find_spec("langchain") is None:
        raise unknown_model(spec)
    from langchain.chat_models import init_chat_model  # type: ignore[import-not-found,unused-ignore]

    settings = orjson.loads(options) | ({} if key is None else {"api_key": key})
    try:
        model: BaseChatModel = init_chat_model(spec, max_retries=0, **settings)  # this package does its own retries
    except ValidationError:
        raise
    except (ValueError, TypeError, ImportError) as error:
        reason = redacted(" ".join(str(error).split()))
        raise InputError(f"{spec!r} is no model langchain can start: {reason}") from error
    return model


def _wrong_option(error: ValidationError) -> str:
    """Say what is wrong with the first wrong option, without its value, which may be a secret."""
    first = error.errors(include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {redacted(first['msg'])}"
