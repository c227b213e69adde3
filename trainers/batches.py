"""Batches that are the same on any number of devices."""

from collections.abc import Iterator

from accelerate.utils import broadcast_object_list
from datasets import Dataset
from torch.utils.data import Sampler
from transformers import TrainingArguments
from transformers.trainer_pt_utils import LengthGroupedSampler


class GroupedByLength:
    """Groups rows by length in whole batches, so that batches are the same on any number of devices.

    Several devices fill the last batch of a pass with the blank row that is then the last (`encoded`); accelerate
    would fill it with the first rows, which would be learned twice.
    """

    args: TrainingArguments
    train_dataset: Dataset

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int]:
        together = self.args.train_batch_size * self.args.world_size
        batch_size = together * self.args.gradient_accumulation_steps
        lengths, last = list(self.train_dataset["length"][:]), len(self.train_dataset) - 1
        if set(self.train_dataset[last]["labels"]) != {-100}:
            return LengthGroupedSampler(batch_size, lengths=lengths)
        return _Filled(LengthGroupedSampler(batch_size, lengths=lengths[:last]), last, multiple=together)


class _Filled(Sampler[int]):
    """Gives the rows of a sampler, and then a blank one until there are a multiple of a number.

    All processes follow the order of the first one: dropout lets their random numbers go apart.
    """

    def __init__(self, rows: LengthGroupedSampler, blank: int, *, multiple: int) -> None:
        self._rows, self._blank = rows, blank
        self._missing = -len(rows) % multiple

    def __len__(self) -> int:
        return len(self._rows) + self._missing

    def __iter__(self) -> Iterator[int]:
        orders = [list(self._rows)]
        broadcast_object_list(orders)
        yield from orders[0]
        yield from [self._blank] * self._missing
