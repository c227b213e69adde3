"""`ChatTransformers`: a transformers model in this process as a LangChain chat model.

Its engine (`transformers_engine.py`) generates all requests as one batch (`transformers_batch.py`). The first call
imports torch.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from critique_graph.core.errors import MissingDependencyError
from critique_graph.nodes.chat_local import ChatLocal

if TYPE_CHECKING:
    from critique_graph.engines.transformers_engine import TransformersEngine


class ChatTransformers(ChatLocal):
    """A local model: safetensors weights and a tokenizer with a chat template, on the CPU or an accelerator.

    The same prompt and seed give the same text whatever other calls run at the time, up to rounding: where two tokens
    are equally likely within float precision, the choice can depend on the batch. Log probabilities are those before
    temperature and top_p are applied.

    Example:
        ```python
        model = ChatTransformers(model="path/to/model", temperature=0.7)
        replies = await asyncio.gather(*(model.ainvoke("What is 2 + 3?", seed=seed) for seed in range(64)))
        ```
    """

    device: str = "auto"
    """Torch device; `auto`: the accelerator if there is one, else the CPU."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Data type of the weights; `auto`: float32 on a CPU, the checkpoint's own type elsewhere."""
    max_batch_size: int = Field(default=64, gt=0)
    """Most calls that generate at the same time; further calls wait. Memory use grows with this number."""

    prefix: ClassVar[str] = "hf"
    engine_module: ClassVar[str] = "critique_graph.engines.transformers_engine"
    identifying_fields: ClassVar[tuple[str, ...]] = (*ChatLocal.identifying_fields, "dtype")

    _engine: "TransformersEngine | None" = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _check_installed(self) -> Self:
        for package in ("torch", "transformers", "jinja2"):
            if find_spec(package) is None:
                raise MissingDependencyError(package, extra="local", purpose="ChatTransformers")
        return self

    @property
    def _llm_type(self) -> str:
        return "transformers"

    def _shared_engine(self) -> "TransformersEngine":
        from critique_graph.engines.transformers_engine import shared_engine  # imports torch

        if self._engine is None:
            self._engine = shared_engine(
                self.model, device=self.device, dtype=self.dtype, max_batch_size=self.max_batch_size
            )
        return self._engine
