"""Workers of a shared journal in processes of their own, of which some are killed again and again."""

import multiprocessing
import random
import signal
from collections import Counter
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import psycopg
from hashed_model import HashedModel, addition_problems
from killable_run import traces_without_seconds
from killable_shard import play
from postgres_server import Server

from critique_graph.runs import shared_journal

WORKERS = 4
CONCURRENCY = 8
LATENCY = 0.05
_COUNT_OUTCOMES = """
CREATE TABLE IF NOT EXISTS outcomes (run bigint, position int);
CREATE OR REPLACE FUNCTION count_outcome() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outcomes VALUES (NEW.run, NEW.position);
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER count_outcomes AFTER UPDATE OF status ON critique_graph.problems
FOR EACH ROW EXECUTE FUNCTION count_outcome();
"""


@dataclass(frozen=True)
class Killed:
    """What a run with killed workers gave."""

    exit_codes: list[int | None]
    """Of the workers that were not killed."""
    kills: int
    outcomes: Counter[int]
    """How often a problem was settled, by position."""
    traces: list[list[Any]]
    """Of every worker, less what the clock decides."""


def kill_workers(server: Server, folder: Path, *, problems: int, kills: int, seed: int) -> Killed:
    """Run with several workers, and kill two at a time at random moments; they are started again."""
    chance, killed = random.Random(seed), 0
    run = f"killed-{problems}-{seed}"
    address = server.address(run)
    play(folder / "first", problems=addition_problems(1), journal=server.address("tables"))
    with server.connect() as database:
        database.execute(_COUNT_OUTCOMES)
        folders = [folder / f"worker-{number}" for number in range(WORKERS)]
        workers = {part: start(part, address, problems) for part in folders}
        for moment in sorted(chance.randrange(problems * 9 // 10) for _ in range(kills // 2)):
            while _outcomes(database, run).total() < moment:
                workers[folders[0]].join(0.02)
            for part in chance.sample(folders, 2):
                workers[part].kill()
                workers[part].join()
                killed += workers[part].exitcode == -signal.SIGKILL
                workers[part] = start(part, address, problems)
        for worker in workers.values():
            worker.join()
        outcomes = _outcomes(database, run)
    return Killed(
        exit_codes=[worker.exitcode for worker in workers.values()],
        kills=killed,
        outcomes=outcomes,
        traces=[traces_without_seconds(part) for part in folders],
    )


def _outcomes(database: psycopg.Connection, run: str) -> Counter[int]:
    rows = database.execute(
        "SELECT position FROM outcomes JOIN critique_graph.runs ON id = run WHERE name = %s", (run,)
    )
    return Counter(position for (position,) in rows)


def start(folder: Path, address: str, problems: int) -> ForkServerProcess:
    """Start a worker; the fork server has imported everything, so it gets to work at once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["killable_worker"])
    process = context.Process(target=_work, args=(folder, address, problems))
    process.start()
    return process


def _work(folder: Path, address: str, problems: int) -> None:
    shared_journal.HEARTBEAT_SECONDS, shared_journal.LEASE_SECONDS = 0.5, 3.0
    play(
        folder,
        problems=addition_problems(problems),
        model=HashedModel(latency=LATENCY),
        journal=address,
        concurrency=CONCURRENCY,
    )
