"""Settings that name the models of a verb."""

import logging
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from critique_graph.calls.breaker import Patience
from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts
from critique_graph.core.prompts_file import PromptsSetting
from critique_graph.core.role_model import RoleModel, RoleSetting, read_role
from critique_graph.core.schema import Role
from critique_graph.core.settings import MODELS, ServerAddress, Settings
from critique_graph.tasks.settings import TaskSettings
from critique_graph.tasks.task import MATH, Task

logger = logging.getLogger(__name__)

_SERVERS = ("base_url", "critic_base_url", "annotator_base_url")
Roles = dict[Role, RoleModel]
"""Model of each role, with its server."""


class CallSettings(Settings):
    """What all that asks models has: the wording of the prompts, and how long calls wait for a server."""

    prompts: PromptsSetting = Field(default=DEFAULT_PROMPTS, validate_default=True)
    """Wording of the prompts: a YAML file, or one that ships: `default`, `math-en`, `math-zh`; `critique-graph prompts`
    prints one to start from. A node whose wording is the default has that of the task."""

    call_timeout: Annotated[float, MODELS] = Field(default=600.0, gt=0)
    """Longest time in seconds that one request to a server may take; the call is then tried again."""
    outage: Annotated[float, MODELS] = Field(default=600.0, ge=0)
    """Longest time in seconds that a run waits for a server that is out, before it stops; 0: it does not wait."""

    @property
    def patience(self) -> Patience:
        """How long calls wait for a server."""
        return Patience(self.call_timeout, self.outage)


class ServerSettings(CallSettings, TaskSettings):
    """What every verb that asks models about problems has: the task, whose wording is that of the prompts, too."""

    @field_validator("prompts")
    @classmethod
    def _of_task(cls, prompts: Prompts, info: ValidationInfo) -> Prompts:
        task: Task = info.data.get("task", MATH)
        return task.worded(prompts)


class ActorCriticises(Settings):
    """What a verb with an actor and a critic has: an actor that is given alone is its own critic."""

    @model_validator(mode="before")
    @classmethod
    def _let_actor_criticise_itself(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or given.get("critic") or not given.get("actor"):
            return given
        actor = read_role(given["actor"], "actor")
        return given if str(actor).startswith("miniature:") else {**given, "critic": actor}


class PairSettings(ActorCriticises, ServerSettings):
    """The models of every verb that plays the loop."""

    actor: RoleSetting = RoleModel(model="miniature:actor")
    """Model that solves and refines: `miniature:actor`, `hf:PATH`, `vllm:PATH`, `openai:NAME`, `provider:name`."""
    critic: RoleSetting = RoleModel(model="miniature:critic")
    """Model that judges every step: `miniature:critic`, `hf:PATH`, `vllm:PATH`, `openai:NAME`, `provider:name`; by
    default the actor itself, or the miniature's critic beside an actor of the miniature."""
    base_url: Annotated[ServerAddress | None, MODELS] = None
    """Server of the `openai:` models that have no server or key of their own, e.g. http://127.0.0.1:8000/v1."""
    critic_base_url: Annotated[ServerAddress | None, MODELS] = None
    """Server of an `openai:` critic, where it is not the actor's."""

    def roles(self) -> Roles:
        """Give the model of each role, with its server."""
        return {
            "actor": self.actor.on(self.base_url),
            "critic": self.critic.on(self.critic_base_url or self.base_url),
        }


def warn_about_servers(settings: object, roles: Roles) -> None:
    """Say that a server that was named is that of no role."""
    for name in _SERVERS:
        url = getattr(settings, name, None)
        if url is not None and all(role.base_url != url for role in roles.values()):
            logger.warning(
                "%s is used for no role: it is for openai: models without a server or key of their own", name
            )
