"""A chain read as self-talk: what is spliced where, and how it is written."""

from fakes import critique_text, solution

from critique_graph.core.alignment import holds_in_order
from critique_graph.core.critique import parse_critique
from critique_graph.core.schema import Call, Chain, Response, Round
from critique_graph.core.splice import Thought, place_of_error, spliced, steps_of, told, trajectory
from critique_graph.core.steps import split_steps

FIRST, SLIP, SECOND, OTHER = "3 + 4 = 7.", "7 * 2 = 15.", "7 * 2 = 14.", "7 + 2 = 9."
ANSWER = "The answer is \\boxed{14}."
RIGHT = solution(14, FIRST, SECOND)


def response(text: str) -> Response:
    return Response(text=text, answer=None, call=Call(model="m"))


def judged(text: str, final: str, *steps: tuple[str, str]) -> Round:
    return Round(critique=parse_critique(critique_text(final, *steps), text), call=Call(model="m"))


def chain(*paths: tuple[str, str, tuple[tuple[str, str], ...]]) -> Chain:
    """Paths in turn, each with the final verdict and the steps' verdicts."""
    rounds = [judged(*path[:2], *path[2]) for path in paths]
    refined = [
        before.model_copy(update={"refinement": response(after[0])})
        for before, after in zip(rounds, paths[1:], strict=False)
    ]
    return Chain(index=0, response=response(paths[0][0]), rounds=(*refined, rounds[-1]), stop="judged_correct")


APPROVED = (RIGHT, "Correct", ((FIRST, "Correct"), (SECOND, "Correct")))


def wrong_at(step: str, *before: str) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    steps = tuple((text, "Correct") for text in before)
    return solution(15, *before, step, *(["So 15."] if not before else [])), "Wrong", (*steps, (step, "Wrong"))


def test_right_path_has_approval_after_every_step_and_ends_in_its_answer():
    assert told(spliced(chain(APPROVED))).splitlines() == [
        FIRST, "Correct. because.", SECOND, "Correct. because.", ANSWER
    ]  # fmt: skip


def test_mistake_is_told_with_the_critics_words_before_what_replaces_it():
    talk = spliced(chain(wrong_at(SLIP, FIRST), APPROVED))
    assert talk == (
        Thought(step=FIRST, verdict="correct", explanation="because."),
        Thought(step=SLIP, verdict="wrong", explanation="because."),
        Thought(step=SECOND, verdict="correct", explanation="because."),
        Thought(step=ANSWER),
    )
    assert steps_of(talk) == [FIRST, SLIP, SECOND]


def test_second_mistake_at_a_place_is_told_after_the_first():
    talk = spliced(chain(wrong_at(SLIP, FIRST), wrong_at(OTHER, FIRST), APPROVED))
    assert steps_of(talk) == [FIRST, SLIP, OTHER, SECOND]


def test_mistake_made_again_is_told_once():
    talk = spliced(chain(wrong_at(SLIP, FIRST), wrong_at(OTHER, FIRST), wrong_at(SLIP, FIRST), APPROVED))
    assert steps_of(talk) == [FIRST, OTHER, SLIP, SECOND]


def test_repair_of_a_later_step_is_forgotten_when_an_earlier_one_is_found_wrong():
    talk = spliced(chain(wrong_at(SLIP, FIRST), wrong_at("3 + 4 = 8."), APPROVED))
    assert steps_of(talk) == ["3 + 4 = 8.", FIRST, SECOND]


def test_answer_is_the_place_where_no_step_is_wrong():
    short = solution(7, FIRST)
    missing = parse_critique(critique_text("Wrong", (FIRST, "Correct")), short)
    assert place_of_error(short, missing) == 1
    assert place_of_error(FIRST, missing) is None
    talk = spliced(chain((short, "Wrong", ((FIRST, "Correct"),)), APPROVED))
    assert told(talk).splitlines() == [
        FIRST, "Correct. because.", "The answer is \\boxed{7}.", "Wrong. because.", SECOND, "Correct. because.", ANSWER
    ]  # fmt: skip


def test_step_the_critic_passed_over_is_told_without_a_word():
    talk = spliced(chain((RIGHT, "Correct", ((SECOND, "Correct"),))))
    assert talk[0] == Thought(step=FIRST)


def test_trajectory_ends_in_the_right_path_or_in_the_approval_of_one_right_at_once():
    wrong = wrong_at(SLIP, FIRST)
    assert trajectory(chain(wrong, APPROVED)) == [wrong[0], critique_text(wrong[1], *wrong[2]), RIGHT]
    assert trajectory(chain(APPROVED)) == [RIGHT, critique_text(APPROVED[1], *APPROVED[2])]


def test_reasoning_is_told_before_the_verdict_of_the_step_whose_number_it_has():
    first, last = chain(wrong_at(SLIP, FIRST), APPROVED).rounds
    thought = first.call.model_copy(update={"reasoning": "Let me see.\nStep 2: 15 - 14 = 1"})
    reasoned = chain(wrong_at(SLIP, FIRST), APPROVED).model_copy(
        update={"rounds": (first.model_copy(update={"call": thought}), last)}
    )
    talk = told(spliced(reasoned, with_reasoning=True)).splitlines()
    assert talk[:5] == [FIRST, "Correct. because.", SLIP, "15 - 14 = 1", "Wrong. because."]
    assert "15 - 14" not in told(spliced(reasoned))
    assert trajectory(reasoned, with_reasoning=True)[1].startswith(
        "Let me see.\nStep 2: 15 - 14 = 1\n\nStep sentence: "
    )


def test_steps_of_a_talk_are_found_again_by_the_splitter():
    talk = told(spliced(chain(wrong_at(SLIP, FIRST), APPROVED)))
    assert split_steps(talk)[-1] == ANSWER


def test_quotes_are_looked_for_in_order_without_markup():
    text = "First, $3 + 4 = 7$. No wait: 7*2 = 15 is wrong, 7 * 2 = 14."
    assert holds_in_order(text, [FIRST, SLIP, SECOND])
    assert not holds_in_order(text, [FIRST, SECOND, SLIP])
    assert not holds_in_order("13 + 4 = 7.", [FIRST])
    assert not holds_in_order("3 + 4 = 71.", [FIRST])
