"""Runs within a budget: what they spend, what stays pending, and how they go on."""

import random
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from fakes import ScriptedModel, critique_text, solution
from hashed_model import HashedModel, addition_problems
from killable_run import traces_without_seconds
from pydantic import Field

from critique_graph.calls import budget
from critique_graph.calls.budget import Limits
from critique_graph.core.async_node import wait_for
from critique_graph.core.errors import InputError
from critique_graph.core.schema import Problem, Usage
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.problems.problem_set import ProblemSet
from critique_graph.runs.drive import run_graph
from critique_graph.runs.journal import read_usages
from critique_graph.solve.run import run_problems
from critique_graph.solve.settings import RunSettings
from critique_graph.solve.summary import Summary, summarise

RANDOM_BUDGETS = 8
"""Number of runs, each with budgets of its own."""
PROBLEMS, SAMPLES = 6, 12


class WatchedModel(HashedModel):
    """Records what was spent and how many calls were in flight whenever a call began."""

    spent: int = 0
    in_flight: int = 0
    begun: list[tuple[int, int]] = Field(default_factory=list)

    async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
        self.begun.append((self.spent, self.in_flight))
        self.in_flight += 1
        result = await super()._agenerate(*args, **kwargs)
        self.in_flight -= 1
        self.spent += result.generations[0].message.usage_metadata["total_tokens"]
        return result


async def play(folder: Path, model: HashedModel, limits: Limits = Limits(), **options: Any) -> Summary:  # noqa: B008 - frozen
    return await run_graph(
        lambda journal: create_actor_critic(
            model, model, samples=SAMPLES, seed=3, max_tokens=250, critic_max_tokens=250, log=journal, **options
        ).compile(name="actor_critic"),
        ProblemSet.of(addition_problems(PROBLEMS)),
        folder,
        {"seed": 3},
        summarise,
        prompts="p",
        limits=limits,
    )


def recorded(folder: Path) -> Usage:
    return Usage.sum(used for _, used in read_usages(folder / "journal.sqlite"))


@cache
def whole_run() -> tuple[int, int, list[Any]]:
    """Calls, tokens and traces of the run without a budget."""
    model = WatchedModel()
    with TemporaryDirectory() as folder:
        wait_for(play(Path(folder), model))
        return len(model.prompts), model.spent, traces_without_seconds(Path(folder))


def check(end: Summary, folder: Path, limits: Limits, models: list[WatchedModel]) -> None:
    """Check a session, the last of those that the models played."""
    calls, tokens = sum(len(model.prompts) for model in models), sum(model.spent for model in models)
    before = tokens - models[-1].spent
    assert limits.calls is None or calls <= limits.calls
    assert limits.tokens is None or all(before + spent < limits.tokens for spent, _ in models[-1].begun)
    assert (recorded(folder).calls, recorded(folder).total_tokens) == (calls, tokens)
    assert end.tokens.total == tokens
    assert (end.failed, end.quarantined, end.done + end.pending) == (0, 0, PROBLEMS)
    assert (end.state, end.exit_code()) == (("stopped_early", 4) if end.pending else ("complete", 0))
    assert ("is spent; the same command with a larger run_" in str(end.reason)) == (end.pending > 0)


@pytest.mark.parametrize("seed", range(RANDOM_BUDGETS))
async def test_random_budget_holds_and_the_run_resumes_exactly(tmp_path: Path, seed: int) -> None:
    calls, tokens, traces = whole_run()
    rng = random.Random(seed)
    first = Limits(calls=rng.choice([None, rng.randint(1, calls)]), tokens=rng.randint(1, tokens))
    larger = replace(first, calls=None, tokens=rng.randint(first.tokens or 0, tokens))
    models = []
    for limits in (first, larger, Limits()):
        models.append(WatchedModel())
        check(await play(tmp_path, models[-1], limits), tmp_path, limits, models)
    assert sum(len(model.prompts) for model in models) == calls
    assert traces_without_seconds(tmp_path) == traces


async def test_budget_that_just_suffices_leaves_nothing(tmp_path: Path) -> None:
    calls, tokens, traces = whole_run()
    end = await play(tmp_path, HashedModel(), Limits(calls=calls, tokens=tokens))
    assert (end.state, end.done, end.pending) == ("complete", PROBLEMS, 0)
    assert traces_without_seconds(tmp_path) == traces


async def test_same_budget_again_calls_no_model(tmp_path: Path) -> None:
    limits, again = Limits(calls=30), HashedModel()
    first = await play(tmp_path, HashedModel(), limits)
    second = await play(tmp_path, again, limits)
    assert again.prompts == []
    assert (second.reason, second.pending, second.tokens) == (first.reason, PROBLEMS, first.tokens)


async def test_problem_with_one_critique_less_because_of_the_budget_is_not_done(tmp_path: Path) -> None:
    enough = SAMPLES * PROBLEMS
    end = await play(tmp_path, HashedModel(), Limits(calls=enough + 4 * SAMPLES * PROBLEMS - 1), critiques=5, rounds=1)
    assert end.done < PROBLEMS
    assert end.failed_critiques == 0


async def test_seconds_of_all_sessions_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(budget, "clock", lambda: now)

    class SlowModel(HashedModel):
        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            nonlocal now
            now += 1.0
            return super()._generate(*args, **kwargs)

    model = SlowModel()
    end = await play(tmp_path, model, Limits(seconds=20))
    assert SAMPLES <= len(model.prompts) <= 20 + SAMPLES * PROBLEMS
    assert end.reason == "the run's budget of 20 seconds is spent; the same command with a larger run_seconds goes on"
    assert end.pending == PROBLEMS


def test_money_is_that_of_all_sessions(tmp_path: Path) -> None:
    problems = [Problem(id=name, question=f"{name}: what is 3 + 4?", answer="7") for name in "ab"]
    models = {
        "actor": ScriptedModel(replies=[solution(7), solution(7)]),
        "critic": ScriptedModel(replies=[critique_text("Correct"), critique_text("Correct")]),
    }
    options: dict[str, Any] = {"out": tmp_path / "run", "concurrency": 1}
    first = run_problems(problems, **models, **options, run_calls=3, price=("actor=1/10",))
    assert (first.done, first.pending, first.money) == (1, 1, {"actor": 0.00012, "total": 0.00012})
    second = run_problems(problems, **models, **options, price=("actor=1/10", "critic=0.5/2"))
    assert (second.done, second.money) == (2, {"actor": 0.00012, "critic": 0.00003, "total": 0.00015})
    assert run_problems(problems, **models, **options).money is None


@pytest.mark.parametrize("given", ["actor", "judge=1/2", "actor=-1/2", "actor=1", "actor=1/2/3"])
def test_price_that_cannot_be_read_is_refused_as_it_was_given(given: str) -> None:
    with pytest.raises(
        InputError, match=f"expected ROLE=IN/OUT such as actor=0.10/0.40, of actor, critic; got '{given}'"
    ):
        RunSettings(price=(given,))


def test_second_price_of_a_role_is_refused() -> None:
    with pytest.raises(InputError, match="that of actor is given twice"):
        RunSettings(price=("actor=1/2", "actor=1/3"))
