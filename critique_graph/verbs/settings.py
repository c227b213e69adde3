"""Settings that name the models of a verb."""

import logging
import re
from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from critique_graph.calls.breaker import Patience
from critique_graph.calls.budget import Limits
from critique_graph.core.errors import InputError
from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts
from critique_graph.core.prompts_file import PromptsSetting
from critique_graph.core.role_model import RoleModel, RoleSetting, read_role
from critique_graph.core.schema import Role
from critique_graph.core.settings import BUDGET, MODELS, ServerAddress, Settings
from critique_graph.runs.record import Price
from critique_graph.tasks.settings import TaskSettings
from critique_graph.tasks.task import MATH, Task

logger = logging.getLogger(__name__)

_NUMBER = r"\d+(?:\.\d+)?|\.\d+"
_PRICE = re.compile(rf"(?P<role>\w+)=(?P<prompts>{_NUMBER})/(?P<replies>{_NUMBER})", re.ASCII)
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


class BudgetSettings(Settings):
    """What a run over a problem set may spend, and what it costs."""

    run_tokens: Annotated[int | None, BUDGET] = Field(default=None, ge=1)
    """Number of tokens, of prompts and replies, that the whole run may spend, resumed sessions included; empty: no
    bound. Problems that it does not suffice for stay pending."""
    run_calls: Annotated[int | None, BUDGET] = Field(default=None, ge=1)
    """Number of model calls that the whole run may spend, resumed sessions included; empty: no bound."""
    run_seconds: Annotated[float | None, BUDGET] = Field(default=None, gt=0)
    """Number of seconds that the whole run may take, resumed sessions included; empty: no bound. Calls in flight may
    end."""
    price: Annotated[tuple[str, ...], BUDGET] = ()
    """Prices by role, as ROLE=IN/OUT: what a million tokens of prompts and a million tokens of replies cost, e.g.
    `actor=0.10/0.40`, in any currency."""

    @property
    def limits(self) -> Limits:
        """What the run may spend."""
        return Limits(tokens=self.run_tokens, calls=self.run_calls, seconds=self.run_seconds)

    @property
    def prices(self) -> dict[str, Price]:
        """The prices by role."""
        return read_prices(self.price, self.roles())

    @abstractmethod
    def roles(self) -> Roles:
        """Give the model of each role, with its server."""

    @model_validator(mode="after")
    def _check_price(self) -> Self:
        read_prices(self.price, self.roles())
        return self


def read_prices(given: Iterable[str], roles: Collection[Role]) -> dict[str, Price]:
    """Read prices such as `actor=0.10/0.40`.

    Raises:
        InputError: A text is not of that form or names none of `roles`, or a role has two prices.
    """
    prices: dict[str, Price] = {}
    for text in given:
        found = _PRICE.fullmatch(text)
        if found is None or found["role"] not in roles:
            raise InputError(
                f"price: expected ROLE=IN/OUT such as actor=0.10/0.40, of {', '.join(roles)}; got {text!r}."
            )
        if found["role"] in prices:
            raise InputError(f"price: that of {found['role']} is given twice.")
        prices[found["role"]] = Price(float(found["prompts"]), float(found["replies"]))
    return prices


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
    """Server of the `openai:` models that have no server or key of their own, e.g. http://127.0.0.1:8000/v1; a pool of
    servers is several addresses joined by commas, or `@FILE`, a file with one address a line."""
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
