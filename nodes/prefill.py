"""A critique as JSON that the node writes and the model fills in, string by string.

For a model that continues a text that was begun for it but keeps to no schema: whatever it writes, the critique has one
item for every step of the response, in order, and one for the final answer.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from critique_graph.calls.caller import Caller, CallKey
from critique_graph.core.critique_json import GivenVerdicts
from critique_graph.core.critique_labels import read_verdict
from critique_graph.core.schema import Call, Failure, Reply, Usage, Verdict
from critique_graph.core.untrusted import strip_role_tokens

EXPLANATION_TOKENS = 128
"""Maximum number of tokens of one explanation; a model that has not ended it by then mostly goes on for ever."""
_LEAST_TOKENS = 16
VERDICT_TOKENS = 8
VERDICTS = ("Correct", "Wrong")
_VERDICT = re.compile(r'\s*,\s*"verdict"\s*:\s*"([^"]*)')
"""What follows an explanation where the model goes on by itself."""


async def fill_in_critique(
    caller: Caller,
    messages: list[BaseMessage],
    steps: Sequence[str],
    key: CallKey,
    *,
    until_first_error: bool = False,
    given: GivenVerdicts = (),
) -> Reply | Failure:
    """Have a model fill in the critique of a response; the reply is the JSON, at the cost of all its calls.

    Args:
        caller: The critic or the annotator.
        messages: The request for a critique in JSON.
        steps: The steps of the response.
        key: The critique's place in the graph, from which the seeds of the calls derive.
        until_first_error: Whether to go on with the final answer after the first step that is judged wrong.
        given: Verdicts that are known: each is written before its explanation.
    """
    share = caller.max_tokens // (len(steps) + 1) - VERDICT_TOKENS
    sheet = _Sheet(caller, messages, key, max(_LEAST_TOKENS, min(EXPLANATION_TOKENS, share)))
    *judged, final = given or [*(None for _ in steps), None]
    try:
        for number, (step, known) in enumerate(zip(steps, judged, strict=False)):
            sheet.text += ", " if number else '{"steps": ['
            verdict = await sheet.judgement(f'"step": {_quoted(strip_role_tokens(step))}, ', given=known)
            if verdict == "wrong" and until_first_error:
                break
        sheet.text += '], "final_answer": '
        await sheet.judgement(given=final)
    except _Ended as ended:
        return ended.outcome
    sheet.text += "}"
    return sheet.reply("stop")


class _Ended(Exception):  # noqa: N818 - no error: it ends the critique early
    def __init__(self, outcome: Reply | Failure) -> None:
        self.outcome = outcome


@dataclass
class _Sheet:
    """The JSON as far as it is written, and the calls that wrote it."""

    caller: Caller
    messages: list[BaseMessage]
    key: CallKey
    explanation_tokens: int
    """Maximum number of tokens of one explanation, so that all of them fit the caller's limit."""
    text: str = ""
    calls: list[Call] = field(default_factory=list)

    async def judgement(self, begun: str = "", *, given: Verdict | None = None) -> Verdict | None:
        """Write one item, and give its verdict; a model that goes on to the verdict by itself saves a call."""
        if given is not None:
            self.text += f'{{{begun}"verdict": "{given.capitalize()}", "explanation": "'
            written = await self._continued(self.explanation_tokens, stop=['"}', "\n"])
            explanation, _, _ = written.partition('"')
            self.text += f'{_inner(explanation)}"}}'
            return given
        self.text += f'{{{begun}"explanation": "'
        written = await self._continued(self.explanation_tokens, stop=['"}', "\n"])
        explanation, _, rest = written.partition('"')
        goes_on = _VERDICT.fullmatch(rest)
        if goes_on is not None and read_verdict(goes_on[1]) is not None:
            verdict = goes_on[1]
            self.text += f'{_inner(explanation)}", "verdict": "{_inner(verdict)}"}}'
        else:
            self.text += f'{_inner(explanation)}", "verdict": "'
            verdict = await self._continued(VERDICT_TOKENS, stop=['"', "\n"], **self.caller.limited_to(VERDICTS))
            self.text += f'{_inner(verdict)}"}}'
        return read_verdict(verdict)

    def reply(self, finish_reason: str) -> Reply:
        """Give one reply for all calls."""
        call = self.calls[0].model_copy(
            update={
                "finish_reason": finish_reason,
                "usage": self._usage,
                "seconds": round(sum(call.seconds for call in self.calls), 4),
                "attempts": max(call.attempts for call in self.calls),
            }
        )
        return Reply(text=self.text, call=call)

    @property
    def _usage(self) -> Usage:
        return Usage.sum(call.usage for call in self.calls)

    async def _continued(self, limit: int, **options: Any) -> str:
        """Have the model continue the text."""
        left = self.caller.max_tokens - self._usage.output_tokens
        if left <= 0:
            raise _Ended(self.reply("length"))
        outcome = await self.caller.ask(
            [*self.messages, AIMessage(self.text)],
            self.key,
            seed_key=f"{self.key}/{len(self.calls)}",
            max_tokens=min(limit, left),
            continue_final_message=True,
            **options,
        )
        if isinstance(outcome, Failure):
            raise _Ended(outcome)
        self.calls.append(outcome.call)
        return outcome.text


def _inner(written: str) -> str:
    """Give what a model wrote into a string, as it stands between the quotes."""
    return _quoted(written.strip().rstrip("\\"))[1:-1]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
