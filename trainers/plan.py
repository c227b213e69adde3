"""What a training is expected to take, and how it uses its device; `planner.py` makes the plan."""

from datetime import timedelta

from critique_graph.core.schema import Record
from critique_graph.trainers.settings import Weights

GIB = 1024**3


class TrainingPlan(Record):
    """How a training uses its device, and what that is expected to take."""

    parameters: int
    trained: int
    """Number of weights that are trained, those of adapters included."""
    dtype: Weights
    """Type in which the weights are held; of `nf4` those of linear layers."""
    optimizer: str
    """Name of the optimizer in transformers."""
    checkpointing: bool
    """Whether activations are computed again in the backward pass."""
    rows_at_once: int
    longest: int
    """Number of tokens of the longest row, estimated."""
    memory: dict[str, int]
    """Expected bytes of `weights`, `gradients`, `optimizer` and `activations`."""
    free: int
    """Bytes of memory that were free on the device."""
    seconds: float
    """Expected time."""

    @property
    def needed(self) -> int:
        """Bytes that the training is expected to need."""
        return sum(self.memory.values())

    @property
    def is_too_large(self) -> bool:
        """Whether the training is expected to run out of memory."""
        return self.needed > self.free

    def describe(self) -> str:
        """Give one line with the figures, and a second one with what to lower if memory will not do."""
        parts = ", ".join(f"{name} {size / GIB:.1f}" for name, size in self.memory.items())
        again = ", activations computed twice" if self.checkpointing else ""
        told = (
            f"plan: {_count(self.trained)} of {_count(self.parameters)} weights trained in {self.dtype} with "
            f"{self.optimizer}, {self.rows_at_once} rows of at most {self.longest:,} tokens at once{again}; "
            f"about {self.needed / GIB:.1f} of {self.free / GIB:.1f} GiB free ({parts}), "
            f"{timedelta(seconds=round(self.seconds))}"
        )
        return f"{told}\nThis may run out of memory. {self.advice()}" if self.is_too_large else told

    def advice(self) -> str:
        """Say what would lower the memory, the cheapest first."""
        lower = []
        if self.rows_at_once > 1:
            lower.append("--rows-at-once 1")
        if not self.checkpointing:
            lower.append("--checkpointing")
        if self.trained == self.parameters:
            lower.append("--lora-rank 16")
        elif self.dtype != "nf4":
            lower.append("--dtype nf4")
        lower.append("--max-length, without the longest rows")
        return f"What lowers the memory: {', '.join(lower)}, or several devices with FSDP."


def _count(number: int) -> str:
    for size, name in ((10**9, "billion"), (10**6, "million")):
        if number >= size:
            return f"{number / size:.1f} {name}"
    return f"{number:,}"
