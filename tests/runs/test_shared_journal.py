"""Several processes work on one run, in a journal that a PostgreSQL server keeps."""

import random
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hashed_model import addition_problems
from killable_run import traces_without_seconds
from killable_shard import play
from killable_worker import start
from postgres_server import Server, find_programs, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    if (programs := find_programs()) is None:
        pytest.skip("PostgreSQL's initdb is neither on the PATH nor in /usr/lib/postgresql")
    with running_server(programs) as server:
        yield server


COUNT_OUTCOMES = """
CREATE TABLE outcomes (run bigint, position int);
CREATE FUNCTION count_outcome() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outcomes VALUES (NEW.run, NEW.position);
    RETURN NULL;
END $$;
CREATE TRIGGER count_outcomes AFTER UPDATE OF status ON critique_graph.problems
FOR EACH ROW EXECUTE FUNCTION count_outcome();
"""


@pytest.mark.parametrize(("problems", "kills"), [(60, 4), (2000, 20)])
def test_killed_workers_lose_nothing_and_settle_nothing_twice(
    tmp_path: Path, server: Server, problems: int, kills: int
):
    address, chance = server.address(f"killed-{problems}"), random.Random(0)
    play(tmp_path / "first", problems=addition_problems(1), journal=server.address("tables"))
    with server.connect() as database:
        database.execute(COUNT_OUTCOMES)
        folders = [tmp_path / f"worker-{number}" for number in range(4)]
        workers = {folder: start(folder, address, problems, latency=0.05) for folder in folders}
        moments = sorted(chance.randrange(problems * 9 // 10) for _ in range(kills // 2))
        killed = 0
        for moment in moments:
            while database.execute("SELECT count(*) FROM outcomes").fetchone() < (moment,):
                workers[folders[0]].join(0.02)
            for folder in chance.sample(folders, 2):
                workers[folder].kill()
                workers[folder].join()
                killed += workers[folder].exitcode == -signal.SIGKILL
                workers[folder] = start(folder, address, problems, latency=0.05)
        for worker in workers.values():
            worker.join()
        assert [worker.exitcode for worker in workers.values()] == [0, 0, 0, 0]
        assert killed == kills
        outcomes = Counter(position for (position,) in database.execute("SELECT position FROM outcomes"))

    assert outcomes == dict.fromkeys(range(problems), 1)
    play(tmp_path / "whole", problems=addition_problems(problems), concurrency=8)
    found = [traces_without_seconds(folder) for folder in folders]
    assert all(traces == traces_without_seconds(tmp_path / "whole") for traces in found)
