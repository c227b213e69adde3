"""`critique-graph serve`: the pair as one model, for any client of OpenAI's chat completions."""

import ipaddress
import os
from typing import Annotated, Any

from cyclopts import Parameter
from langgraph.graph.state import CompiledStateGraph
from pydantic import Field

from critique_graph.core.context import Context
from critique_graph.core.errors import InputError, MissingDependencyError
from critique_graph.core.settings import OUTPUT
from critique_graph.graphs.chat import create_chat
from critique_graph.models.roles import load_roles
from critique_graph.output.terminal import log
from critique_graph.solve.settings import SolveSettings
from critique_graph.verbs.settings import warn_about_servers

KEY = "CRITIQUE_GRAPH_API_KEY"


class ServeSettings(SolveSettings):
    """Settings of `critique-graph serve`."""

    host: Annotated[str, OUTPUT] = "127.0.0.1"
    """Address to listen at. Any but this machine's own needs a key in the variable CRITIQUE_GRAPH_API_KEY."""
    port: Annotated[int, OUTPUT] = Field(default=8300, ge=1, le=65535)
    """Number of the port that the server listens at."""


def serve(*, settings: Annotated[ServeSettings, Parameter(name="*")] = ServeSettings()) -> int:  # noqa: B008 - frozen
    """Serve the loop as one model, `critique-graph`, for any client of OpenAI's chat completions.

    A request's `temperature`, `max_tokens` and `seed` are the actor's; all else is set here. What happens on the way
    comes as `reasoning_content`, the verdicts as `critique_graph`; `usage` counts all calls, and those of each role.
    """
    try:
        import uvicorn

        from critique_graph.serve.app import create_app
    except ImportError as error:
        raise MissingDependencyError(str(error.name), extra="serve", purpose="serve") from error
    if settings.gate == "oracle":
        raise InputError("--gate oracle needs reference answers, which no request has.")
    key = os.environ.get(KEY) or None
    if key is None and not _is_own(settings.host):
        raise InputError(
            f"--host {settings.host} lets other machines call your models: set {KEY} to a key they must give."
        )
    roles = settings.roles()
    warn_about_servers(settings, roles)
    chat: CompiledStateGraph[Any, Any, Any, Any] = create_chat(
        **load_roles(roles), **Context.keywords(settings), prompts=settings.prompts, task=settings.task
    ).compile(name="chat")
    app = create_app(chat, Context.keywords(settings), patience=settings.patience, api_key=key)
    pair = f"actor {roles['actor']}, critic {roles['critic']}"
    log.print(f"serving critique-graph at http://{settings.host}:{settings.port}/v1 ({pair})", soft_wrap=True)
    uvicorn.run(app, host=settings.host, port=settings.port, log_level="warning")
    return 0


def _is_own(host: str) -> bool:
    """Tell whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
