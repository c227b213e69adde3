r"""Measures how fast answers are graded, and what hostile answers cost.

    python benchmarks/grading.py [--json] [--answers 2000] [--seed 0]

Throughput: synthetic answers in the mix of a mathematics run (70 % integers, 10 % fractions, 5 % decimals, 6 %
surds, 4 % tuples, 3 % polynomials, 2 % intervals), half of them correct, written differently from the reference.
Hostile: answers whose evaluation never ends, each beside a ticking event loop. `late` is the largest delay of a tick,
which on a loaded machine includes waiting for a processor; `busy` is the largest processor time that the event loop's
thread used between two ticks, which is how long grading itself blocks the loop.
"""

import argparse
import asyncio
import importlib.util
import json
import os
import platform
import random
import sys
import time
from collections import Counter
from collections.abc import Callable

from critique_graph.grading.exact import compare_exactly, parse_answer
from critique_graph.grading.grader import MathGrader

Pair = tuple[str, str]
WORKERS = 2
VOTES = 16

HOSTILE = {
    "power tower": "9^{9^{9^9}}",
    "power": "2^{2^{35}}",
    "factorial": "10000000!",
    "factorial + 1": "100000000!+1",
    "binomial": r"\binom{10^9}{5\cdot 10^8}",
    "product": r"\prod_{k=1}^{10000000}k",
    "harmonic sum": r"\sum_{k=1}^{10000000}\frac{1}{k}",
    "integral": r"\int_0^1 x^{x^{x^x}} dx",
    "trigonometric sum": "+".join(rf"\sin^{{{n}}}({n}x)\cos({n}x)" for n in range(1, 24)),
    "expansion": "(x+y+z+1)^{300}",
    "symbolic determinant": r"\det\begin{pmatrix}"
    + r"\\".join("&".join("abcdefghi"[(i + j) % 9] for j in range(9)) for i in range(9))
    + r"\end{pmatrix}",
    "gamma": r"\Gamma(10^{10})",
    "490 summands": "+".join(["x"] * 490),
    "450 powers": "x" + "^x" * 450,
    "nested roots": r"\sqrt{" * 100 + "2" + "}" * 100,
    "1 MB of digits": "9" * 1_000_000,
    "1 MB of braces": "{" * 1_000_000,
    "open displays": r"\[" * 4_000,
    "open boxes": r"\boxed{" * 14_000,
    "open brackets": "(" * 20_000,
}


def draw_pairs(count: int, seed: int) -> list[Pair]:
    """Draw answers with references in the mix above; every second answer is correct."""
    rng = random.Random(seed)
    kinds = rng.choices(list(KINDS), weights=[70, 10, 5, 6, 4, 3, 2], k=count)
    return [kind(rng, rng.randrange(2)) for kind in kinds]


def _integer(rng: random.Random, off: int) -> Pair:
    n = rng.randrange(10_000)
    return f"{n + off:,}", str(n)


def _fraction(rng: random.Random, off: int) -> Pair:
    a, b, k = rng.randrange(1, 99), rng.randrange(2, 99), rng.randrange(1, 9)
    return f"{a * k + off}/{b * k}", rf"\frac{{{a}}}{{{b}}}"


def _decimal(rng: random.Random, off: int) -> Pair:
    n = rng.randrange(1, 10_000)
    return f"{n / 100 + off:.3f}", f"{n / 100:.2f}"


def _surd(rng: random.Random, off: int) -> Pair:
    k, n, c = rng.randrange(2, 9), rng.choice([2, 3, 5, 6, 7]), rng.randrange(1, 99)
    return rf"\sqrt{{{k * k * n}}}+{c + off}", rf"{c}+{k}\sqrt{{{n}}}"


def _tuple(rng: random.Random, off: int) -> Pair:
    a, b, n = rng.randrange(99), rng.randrange(99), rng.choice([2, 3, 5])
    return rf"({a + off}, {b}, \sqrt{{{4 * n}}})", rf"\left({a}, {b}, 2\sqrt{{{n}}}\right)"


def _polynomial(rng: random.Random, off: int) -> Pair:
    a, b = rng.randrange(1, 20), rng.randrange(1, 20)
    return f"(x+{a})(x+{b})+{off}" if off else f"(x+{a})(x+{b})", f"x^2+{a + b}x+{a * b}"


def _interval(rng: random.Random, off: int) -> Pair:
    a, n = rng.randrange(9), rng.choice([2, 3, 5])
    return rf"[{a + off}, {a}+\sqrt{{{4 * n}}})", rf"\left[{a}, {a}+2\sqrt{{{n}}}\right)"


KINDS: tuple[Callable[[random.Random, int], Pair], ...] = (
    _integer,
    _fraction,
    _decimal,
    _surd,
    _tuple,
    _polynomial,
    _interval,
)


class Stalls:
    """Measures the longest stall of the running event loop, in milliseconds, while the context is open."""

    def __init__(self) -> None:
        self.late_ms = 0.0
        self.busy_ms = 0.0

    async def __aenter__(self) -> "Stalls":
        self._ticking = asyncio.create_task(self._tick())
        await asyncio.sleep(0)  # the first tick begins before the measured code
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(0.02)  # a late tick is noticed after the measured code
        self._ticking.cancel()

    async def _tick(self, interval: float = 0.005) -> None:
        while True:
            start, used = time.perf_counter(), time.thread_time()
            await asyncio.sleep(interval)
            self.late_ms = max(self.late_ms, 1_000 * (time.perf_counter() - start - interval))
            self.busy_ms = max(self.busy_ms, 1_000 * (time.thread_time() - used))


def measure_fast_path(pairs: list[Pair]) -> dict[str, float]:
    """Measure pairs read and compared per second of processor time (one thread), and the share that is decided."""
    parse_answer.cache_clear()
    start = time.thread_time()
    verdicts = [compare_exactly(parse_answer(a), parse_answer(b)) for a, b in pairs]
    seconds = time.thread_time() - start
    decided = [verdict for verdict in verdicts if isinstance(verdict, bool)]
    return {"answers_per_second": len(pairs) / seconds, "decided_share": len(decided) / len(pairs)}


async def measure_mix(pairs: list[Pair], *, votes: int = 1) -> dict[str, object]:
    """Measure answers per second through the whole grader, with started workers and 64 answers in flight."""
    grader = MathGrader(workers=WORKERS)
    await asyncio.gather(*(grader.grade(rf"\sqrt{{8}}+{n}x", r"2\sqrt{2}") for n in range(4 * WORKERS)))
    outcomes: Counter[str] = Counter()
    left = iter([pair for pair in pairs for _ in range(votes)])

    async def grade_on() -> None:
        for index, pair in enumerate(left):
            outcomes[(await grader.grade(*pair)).outcome] += 1
            if index % 100 == 0:
                await asyncio.sleep(0)  # exact grades never yield

    async with Stalls() as stalls:
        start = time.perf_counter()
        await asyncio.gather(*(grade_on() for _ in range(64)))
        seconds = time.perf_counter() - start
    await grader.aclose()
    return {
        "answers": len(pairs) * votes,
        "answers_per_second": len(pairs) * votes / seconds,
        "outcomes": dict(outcomes),
        "late_ms": stalls.late_ms,
        "busy_ms": stalls.busy_ms,
    }


async def measure_hostile() -> dict[str, dict[str, object]]:
    """Give the outcome and duration of each hostile answer, and whether a benign answer is graded after it."""
    grader = MathGrader(workers=WORKERS)
    await grader.grade(r"\sqrt{8}", r"2\sqrt{2}")
    results: dict[str, dict[str, object]] = {}
    for index, (name, answer) in enumerate(HOSTILE.items()):
        async with Stalls() as stalls:
            start = time.perf_counter()
            grade = await grader.grade(answer, "x+5")
            seconds = time.perf_counter() - start
        benign = await grader.grade(rf"\sqrt{{8}}+{index}", rf"{index}+2\sqrt{{2}}")
        results[name] = {
            "outcome": grade.outcome,
            "reason": grade.reason,
            "seconds": seconds,
            "late_ms": stalls.late_ms,
            "busy_ms": stalls.busy_ms,
            "next_is_graded": benign.is_correct,
        }
    await grader.aclose()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--answers", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    pairs = draw_pairs(options.answers, options.seed)
    hostile = asyncio.run(measure_hostile())
    report = {
        "machine": {
            "python": platform.python_version(),
            "cpus": os.cpu_count(),
            "load": os.getloadavg()[0],
            "gmpy2": importlib.util.find_spec("gmpy2") is not None,
        },
        "fast_path": measure_fast_path(pairs),
        "mix": asyncio.run(measure_mix(pairs)),
        "votes": asyncio.run(measure_mix(pairs[: options.answers // 2], votes=VOTES)),
        "hostile": hostile,
    }
    if options.json:
        json.dump(report, sys.stdout)
        print()
        return
    for part in ("machine", "fast_path", "mix", "votes"):
        print(part, json.dumps(report[part]))
    print(f"\n{'hostile answer':22}{'outcome':12}{'reason':20}{'seconds':>8}{'late ms':>9}{'busy ms':>9}  next graded")
    for name, row in hostile.items():
        print(
            f"{name:22}{row['outcome']:12}{row['reason']:20}{row['seconds']:8.2f}{row['late_ms']:9.1f}{row['busy_ms']:9.1f}"
            f"  {'yes' if row['next_is_graded'] else 'NO'}"
        )


if __name__ == "__main__":
    main()
