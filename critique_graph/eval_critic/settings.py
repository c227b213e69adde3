"""Settings of `critique-graph eval-critic`."""

from typing import Annotated, Literal

from cyclopts import Parameter
from pydantic import Field

from critique_graph.calls.settings import LoopSettings


class EvalCriticSettings(LoopSettings):
    """Settings of `critique-graph eval-critic`: one critique of one response."""

    sources: Annotated[tuple[str, ...], Parameter(show=False)] = ("miniature",)
    """Files of labelled responses, or `hf:owner/name[:config[:split]]`, or `miniature`."""
    actor: str = "miniature:actor"
    """Of `miniature`: model that writes the responses, `miniature:actor` or `hf:PATH`."""
    temperature: float = Field(default=0.7, ge=0, le=5)
    """Of `miniature`: the actor's."""
    limit: Annotated[int | None, Parameter(alias="-n")] = Field(default=None, ge=1)
    """Most responses of every file; empty: all of a file, 100 of the miniature."""
    concurrency: int = Field(default=64, ge=1)
    """Responses in flight at once."""
    samples: Annotated[Literal[1], Parameter(show=False)] = 1
    rounds: Annotated[Literal[1], Parameter(show=False)] = 1
    gate: Annotated[Literal["always"], Parameter(show=False)] = "always"
    vote: Annotated[Literal["first"], Parameter(show=False)] = "first"
    token_budget: Annotated[None, Parameter(show=False)] = None
