"""The actor and the critic of one graph, ready to be called with the settings in force."""

from dataclasses import dataclass
from typing import Literal, Protocol

from langchain_core.language_models import BaseChatModel
from langgraph.runtime import get_runtime

from critique_graph.calls.caller import Caller, CallLog
from critique_graph.core.context import Context, GenerationContext, SelfTalkContext
from critique_graph.core.schema import Role
from critique_graph.grading.grader import Grader
from critique_graph.models.load import load_model


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
