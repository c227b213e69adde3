"""The fields that the rows of every data set begin with: their id, and the problem they are about."""

from typing import Any

from pydantic import ConfigDict, Field, model_validator

from critique_graph.core.schema import Record, is_none


class DatasetRow(Record):
    """Base of the rows of `generate` and `self-talk`; data cards show the docstrings of its fields."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    id: str
    """Identifier, unique in the data set: the problem's id, a slash, and the path's name or index."""
    problem: str
    """The problem's id."""
    question: str
    """The problem's question."""
    reference: str
    """The problem's reference answer."""
    level: int | None
    """The problem's level of difficulty; null if it has none."""
    source: str | None
    """The problem set or file that the problem is from."""
    prompts: str | None = Field(default=None, exclude_if=is_none)
    """The wording of the prompts, as JSON, for a problem of another task than mathematics; absent for mathematics."""

    @model_validator(mode="before")
    @classmethod
    def _with_problem(cls, given: Any) -> Any:
        """Derive the problem from `id` if the row was written before rows had the field `problem`."""
        if isinstance(given, dict) and "id" in given and "problem" not in given:
            return {**given, "problem": str(given["id"]).rpartition("/")[0]}
        return given
