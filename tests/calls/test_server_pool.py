"""Which server has the next call, without servers: the time is a number."""

from collections import Counter, deque
from collections.abc import Iterable
from heapq import heappop, heappush
from itertools import count
from random import Random

import pytest

from critique_graph.calls.server_pool import FIRST_LIMIT, Ending, ServerPool

NAMES = [f"s{number}" for number in range(8)]
PROBLEMS = [f"p{number}" for number in range(400)]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def answer(pool: ServerPool, clock: Clock, name: str, seconds: float = 1.0) -> None:
    pool.began(name)
    clock.now += seconds
    pool.ended(name, "answered", seconds)


def homes(pool: ServerPool) -> dict[str, str | None]:
    return {problem: pool.choose(problem) for problem in PROBLEMS}


def test_a_problem_stays_with_its_server(clock: Clock) -> None:
    pool = ServerPool(NAMES, clock=clock)
    first = homes(pool)
    assert homes(pool) == first
    assert homes(ServerPool(reversed(NAMES), clock=clock)) == first
    assert all(30 < problems < 75 for problems in Counter(first.values()).values())


def test_only_problems_of_a_server_that_leaves_or_joins_move(clock: Clock) -> None:
    pool = ServerPool(NAMES, clock=clock)
    before = homes(pool)
    pool.keep(NAMES[1:])
    without = homes(pool)
    assert {problem for problem in PROBLEMS if before[problem] != without[problem]} == {
        problem for problem in PROBLEMS if before[problem] == "s0"
    }
    pool.keep([*NAMES, "new"])
    assert {name for problem, name in homes(pool).items() if name != before[problem]} == {"new"}


def test_a_call_goes_on_where_its_server_has_more_than_twice_the_load(clock: Clock) -> None:
    pool = ServerPool(["a", "b"], clock=clock)
    home = pool.home("p")
    assert home is not None
    pool.began(home)
    assert pool.choose("p") == home
    pool.began(home)
    assert pool.choose("p") != home


def test_a_slow_server_has_fewer_calls_at_once(clock: Clock) -> None:
    pool = ServerPool(["fast", "slow"], clock=clock)
    for _ in range(16):
        answer(pool, clock, "fast", 1)
        answer(pool, clock, "slow", 5)
    taken = Counter[str | None]()
    for problem in PROBLEMS[:14]:
        taken[name := pool.choose(problem)] += 1
        assert name is not None
        pool.began(name)
    assert taken["slow"] <= 4


def test_calls_of_no_problem_go_to_the_least_load(clock: Clock) -> None:
    pool = ServerPool(["a", "b"], clock=clock)
    pool.began("a")
    assert pool.choose(None) == "b"
    assert pool.choose(None, avoid={"b"}) == "a"
    assert pool.choose(None, avoid={"a", "b"}) is None


def test_the_limit_doubles_until_the_first_trouble_and_then_grows_by_one(clock: Clock) -> None:
    pool = ServerPool(["a"], clock=clock)

    def play(overloads: int = 0) -> int:
        """Begin as many calls as the server may have, and end them, the first ones with an overload."""
        begun = 0
        while pool.choose("p") is not None:
            pool.began("a")
            begun += 1
        clock.now += 1
        for number in range(begun):
            pool.ended("a", "overload" if number < overloads else "answered", 1)
        return begun

    # A limit grows only while it is reached: by the first of the calls that end together.
    sizes = [play() for _ in range(3)]
    assert sizes == [FIRST_LIMIT, FIRST_LIMIT + 1, FIRST_LIMIT + 2]
    assert play(overloads=3) == FIRST_LIMIT + 3
    lowered = play()
    assert lowered == int(0.75 * (FIRST_LIMIT + 3))  # once, for the three calls in flight
    assert play() == lowered


@pytest.mark.parametrize("ending", ["other", "answered"])
def test_a_limit_that_is_not_reached_stays(clock: Clock, ending: Ending) -> None:
    pool = ServerPool(["a"], clock=clock)
    for _ in range(100):
        pool.began("a")
        pool.ended("a", ending, 0)
    assert pool.places(["a"]) == FIRST_LIMIT


def test_failures_lower_a_limit_once_in_the_time_of_an_answer(clock: Clock) -> None:
    pool = ServerPool(["a"], clock=clock)
    for _ in range(16):
        answer(pool, clock, "a", seconds=10)
    left = []
    for _ in range(4):
        clock.now += 4
        pool.began("a")
        pool.ended("a", "failure", 0)
        left.append(pool.places(["a"]))
    assert left == [12, 12, 12, 9]


def test_growing_seconds_are_an_overload(clock: Clock) -> None:
    pool = ServerPool(["a"], clock=clock)
    for _ in range(100):
        answer(pool, clock, "a", 1)
    assert pool.places(["a"]) == FIRST_LIMIT
    for _ in range(20):
        answer(pool, clock, "a", 4)
    assert pool.places(["a"]) < FIRST_LIMIT


def test_a_server_that_asks_for_it_is_left_alone(clock: Clock) -> None:
    pool = ServerPool(["a", "b"], clock=clock)
    pool.rest("a", 30)
    assert {pool.choose(problem) for problem in PROBLEMS} == {"b"}
    clock.now = 30
    assert {pool.choose(problem) for problem in PROBLEMS} == {"a", "b"}


def test_calls_to_a_server_that_left_end_quietly(clock: Clock) -> None:
    pool = ServerPool(["a", "b"], clock=clock)
    pool.began("a")
    pool.keep(["b"])
    pool.ended("a", "failure", 1)
    pool.rest("a", 5)
    assert pool.choose("p") == "b"


class Simulation:
    """Servers with slots and a queue, and calls that are made again elsewhere, by a clock that jumps.

    Args:
        kinds: How each server is: `well`, `slow` (four times), `refusing` (every second call), `limited` (those above
            half of its slots), or `killed` at second 20.
    """

    SLOTS, CALLS = 8, 3

    def __init__(self, kinds: Iterable[str], problems: int) -> None:
        self.clock = Clock()
        self.kinds = dict(zip(NAMES, kinds, strict=True))
        self.pool = ServerPool(self.kinds, clock=self.clock)
        self.answered: list[tuple[float, str, str]] = []
        """When, where and for which problem."""
        self.tries = Counter[str]()
        self._left = deque(f"p{number}" for number in range(problems))
        self._queues: dict[str, deque[tuple[str, int, float]]] = {name: deque() for name in self.kinds}
        self._busy, self._asked = Counter[str](), Counter[str]()
        self._waiting: list[tuple[str, int]] = []
        self._events: list[tuple[float, int, tuple[str, str, int, float, bool] | tuple[str, int]]] = []
        self._numbers, self._random = count(), Random(0)

    def play(self, concurrency: int) -> None:
        """Play until the last problem has ended."""
        for _ in range(concurrency):
            self._begin(self._left.popleft(), 0)
        while self._events:
            self.clock.now, _, event = heappop(self._events)
            if len(event) == 2:
                self._begin(*event)
            else:
                self._end(*event)

    def _begin(self, problem: str, done: int) -> None:
        dead = {name for name, kind in self.kinds.items() if kind == "killed" and self.clock.now > 21}
        name = self.pool.choose(problem, dead)
        if name is None:
            self._waiting.append((problem, done))
            return
        self.pool.began(name)
        self._asked[name] += 1
        kind, in_flight = self.kinds[name], self._busy[name] + len(self._queues[name])
        refuses = {
            "killed": self.clock.now > 20,
            "refusing": self._asked[name] % 2 == 0,
            "limited": in_flight >= self.SLOTS // 2,
        }.get(kind, False)
        if refuses:
            self._later(0.01, (name, problem, done, self.clock.now, False))
        elif self._busy[name] < self.SLOTS:
            self._serve(name, problem, done, self.clock.now)
        else:
            self._queues[name].append((problem, done, self.clock.now))

    def _serve(self, name: str, problem: str, done: int, began: float) -> None:
        self._busy[name] += 1
        seconds = self._random.uniform(0.5, 1.5) * (4 if self.kinds[name] == "slow" else 1)
        self._later(seconds, (name, problem, done, began, True))

    def _end(self, name: str, problem: str, done: int, began: float, is_served: bool) -> None:
        if is_served:
            self._busy[name] -= 1
            if self._queues[name]:
                self._serve(name, *self._queues[name].popleft())
        is_answered = is_served and not (self.kinds[name] == "killed" and self.clock.now > 20)
        ending: Ending = "answered" if is_answered else "overload" if self.kinds[name] == "limited" else "failure"
        self.pool.ended(name, ending, self.clock.now - began)
        if not is_answered:
            self.tries[problem] += 1
            self._later(self._random.uniform(0, 1), (problem, done))
        else:
            self.answered.append((self.clock.now, name, problem))
            if done + 1 < self.CALLS:
                self._begin(problem, done + 1)
            elif self._left:
                self._begin(self._left.popleft(), 0)
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            self._begin(*call)

    def _later(self, seconds: float, event: tuple[str, str, int, float, bool] | tuple[str, int]) -> None:
        heappush(self._events, (self.clock.now + seconds, next(self._numbers), event))


@pytest.mark.parametrize("kind", ["limited", "refusing"])
def test_throughput_of_what_is_left(kind: str) -> None:
    simulation = Simulation(["well"] * 5 + ["slow", kind, "killed"], problems=1500)
    simulation.play(concurrency=128)
    assert Counter(problem for _, _, problem in simulation.answered) == {f"p{number}": 3 for number in range(1500)}
    window = [name for when, name, _ in simulation.answered if 25 <= when < 75]
    ideal = (5 + 1 / 4 + 1 / 2) * Simulation.SLOTS
    assert len(window) / 50 >= 0.95 * ideal
    assert "s7" not in window


def test_most_calls_of_a_problem_go_to_one_server() -> None:
    simulation = Simulation(["well"] * 8, problems=1000)
    simulation.play(concurrency=128)
    places: dict[str, list[str]] = {}
    for _, name, problem in simulation.answered:
        places.setdefault(problem, []).append(name)
    again = [name in names[:number] for names in places.values() for number, name in enumerate(names) if number]
    assert sum(again) / len(again) > 0.8  # at random, 18 %
