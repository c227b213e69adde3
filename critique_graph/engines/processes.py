"""The processes that share a training, as `accelerate launch` or `torchrun` started them."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Processes:
    """The processes that train together, one of which this is."""

    rank: int
    count: int

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes files and prints."""
        return self.rank == 0


def find_processes() -> Processes:
    """Give what `accelerate launch` or `torchrun` has started; one process where neither has."""
    return Processes(rank=int(os.environ.get("RANK", 0)), count=int(os.environ.get("WORLD_SIZE", 1)))
