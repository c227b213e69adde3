"""Measures what our layers over vLLM cost, in one run.

    python benchmarks/local_vllm.py                     # about 20 minutes on 2 cores
    python benchmarks/local_vllm.py -n 128 --trials 1 --no-phases

It makes the same greedy answers (a) with vLLM's engine directly, (b) through `ChatVLLM`, (c) through the graph with its
journal, and reports tokens per second, prompts included. The three alternate on one engine, whose prefix cache is
emptied before each. This is done with the miniature, whose answers cost so little that every other instruction shows,
and with a model of the same vocabulary and 20 million random weights, which is still 50 times smaller than models that
people serve. Then it measures one round of the loop with the miniature, as wall-clock time with all engine starts: (c)
as one run, and (d) phase by phase, as in the paper's scripts: all answers, all critiques, all refinements, with an
engine start before each.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import torch
from langchain_core.messages import AIMessage, BaseMessage
from transformers import LlamaConfig, LlamaForCausalLM

from critique_graph.core.schema import Call, Problem, Reply, Role, Usage
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.graphs.prompts import loop_prompts, prompts_hash
from critique_graph.miniature import weights_path
from critique_graph.miniature.task import generate_problems
from critique_graph.miniature_training.tokenizer import build_tokenizer
from critique_graph.nodes.ask_critique import to_critique
from critique_graph.nodes.chat_vllm import ChatVLLM
from critique_graph.nodes.critique import critique_messages
from critique_graph.nodes.refine import refine_messages
from critique_graph.nodes.solve import solve_messages
from critique_graph.problems.problem_set import ProblemSet
from critique_graph.runs.drive import run_graph
from critique_graph.solve.summary import Tokens, summarise

T = TypeVar("T")
IN_FLIGHT = 64
MAX_TOKENS = 200
ENGINE = {"gpu_memory_utilization": 0.4}
"""Leaves room for another engine, and for other programs."""


def save_larger_model(folder: Path) -> None:
    """Save a model with random weights for the miniature's tokenizer; its answers never end before their limit."""
    torch.manual_seed(0)
    tokenizer = build_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=512,
        intermediate_size=1536,
        num_hidden_layers=6,
        num_attention_heads=8,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        model.model.embed_tokens.weight[tokenizer.eos_token_id] = (
            0  # tied to the output layer, so that this token is never the likeliest
        )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def chat(role: Role) -> ChatVLLM:
    return ChatVLLM(model=str(weights_path(role)), temperature=0.0, max_tokens=MAX_TOKENS, engine=ENGINE)


async def at_once(call: Callable[[Problem], Awaitable[T]], problems: list[Problem]) -> list[T]:
    free = asyncio.Semaphore(IN_FLIGHT)

    async def one(problem: Problem) -> T:
        async with free:
            return await call(problem)

    return await asyncio.gather(*map(one, problems))


async def raw(model: ChatVLLM, problems: list[Problem]) -> int:
    """Drive vLLM's engine in its own thread, as an application of vLLM would."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    core = model._shared_engine()._core
    llm: Any = core._llm
    parameters = SamplingParams(temperature=0.0, max_tokens=MAX_TOKENS, output_kind=RequestOutputKind.FINAL_ONLY)

    async def one(problem: Problem) -> int:
        messages = [{"role": "user", "content": message.text} for message in solve_messages(problem.question)]
        tokens = llm.get_tokenizer().apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        count = 0
        async for output in llm.generate({"prompt_token_ids": tokens}, parameters, f"raw-{problem.id}"):
            count = len(output.outputs[0].token_ids)
        return len(tokens) + count

    return sum(await in_engine(model, at_once(one, problems)))


async def chat_model(model: ChatVLLM, problems: list[Problem]) -> int:
    replies = await at_once(lambda problem: model.ainvoke(solve_messages(problem.question)), problems)
    return sum(reply.usage_metadata["total_tokens"] for reply in replies if reply.usage_metadata)


async def graph(model: ChatVLLM, problems: list[Problem]) -> int:
    return (await loop(model, model, problems, rounds=0)).total


async def loop(actor: ChatVLLM, critic: ChatVLLM, problems: list[Problem], *, rounds: int) -> Tokens:
    with tempfile.TemporaryDirectory() as folder:
        found = await run_graph(
            lambda journal: create_actor_critic(
                actor, critic, rounds=rounds, max_tokens=MAX_TOKENS, critic_max_tokens=2 * MAX_TOKENS, log=journal
            ).compile(),
            ProblemSet.of(problems),
            Path(folder) / "run",
            {},
            summarise,
            prompts=prompts_hash(loop_prompts()),
            concurrency=IN_FLIGHT,
        )
    return found.tokens


async def by_phases(problems: list[Problem]) -> float:
    """Run one round as three batch jobs, each with its own engine; gives the share of cached prompt tokens."""
    responses = await phase("actor", [solve_messages(p.question) for p in problems])
    critiques = await phase(
        "critic", [critique_messages(p.question, r.text) for p, r in zip(problems, responses, strict=True)]
    )
    judged = [to_critique(as_reply(c), r.text) for c, r in zip(critiques, responses, strict=True)]
    refinements = await phase(
        "actor",
        [
            refine_messages(p.question, r.text, critique.text)
            for p, r, critique in zip(problems, responses, judged, strict=True)
            if critique.final == "wrong"
        ],
    )
    usages = [reply.usage_metadata for reply in (*responses, *critiques, *refinements) if reply.usage_metadata]
    cached = sum(usage["input_token_details"].get("cache_read", 0) for usage in usages)
    return cached / sum(usage["input_tokens"] for usage in usages)


async def phase(role: Role, prompts: list[list[BaseMessage]]) -> list[AIMessage]:
    model = chat(role).model_copy(update={"max_tokens": 2 * MAX_TOKENS})
    try:
        return await asyncio.gather(*(model.ainvoke(prompt) for prompt in prompts))
    finally:
        await asyncio.to_thread(model.close)


def as_reply(message: AIMessage) -> Reply:
    call = Call(model="", seed=None, finish_reason="stop", usage=Usage(), seconds=0.0, attempts=1, reasoning=None)
    return Reply(text=message.text, call=call)


async def in_engine(model: ChatVLLM, work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in the event loop of the model's engine."""
    event_loop = model._shared_engine()._core._loop
    assert event_loop is not None
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, event_loop))


async def compare_layers(name: str, model: ChatVLLM, given: argparse.Namespace) -> None:
    started = time.perf_counter()
    await model.ainvoke("2 + 3 =")
    print(f"\n{name}: engine started in {time.perf_counter() - started:.1f} s")
    layers = {"raw engine": raw, "ChatVLLM": chat_model, "graph, journal on": graph}
    rates: dict[str, list[float]] = {layer: [] for layer in layers}
    for trial in range(given.trials + 1):
        problems = list(generate_problems(given.n, seed=given.seed + trial, split="validation"))
        for layer, drive in layers.items():
            llm: Any = model._shared_engine()._core._llm
            await in_engine(model, llm.reset_prefix_cache())
            began = time.perf_counter()
            tokens = await drive(model, problems)
            if trial:  # the first one warms up
                rates[layer].append(tokens / (time.perf_counter() - began))
    print("| tokens per second | median | of raw, per trial |\n|---|---|---|")
    for layer, values in rates.items():
        ratios = ", ".join(f"{value / base:.2f}" for value, base in zip(values, rates["raw engine"], strict=True))
        print(f"| {layer} | {median(values):.0f} | {ratios} |", flush=True)
    await asyncio.to_thread(model.close)


async def compare_with_phases(given: argparse.Namespace) -> None:
    problems = list(generate_problems(given.n, seed=given.seed, split="validation"))
    actor, critic = chat("actor"), chat("critic")
    began = time.perf_counter()
    tokens = await loop(actor, critic, problems, rounds=1)
    seconds, cached = time.perf_counter() - began, tokens.cached / tokens.prompts
    print(f"\none round of the loop, two engines started: {seconds:.1f} s, {cached:.0%} of prompt tokens cached")
    for model in (actor, critic):
        await asyncio.to_thread(model.close)
    began = time.perf_counter()
    cached = await by_phases(problems)
    seconds = time.perf_counter() - began
    print(f"one round phase by phase, three engine starts: {seconds:.1f} s, {cached:.0%} of prompt tokens cached")


async def measure(given: argparse.Namespace) -> None:
    await compare_layers("miniature", chat("actor"), given)
    with tempfile.TemporaryDirectory() as folder:
        save_larger_model(Path(folder))
        larger = ChatVLLM(model=folder, temperature=0.0, max_tokens=MAX_TOKENS, engine=ENGINE)
        await compare_layers("20 million parameters", larger, given)
    if given.phases:
        await compare_with_phases(given)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=512, help="problems")
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--phases", action=argparse.BooleanOptionalAction, default=True)
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
