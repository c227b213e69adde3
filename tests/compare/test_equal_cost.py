import pytest
from pools import answered, pool

from critique_graph.compare.comparison import Comparison, Matched
from critique_graph.compare.equal_cost import compare_traces
from critique_graph.core.errors import InputError
from critique_graph.core.schema import Trace, Usage
from critique_graph.grading.grader import MathGrader
from critique_graph.metrics.intervals import paired_bootstrap, wilson

TRACES = [
    pool(("1", "correct", "2"), ("2", "wrong", "1"), ("2", "wrong", "1"), ("1", "correct", "1"), name="a"),
    pool(("1", "correct", "1"), ("1", "wrong", "2"), ("1", "correct", "1"), ("1", "correct", "1"), name="b"),
    pool(("3", "wrong", "1"), ("2", "wrong", "1"), ("2", "wrong", "2"), ("2", "correct", "1"), name="c"),
]


async def compared(traces: list[Trace], **options: int) -> Comparison:
    return await compare_traces(traces, grader=MathGrader(), seconds=5.0, run="runs/a", **options)


async def test_loop_against_the_mix_of_votes_that_costs_as_much():
    comparison = await compared(TRACES, unfinished=2)

    loop = comparison.strategies["critic_loop"]
    # 12 chains: 10 tokens each, 30 for every critique, 20 for the 6 refinements
    assert loop.tokens_per_problem == 10 + 30 + 20 * 6 / 12 == 50
    assert comparison.strategies["majority"].tokens_per_problem == 40
    assert loop.against_majority["tokens"] is None  # four votes cost less
    assert loop.calls_per_problem == 2.5
    # Two votes of a: 1/6 + 4/6/2; of b: all right; of c: none. Three of a: half. Half of each.
    of_votes = [0.5, 1.0, 0.0]
    assert loop.against_majority["calls"] == Matched(
        votes=2.5, majority=0.5, gain=paired_bootstrap(of_votes, [1.0, 0.75, 0.5])
    )
    assert loop.accuracy == wilson(2.25, 3)
    assert (comparison.problems, comparison.unfinished, comparison.samples) == (3, 2, 4)


async def test_harm_and_help_are_of_all_chains_with_the_n_of_problems():
    comparison = await compared(TRACES)

    assert comparison.harm == wilson(1 / 6 * 2, 2)  # one of six right responses, in two problems
    assert comparison.helpfulness == wilson(4 / 6 * 2, 2)
    assert comparison.critic is not None
    assert comparison.critic.wrong_called_correct == 1


async def test_critic_that_changes_nothing_does_not_break_even():
    worse = pool(("1", "correct", "1"), ("2", "correct", "2"), ("2", "correct", "2"), name="w")
    comparison = await compared([worse])

    assert comparison.break_even_tokens is None  # 40 tokens, where the vote of the whole pool costs 30
    assert comparison.majority_tokens_to_match == 10  # one sample is as good


async def test_critic_whose_errors_are_voted_down_breaks_even_with_three_loops():
    harmed = pool(("1", "correct", "1"), ("1", "correct", "1"), ("1", "wrong", "2"))
    comparison = await compared([harmed.model_copy(update={"uncritiqued": (answered("1"),) * 17})])

    loop = comparison.strategies["critic_loop"]
    assert loop.tokens_per_problem == pytest.approx((40 + 40 + 60) / 3)
    assert loop.against_majority["tokens"] is not None
    assert loop.against_majority["tokens"].gain.value == pytest.approx(-1 / 3)
    assert comparison.break_even_tokens == pytest.approx(140)
    assert "the critic loop loses to majority vote of 4.7 samples by -33.3 points" in comparison.verdict


async def test_critic_that_costs_little_breaks_even_at_once():
    cheap = [
        trace.model_copy(
            update={
                "chains": tuple(
                    chain.model_copy(
                        update={
                            "rounds": tuple(
                                turn.model_copy(
                                    update={
                                        "call": turn.call.model_copy(update={"usage": Usage(calls=1, input_tokens=1)})
                                    }
                                )
                                for turn in chain.rounds
                            )
                        }
                    )
                    for chain in trace.chains
                )
            }
        )
        for trace in TRACES
    ]
    comparison = await compared(cheap)

    loop = comparison.strategies["critic_loop"]
    assert loop.tokens_per_problem == comparison.break_even_tokens == 10 + 1 + 10
    assert loop.against_majority["tokens"] is not None
    assert "it breaks even at 21 tokens, its cheapest" in comparison.verdict


async def test_verdict_says_who_wins_at_equal_tokens_and_what_it_costs():
    comparison = await compared(TRACES)

    assert comparison.verdict == (
        "At 50 tokens per problem the critic loop reaches 75.0 % [25.6, 96.3]; majority vote of all 4 samples does not "
        "cost that much (draw more samples with --votes); it does not break even within the pool; majority vote of all "
        "4 samples is less accurate than one loop; the loop turns 16.7 % [1.3, 75.9] of correct answers wrong and "
        "66.7 % [15.9, 95.5] of wrong answers correct."
    )


async def test_unknown_tokens_are_not_zero():
    unknown = Usage(calls=1, unknown_calls=1)
    first = TRACES[0].chains[0].response
    assert first is not None
    response = first.model_copy(update={"call": first.call.model_copy(update={"usage": unknown})})
    chains = (TRACES[0].chains[0].model_copy(update={"response": response}), *TRACES[0].chains[1:])
    comparison = await compared([TRACES[0].model_copy(update={"chains": chains}), *TRACES[1:]])

    loop = comparison.strategies["critic_loop"]
    assert (loop.tokens_per_problem, loop.against_majority["tokens"], comparison.break_even_tokens) == (
        None,
        None,
        None,
    )
    assert loop.against_majority["calls"] is not None
    assert comparison.verdict.startswith("At 2.5 calls per problem the critic loop")


@pytest.mark.parametrize(
    ("traces", "reason"),
    [
        ([], "no finished problems"),
        ([pool(("1", "correct", "1"))], "too few chains to vote"),
        ([pool(("1", "correct", "1"), ("2", None, "1"), settings={"gate": "always"})], "do not hold the settings"),
        (
            [trace.model_copy(update={"retries": (answered("9", grade="ungraded"),) * 4}) for trace in TRACES],
            "no problem has graded answers",
        ),
    ],
    ids=["none", "one sample", "no settings", "ungraded"],
)
async def test_what_cannot_be_compared_is_refused(traces: list[Trace], reason: str):
    with pytest.raises(InputError, match=reason):
        await compared(traces)
