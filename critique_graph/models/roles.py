"""Load the models of several roles together."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from langchain_core.language_models import BaseChatModel

from critique_graph.calls.players import EXACT, PLAYED_BY_CODE, PlainModel, unbound
from critique_graph.core.errors import InputError
from critique_graph.core.role_model import RoleModel
from critique_graph.core.schema import Role
from critique_graph.models.load import load_model
from critique_graph.models.options import read_key
from critique_graph.models.servers import check_base_url
from critique_graph.nodes.chat_vllm import share_device

logger = logging.getLogger(__name__)


def load_roles(roles: Mapping[Role, RoleModel | PlainModel]) -> dict[str, Any]:
    """Load the models of several roles now and return them by role, ready for the factory of a graph.

    Args:
        roles: Model of each role, with its server; a string is a model alone, a chat model is returned as it is.

    Raises:
        InputError: A model string does not name a model, an option or a key is wrong, or a server that was named does
            not answer or lacks the model.
        MissingDependencyError: A model needs an extra that is not installed.
    """
    models: dict[str, Any] = {}
    records: list[RoleModel] = []
    for role, given in roles.items():
        model = RoleModel(model=given) if isinstance(given, str) else given
        is_code = role in PLAYED_BY_CODE and model == RoleModel(model=EXACT)
        models[role] = EXACT if is_code else load_role(role, model)
        records += [model] if isinstance(model, RoleModel) else []
    check_servers(records)
    share_device(models.values())
    if "critic" in roles and roles["critic"] == roles.get("actor"):
        logger.warning("the actor criticises its own responses: no other critic is named")
    return models


def check_servers(models: Iterable[RoleModel]) -> None:
    """Check each server that these models name, once: whether it answers, and has them.

    Raises:
        InputError: A server does not answer, or lacks a model.
    """
    asked: dict[tuple[str, str | None], set[str]] = {}
    for model in models:
        if model.base_url is not None:
            key = None if model.api_key_env is None else read_key(model.api_key_env)
            asked.setdefault((model.base_url, key), set()).add(model.model.removeprefix("openai:"))
    for (url, key), names in asked.items():
        check_base_url(url, sorted(names), key=key)


def load_role(role: str, model: RoleModel | BaseChatModel) -> BaseChatModel:
    """Load the model of one role; an error names the role."""
    if isinstance(model, BaseChatModel):
        return model
    try:
        return load_model(model.model, base_url=model.base_url, api_key_env=model.api_key_env, options=model.options)
    except InputError as error:
        raise InputError(f"{role}: {error}") from error


def plain_model(role: str, model: object) -> PlainModel:
    """Give a model that a whole run uses, which records its models by their names alone.

    Raises:
        TypeError: It is not a model, or arguments are bound to it.
    """
    if (plain := unbound(role, model)) is not model:
        raise TypeError(f"{role}: a run does not record bound arguments; set them on the model itself.")
    return plain


def name_of(model: PlainModel | RoleModel) -> str:
    """Give a model's string; for a chat model, its own name for its model."""
    if isinstance(model, str):
        return model
    return str(getattr(model, "model_name", None) or getattr(model, "model", None) or type(model).__name__)
