"""Calls a chat model. Where nobody listens, LangChain's way to the model is left out: it takes longer than our own.

`ainvoke` opens a callback run, formats the messages for tracing, starts a task and looks for a cache, a rate limit and
handlers that stream. In a run over many problems there is none of these, as a rule.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, cast

from langchain_core.globals import get_debug, get_llm_cache, get_verbose
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config

from critique_graph.calls.contract import attribute_of

_STEPS_BETWEEN = ("ainvoke", "agenerate_prompt", "agenerate", "_agenerate_with_cache", "_should_stream")
"""Methods of LangChain between `ainvoke` and the model; a class with its own keeps it."""


async def invoke_model(
    model: BaseChatModel,
    messages: Sequence[BaseMessage],
    settings: dict[str, Any],
    labels: Callable[[], RunnableConfig],
) -> AIMessage:
    """Give a model's reply, as `model.ainvoke(messages, labels(), **settings)` does; who listens gets the labels."""
    if not _is_alone(model) or "stream" in settings:
        return await model.ainvoke(list(messages), labels(), **settings)
    result = await model._agenerate(list(messages), **settings)  # the part that a model class implements
    generation = result.generations[0]
    message = cast("AIMessage", generation.message)
    message.response_metadata = {
        **(result.llm_output or {} if len(result.generations) == 1 else {}),
        **(generation.generation_info or {}),
        **message.response_metadata,
    }
    return message


def _is_alone(model: BaseChatModel) -> bool:
    """Tell whether nothing stands between the caller and the model, and nobody listens."""
    if not _is_plain(type(model)) or attribute_of(model, "streaming"):
        return False
    if model.callbacks or model.cache or model.rate_limiter or model.output_version or model.verbose:
        return False
    if get_llm_cache() is not None or get_debug() or get_verbose():
        return False
    return not may_be_heard()


def may_be_heard() -> bool:
    """Tell whether callbacks may hear what the node in progress does."""
    config = var_child_runnable_config.get()
    if config is None:  # outside a graph, where LangChain would look for what listens to every model
        return True
    callbacks = config.get("callbacks")
    return bool(callbacks if callbacks is None or isinstance(callbacks, list) else callbacks.handlers)


@cache
def _is_plain(kind: type[BaseChatModel]) -> bool:
    return all(getattr(kind, name) is getattr(BaseChatModel, name) for name in _STEPS_BETWEEN)
