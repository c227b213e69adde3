"""What the rows of every data set begin with: their name, and the problem they are about."""

from typing import Any

from pydantic import ConfigDict, model_validator

from critique_graph.core.schema import Record


class DatasetRow(Record):
    """Base of the rows of `generate` and `self-talk`; the docstrings of its fields are the data card's."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    id: str
    """Unique in the data set: the problem's id, a slash, and the path's name or index."""
    problem: str
    """The problem's id."""
    question: str
    """The problem's question."""
    reference: str
    """The problem's answer."""
    level: int | None
    """The problem's level of difficulty, where it has one."""
    source: str | None
    """Where the problem is from."""

    @model_validator(mode="before")
    @classmethod
    def _with_problem(cls, given: Any) -> Any:
        """Take the problem out of `id` where a row was written before rows had the field."""
        if isinstance(given, dict) and "id" in given and "problem" not in given:
            return {**given, "problem": str(given["id"]).rpartition("/")[0]}
        return given
