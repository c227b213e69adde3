"""How many chains become one answer."""

import pytest
from fakes import critique_text

from critique_graph.core.critique import parse_critique
from critique_graph.core.schema import Ballot, BallotEntry, Call, Chain, Response, Round
from critique_graph.grading.grader import MathGrader
from critique_graph.nodes.vote import count_votes

CALL = Call(model="fake")


def chain(index: int, answer: str | None, verdict: str | None = None, refined: str | None = None) -> Chain:
    rounds: tuple[Round, ...] = ()
    if verdict is not None:
        refinement = None if refined is None else Response(text="", answer=refined, call=CALL)
        rounds = (Round(critique=parse_critique(critique_text(verdict)), call=CALL, refinement=refinement),)
    return Chain(index=index, response=Response(text="", answer=answer, call=CALL), rounds=rounds)


async def vote(chains: list[Chain], rule: str, tie_seed: int = 0) -> Ballot:
    return await count_votes(chains, rule, grader=MathGrader(), tie_seed=tie_seed)  # type: ignore[arg-type]


async def test_equivalent_answers_are_one_group():
    ballot = await vote([chain(0, "3"), chain(1, "1/2"), chain(2, "0.5")], "majority")

    assert ballot == Ballot(
        rule="majority",
        entries=(
            BallotEntry(answer="1/2", weight=2.0, chains=(1, 2)),
            BallotEntry(answer="3", weight=1.0, chains=(0,)),
        ),
        winner="1/2",
    )


async def test_unparsed_chains_are_listed():
    ballot = await vote([chain(0, None), chain(1, "5")], "majority")

    assert (ballot.winner, ballot.unparsed) == ("5", (0,))


async def test_no_readable_answer_elects_nobody():
    assert (await vote([chain(0, None)], "majority")).winner is None


async def test_ties_are_drawn_by_seed_and_marked():
    chains = [chain(0, "1"), chain(1, "2")]

    winners = {(await vote(chains, "majority", seed)).winner for seed in range(20)}
    again = [(await vote(chains, "majority", 7)).winner for _ in range(3)]

    assert winners == {"1", "2"}
    assert len(set(again)) == 1
    assert (await vote(chains, "majority")).is_tie


async def test_critic_filtered_counts_only_chains_judged_correct():
    ballot = await vote([chain(0, "1", "Wrong"), chain(1, "1", "Wrong"), chain(2, "2", "Correct")], "critic_filtered")

    assert (ballot.winner, ballot.excluded) == ("2", (0, 1))


async def test_critic_filtered_falls_back_to_everyone_when_none_is_judged_correct():
    ballot = await vote([chain(0, "1", "Wrong"), chain(1, "1", "Wrong"), chain(2, "2")], "critic_filtered")

    assert (ballot.winner, ballot.excluded) == ("1", ())


async def test_critic_weighted_lets_one_approved_answer_beat_two_condemned_ones():
    ballot = await vote([chain(0, "1", "Wrong"), chain(1, "1", "Wrong"), chain(2, "2", "Correct")], "critic_weighted")

    assert [(entry.answer, entry.weight) for entry in ballot.entries] == [("2", 1.0), ("1", 0.2)]


async def test_verdict_on_a_replaced_response_does_not_weigh_on_the_refinement():
    ballot = await vote([chain(0, "1", "Wrong", refined="2")], "critic_weighted")

    assert ballot.entries == (BallotEntry(answer="2", weight=0.5, chains=(0,)),)


@pytest.mark.parametrize(("rule", "winner"), [("first", "1"), ("final", "2")])
async def test_single_chain_rules_look_at_chain_0_alone(rule: str, winner: str):
    assert (await vote([chain(0, "1", "Wrong", refined="2"), chain(1, "3"), chain(2, "3")], rule)).winner == winner


@pytest.mark.parametrize(("count_bare", "winner"), [(True, "9"), (False, "7")])
async def test_bare_refinement_can_be_kept_out_of_the_vote(count_bare: bool, winner: str):
    shown = Response(text="3 + 4 = 7.\nThe answer is 7.", answer="7", call=CALL)
    bare = Response(text="The answer is 9.", answer="9", call=CALL)
    round_ = Round(critique=parse_critique(critique_text("Wrong")), call=CALL, refinement=bare)
    refined = Chain(index=0, response=shown, rounds=(round_,))
    only_bare = Chain(index=0, response=bare, rounds=(round_,))

    ballots = [
        await count_votes([one], "majority", grader=MathGrader(), tie_seed=0, count_bare=count_bare)
        for one in (refined, only_bare)
    ]

    assert [ballot.winner for ballot in ballots] == [winner, "9"]
