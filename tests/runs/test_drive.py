import asyncio
import gc
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from fakes import ScriptedModel
from hashed_model import HashedModel, addition_problems
from killable_run import traces_without_seconds

from critique_graph.calls import breaker
from critique_graph.calls import caller as calls
from critique_graph.calls.breaker import Patience
from critique_graph.core import command_line
from critique_graph.core.errors import InputError, ModelCallError, RunError
from critique_graph.core.schema import Failure, Problem, Record
from critique_graph.grading.grader import MathGrader
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.problems.problem_set import ProblemSet
from critique_graph.runs import drive as run
from critique_graph.runs.drive import run_graph
from critique_graph.runs.traces import read_traces
from critique_graph.solve.summary import Summary, summarise

SETTINGS = {"rounds": 2, "seed": 3}


async def play(
    folder: Path,
    model: HashedModel | ScriptedModel,
    problems: Iterable[Problem],
    *,
    concurrency: int = 4,
    patience: Patience = Patience(),  # noqa: B008 - frozen
    **options: Any,
) -> Summary:
    return await run_graph(
        lambda journal: create_actor_critic(model, model, rounds=2, seed=3, log=journal, **options).compile(
            name="actor_critic"
        ),
        ProblemSet(lambda: problems, len(problems) if isinstance(problems, list) else None),
        folder,
        SETTINGS,
        summarise,
        prompts="p",
        concurrency=concurrency,
        patience=patience,
    )


def _without_attempts(folder: Path) -> str:
    """What a run gave, less what the clock and the server decide."""
    return re.sub(r"'attempts': \d+", "", str(traces_without_seconds(folder)))


def manifest(folder: Path) -> dict[str, Any]:
    return orjson.loads((folder / "manifest.json").read_bytes())


def refusal(message: str) -> ModelCallError:
    return ModelCallError(Failure(kind="rejected", message=message))


@pytest.fixture
def single_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MAX_ATTEMPTS", 1)


async def test_every_problem_is_done_and_traced_in_order(tmp_path: Path) -> None:
    problems = addition_problems(12)
    end = await play(tmp_path, HashedModel(), problems)
    assert (end.state, end.reason, end.exit_code()) == ("complete", None, 0)
    assert end.done == end.problems == 12
    found = list(read_traces(tmp_path))
    assert [trace.problem for trace in found] == problems
    assert {(trace.graph, *trace.settings.items()) for trace in found} == {("actor_critic", *SETTINGS.items())}


async def test_nothing_of_a_finished_problem_is_held(tmp_path: Path) -> None:
    held: list[int] = []

    def problems() -> Iterator[Problem]:
        for problem in addition_problems(30):
            gc.collect()
            held.append(sum(isinstance(found, Record) for found in gc.get_objects()))
            yield problem

    # A call with a time limit leaves its timer in the event loop, which drops such timers a hundred at a time.
    end = await play(tmp_path, HashedModel(), problems(), concurrency=1, patience=Patience(call_timeout=None))

    assert end.done == 30
    assert len(set(held[3:])) == 1


async def test_manifest_says_what_ran_and_how_it_ended(tmp_path: Path) -> None:
    end = await play(tmp_path, HashedModel(), addition_problems(5))
    found = manifest(tmp_path)
    assert found["state"] == "complete"
    assert found["outcomes"] == {"done": 5, "failed": 0, "quarantined": 0, "pending": 0}
    assert found["tokens"] == end.tokens.model_dump()
    assert (found["configuration"], found["prompts"]) == (SETTINGS, "p")
    assert found["versions"]["critique-graph"] is not None


async def test_same_command_again_calls_no_model(tmp_path: Path) -> None:
    await play(tmp_path, HashedModel(), addition_problems(6))
    before, again = traces_without_seconds(tmp_path), HashedModel()
    end = await play(tmp_path, again, addition_problems(6))
    assert again.prompts == []
    assert end.done == 6
    assert traces_without_seconds(tmp_path) == before


async def test_longer_set_continues_the_run(tmp_path: Path) -> None:
    await play(tmp_path, HashedModel(), addition_problems(4))
    end = await play(tmp_path, HashedModel(), addition_problems(9))
    assert end.done == 9
    assert [trace.problem.id for trace in read_traces(tmp_path)] == [f"p{i}" for i in range(9)]


@pytest.mark.usefixtures("single_attempts")
async def test_failed_problem_goes_on_from_its_last_finished_call(tmp_path: Path) -> None:
    broken = HashedModel(faults={"Check the response": ConnectionError("refused")})
    end = await play(tmp_path / "broken", broken, addition_problems(3))
    assert (end.exit_code(), end.failed) == (3, 3)

    mended, whole = HashedModel(), HashedModel()
    end = await play(tmp_path / "broken", mended, addition_problems(3))
    await play(tmp_path / "whole", whole, addition_problems(3))
    assert (end.exit_code(), end.done) == (0, 3)
    assert len(mended.prompts) == len(whole.prompts) - 3
    assert traces_without_seconds(tmp_path / "broken") == traces_without_seconds(tmp_path / "whole")


@pytest.mark.usefixtures("single_attempts")
async def test_rejected_problem_is_quarantined_and_not_tried_again(tmp_path: Path) -> None:
    model = HashedModel(faults={"What is 1 +": refusal("this prompt is too long")})
    end = await play(tmp_path, model, addition_problems(3))
    assert (end.exit_code(), end.done, end.quarantined) == (3, 2, 1)
    again = HashedModel()
    end = await play(tmp_path, again, addition_problems(3))
    assert (again.prompts, end.quarantined) == ([], 1)


@pytest.mark.parametrize(
    "fault",
    [
        ModelCallError(Failure(kind="setup", message="Incorrect API key provided")),
        ModelCallError(Failure(kind="setup", message="cannot load the weights")),
        FileNotFoundError("model.safetensors"),
        MemoryError(),
        ImportError("no module named flash_attn"),
    ],
    ids=str,
)
async def test_fault_of_the_setup_fails_the_problems_and_the_same_command_does_them(
    tmp_path: Path, fault: Exception
) -> None:
    end = await play(tmp_path, HashedModel(faults={"": fault}), addition_problems(4))
    assert (end.exit_code(), end.failed, end.quarantined) == (3, 4, 0)
    end = await play(tmp_path, HashedModel(), addition_problems(4))
    assert (end.exit_code(), end.done) == (0, 4)


async def test_exception_out_of_the_graph_fails_its_problem_alone(tmp_path: Path) -> None:
    class BrokenGrader(MathGrader):
        async def grade(self, prediction: str | None, reference: str) -> Any:
            if reference == "8":
                raise RuntimeError("no worker")
            return await super().grade(prediction, reference)

    end = await play(tmp_path, HashedModel(), addition_problems(4), grader=BrokenGrader())
    assert (end.done, end.failed) == (3, 1)
    assert [trace.problem.id for trace in read_traces(tmp_path)] == ["p0", "p2", "p3"]


@pytest.mark.usefixtures("single_attempts")
async def test_run_stops_when_every_problem_fails(tmp_path: Path) -> None:
    model = HashedModel(faults={"": ConnectionError("connection refused")})
    end = await play(tmp_path, model, addition_problems(100), patience=Patience(outage=0))
    assert (end.state, end.exit_code()) == ("stopped_early", 4)
    assert end.reason == (
        "20 problems in a row went wrong, the first failed by connection: ConnectionError: connection refused"
    )
    assert 20 <= end.failed <= 23
    assert end.failed + end.pending == end.problems == 100
    assert manifest(tmp_path)["state"] == "stopped_early"


async def test_run_stops_when_every_reply_is_reasoning_only(tmp_path: Path) -> None:
    end = await play(tmp_path, ScriptedModel(answer=lambda _: "<think>Hm.</think>"), addition_problems(100))
    assert (end.state, end.exit_code(), end.done) == ("stopped_early", 4, 0)
    assert end.reason == "20 problems in a row went wrong, the first failed by empty_reply: the reply is reasoning only"


async def test_run_waits_through_an_outage_and_no_problem_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "_LONGEST_PAUSE_SECONDS", 0.01)

    class BreaksDown(HashedModel):
        """Is out from its 20th call on, for half a second."""

        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            if len(self.prompts) == 20:
                self.faults[""] = ConnectionError("connection refused")
                asyncio.get_running_loop().call_later(0.5, self.faults.clear)
            return super()._generate(*args, **kwargs)

    end = await play(tmp_path / "outage", BreaksDown(), addition_problems(40))
    await play(tmp_path / "whole", HashedModel(), addition_problems(40))
    assert (end.state, end.done, end.failed, end.quarantined) == ("complete", 40, 0, 0)
    assert _without_attempts(tmp_path / "outage") == _without_attempts(tmp_path / "whole")


async def test_run_stops_when_the_server_is_out_for_too_long_and_says_why(tmp_path: Path) -> None:
    model = HashedModel(faults={"": ConnectionError("connection refused")})
    end = await play(tmp_path, model, addition_problems(100), patience=Patience(outage=0.2))
    assert (end.state, end.exit_code()) == ("stopped_early", 4)
    assert end.reason == "HashedModel was out for 0 s: ConnectionError: connection refused"
    assert (end.failed, end.quarantined, end.pending) == (4, 0, 96)
    assert (await play(tmp_path, HashedModel(), addition_problems(100))).done == 100


async def test_signal_ends_a_run_that_waits_for_its_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "DRAIN_SECONDS", 0.01)
    model = HashedModel(faults={"": ConnectionError("connection refused")})
    asyncio.get_running_loop().call_later(0.3, os.kill, os.getpid(), signal.SIGINT)
    end = await asyncio.wait_for(play(tmp_path, model, addition_problems(50)), timeout=60)
    assert (end.state, end.failed, end.pending) == ("interrupted", 0, 50)


@pytest.mark.usefixtures("single_attempts")
async def test_outcomes_of_a_faulty_run_add_up(tmp_path: Path) -> None:
    faults = {
        "What is 7 +": ConnectionError("reset"),
        "What is 11 +": TimeoutError(),
        "What is 13 +": refusal("no such token"),
        "What is 17 +": RuntimeError("lone \ud800 surrogate"),
    }
    end = await play(tmp_path, HashedModel(faults=faults), addition_problems(40), samples=3)
    assert (end.done, end.failed, end.quarantined, end.pending) == (36, 3, 1, 0)
    assert {
        trace.problem.id: trace.chains[0].failure and trace.chains[0].failure.kind for trace in read_traces(tmp_path)
    } == {f"p{i}": {7: "connection", 11: "timeout", 13: "rejected", 17: "error"}.get(i) for i in range(40)}


async def test_outcomes_add_up_when_the_size_of_the_set_is_unknown(tmp_path: Path) -> None:
    end = await play(tmp_path, HashedModel(), iter(addition_problems(7)))
    assert end.problems == end.done == 7


async def test_problems_are_pulled_only_as_workers_become_free(tmp_path: Path) -> None:
    model, ahead = HashedModel(), []

    def pulled() -> Iterator[Problem]:
        for number, problem in enumerate(addition_problems(20)):
            started = {prompt for prompt in model.prompts if "Solve the problem" in prompt}
            ahead.append(number - len(started))
            yield problem

    await play(tmp_path, model, pulled(), concurrency=3)
    assert max(ahead) < 3


async def test_broken_input_ends_the_run_and_keeps_what_was_finished(tmp_path: Path) -> None:
    def broken() -> Iterator[Problem]:
        yield from addition_problems(5)
        raise InputError("problems.jsonl, line 6: not JSON.")

    with pytest.raises(InputError, match="line 6"):
        await play(tmp_path, HashedModel(), broken(), concurrency=1)
    assert len(traces_without_seconds(tmp_path)) == 5


async def test_duplicate_ids_are_refused(tmp_path: Path) -> None:
    problems = [*addition_problems(5), *addition_problems(1)]
    with pytest.raises(InputError, match="problem 6: its id 'p0' occurs twice"):
        await play(tmp_path, HashedModel(), problems)


class SignallingModel(HashedModel):
    """Sends this process `signals` on its fifth call; with `is_hanging`, no call from then on ends."""

    signals: tuple[int, ...]
    is_hanging: bool = False

    async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
        result = await super()._agenerate(*args, **kwargs)
        if len(self.prompts) == 5:
            for number in self.signals:
                os.kill(os.getpid(), number)
                await asyncio.sleep(0)
        if len(self.prompts) >= 5 and self.is_hanging:
            await asyncio.Event().wait()
        return result


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signal_lets_problems_in_flight_end(tmp_path: Path, number: int) -> None:
    end = await play(tmp_path, SignallingModel(signals=(number,)), addition_problems(50))
    assert (end.state, end.exit_code()) == ("interrupted", 130)
    assert end.done == len(traces_without_seconds(tmp_path)) >= 3
    assert end.done + end.pending == 50
    assert manifest(tmp_path)["state"] == "interrupted"


async def test_second_signal_aborts_at_once(tmp_path: Path) -> None:
    model = SignallingModel(signals=(signal.SIGINT, signal.SIGINT), is_hanging=True)
    end = await asyncio.wait_for(play(tmp_path, model, addition_problems(50)), timeout=60)
    assert (end.state, end.pending) == ("interrupted", 50)


async def test_drain_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "DRAIN_SECONDS", 0.01)
    model = SignallingModel(signals=(signal.SIGTERM,), is_hanging=True)
    end = await asyncio.wait_for(play(tmp_path, model, addition_problems(50)), timeout=60)
    assert end.state == "interrupted"


async def test_process_is_ended_when_the_event_loop_does_not_get_to_the_second_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()
    monkeypatch.setattr(command_line, "end_process", ended.set)
    monkeypatch.setattr(run, "CLOSING_SECONDS", 0.05)

    class Busy(SignallingModel):
        async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
            if len(self.prompts) == 10 and not ended.is_set():
                for number in self.signals:
                    os.kill(os.getpid(), number)
                assert ended.wait(60)
            return await super()._agenerate(*args, **kwargs)

    end = await play(tmp_path, Busy(signals=(signal.SIGINT, signal.SIGTERM)), addition_problems(50))
    assert end.state == "interrupted"
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_DFL


async def test_interrupted_run_resumes_to_the_same_traces(tmp_path: Path) -> None:
    model = SignallingModel(signals=(signal.SIGINT, signal.SIGINT), is_hanging=True)
    await play(tmp_path / "interrupted", model, addition_problems(10))
    await play(tmp_path / "interrupted", HashedModel(), addition_problems(10))
    await play(tmp_path / "whole", HashedModel(), addition_problems(10))
    assert traces_without_seconds(tmp_path / "interrupted") == traces_without_seconds(tmp_path / "whole")


async def test_run_without_its_journal_is_not_begun_anew(tmp_path: Path) -> None:
    await play(tmp_path, HashedModel(), addition_problems(2))
    (tmp_path / "journal.sqlite").unlink()
    with pytest.raises(RunError, match=r"journal\.sqlite is missing or empty"):
        await play(tmp_path, HashedModel(), addition_problems(2))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", disk]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield disk
    subprocess.run(["umount", disk], check=True)


async def test_full_disk_is_one_clear_line_and_the_run_resumes_when_there_is_room(
    small_disk: Path, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=r"cannot use .*journal\.sqlite: database or disk is full"):
        await play(small_disk / "run", HashedModel(), addition_problems(50))
    await asyncio.to_thread(subprocess.run, ["mount", "-o", "remount,size=10m", small_disk], check=True)
    resumed, whole = HashedModel(), HashedModel()
    end = await play(small_disk / "run", resumed, addition_problems(50))
    await play(tmp_path / "whole", whole, addition_problems(50))
    assert (end.done, end.exit_code()) == (50, 0)
    assert 0 < len(resumed.prompts) < len(whole.prompts)
    assert traces_without_seconds(small_disk / "run") == traces_without_seconds(tmp_path / "whole")


async def test_garbage_collector_is_set_for_the_run_alone(tmp_path: Path) -> None:
    before, seen = gc.get_threshold(), list[tuple[int, int]]()

    class Watching(HashedModel):
        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            seen.append((gc.get_threshold()[0], gc.get_freeze_count()))
            return super()._generate(*args, **kwargs)

    await play(tmp_path, Watching(), addition_problems(1))

    assert seen
    assert all(threshold == 50_000 and frozen > 0 for threshold, frozen in seen)
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
