"""The model of a role with its server, the variable of its key and its options: what a setting such as `actor` holds.

A string names the model alone. A mapping, in a YAML file or in Python, may say more:

    critic: {model: "openai:Qwen/Qwen3-4B", base_url: "http://127.0.0.1:8000/v1", options: {top_p: 0.9}}
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

import yaml
from cyclopts import Parameter
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    JsonValue,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
)

from critique_graph.core.errors import InputError
from critique_graph.core.secrets import redacted
from critique_graph.core.settings import MODELS

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_SECRET = re.compile(r"(^|_)(key|token|secret|password|headers)$")


class RoleModel(BaseModel):
    """The model of one role."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    """Model string."""
    base_url: str | None = None
    """Server of an `openai:` model."""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key of the server or the provider."""
    options: dict[str, JsonValue] = {}
    """Arguments that every call of the role gets, such as `top_p`."""

    @field_validator("api_key_env", mode="before")
    @classmethod
    def _check_variable(cls, name: Any) -> Any:
        if name is None or (isinstance(name, str) and _VARIABLE.fullmatch(name)):
            return name
        raise ValueError("give the name of an environment variable, in capital letters, and never the key itself")

    @field_validator("options")
    @classmethod
    def _refuse_secrets(cls, options: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if secret := next(filter(_SECRET.search, options), None):
            raise ValueError(f"{secret} would be recorded; a key belongs in a variable that api_key_env names")
        return options

    @model_serializer
    def recorded(self) -> JsonValue:
        """Give what a file records: a string if there is a model alone, and no credentials."""
        url = None if self.base_url is None else redacted(self.base_url)
        more = {"base_url": url, "api_key_env": self.api_key_env, "options": dict(self.options)}
        said: dict[str, JsonValue] = {name: value for name, value in more.items() if value}
        return {"model": self.model, **said} if said else self.model

    def on(self, base_url: str | None) -> Self:
        """Give the role on a server that several roles share, if it is of a server and names neither one nor a key."""
        is_open = self.model.startswith("openai:") and self.base_url is None and self.api_key_env is None
        return self.model_copy(update={"base_url": base_url}) if is_open else self

    def __str__(self) -> str:
        return self.model


def read_role(given: Any, name: str) -> Any:
    """Give the record of a role from a string or a mapping; anything else is given back.

    Args:
        given: A model string, a mapping, or a mapping as YAML or JSON.
        name: Name of the role, for errors.

    Raises:
        InputError: A key of the mapping is unknown or has a wrong value.
    """
    if isinstance(given, str) and given.lstrip().startswith("{"):  # as a YAML file reaches the flag
        try:
            given = yaml.safe_load(given)
        except (yaml.YAMLError, ValueError, RecursionError):
            raise InputError(f"{name}: this is neither a model string nor a mapping.") from None
    if isinstance(given, str):
        return RoleModel(model=given)
    if not isinstance(given, Mapping):
        return given
    try:
        return RoleModel.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            message = f"there is no such key; the keys are {', '.join(RoleModel.model_fields)}"
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(redacted(f"{name}: {place}: {message}.")) from None


def model_name(recorded: object) -> str:
    """Give the model string of a role as a file records it."""
    return str(recorded["model"]) if isinstance(recorded, Mapping) else str(recorded)


def _from_setting(given: Any, info: ValidationInfo) -> Any:
    return read_role(given, info.field_name or "model")


_READ = BeforeValidator(_from_setting)
_FLAG = Parameter(
    accepts_keys=False,
    n_tokens=1,
    converter=lambda _, tokens: tokens[0].value,
    show_default=lambda role: None if role is None else str(role),
)
RoleSetting = Annotated[RoleModel, _READ, MODELS, _FLAG]
"""A setting that takes a model string, or a mapping with more."""
OptionalRoleSetting = Annotated[RoleModel | None, _READ, MODELS, _FLAG]
"""A setting of a role that may be left out."""
