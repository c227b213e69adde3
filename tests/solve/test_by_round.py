from critique_graph.core.schema import Call, Chain, Critique, Response, Round, RoundChanges, Verdict
from critique_graph.metrics.intervals import clustered_share, wilson
from critique_graph.nodes.changes import changes_of, is_same_answer
from critique_graph.solve.by_round import RoundsTally


def response(answer: str | None, finish_reason: str = "stop") -> Response:
    return Response(text="…", answer=answer, call=Call(model="m", finish_reason=finish_reason))


def chain(first: str | None, *rounds: tuple[Verdict | None, str | None], cut: bool = False) -> Chain:
    """A chain whose rounds are verdicts, with the answers of refinements; `-` stands for no refinement."""
    turns = tuple(
        Round(
            critique=Critique(text="…", final=verdict),
            call=Call(model="m"),
            refinement=None if answer == "-" else response(answer, "length" if cut else "stop"),
        )
        for verdict, answer in rounds
    )
    return Chain(index=0, response=response(first), rounds=turns)


def tallied(*problems: list[Chain]) -> RoundsTally:
    tally = RoundsTally()
    for chains in problems:
        tally.add(changes_of(chains))
    return tally


def test_rates_of_two_rounds():
    one, two = tallied(
        [chain("1", ("wrong", "2"), ("wrong", "1"))],
        [chain("1", ("wrong", "2"), ("correct", "-"))],
        [chain("1", ("correct", "-"))],
        [chain("1", (None, "1"))],
    ).rounds()

    assert (one.round, two.round) == (1, 2)
    assert one.critic_said_wrong == wilson(2, 4)
    assert one.actor_changed_answer == wilson(2, 3)
    assert one.vote_moved == wilson(2, 4)
    assert two.critic_said_wrong == wilson(1, 2)
    assert two.actor_changed_answer == wilson(1, 1)
    assert two.vote_moved == wilson(1, 2)


def test_counts_of_one_problem():
    assert changes_of([chain("1", ("wrong", "2"), ("correct", "-")), chain("1", ("correct", "1"))]) == (
        RoundChanges(round=1, critiques=2, said_wrong=1, refinements=2, changed=1, is_vote_moved=False),
        RoundChanges(round=2, critiques=1, said_wrong=0, refinements=0, changed=0, is_vote_moved=False),
    )


def test_chains_of_a_problem_are_a_cluster():
    (found,) = tallied(
        [chain("1", ("wrong", "2")), chain("1", ("wrong", "2")), chain("1", ("correct", "-"))],
        [chain("1", ("correct", "-")), chain("2", ("correct", "-")), chain("1", ("correct", "-"))],
    ).rounds()

    assert found.critic_said_wrong == clustered_share([2, 0], [3, 3])
    assert found.actor_changed_answer == clustered_share([2, 0], [2, 0])
    assert found.vote_moved == wilson(1, 2)


def test_vote_does_not_move_while_the_most_frequent_answer_is_still_among_the_most_frequent():
    (found,) = tallied([chain("1", ("wrong", "2")), chain("1", ("correct", "-"))]).rounds()
    assert found.vote_moved == wilson(0, 1)


def test_vote_moves_with_the_chains_that_end_later():
    one, two = tallied(
        [
            chain("1", ("correct", "-")),
            chain("1", ("wrong", "2"), ("wrong", "2")),
            chain("3", ("wrong", "1"), ("wrong", "2")),
        ]
    ).rounds()
    assert one.vote_moved == wilson(0, 1)
    assert two.vote_moved == wilson(1, 1)


def test_refinement_that_was_cut_off_changes_nothing():
    (found,) = tallied([chain("1", ("wrong", "2"), cut=True)]).rounds()
    assert found.actor_changed_answer == wilson(0, 0)
    assert found.vote_moved == wilson(0, 1)


def test_first_readable_answer_moves_the_vote():
    (found,) = tallied([chain(None, ("wrong", "2"))]).rounds()
    assert (found.actor_changed_answer, found.vote_moved) == (wilson(1, 1), wilson(1, 1))


def test_failed_first_call_counts_nothing():
    assert tallied([Chain(index=0, stop="failed")]).rounds() == ()


def test_answers_that_are_written_differently_are_the_same():
    assert is_same_answer("0.5", r"\frac{1}{2}")
    assert is_same_answer("1,000", "1000")
    assert not is_same_answer("2", "3")
    assert not is_same_answer("2", None)
    assert is_same_answer(None, None)
