"""Load the models of several roles together."""

import logging
from collections.abc import Mapping
from typing import Any

from langchain_core.language_models import BaseChatModel

from critique_graph.calls.players import EXACT, PLAYED_BY_CODE, PlainModel, unbound
from critique_graph.core.schema import Role
from critique_graph.models.load import load_model
from critique_graph.models.servers import check_server
from critique_graph.nodes.chat_vllm import share_device

logger = logging.getLogger(__name__)


def load_roles(roles: Mapping[Role, tuple[PlainModel, str | None]]) -> dict[str, Any]:
    """Load the models of several roles now and return them by role, ready for the factory of a graph.

    Args:
        roles: Model and server of each role; only `openai:` models use the server.

    Raises:
        InputError: A model string does not name a model, or a server that was named does not answer or lacks the model.
        MissingDependencyError: A model needs an extra that is not installed.
    """
    if "critic" in roles and roles["critic"] == roles.get("actor"):
        logger.info("the actor criticises its own responses: no other critic is named")
    asked: dict[str, set[str]] = {}
    for model, url in roles.values():
        if url is not None:
            names = asked.setdefault(url, set())
            if isinstance(model, str) and model.startswith("openai:"):
                names.add(model.removeprefix("openai:"))
    for url, names in asked.items():
        check_server(url, sorted(names))
    models: dict[str, Any] = {
        role: model if model == EXACT and role in PLAYED_BY_CODE else load_role(model, url)
        for role, (model, url) in roles.items()
    }
    share_device(models.values())
    return models


def load_role(model: PlainModel, base_url: str | None) -> BaseChatModel:
    """Load the model of one role, on its server if it is one of a server's."""
    is_served = isinstance(model, str) and model.startswith("openai:")
    return load_model(model, base_url=base_url if is_served else None)


def plain_model(role: str, model: object) -> PlainModel:
    """Give a model that a whole run uses, which records its models by their names alone.

    Raises:
        TypeError: It is not a model, or arguments are bound to it.
    """
    if (plain := unbound(role, model)) is not model:
        raise TypeError(f"{role}: a run does not record bound arguments; set them on the model itself.")
    return plain


def name_of(model: PlainModel) -> str:
    """Give a model's string; for a chat model, its own name for its model."""
    if isinstance(model, str):
        return model
    return str(getattr(model, "model_name", None) or getattr(model, "model", None) or type(model).__name__)
