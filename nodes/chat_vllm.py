"""`ChatVLLM`: vLLM in this process as a LangChain chat model. The first call imports vLLM."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, PrivateAttr, model_validator

from critique_graph.core.errors import MissingDependencyError
from critique_graph.core.vllm_install import vllm_install
from critique_graph.core.weights import named_by_weights
from critique_graph.nodes.chat_local import ChatLocal

if TYPE_CHECKING:
    from critique_graph.engines.request import Request
    from critique_graph.engines.vllm_engine import VLLMEngine


class ChatVLLM(ChatLocal):
    """A local model that vLLM runs in this process: on CUDA, on a CPU, or on Ascend NPUs through vllm-ascend.

    All objects with the same model and `engine` settings share one engine and its continuous batching, whatever their
    sampling settings. A call takes `extra_body={"response_format": …}` with a JSON schema, as a server's does, which
    the reply then fits. The engine starts with the first call (up to a minute) and ends with the process, or with
    `close`. Log probabilities are those before temperature and top_p are applied (vLLM's `raw_logprobs`).

    vLLM's processes import the program's main module: a script needs `if __name__ == "__main__":`.

    Example:
        ```python
        model = ChatVLLM(model="Qwen/Qwen3-4B", engine={"gpu_memory_utilization": 0.45, "max_model_len": 8192})
        replies = await asyncio.gather(*(model.ainvoke("What is 2 + 3?", seed=seed) for seed in range(64)))
        ```
    """

    engine: dict[str, Any] = Field(default_factory=dict)
    """Arguments of `vllm.AsyncEngineArgs`: `max_model_len`, `gpu_memory_utilization`, `tensor_parallel_size`, …"""
    lora: str | None = None
    """Folder of a LoRA adapter; switches `enable_lora` on in `engine`."""

    takes_response_format: ClassVar[bool] = True
    prefix: ClassVar[str] = "vllm"
    engine_module: ClassVar[str] = "critique_graph.engines.vllm_engine"
    identifying_fields: ClassVar[tuple[str, ...]] = (*ChatLocal.identifying_fields, "engine", "lora")

    _engine: "VLLMEngine | None" = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _check_installed(self) -> Self:
        if find_spec("vllm") is None:
            raise MissingDependencyError("vllm", extra="vllm", purpose="ChatVLLM", install=vllm_install())
        return self

    @property
    def _llm_type(self) -> str:
        return "vllm"

    def _named_by_weights(self) -> str:
        adapter = f"+{named_by_weights('lora', self.lora)}" if self.lora else ""
        return f"{super()._named_by_weights()}{adapter}"

    def close(self) -> None:
        """End the engine, also for other objects that share it; the next call of this object starts a new one."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _request(self, *args: Any, extra_body: Mapping[str, Any] | None = None, **kwargs: Any) -> "Request":
        if extra_body:
            kwargs["json_schema"] = _schema_in(extra_body)
        return replace(super()._request(*args, **kwargs), adapter=self.lora)

    def _shared_engine(self) -> "VLLMEngine":
        from critique_graph.engines.vllm_engine import EngineSettings, shared_engine

        if self._engine is None:
            lora = {"enable_lora": True} if self.lora else {}
            self._engine = shared_engine(EngineSettings(self.model, {**lora, **self.engine}))
        return self._engine


def _schema_in(extra_body: Mapping[str, Any]) -> dict[str, Any]:
    match extra_body:
        case {"response_format": {"type": "json_schema", "json_schema": {"schema": dict(schema)}}, **others} if (
            not others
        ):
            return schema
    raise ValueError("extra_body can only have a response_format with a JSON schema here.")


def share_device(models: Iterable[object]) -> None:
    """Divide the device's memory among the vLLM engines of these models, which one run uses together."""
    local = [model for model in models if isinstance(model, ChatVLLM)]
    if local:
        from critique_graph.engines.vllm_engine import share_device as share_among_engines

        share_among_engines(dict.fromkeys(model._shared_engine() for model in local))
