"""The groups that `--help` sorts a verb's flags into."""

from cyclopts import Group, Parameter

MODELS = Parameter(group=Group("Models", sort_key=1))
PROBLEMS = Parameter(group=Group("Problems", sort_key=2))
SAMPLING = Parameter(group=Group("Sampling", sort_key=3))
DATA = Parameter(group=Group("Data", sort_key=4))
TRAINING = Parameter(group=Group("Training", sort_key=5))
OUTPUT = Parameter(group=Group("Output", sort_key=6))
