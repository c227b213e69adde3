"""The actor and the critic that a verb's settings name."""

from dataclasses import dataclass

from langchain_core.language_models import BaseChatModel

from critique_graph.calls.settings import LoopSettings
from critique_graph.models.load import load_model
from critique_graph.models.servers import check_server


@dataclass(frozen=True)
class Pair:
    """The two models of the loop."""

    actor: BaseChatModel
    critic: BaseChatModel


def load_pair(settings: LoopSettings) -> Pair:
    """Load a verb's models now.

    Raises:
        InputError: a model string names none, or a server that was named does not answer.
        MissingDependencyError: a model needs an extra that is not installed.
    """
    critic_url = settings.critic_base_url or settings.base_url
    for url in {settings.base_url, critic_url} - {None}:
        check_server(str(url))
    return Pair(
        actor=load_model(settings.actor, base_url=settings.base_url if settings.actor.startswith("openai:") else None),
        critic=load_model(settings.critic, base_url=critic_url if settings.critic.startswith("openai:") else None),
    )
