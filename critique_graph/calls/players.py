"""The actor and the critic of one graph, ready to be called with the settings in force."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.runtime import get_runtime

from critique_graph.calls.caller import Caller, CallLog
from critique_graph.core.schema import Role
from critique_graph.core.state import Context, GenerationContext, SelfTalkContext
from critique_graph.grading.grader import Grader
from critique_graph.models.load import load_model

State = TypeVar("State")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Players:
    """Who plays, by which settings unless the invocation says otherwise, and who grades."""

    actor: str | BaseChatModel
    critic: str | BaseChatModel
    defaults: Context
    grader: Grader
    log: CallLog | None = None

    def context(self) -> Context:
        """Give the settings in force: what the invocation set, over what the graph was created with."""
        given = get_runtime(Context).context
        if given is None:
            return self.defaults
        return self.defaults.model_copy(update=given.model_dump(exclude_unset=True))

    def caller(self, role: Role) -> Caller:
        """Give what makes the calls of `role` in this invocation."""
        context = self.context()
        if role == "actor":
            return Caller(
                model=load_model(context.actor or self.actor),
                role=role,
                temperature=context.actor_temperature,
                max_tokens=context.max_tokens,
                seed=context.seed,
                log=self.log,
            )
        return Caller(
            model=load_model(context.critic or self.critic),
            role=role,
            temperature=context.critic_temperature,
            max_tokens=context.critic_max_tokens,
            seed=context.seed,
            log=self.log,
        )


@dataclass(frozen=True)
class DataPlayers:
    """The same for the graphs that make data: an actor, an annotator, and what inserts errors."""

    actor: str | BaseChatModel
    annotator: str | BaseChatModel
    corruptor: str | BaseChatModel
    """A model, or `exact`."""
    defaults: GenerationContext
    grader: Grader
    log: CallLog | None = None

    def context(self) -> GenerationContext:
        """Give the settings in force."""
        given = get_runtime(GenerationContext).context
        if given is None:
            return self.defaults
        return self.defaults.model_copy(update=given.model_dump(exclude_unset=True))

    def caller(self, role: Literal["actor", "annotator", "corruptor"]) -> Caller:
        """Give what makes the calls of `role` in this invocation."""
        context = self.context()
        is_actor = role == "actor"
        return Caller(
            model=load_model(getattr(context, role) or getattr(self, role)),
            role=role,
            temperature=context.refine_temperature if is_actor else context.annotator_temperature,
            max_tokens=context.max_tokens if is_actor else context.annotator_max_tokens,
            seed=context.seed,
            log=self.log,
        )


@dataclass(frozen=True)
class TalkPlayers:
    """The same for the graph that makes self-talk: an actor and a critic who play the loop, and a smoother."""

    actor: str | BaseChatModel
    critic: str | BaseChatModel
    smoother: str | BaseChatModel
    """A model, or `exact`."""
    defaults: SelfTalkContext
    grader: Grader
    log: CallLog | None = None

    def settings(self) -> SelfTalkContext:
        """Give the settings in force."""
        given = get_runtime(SelfTalkContext).context
        if given is None:
            return self.defaults
        return self.defaults.model_copy(update=given.model_dump(exclude_unset=True))

    def context(self) -> Context:
        """Give the same as settings of the loop."""
        settings = self.settings()
        return Context(
            samples=settings.samples,
            rounds=settings.repairs,
            temperature=settings.temperature,
            critic_temperature=settings.critic_temperature,
            max_tokens=settings.max_tokens,
            critic_max_tokens=settings.critic_max_tokens,
            seed=settings.seed,
        )

    def caller(self, role: Literal["actor", "critic", "smoother"]) -> Caller:
        """Give what makes the calls of `role` in this invocation."""
        settings = self.settings()
        temperature, max_tokens = {
            "actor": (settings.temperature, settings.max_tokens),
            "critic": (settings.critic_temperature, settings.critic_max_tokens),
            "smoother": (settings.smoother_temperature, settings.smoother_max_tokens),
        }[role]
        return Caller(
            model=load_model(getattr(settings, role) or getattr(self, role)),
            role=role,
            temperature=temperature,
            max_tokens=max_tokens,
            seed=settings.seed,
            log=self.log,
        )


class LoopPlayers(Protocol):
    """What the nodes of the loop need of players."""

    @property
    def grader(self) -> Grader:
        """Reads and compares answers."""
        ...

    def context(self) -> Context:
        """Give the settings in force."""
        ...

    def caller(self, role: Literal["actor", "critic"]) -> Caller:
        """Give what makes the calls of `role` in this invocation."""
        ...


def emit(event: str, **fields: Any) -> None:
    """Send a custom event to whoever streams the graph (`stream_mode="custom"`)."""
    get_runtime(Context).stream_writer({"event": event, **fields})


class BothWays(Runnable[State, Result]):
    """An async node or router that `.invoke` can run too; there it gets an event loop of its own.

    `RunnableLambda` would do, but on every call it inspects signatures and opens a callback run of its own.
    """

    def __init__(self, function: Callable[[State], Awaitable[Result]]) -> None:
        self._function = function
        self.name = getattr(function, "__name__", None)

    async def ainvoke(  # `input` is LangChain's name for it
        self,
        input: State,  # noqa: A002
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Result:
        return await self._function(input)

    def invoke(self, input: State, config: RunnableConfig | None = None, **kwargs: Any) -> Result:  # noqa: A002
        return wait_for(self.ainvoke(input))


def wait_for(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end, in an event loop of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as executor:  # called from inside a running loop, as in notebooks
        return executor.submit(copy_context().run, asyncio.run, work).result()
