import pytest
from pools import CRITIQUE_TOKENS, REFINE_TOKENS, SETTINGS, SOLVE_TOKENS, answered, call, pool

from critique_graph.compare.strategies import (
    CRITIC_FILTERED,
    CRITIC_LOOP,
    CRITIC_LOOP_VOTE,
    CRITIC_WEIGHTED,
    GREEDY,
    MAJORITY,
    ORACLE_CHOICE,
    ORACLE_LOOP,
    SAMPLE,
    SELF_CORRECTION,
    SEQUENTIAL,
    PooledProblem,
    Strategy,
    available,
    budgets,
    chances,
    pooled_problem,
)
from critique_graph.core.schema import Critique, Round, Trace
from critique_graph.grading.grader import MathGrader
from critique_graph.metrics.cost import SharedTime, calls_of

FULL = pool(
    ("1", "correct", "2"),  # right; the critic says so; a refinement breaks it
    ("2", "wrong", "1"),  # wrong; the critic says so; a refinement repairs it
    ("2", "correct", "1"),  # wrong; the critic is misled
    greedy="2",
    retries=("1", "1", "2"),
)
SOLVED, JUDGED, REFINED = SOLVE_TOKENS, SOLVE_TOKENS + CRITIQUE_TOKENS, SOLVE_TOKENS + CRITIQUE_TOKENS + REFINE_TOKENS


async def pooled(trace: Trace) -> PooledProblem:
    problem = await pooled_problem(trace, MathGrader(), SharedTime.of_calls(calls_of(trace)))
    assert problem is not None
    return problem


@pytest.mark.parametrize(
    ("strategy", "budget", "expected", "tokens"),
    [
        (GREEDY, 1, 0.0, [SOLVED]),
        (SAMPLE, 1, 1 / 3, [SOLVED] * 3),
        (MAJORITY, 2, 1 / 3, [SOLVED] * 3),  # two ties of three pairs
        (MAJORITY, 3, 0.0, [SOLVED] * 3),
        (CRITIC_LOOP, 1, 2 / 3, [JUDGED, REFINED, JUDGED]),
        (CRITIC_LOOP_VOTE, 3, 1.0, [JUDGED, REFINED, JUDGED]),
        (CRITIC_FILTERED, 3, 1 / 2, [JUDGED] * 3),  # 1 and 2 are left
        (CRITIC_FILTERED, 2, (1 + 1 / 2 + 0) / 3, [JUDGED] * 3),
        (CRITIC_WEIGHTED, 3, 0.0, [JUDGED] * 3),  # 1.0 against 0.1 + 1.0
        (SEQUENTIAL, 1, 2 / 3, [REFINED] * 3),
        (SELF_CORRECTION, 1, 2 / 3, [2 * SOLVED] * 3),
        (ORACLE_LOOP, 1, 1.0, [SOLVED, REFINED, REFINED]),
        (ORACLE_CHOICE, 2, 2 / 3, [SOLVED] * 3),
    ],
    ids=lambda value: value.name if isinstance(value, Strategy) else None,
)
async def test_strategy_by_hand(strategy: Strategy, budget: int, expected: float, tokens: list[int]):
    problem = await pooled(FULL)
    draws = strategy.draws(problem)

    assert chances(strategy, problem, draws, [budget]) == [pytest.approx(expected)]
    assert [draw.cost.tokens for draw in draws] == tokens


async def test_filter_that_would_leave_none_leaves_all():
    problem = await pooled(pool(("1", "wrong", "1"), ("1", None, "1"), ("2", "wrong", "1")))

    assert chances(CRITIC_FILTERED, problem, CRITIC_FILTERED.draws(problem), [3]) == [1.0]


async def test_filter_does_not_look_past_those_it_left():
    problem = await pooled(pool((None, "correct", "1"), ("1", "wrong", "1")))

    assert chances(CRITIC_FILTERED, problem, CRITIC_FILTERED.draws(problem), [2]) == [0.0]


async def test_uncritiqued_samples_vote_with_the_chains():
    trace = FULL.model_copy(update={"uncritiqued": (answered("1"), answered("1"))})
    problem = await pooled(trace)

    assert chances(MAJORITY, problem, MAJORITY.draws(problem), [5]) == [1.0]
    assert len(CRITIC_LOOP.draws(problem)) == 3


async def test_equal_answers_vote_together_however_they_are_written():
    problem = await pooled(
        pool(("1", "correct", "1"), ("2/2", "correct", "1"), ("2", "correct", "1"), ("3", None, "1"))
    )

    assert chances(MAJORITY, problem, MAJORITY.draws(problem), [4]) == [1.0]


async def test_problem_with_an_ungraded_answer_is_left_out():
    trace = pool(("1", "correct", "1"), ("2", "correct", "1"))
    lost = trace.chains[1].model_copy(update={"response": answered("7", grade="ungraded")})

    trace = trace.model_copy(update={"chains": (trace.chains[0], lost)})
    assert await pooled_problem(trace, MathGrader(), SharedTime.of_calls([])) is None


async def test_loop_goes_on_for_as_long_as_the_critic_says_wrong():
    trace = pool(("2", "wrong", "3"))
    rounds = [
        trace.chains[0].rounds[0],
        Round(critique=Critique(text="…", final="wrong"), call=call(30), refinement=answered("1", 20)),
        Round(critique=Critique(text="…", final=None), call=call(30), refinement=answered("4", 20)),
    ]
    chain = trace.chains[0].model_copy(update={"rounds": tuple(rounds)})
    problem = await pooled(trace.model_copy(update={"chains": (chain,)}))

    (draw,) = CRITIC_LOOP.draws(problem)
    assert draw.answer in problem.right
    assert (draw.cost.calls, draw.cost.tokens) == (6, 10 + 30 + 20 + 30 + 20 + 30)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"rounds": 0, "gate": "when_wrong"}, {"sample", "majority", "oracle_choice"}),
        (
            {"rounds": 1, "gate": "when_wrong"},
            {"sample", "majority", "oracle_choice", "critic_loop", "critic_loop_vote", "critic_filtered"}
            | {"critic_weighted"},
        ),
        ({"rounds": 1, "gate": "oracle"}, {"sample", "majority", "oracle_choice", "oracle_loop"}),
    ],
    ids=["no critic", "when_wrong", "oracle"],
)
def test_saved_run_offers_what_it_holds_the_calls_of(settings: dict[str, object], names: set[str]):
    trace = pool(("1", "correct", "1"))

    assert {strategy.name for strategy in available(settings, trace)} == names
    assert len(available(SETTINGS, FULL)) == 11


def test_budgets_are_every_number_while_there_are_few():
    assert budgets(4) == [1, 2, 3, 4]
    assert budgets(24) == [*range(1, 17), 18, 20, 22, 24]
