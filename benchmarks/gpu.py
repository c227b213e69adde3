"""Trains a model of 8 billion weights on one accelerator with the defaults of `train`, and generates there.

    python benchmarks/gpu.py --work /tmp/gpu            # about 60 GB of disk, 80 GB on the device
    python benchmarks/gpu.py --work /tmp/gpu --tiny     # the same on any device, with a tiny model

The model is a Llama 3 8B by its configuration, with random weights and the miniature's tokenizer. Each part ends with
one line of JSON; a part that fails says why, and the others go on.
"""

import argparse
import asyncio
import ctypes
import json
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from critique_graph.core.errors import first_line
from critique_graph.engines.accelerators import available_memory, find_accelerator, free_memory
from critique_graph.engines.pretrained import load_tokenizer
from critique_graph.engines.processes import Processes
from critique_graph.metrics.intervals import wilson
from critique_graph.miniature import weights_path
from critique_graph.nodes.chat_transformers import ChatTransformers
from critique_graph.nodes.solve import solve_messages
from critique_graph.problems.load import load_problems
from critique_graph.trainers.planner import plan_training
from critique_graph.trainers.progress import StepReport, TrainingProgress
from critique_graph.trainers.rows import TrainingRow, row
from critique_graph.trainers.sft import train_sft
from critique_graph.trainers.train_task import train_task
from critique_graph.trainers.trainer import SFTSettings

STEPS, BATCH = 3, 32
LLAMA_8B: dict[str, Any] = {
    "vocab_size": 128_256,
    "hidden_size": 4096,
    "intermediate_size": 14_336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 8192,
}
TINY: dict[str, Any] = {
    **LLAMA_8B,
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
ACCELERATOR = find_accelerator()


class StepTimes(TrainingProgress):
    """Keeps the time and the tokens at the end of every step."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.seen: list[tuple[float, int]] = [(time.perf_counter(), 0)]
        self.losses: list[float] = []

    def step(self, report: StepReport) -> None:
        """Note a step."""
        self.seen.append((time.perf_counter(), report.tokens))
        self.losses.append(report.loss)

    def tokens_per_second(self) -> float:
        """Give the median over the steps after the first, which also compiles and fills the memory."""
        steps = list(zip(self.seen[1:], self.seen[2:], strict=False))
        return median((later[1] - earlier[1]) / (later[0] - earlier[0]) for earlier, later in steps)


def rows(tokenizer: Any, length: int) -> list[TrainingRow]:
    """Give rows of about `length` tokens of the miniature's language."""
    text = " ".join(problem.question for problem in load_problems("miniature", limit=100))
    per_token = len(text) / len(tokenizer(text)["input_ids"])
    half = int(length * per_token / 2) - 40
    while len(text) < (BATCH * STEPS + 2) * half:
        text += text
    return [row(solve_messages(text[at : at + half]), text[at + half : at + 2 * half]) for at in range(BATCH * STEPS)]


def peak_rate() -> float:
    """Measure the operations per second of matrix products of 8192 by 8192, the device's practical peak."""
    side, dtype = (8192, torch.bfloat16) if ACCELERATOR.has_bf16 else (1024, torch.float32)
    left, right = (torch.randn(side, side, dtype=dtype, device=ACCELERATOR.device) for _ in range(2))
    for repeats in (3, 10):
        begun = time.perf_counter()
        for _ in range(repeats):
            product = left @ right
        product[0, 0].item()
    return 10 * 2 * side**3 / (time.perf_counter() - begun)


class Memory:
    """The largest number of GiB that tensors took since this was made; on a CPU, that the process took more (Linux)."""

    def __init__(self) -> None:
        self.begun = 0
        if ACCELERATOR.device.type == "cpu":
            ctypes.CDLL("libc.so.6").malloc_trim(0)  # what earlier parts have freed goes back to the system
            Path("/proc/self/clear_refs").write_text("5")  # the peak is now what the process holds
            self.begun = _peak_of_process()
        else:
            getattr(torch, ACCELERATOR.device.type).reset_peak_memory_stats()

    def peak_gib(self) -> float:
        """Give the peak."""
        if ACCELERATOR.device.type == "cpu":
            peak = _peak_of_process() - self.begun
        else:
            peak = int(getattr(torch, ACCELERATOR.device.type).max_memory_allocated())
        return round(peak / 1024**3, 2)


def _peak_of_process() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def figures(times: StepTimes, parameters: int, rate: float, peak: float) -> dict[str, Any]:
    """Give speed, memory, and the share of the device's peak: six operations per weight and token."""
    speed = times.tokens_per_second()
    return {
        "tokens_per_second": round(speed),
        "share_of_peak": round(6 * parameters * speed / rate, 3),
        "peak_gib": peak,
        "seconds_per_step": [round(b[0] - a[0], 2) for a, b in zip(times.seen[1:], times.seen[2:], strict=False)],
        "losses": [round(loss, 4) for loss in times.losses],
    }


def by_default(work: Path, data: Path, rate: float, **settings: Any) -> dict[str, Any]:
    """Train as `critique-graph train` does."""
    free_memory()
    memory = Memory()
    times, begun = StepTimes(), time.perf_counter()
    out = work / "trained"
    done = train_task(
        "actor",
        data,
        model=f"hf:{work / 'model'}",
        out=out,
        progress=times,
        max_steps=STEPS,
        batch_size=BATCH,
        **settings,
    )
    size = sum(file.stat().st_size for file in out.glob("*.safetensors"))
    shutil.rmtree(out)
    assert done.plan is not None
    return {
        **figures(times, done.plan.parameters, rate, memory.peak_gib()),
        "plan_gib": round(done.plan.needed / 1024**3, 2),
        "plan": done.plan.model_dump(mode="json", exclude={"memory"}),
        "saved_gb": round(size / 1e9, 1),
        "seconds_whole": round(time.perf_counter() - begun, 1),
    }


def otherwise(config: LlamaConfig, made: list[TrainingRow], tokenizer: Any, rate: float, **told: Any) -> dict[str, Any]:
    """Train with other choices than the plan's, without loading and saving, to measure the plan's rules."""
    free_memory()
    memory = Memory()
    settings = SFTSettings(learning_rate=5e-6, batch_size=BATCH, max_steps=2, **told)
    with torch.device(ACCELERATOR.device):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)  # type: ignore[no-untyped-call]
    times = StepTimes()
    plan = plan_training(
        made,
        config,
        tokenizer,
        settings,
        ACCELERATOR,
        dtype="bfloat16",
        checkpointing=settings.checkpointing,
        processes=Processes(0, 1),
    )
    train_sft(made, model=model, tokenizer=tokenizer, settings=settings, on_step=times.step)
    return {
        **figures(times, plan.parameters, rate, memory.peak_gib()),
        "plan_gib": round(plan.needed / 1024**3, 2),
        **told,
    }


async def _answers(chat: ChatTransformers, prompts: list[Any], tokens: int) -> list[str]:
    replies = await asyncio.gather(*(chat.ainvoke(prompt, max_tokens=tokens) for prompt in prompts))
    return [reply.text for reply in replies]


def generation(path: Path, tokens: int) -> dict[str, Any]:
    """Generate with `hf:`, 64 calls at once."""
    chat = ChatTransformers(model=str(path), temperature=1.0)
    prompts = [f"Write number {number}." for number in range(64)]
    asyncio.run(_answers(chat, prompts[:2], 4))  # loads
    begun = time.perf_counter()
    replies = asyncio.run(_replies(chat, prompts, tokens))
    return {
        "calls": len(prompts),
        "tokens": replies,
        "tokens_per_second": round(replies / (time.perf_counter() - begun)),
    }


async def _replies(chat: ChatTransformers, prompts: list[str], tokens: int) -> int:
    replies = await asyncio.gather(*(chat.ainvoke(prompt, max_tokens=tokens) for prompt in prompts))
    return sum(reply.usage_metadata["output_tokens"] for reply in replies if reply.usage_metadata)


def miniature(limit: int) -> dict[str, Any]:
    """Compare the miniature's greedy answers on this device with those on the CPU."""
    prompts = [solve_messages(problem.question) for problem in load_problems("miniature", limit=limit, seed=31)]
    told: dict[str, Any] = {}
    texts = []
    for device in ("cpu", "auto"):
        chat = ChatTransformers(model=str(weights_path("actor")), device=device, temperature=0.0)
        asyncio.run(_answers(chat, prompts[:2], 4))
        begun = time.perf_counter()
        texts.append(asyncio.run(_answers(chat, prompts, 256)))
        told[f"seconds_{device}"] = round(time.perf_counter() - begun, 2)
    same = wilson(sum(a == b for a, b in zip(*texts, strict=True)), limit)
    return {**told, "same_text": same.percent(), "n": limit}


def parts(args: argparse.Namespace) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Give the parts, by name."""
    config = LlamaConfig(**(TINY if args.tiny else LLAMA_8B), dtype="bfloat16" if ACCELERATOR.has_bf16 else "float32")
    tokenizer = load_tokenizer(weights_path("actor"))
    config.eos_token_id, config.pad_token_id = tokenizer.eos_token_id, tokenizer.pad_token_id
    made = rows(tokenizer, args.length)
    data, model = args.work / "rows.jsonl", args.work / "model"
    rate = peak_rate()

    on_cpu = ACCELERATOR.device.type == "cpu"

    def prepare() -> dict[str, Any]:
        args.work.mkdir(parents=True, exist_ok=True)
        for module in ("peft", "critique_graph.trainers.train"):
            import_module(module)  # so that a part's memory is not that of modules
        data.write_text("".join(json.dumps(each) + "\n" for each in made))
        torch.manual_seed(0)
        with torch.device(ACCELERATOR.device):
            random = AutoModelForCausalLM.from_config(config, dtype=config.dtype)  # type: ignore[no-untyped-call]
        random.save_pretrained(model)
        tokenizer.save_pretrained(model)
        return {
            "device": str(ACCELERATOR.device),
            "name": "" if on_cpu else getattr(torch, ACCELERATOR.device.type).get_device_name(),
            "free_gib": round(available_memory(ACCELERATOR.device) / 1024**3, 1),
            "tflops": round(rate / 1e12, 1),
            "torch": torch.__version__,
        }

    yield "miniature", partial(miniature, 40 if args.tiny else 500)
    yield "prepare", prepare
    yield "adapters", partial(by_default, args.work, data, rate, lora_rank=16)
    yield "adapters over 4 bits", partial(by_default, args.work, data, rate, lora_rank=16, dtype="nf4")
    yield "full", partial(by_default, args.work, data, rate)
    yield "generation", partial(generation, model, 16 if args.tiny else 128)
    other = partial(otherwise, config, made, tokenizer, rate)
    small = "adafactor" if on_cpu else "adamw_torch_8bit"
    yield "full, 2 rows, activations kept", partial(other, optimizer=small, rows_at_once=2)
    yield "full, 8 rows, computed twice", partial(other, optimizer=small, rows_at_once=8, checkpointing=True)
    yield "adapters, 32 rows, computed twice", partial(other, lora_rank=16, rows_at_once=32, checkpointing=True)


def main() -> None:
    """Run the parts, one line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for the model and what is trained")
    parser.add_argument("--tiny", action="store_true", help="a tiny model, for any device")
    parser.add_argument("--length", type=int, default=1024, help="number of tokens of a row")
    parser.add_argument("--only", nargs="*", help="parts to run, by their names")
    args = parser.parse_args()
    for name, run in parts(args):
        if args.only and name not in args.only:
            continue
        begun = time.perf_counter()
        try:
            found = run()
        except Exception as error:  # noqa: BLE001 - the other parts go on
            found = {"failed": f"{type(error).__name__}: {first_line(error)}"}
        print(json.dumps({"part": name, **found, "seconds": round(time.perf_counter() - begun, 1)}), flush=True)


if __name__ == "__main__":
    main()
