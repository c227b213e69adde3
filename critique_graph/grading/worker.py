"""The process that runs math-verify: `pool` starts it as a script; the package never imports it.

It loads math-verify once and forks; the child answers tasks, one at a time, and the parent only waits. Before each
task the child renews its CPU limit. The kernel ends a child that exceeds the limit, even during one long call into C
(where no signal handler and no other thread would run); the next child is ready within milliseconds.

The protocol is JSON lines: `{"task": 1, "pairs": [["answer", "reference"]]}` in; `{"task": 1, "result": "…"}` out. A
child that died is reported as `{"task": null, "status": -24}` (negative: the signal). The worker ends when its input
ends.
"""

import json
import logging
import math
import os
import resource
import signal
import sys

from math_verify import LatexExtractionConfig, parse, verify
from sympy import (  # type: ignore[import-untyped]
    Expr,
    FiniteSet,
    Float,
    Interval,
    Rational,
    Set,
    Tuple,
)
from sympy.logic.boolalg import Boolean  # type: ignore[import-untyped]

_INPUT_ENDED, _RECYCLED = 0, 3
_EXTRACTION = [LatexExtractionConfig()]
_DIGITS = 100
"""Digits that math-verify compares. With its default of 15, 1/10^20 would equal 1/(2*10^20)."""
_MOST_DIGITS = 3_000
"""Digits to which a difference is evaluated before it counts as none."""
_FLOAT_TOLERANCE = 2e-6
"""Relative difference within which a rounded number may stand for another one: 1.414214 for the root of 2."""


def compare(pairs: list[list[str]]) -> str:
    """Compare answers with their references, in LaTeX: `equal` if all are, `different`, or why that is not known."""
    try:
        for answer, reference in pairs:
            expected, given = _read(reference), _read(answer)
            if expected is None:
                return "unreadable_reference"
            if given is None:
                return "unreadable_answer"
            if not _are_equal(expected, given):
                return "different"
        return "equal"
    except MemoryError:
        return "memory"
    except RecursionError:
        return "too_complex"


def _read(text: str) -> object | None:
    latex = text.replace("%", r"\%")
    parsed = parse(f"${latex}$", _EXTRACTION, fallback_mode="no_fallback", parsing_timeout=None)
    return parsed[0] if parsed else None


def _are_equal(a: object, b: object) -> bool:
    """Symmetric, unlike math-verify: relations match in either direction, lists and sets only in both."""
    return _are_verified(a, b) and not _differ(a, b)


def _are_verified(a: object, b: object) -> bool:
    forward = _verify(a, b)
    kinds = (a, b)
    if any(isinstance(kind, Boolean) for kind in kinds):
        return forward or _verify(b, a)
    if any(isinstance(kind, (Set, Tuple)) for kind in kinds):
        return forward and _verify(b, a)
    return forward


def _verify(gold: object, target: object) -> bool:
    try:
        return bool(
            verify(
                gold,
                target,
                numeric_precision=_DIGITS,
                allow_set_relation_comp=True,
                timeout_seconds=None,
                raise_on_error=True,
            )
        )
    except (MemoryError, RecursionError):
        raise
    except Exception:  # noqa: BLE001 - SymPy on a model's text: what cannot be compared (a matrix, a set) is not equal
        return False


def _differ(a: object, b: object) -> bool:
    """Whether two answers that math-verify takes for equal differ by less than it looks at, such as 10^-150."""
    if isinstance(a, Interval) and isinstance(b, Interval):
        return _differ(a.start, b.start) or _differ(a.end, b.end)
    if isinstance(a, Tuple) and isinstance(b, Tuple):
        return len(a) == len(b) and any(map(_differ, a, b))
    if isinstance(a, FiniteSet) and isinstance(b, FiniteSet):
        return any(all(_differ(x, y) for y in b) for x in a)
    if not (isinstance(a, Expr) and isinstance(b, Expr)):
        return False
    try:
        names = sorted(a.free_symbols | b.free_symbols, key=str)
        point = {name: Rational(7 + 4 * index, 5) for index, name in enumerate(names)}
        first, second = (side.subs(point).doit() for side in (a, b))
        if a.has(Float) or b.has(Float):
            size = max(abs(first.evalf()), abs(second.evalf()))
            return bool(abs((first - second).evalf()) > _FLOAT_TOLERANCE * size)
        if first.is_Rational and second.is_Rational:
            return bool(first != second)
        difference = (first - second).evalf(10, maxn=_MOST_DIGITS)
        return bool(difference.is_number and difference != 0 and difference._prec > 1)
    except (MemoryError, RecursionError):
        raise
    except Exception:  # noqa: BLE001 - what cannot be evaluated is as equal as math-verify says
        return False


def _serve(cpu_seconds: int, tasks: int) -> int:
    """Answer tasks until the input ends or `tasks` are done."""
    # Unbuffered, so that requests this child does not answer stay in the pipe for the next child.
    requests = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115 - lasts as long as the process
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    longest = sys.maxsize if hard == resource.RLIM_INFINITY else hard
    for _ in range(tasks):
        line = requests.readline()
        if not line:
            return _INPUT_ENDED
        request = json.loads(line)
        used = resource.getrusage(resource.RUSAGE_SELF)
        soft = math.ceil(used.ru_utime + used.ru_stime) + cpu_seconds
        resource.setrlimit(resource.RLIMIT_CPU, (min(soft, longest), hard))
        _reply(task=request["task"], result=compare(request["pairs"]))
    return _RECYCLED


def _reply(**message: str | int | None) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


def main() -> None:
    cpu_seconds, memory_bytes, tasks = (int(argument) for argument in sys.argv[1:])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # on other systems the limit is refused or has no effect
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    logging.disable()
    compare([[r"\sqrt{8}+\frac{x}{2}", r"(1,2\sqrt{2}]"]])  # loads the parser's tables before the first fork
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # C libraries report errors there that become a result anyway
    _reply(task=None, result="ready")
    while True:
        child = os.fork()
        if child == 0:
            os._exit(_serve(cpu_seconds, tasks))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status == _INPUT_ENDED:
            return
        if status != _RECYCLED:
            _reply(task=None, status=status)


if __name__ == "__main__":
    main()
