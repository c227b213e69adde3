"""What `ChatVLLM` uses of vLLM, with scripted replies: for tests of everything on our side of it.

`script` maps the last message of a conversation to the reply; what has no line there is answered with "2 + 3 = 5".
"""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

from transformers import AutoTokenizer

from vllm.sampling_params import RequestOutputKind, SamplingParams

__all__ = ["AsyncEngineArgs", "AsyncLLMEngine", "SamplingParams", "engines", "script"]

script: dict[str, str] = {}
start_error: list[Exception] = []
"""What the next start raises."""
engines: list["AsyncLLMEngine"] = []


class VLLMValidationError(Exception):
    pass


class EngineDeadError(Exception):
    pass


@dataclass
class AsyncEngineArgs:
    model: str
    dtype: str = "auto"
    load_format: str = "auto"
    trust_remote_code: bool = False
    disable_log_stats: bool = False
    max_model_len: int = 256
    gpu_memory_utilization: float = 0.9
    kv_cache_memory_bytes: int | None = None
    enable_lora: bool = False
    structured_outputs_config: dict = field(default_factory=dict)


@dataclass
class AsyncLLMEngine:
    args: AsyncEngineArgs
    errored: bool = False
    is_shut_down: bool = False
    requests: list[SimpleNamespace] = field(default_factory=list)
    running: set[str] = field(default_factory=set)
    waits: asyncio.Event = field(default_factory=asyncio.Event)
    """Replies stop after their first token until it is set; set from the start unless a test clears it."""

    @classmethod
    def from_engine_args(cls, args: AsyncEngineArgs) -> "AsyncLLMEngine":
        if start_error:
            raise start_error.pop()
        engine = cls(args)
        engine.waits.set()
        engines.append(engine)
        return engine

    @property
    def model_config(self) -> SimpleNamespace:
        return SimpleNamespace(max_model_len=self.args.max_model_len)

    def get_tokenizer(self):
        return AutoTokenizer.from_pretrained(self.args.model)

    def shutdown(self) -> None:
        self.is_shut_down = True

    async def generate(self, prompt, sampling_params, request_id, *, lora_request=None):
        tokenizer = self.get_tokenizer()
        text = tokenizer.decode(prompt["prompt_token_ids"])
        self.requests.append(SimpleNamespace(prompt=text, params=sampling_params, lora=lora_request))
        reply = next((reply for said, reply in script.items() if said in text), "2 + 3 = 5")
        tokens = tokenizer(reply).input_ids[: sampling_params.max_tokens]
        self.running.add(request_id)
        try:
            new: list[int] = []
            for index, token in enumerate(tokens):
                if self.errored:
                    raise EngineDeadError("EngineCore encountered an issue. See stack trace (above).")
                if "refuse me" in text:
                    raise VLLMValidationError("this is no request\nfor me")
                new.append(token)
                is_last = index == len(tokens) - 1
                if is_last or sampling_params.output_kind is RequestOutputKind.DELTA:
                    yield _output(prompt, tokenizer, new, sampling_params, "stop" if is_last else None)
                    new = []
                await self.waits.wait()
        finally:
            self.running.discard(request_id)


def _output(prompt, tokenizer, tokens, params, reason) -> SimpleNamespace:
    logprobs = None
    if params.logprobs is not None:
        logprobs = [
            {token: SimpleNamespace(logprob=-0.5, rank=1), token + 1: SimpleNamespace(logprob=-2.0, rank=2)}
            for token in tokens
        ]
    completion = SimpleNamespace(
        text=tokenizer.decode(tokens), token_ids=list(tokens), logprobs=logprobs, finish_reason=reason
    )
    return SimpleNamespace(outputs=[completion], prompt_token_ids=prompt["prompt_token_ids"], num_cached_tokens=4)


def log_file() -> Path:
    """Where the real one would log, by the configuration in the environment."""
    import json
    import os

    configuration = json.loads(Path(os.environ["VLLM_LOGGING_CONFIG_PATH"]).read_text())
    return Path(configuration["handlers"]["file"]["filename"])
