"""The processes that share a training run, as `accelerate launch` or `torchrun` started them."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Processes:
    """The processes that train together; this process is one of them."""

    rank: int
    count: int
    is_sharded: bool = False
    """Whether the weights are divided among the processes (FSDP, or DeepSpeed's ZeRO 3)."""

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes files and prints."""
        return self.rank == 0


def find_processes() -> Processes:
    """Give the processes that `accelerate launch` or `torchrun` has started; otherwise a single process."""
    told = os.environ
    return Processes(
        rank=int(told.get("RANK", 0)),
        count=int(told.get("WORLD_SIZE", 1)),
        is_sharded=told.get("ACCELERATE_USE_FSDP") == "true" or told.get("ACCELERATE_DEEPSPEED_ZERO_STAGE") == "3",
    )
