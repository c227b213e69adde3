"""The processes that share a training run, as `accelerate launch` or `torchrun` started them."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Processes:
    """The processes that train together; this process is one of them."""

    rank: int
    count: int

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes files and prints."""
        return self.rank == 0


def find_processes() -> Processes:
    """Give the processes that `accelerate launch` or `torchrun` has started; otherwise a single process."""
    return Processes(rank=int(os.environ.get("RANK", 0)), count=int(os.environ.get("WORLD_SIZE", 1)))
