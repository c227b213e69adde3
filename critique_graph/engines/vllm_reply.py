"""What vLLM is asked for, and a reply while it arrives."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from critique_graph.engines.request import LONGEST_PATTERN, REPEATED, SHORTEST_PATTERN, Completion, Request

if TYPE_CHECKING:
    from vllm import CompletionOutput, RequestOutput, SamplingParams


def sampling_parameters(request: Request, *, room: int) -> "SamplingParams":
    """Give vLLM's parameters for a request; `room` is the number of tokens that the context has left."""
    from vllm import SamplingParams
    from vllm import sampling_params as vllm_parameters

    sampling, more = request.sampling, dict[str, Any]()
    if sampling.json_schema is not None:
        more["structured_outputs"] = vllm_parameters.StructuredOutputsParams(json=sampling.json_schema)
    elif sampling.choices:
        more["structured_outputs"] = vllm_parameters.StructuredOutputsParams(choice=list(sampling.choices))
    if sampling.stop_repetition and hasattr(vllm_parameters, "RepetitionDetectionParams"):  # older vLLM has none
        more["repetition_detection"] = vllm_parameters.RepetitionDetectionParams(
            min_pattern_size=SHORTEST_PATTERN, max_pattern_size=LONGEST_PATTERN, min_count=REPEATED
        )
    return SamplingParams(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_tokens=min(sampling.max_tokens or room, room),
        seed=sampling.seed,
        stop=list(sampling.stop),
        logprobs=sampling.top_logprobs,
        output_kind=(
            vllm_parameters.RequestOutputKind.FINAL_ONLY
            if request.on_text is None
            else vllm_parameters.RequestOutputKind.DELTA
        ),
        **more,
    )


class VLLMReply:
    """A reply while it arrives."""

    def __init__(self, opening: str, tokenizer: Any, *, rivals: int | None) -> None:
        """`rivals`: number of log probabilities beside a token's own; None gives no log probabilities at all."""
        self._rivals = rivals
        self._texts = [opening] if opening else []
        self._tokenizer = tokenizer
        self._logprobs: list[dict[str, Any]] = []
        self._prompt_tokens = self._cached_tokens = self._count = 0
        self._finish_reason = "stop"

    def take(self, output: "RequestOutput") -> str:
        """Receive the new output and give its text."""
        (new,) = output.outputs
        text: str = new.text
        self._texts.append(text)
        self._count += len(new.token_ids)
        self._logprobs += self._described(new)
        if output.prompt_token_ids:
            self._prompt_tokens = len(output.prompt_token_ids)
        if output.num_cached_tokens:
            self._cached_tokens = output.num_cached_tokens
        self._finish_reason = new.finish_reason or self._finish_reason
        return text

    def completion(self) -> Completion:
        return Completion(
            text="".join(self._texts),
            finish_reason=self._finish_reason,
            input_tokens=self._prompt_tokens,
            output_tokens=self._count,
            cached_tokens=self._cached_tokens,
            logprobs=None if self._rivals is None else tuple(self._logprobs),
        )

    def _described(self, new: "CompletionOutput") -> Iterator[dict[str, Any]]:
        """Give log probabilities of new tokens and their alternatives, in the form of OpenAI's chat completions."""
        for token, candidates in zip(new.token_ids, new.logprobs or (), strict=False):
            entry = self._entry(token, candidates[token].logprob)
            ranked = sorted(candidates.items(), key=lambda item: item[1].rank)  # the token itself may be an extra entry
            yield entry | {"top_logprobs": [self._entry(t, c.logprob) for t, c in ranked[: self._rivals]]}

    def _entry(self, token: int, logprob: float) -> dict[str, Any]:
        text = self._tokenizer.decode([token])
        return {"token": text, "bytes": list(text.encode()), "logprob": logprob}
