"""One model call: its key, seed and labels, its retries, and the reply or failure that results.

This is the only retry layer (model classes are created without retries). `replies.py` reads what the model gave. While
a server is out, its calls wait (`breaker.py`).
"""

import asyncio
import hashlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, NamedTuple, Protocol

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config
from langgraph.errors import GraphBubbleUp

from critique_graph.calls.budget import BudgetSpentError, budget_in_force
from critique_graph.calls.contract import KeptSchema, attribute_of, continuation_of, declared, kept_schema
from critique_graph.calls.faults import classify
from critique_graph.calls.invoke import invoke_model
from critique_graph.calls.replies import read_reply, usage_of
from critique_graph.calls.routes import route_of
from critique_graph.calls.traffic import traffic_in_force
from critique_graph.core.errors import InputError, MissingDependencyError, RunError
from critique_graph.core.schema import Call, Failure, Reply, Role

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 6
MAX_RETRY_AFTER_SECONDS = 120.0
"""Longest pause a server may ask for; a call that is asked for more fails, unless the server is out altogether."""
_BACKOFF_BASE_SECONDS, _BACKOFF_CAP_SECONDS = 0.5, 30.0


class CallKey(NamedTuple):
    """A call's place in the graph. It is the journal's key and determines the seed, so neither depends on timing."""

    problem: str
    role: Role
    chain: int | str
    """A chain's index, or a path's name."""
    round: int
    """0 is the first response; round r >= 1 is critique r or refinement r."""

    def __str__(self) -> str:
        return f"{self.problem}/{self.role}/{self.chain}/{self.round}"

    @property
    def run_name(self) -> str:
        """The call's name in spans, e.g. `critic, chain 0, round 1`."""
        return f"{self.role}, chain {self.chain}, round {self.round}"


class CallLog(Protocol):
    """Remembers finished calls, so that an interrupted run continues where it stopped."""

    def recall(self, key: CallKey) -> Reply | None:
        """Give the reply recorded under `key`, or None."""

    def record(self, key: CallKey, reply: Reply) -> None:
        """Keep a reply; this must not block the event loop."""


LABEL = "critique_graph"
"""Tag of every call, and what the names of its metadata begin with."""


def messages_hash(messages: Iterable[BaseMessage]) -> str:
    """Give the first 12 digits of the SHA-256 of a prompt as it is sent."""
    sent = "\0".join(f"{message.type}: {message.text}" for message in messages)
    return hashlib.sha256(sent.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def derive_seed(seed: int, *place: object) -> int:
    """Give a 31-bit seed that depends only on `seed` and `place`."""
    digest = hashlib.sha256("/".join(map(str, (seed, *place))).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


@dataclass(frozen=True)
class Caller:
    """Calls one model in one role, with fixed sampling settings."""

    model: BaseChatModel
    role: Role
    temperature: float
    max_tokens: int
    seed: int
    log: CallLog | None = None
    bound: Runnable[LanguageModelInput, AIMessage] | None = None
    """The model with arguments bound to it, which is called in its place."""
    name: str | None = None
    """The model's string, which names it in records unless it is named by its weights."""
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep)

    async def can_continue(self) -> bool:
        """Tell whether the model continues a final message that it began; a server is asked once."""
        return await continuation_of(self.model, self._ask_briefly) != "starts anew"

    @property
    def is_trained_here(self) -> bool:
        """True when the model is the miniature or a trained one: it refines unprompted, and knows the fixed format."""
        return bool(attribute_of(self.model, "is_trained_here"))

    @property
    def recorded_name(self) -> str:
        """The model in records: a local one by its weights, others by the string given for them or by themselves."""
        for attribute in ("recorded_name", None, "model_name", "model"):
            found = self.name if attribute is None else attribute_of(self.model, attribute)
            if found and isinstance(found, str):
                return found
        return type(self.model).__name__

    @property
    def against_loops(self) -> dict[str, Any]:
        """Option that ends a text which only repeats itself, if the model's class has it."""
        return {"stop_repetition": True} if declared(type(self.model), "stops_repetition") else {}

    def limited_to(self, choices: tuple[str, ...]) -> dict[str, Any]:
        """Give the option by which a reply is one of some texts, if the model's class has it."""
        return {"choices": choices} if declared(type(self.model), "takes_choices") else {}

    async def kept_schema(self) -> KeptSchema:
        """Tell to what JSON schema the model keeps; a server is asked once."""
        return await kept_schema(self.model, self._ask_briefly)

    async def __call__(
        self,
        messages: list[BaseMessage],
        key: CallKey,
        *,
        temperature: float | None = None,
        seed_key: CallKey | None = None,
        **options: Any,
    ) -> Reply | Failure:
        """Give the journalled reply for `key`, or make the call. A failure is returned as data, not raised.

        Args:
            messages: The conversation.
            key: The call's place in the graph.
            temperature: Temperature of this call, if it differs from the role's.
            seed_key: The key whose seed is used, if several calls should share one.
            options: Further arguments of the model's call, e.g. `continue_final_message=True`.
        """
        return await self.recorded(
            key, lambda: self.ask(messages, key, seed_key=seed_key, temperature=temperature, **options)
        )

    async def recorded(self, key: CallKey, make: Callable[[], Awaitable[Reply | Failure]]) -> Reply | Failure:
        """Give the journalled reply for `key`, or make it, by one call or by several."""
        if self.log is not None and (recalled := self.log.recall(key)) is not None:
            return recalled
        outcome = await make()
        if self.log is not None and isinstance(outcome, Reply):
            self.log.record(key, outcome)
        return outcome

    async def ask(
        self,
        messages: list[BaseMessage],
        key: CallKey,
        *,
        seed_key: object = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        **options: Any,
    ) -> Reply | Failure:
        """Make a call that is not recorded by itself.

        Args:
            messages: The conversation.
            key: The call's place in the graph.
            seed_key: What the call's seed derives from, if not from `key`.
            temperature: Temperature of this call, if it differs from the role's.
            max_tokens: Token limit of this call, if it differs from the role's.
            options: Further arguments of the model's call.
        """
        settings = {
            "temperature": self.temperature if temperature is None else temperature,
            "max_tokens": self.max_tokens if max_tokens is None else max_tokens,
            "seed": derive_seed(self.seed, seed_key or key),
        }
        outcome = await self._call_with_retries(messages, settings, options, key)
        if options.get("continue_final_message") and isinstance(outcome, Reply):
            outcome = await self._without_echo(outcome, messages[-1].text)
        return outcome

    async def _call_with_retries(
        self, messages: list[BaseMessage], settings: dict[str, Any], options: dict[str, Any], key: CallKey | None
    ) -> Reply | Failure:
        problem, budget = None if key is None else key.problem, budget_in_force()
        route = route_of(self.model, problem, self._probe)
        sent = attempts = outages = 0
        failure: Failure | None = None
        while True:
            if await route.wait() and attempts:  # all attempts that one outage cost count as one
                outages += 1
                attempts = outages
            if route.lost is not None:
                return Failure(kind="connection", message=route.lost, attempts=sent)
            if failure is not None and attempts >= MAX_ATTEMPTS:
                return failure
            sent, attempts = sent + 1, attempts + 1
            try:
                place = budget.place(problem, max_tokens=settings["max_tokens"])
                async with place, route.slots:
                    work = self._call_once(messages, settings, options, key, sent)
                    reply = await _within(route.patience.call_timeout, work)
            except BudgetSpentError as spent:
                return Failure(kind="budget", message=str(spent), attempts=sent - 1)
            except GraphBubbleUp:  # an `interrupt()` inside a model belongs to the graph and is no fault
                raise
            except (InputError, MissingDependencyError, RunError):  # the user must correct these; a retry cannot
                raise
            except Exception as error:  # noqa: BLE001 - any model class may raise anything: it becomes a record
                fault = classify(error)
                failure = Failure(kind=fault.kind, message=fault.message, attempts=sent)
            else:
                route.answered()
                return reply
            if fault.is_outage:
                route.failed(self._probe)
            else:
                route.answered()
            wait = 0.0 if route.has_others else fault.retry_after or 0.0
            if not fault.retryable or (wait > MAX_RETRY_AFTER_SECONDS and not fault.is_outage):
                return failure
            if fault.is_busy and route.has_others:  # of a pool, all must refuse a call for it to count
                attempts -= 1
            if attempts < MAX_ATTEMPTS and not route.is_open:
                backoff = min(_BACKOFF_CAP_SECONDS, _BACKOFF_BASE_SECONDS * 2**attempts)
                pause = max(
                    wait if wait <= MAX_RETRY_AFTER_SECONDS else 0.0,
                    random.Random(f"{settings['seed']}/{attempts}").uniform(0, backoff),
                )
                logger.info("%s call failed (%s), again in %.1f s", self.role, fault.message, pause)
                await self.sleep(pause)

    async def _without_echo(self, reply: Reply, begun: str) -> Reply:
        """Give the continuation alone, where the server repeats the text that was begun."""
        if await continuation_of(self.model, self._ask_briefly) != "echoes":
            return reply
        return reply.model_copy(update={"text": reply.text.removeprefix(begun)})

    async def _ask_briefly(self, messages: list[BaseMessage], **options: Any) -> Reply | Failure:
        """Make a short call that is not recorded, with the retries of any other."""
        return await self._call_with_retries(
            messages, {"temperature": 0.0, "max_tokens": 100, "seed": 0}, options, None
        )

    async def _probe(self) -> None:
        """Make a one-token call: a server that answers it is at work."""
        await self._call_once([HumanMessage("1 + 1 =")], {"temperature": 0.0, "max_tokens": 1}, {}, None, 1)

    async def _call_once(
        self,
        messages: list[BaseMessage],
        settings: dict[str, Any],
        options: dict[str, Any],
        key: CallKey | None,
        attempt: int,
    ) -> Reply:
        settings = accepted_settings(self.model, settings)
        began, started = time.time(), time.perf_counter()
        bound = getattr(self.bound, "kwargs", {}).get("extra_body")
        if bound and "extra_body" in options:  # a call's own would take the place of the bound one
            options = {**options, "extra_body": {**bound, **options["extra_body"]}}
        traffic = traffic_in_force()
        with traffic.call():
            labels = partial(self._labels, messages, key, attempt)
            if self.bound is None:
                message = await invoke_model(self.model, messages, {**settings, **options}, labels)
            else:
                message = await self.bound.ainvoke(messages, labels(), **settings, **options)
        seconds = time.perf_counter() - started
        usage = usage_of(message)
        budget_in_force().count(usage)
        traffic.add(usage)
        call = Call(
            model=self.recorded_name,
            seed=settings.get("seed"),
            usage=usage,
            started=round(began, 4),
            seconds=round(seconds, 4),
            attempts=attempt,
        )
        # A message that is continued may be whole already, and a critique without text is an unreadable one.
        may_be_empty = self.role != "actor" or bool(options.get("continue_final_message"))
        return read_reply(message, messages, call, may_be_empty=may_be_empty)

    def _labels(self, messages: list[BaseMessage], key: CallKey | None, attempt: int) -> RunnableConfig:
        """Give the run name, tags and metadata by which callbacks tell calls apart; those of the graph stay.

        A name that the user gave the model by `.with_config(run_name=...)` stays, too. A probe has no key.
        """
        around = ensure_config()
        place = {} if key is None else {"problem": key.problem, "chain": key.chain, "round": key.round}
        own = {"role": self.role, **place, "attempt": attempt, "prompt_hash": messages_hash(messages)}
        labels = RunnableConfig(
            tags=[*around["tags"], LABEL, self.role],
            metadata={**around["metadata"], **{f"{LABEL}_{name}": value for name, value in own.items()}},
        )
        if "run_name" not in getattr(self.bound, "config", {}):
            labels["run_name"] = f"{self.role}, probe" if key is None else key.run_name
        return labels


async def _within(seconds: float | None, work: Awaitable[Reply]) -> Reply:
    try:
        async with asyncio.timeout(seconds) as bound:
            return await work
    except TimeoutError as error:
        if bound.expired():
            raise TimeoutError(f"no reply within {seconds:g} s") from error
        raise


def can_continue(model: BaseChatModel) -> bool:
    """Tell whether a model's calls take `continue_final_message`, which continues a final message of its own."""
    return bool(declared(type(model), "continues_final_message"))


def accepted_settings(model: BaseChatModel, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the settings that the model's class declares as fields: e.g. a seed is only sent if it has one."""
    known = _known_settings(type(model))
    return {name: value for name, value in settings.items() if name in known}


@cache
def _known_settings(kind: type[BaseChatModel]) -> frozenset[str | None]:
    return frozenset((*kind.model_fields, *(field.alias for field in kind.model_fields.values())))
