"""Measures what many rows cost a training: the time to choose and to encode them, and the memory of a process.

    python benchmarks/rows.py [--rows 300000]

It copies a small data set of the miniature under new problems, and does with it what `train critic` does, up
to the first optimizer step. Memory is what the process has of its own, and its peak; the file of tokens is mapped.
Rows are not packed but grouped by length; the share of padding says what packing could still save.
"""

import argparse
import json
import random
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import torch
import transformers
from datasets import Dataset
from transformers.trainer_pt_utils import LengthGroupedSampler

from critique_graph.core.json_lines import read_json_lines, write_json_lines
from critique_graph.engines.pretrained import load_tokenizer, load_weights
from critique_graph.generate.make import generate_data
from critique_graph.miniature import weights_path
from critique_graph.trainers.rows import Rows, TrainingRow
from critique_graph.trainers.settings import TrainSettings
from critique_graph.trainers.sft import train_sft
from critique_graph.trainers.trainer import SFTSettings
from critique_graph.trainers.training_folder import CHECKPOINTS, ENCODED
from critique_graph.trainers.training_rows import rows_to_learn, select_rows


def copied(folder: Path, count: int) -> Path:
    """Write a data set of this many rows, each of a problem of its own."""
    generate_data("miniature", out=folder / "few", limit=6, seed=3, samples=4, attempts=2, refinements=4)
    few = [row for _, row in read_json_lines(folder / "few" / "dataset" / "train.jsonl")]
    file = folder / "train.jsonl"
    write_json_lines(
        file,
        (
            {**row, "problem": f"{row['problem']}-{number}", "question": f"{row['question']} ({number})"}
            for number in range(count)
            for row in [few[number % len(few)]]
        ),
    )
    return file


def memory() -> dict[str, int]:
    """Give MiB of memory: what the process has of its own now, and the peak of all that it had in memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    found = dict(line.split(":", 1) for line in lines)
    return {name: int(found[name].split()[0]) // 1024 for name in ("RssAnon", "VmHWM")}


def padding(lengths: list[int], batch_size: int) -> dict[str, float]:
    """Give the share of padding in the batches of an epoch: grouped by length as in a training, and in random order."""
    torch.manual_seed(0)
    orders = {
        "padding_grouped": list(LengthGroupedSampler(batch_size, lengths=lengths)),
        "padding_random": random.Random(0).sample(range(len(lengths)), len(lengths)),
    }
    found = {}
    for name, order in orders.items():
        batches = [[lengths[place] for place in order[at : at + batch_size]] for at in range(0, len(order), batch_size)]
        found[name] = 1 - sum(lengths) / sum(len(batch) * max(batch) for batch in batches)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000)
    count = parser.parse_args().rows
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        data = copied(folder, count)
        tokenizer = load_tokenizer(weights_path("critic"))
        model = load_weights(transformers.AutoModelForCausalLM, weights_path("critic"), dtype="float32")
        figures: dict[str, object] = {"rows": count, "memory_before": memory()}
        begun, cpu = time.perf_counter(), time.process_time()
        selected = select_rows("critic", data, folder, TrainSettings(per_problem=8))
        figures |= {"select_seconds": time.perf_counter() - begun, "select_cpu": time.process_time() - cpu}
        figures["memory_selected"] = memory()

        def first_step(_: object) -> None:
            figures.update(
                to_first_step_seconds=time.perf_counter() - begun, to_first_step_cpu=time.process_time() - cpu
            )

        begun, cpu = time.perf_counter(), time.process_time()
        result = train_sft(
            cast(Rows[TrainingRow], rows_to_learn(folder, selected)),
            model=model,
            tokenizer=tokenizer,
            settings=SFTSettings(max_steps=1, batch_size=8, use_cpu=True),
            checkpoints=folder / CHECKPOINTS,
            encoded_in=folder / ENCODED,
            on_step=first_step,
        )
        encoded = sum(file.stat().st_size for file in (folder / ENCODED).iterdir())
        figures |= {"memory_trained": memory(), "learned_rows": result.rows, "encoded_mib": encoded // 2**20}
        lengths = list(Dataset.from_file(str(folder / ENCODED / "rows.arrow"))["length"][:])
        figures |= padding(lengths, batch_size=32)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
