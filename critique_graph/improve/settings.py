"""Settings of `critique-graph improve`."""

from pydantic import Field

from critique_graph.improve.state import ImprovementContext
from critique_graph.problems.settings import ProblemSettings


class ImproveSettings(ImprovementContext, ProblemSettings):
    """Settings of `critique-graph improve`."""

    actor: str = "miniature:actor"
    """Model to improve, which explores first: `miniature:actor`, `hf:PATH`, `vllm:PATH`."""
    critic: str = "miniature:critic"
    """Model that judges wrong responses, the same in every iteration; `none`: vanilla self-improvement."""
    base: str | None = None
    """Model that every training begins with; empty: the actor."""
    test_critic: str | None = None
    """Model that plays one round in the evaluations; empty: the critic; `none`: the actor is measured alone."""
    base_url: str | None = None
    """Server of an `openai:` critic, e.g. http://127.0.0.1:8000/v1."""
    validation: str | None = None
    """Problems by which the best iteration is chosen, named like PROBLEMS; empty: 200 of the miniature's own, of a file
    a tenth, which is not learned from."""
    test: str | None = None
    """Problems that are only measured; empty: 300 of the miniature's own, of a file none."""
    validation_limit: int | None = Field(default=None, ge=1)
    """Most of these for validation."""
    test_limit: int | None = Field(default=None, ge=1)
    """Most of these for test."""
