import asyncio
import random
from collections.abc import Sequence

import pytest

from critique_graph.calls import budget as budgets
from critique_graph.calls.budget import Budget, BudgetSpentError, Limits, budget_in_force, within_budget
from critique_graph.core.schema import Usage


def usage(tokens: int) -> Usage:
    return Usage(calls=1, input_tokens=tokens - 1, output_tokens=1)


class Server:
    """Makes calls within a budget, and records what was spent and in flight whenever one begins."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.in_flight = self.calls = self.tokens = 0
        self.begun: list[tuple[int, int, int]] = []
        """Calls and tokens of the calls that had ended, and number of calls in flight, when a call began."""

    async def call(self, tokens: int, steps: int = 1, problem: str = "p") -> None:
        async with self.budget.place(problem, max_tokens=100):
            self.begun.append((self.calls, self.tokens, self.in_flight))
            self.in_flight += 1
            for _ in range(steps):
                await asyncio.sleep(0)
            self.in_flight -= 1
            self.calls, self.tokens = self.calls + 1, self.tokens + tokens
            self.budget.count(usage(tokens))

    async def calls_together(self, costs: Sequence[int], *, steps: Sequence[int] | None = None) -> int:
        """Make calls at once; gives how many were refused."""
        work = (self.call(cost, step) for cost, step in zip(costs, steps or [1] * len(costs), strict=True))
        outcomes = await asyncio.gather(*work, return_exceptions=True)
        refused = [outcome for outcome in outcomes if outcome is not None]
        assert all(isinstance(error, BudgetSpentError) for error in refused)
        return len(refused)


async def test_calls_that_begin_together_do_not_share_what_is_left():
    server = Server(Budget(Limits(calls=5)))
    assert await server.calls_together([10] * 64) == 59
    assert (server.calls, server.budget.calls, server.budget.tokens) == (5, 5, 50)


async def test_call_waits_for_those_in_flight_where_it_would_not_fit_beside_them():
    server = Server(Budget(Limits(tokens=1_300), earlier=[usage(50)] * 20))
    assert await server.calls_together([50] * 5) == 0
    assert [in_flight for _, _, in_flight in server.begun] == [0, 1, 2, 3, 4]
    assert await server.calls_together([20, 20, 20]) == 0
    assert [in_flight for _, _, in_flight in server.begun[5:]] == [0, 0, 0]


async def test_first_calls_are_taken_to_cost_what_their_replies_may_have():
    server = Server(Budget(Limits(tokens=250)))
    assert await server.calls_together([50] * 64) == 59
    assert max(in_flight for _, _, in_flight in server.begun) == 1
    assert server.tokens == 250


async def test_call_that_failed_leaves_its_place_to_another():
    budget = Budget(Limits(calls=1))
    with pytest.raises(ConnectionError):
        async with budget.place("p", max_tokens=100):
            raise ConnectionError
    server = Server(budget)
    assert await server.calls_together([10, 10]) == 1
    assert server.calls == 1


async def test_call_that_is_cut_off_while_it_waits_holds_no_place():
    budget = Budget(Limits(calls=2), earlier=[usage(10)])
    async with budget.place("p", max_tokens=100):
        waiting = asyncio.create_task(Server(budget).call(10))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
    assert budget.in_flight == 0
    assert budget.spent is None


async def test_problem_of_a_call_that_was_not_made_is_known():
    server = Server(Budget(Limits(calls=1)))
    await server.call(10, problem="a")
    with pytest.raises(BudgetSpentError, match=r"the run's budget of 1 calls is spent; .* larger run_calls"):
        await server.call(10, problem="b")
    assert server.budget.refused == {"b"}


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(tokens=1_000), "budget of 1,000 tokens is spent; the same command with a larger run_tokens"),
        (Limits(calls=100), "budget of 100 calls is spent; the same command with a larger run_calls"),
        (Limits(seconds=2.5), "budget of 2.5 seconds is spent; the same command with a larger run_seconds"),
    ],
    ids=["tokens", "calls", "seconds"],
)
def test_earlier_sessions_have_spent_their_part(limits: Limits, words: str):
    budget = Budget(limits, earlier=[usage(10)] * 100, seconds=2.5)
    assert words in str(budget.spent)
    budget = Budget(limits, earlier=[usage(10)] * 99, seconds=1.0)
    assert budget.spent is None


def test_seconds_go_by(monkeypatch: pytest.MonkeyPatch):
    now = 100.0
    monkeypatch.setattr(budgets, "clock", lambda: now)
    budget = Budget(Limits(seconds=10), seconds=4)
    now = 105.9
    assert budget.spent is None
    now = 106.0
    assert budget.spent is not None


def test_tokens_that_are_not_known_cannot_be_bounded():
    budget = Budget(Limits(tokens=100), earlier=[Usage(calls=1, unknown_calls=1)])
    assert budget.spent == (
        "a model does not say how many tokens its calls use, so run_tokens cannot hold; give run_calls"
    )
    assert Budget(Limits(calls=100), earlier=[Usage(calls=1, unknown_calls=1)]).spent is None


async def test_calls_outside_a_run_have_no_budget():
    budget = Budget(Limits(calls=1))
    with within_budget(budget):
        assert budget_in_force() is budget
    assert budget_in_force().limits.is_none


@pytest.mark.parametrize("seed", range(200))
async def test_random_budget_is_exceeded_by_calls_in_flight_alone(seed: int):
    rng = random.Random(seed)
    costs = [rng.randint(1, 100) for _ in range(200)]
    calls, tokens = rng.choice([None, rng.randint(1, 250)]), rng.choice([None, rng.randint(1, 12_000)])
    server = Server(Budget(Limits(calls=calls, tokens=tokens)))
    refused = 0
    for begin in range(0, len(costs), 64):
        lot = costs[begin : begin + 64]
        refused += await server.calls_together(lot, steps=[rng.randint(1, 8) for _ in lot])
    assert server.calls + refused == len(costs)
    assert (server.budget.calls, server.budget.tokens) == (server.calls, server.tokens)
    assert calls is None or server.calls <= calls
    assert all(tokens is None or spent < tokens for _, spent, _ in server.begun)
    assert (refused > 0) <= (server.budget.spent is not None)
