"""What our layers over vLLM cost, with the miniature, in one run.

    python benchmarks/local_vllm.py                     # about 10 minutes on 2 cores
    python benchmarks/local_vllm.py -n 128 --trials 1 --no-phases

The same greedy answers (a) straight from vLLM's engine, (b) through `ChatVLLM`, (c) through the graph with its journal:
tokens a second, prompts included, in turn, from one engine with its prefix cache emptied before each. Then one round of
the loop, wall clock with all starts: (c) as it is, and (d) phase by phase, as the paper's scripts do it: all answers,
all critiques, all refinements, an engine start before each.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from langchain_core.messages import AIMessage, BaseMessage

from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.miniature import weights_path
from critique_graph.miniature.task import generate_problems
from critique_graph.nodes.chat_vllm import ChatVLLM
from critique_graph.nodes.critique import critique_messages, to_critique
from critique_graph.nodes.refine import refine_messages
from critique_graph.nodes.solve import solve_messages
from critique_graph.run import prompts_hash, run_problems
from critique_graph.run_folder import open_run
from critique_graph.schema import Call, Problem, Reply, Role, Usage

T = TypeVar("T")
IN_FLIGHT = 64
MAX_TOKENS = 200


def chat(role: Role) -> ChatVLLM:
    return ChatVLLM(model=str(weights_path(role)), temperature=0.0, max_tokens=MAX_TOKENS)


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
    return await loop(model, model, problems, rounds=0)


async def loop(actor: ChatVLLM, critic: ChatVLLM, problems: list[Problem], *, rounds: int) -> int:
    with tempfile.TemporaryDirectory() as folder, open_run(Path(folder) / "run", {}, prompts=prompts_hash()) as run:
        compiled = create_actor_critic(
            actor, critic, rounds=rounds, max_tokens=MAX_TOKENS, critic_max_tokens=2 * MAX_TOKENS, log=run.journal
        ).compile()
        end = await run_problems(compiled, problems, run, settings={}, concurrency=IN_FLIGHT)
    return end.summary.tokens.total


async def by_phases(problems: list[Problem]) -> None:
    """One round as three batch jobs; each starts its engine and ends it."""
    responses = await phase("actor", [solve_messages(p.question) for p in problems])
    critiques = await phase(
        "critic", [critique_messages(p.question, r.text) for p, r in zip(problems, responses, strict=True)]
    )
    judged = [to_critique(as_reply(c), r.text) for c, r in zip(critiques, responses, strict=True)]
    await phase(
        "actor",
        [
            refine_messages(p.question, r.text, critique.text)
            for p, r, critique in zip(problems, responses, judged, strict=True)
            if critique.final == "wrong"
        ],
    )


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
    """Run something in the event loop of the model's engine."""
    event_loop = model._shared_engine()._core._loop
    assert event_loop is not None
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, event_loop))


async def measure(given: argparse.Namespace) -> None:
    started = time.perf_counter()
    actor = chat("actor")
    await actor.ainvoke("2 + 3 =")
    print(f"start of one engine: {time.perf_counter() - started:.1f} s")
    layers = {"raw engine": raw, "ChatVLLM": chat_model, "graph, journal on": graph}
    rates: dict[str, list[float]] = {name: [] for name in layers}
    for trial in range(given.trials + 1):
        problems = list(generate_problems(given.n, seed=given.seed + trial, split="validation"))
        for name, drive in layers.items():
            llm: Any = actor._shared_engine()._core._llm
            await in_engine(actor, llm.reset_prefix_cache())
            began = time.perf_counter()
            tokens = await drive(actor, problems)
            if trial:  # the first one warms up
                rates[name].append(tokens / (time.perf_counter() - began))
    print("| tokens a second | median | of raw, per trial |\n|---|---|---|")
    for name, values in rates.items():
        ratios = ", ".join(f"{value / base:.2f}" for value, base in zip(values, rates["raw engine"], strict=True))
        print(f"| {name} | {median(values):.0f} | {ratios} |")
    await asyncio.to_thread(actor.close)
    if given.phases:
        problems = list(generate_problems(given.n, seed=given.seed, split="validation"))
        began = time.perf_counter()
        await loop(chat("actor"), chat("critic"), problems, rounds=1)
        print(f"one round of the loop, two engines started: {time.perf_counter() - began:.1f} s")
        began = time.perf_counter()
        await by_phases(problems)
        print(f"one round phase by phase, three engine starts: {time.perf_counter() - began:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=512, help="problems")
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--phases", action=argparse.BooleanOptionalAction, default=True)
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
