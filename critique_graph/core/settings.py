"""Base of all settings, and the groups into which `--help` sorts their flags.

The settings model of a verb is the single source of its flags, its YAML keys and the settings its run folder records;
the string below a field is its help.
"""

from typing import Annotated

from cyclopts import Group, Parameter
from pydantic import BaseModel, ConfigDict, PlainSerializer

from critique_graph.core.secrets import redacted

MODELS = Parameter(group=Group("Models", sort_key=1))
PROBLEMS = Parameter(group=Group("Problems", sort_key=2))
SAMPLING = Parameter(group=Group("Sampling", sort_key=3))
DATA = Parameter(group=Group("Data", sort_key=4))
TRAINING = Parameter(group=Group("Training", sort_key=5))
REINFORCEMENT = Parameter(group=Group("Training by reinforcement (critic-rl)", sort_key=6))
BUDGET = Parameter(group=Group("Budget", sort_key=7))
RAY = Parameter(group=Group("Ray", sort_key=8))
OUTPUT = Parameter(group=Group("Output", sort_key=9))

ServerAddress = Annotated[str, PlainSerializer(redacted, return_type=str)]
"""Address of a server; whatever is written of it has no credentials."""


class Settings(BaseModel):
    """Base of all settings: they are frozen, and an unknown setting is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
