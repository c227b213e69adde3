import asyncio

import pytest

from critique_graph.sandbox.pool import PythonPool
from critique_graph.sandbox.records import Execution, Limits, Program

pytestmark = pytest.mark.usefixtures("sandbox")

CORRECT = Program(code="def one(): return 1", tests="assert one() == 1", names=("one",))
ENDLESS = Program(code="import time\ntime.sleep(1_000)", tests="assert one() == 1", names=("one",))


async def test_event_loop_awaits_programs() -> None:
    pool = PythonPool(workers=2)

    executions = await asyncio.gather(*(asyncio.wrap_future(pool.submit(CORRECT)) for _ in range(4)))

    assert executions == [Execution(status="passed")] * 4
    pool.close()


def test_limits_are_those_of_the_pool() -> None:
    pool = PythonPool(workers=1, limits=Limits(wall_seconds=0.5))

    assert pool.submit(ENDLESS).result() == Execution(status="timed_out", detail="It was ended after 0.5 s.")
    pool.close()


def test_closing_ends_the_program_that_runs_and_cancels_the_others() -> None:
    pool = PythonPool(workers=1, limits=Limits(wall_seconds=600))
    running, waiting = pool.submit(ENDLESS), pool.submit(CORRECT)
    while not running.running():
        pass

    pool.close()

    assert running.result() == Execution(status="unusable", detail="The run was stopped.")
    assert waiting.cancelled()


def test_pool_without_workers_is_refused() -> None:
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        PythonPool(workers=0)
