"""The actor as part of a reward, with scripted actors."""

import httpx
import openai
import pytest
from fakes import ScriptedModel, critique_text, reply, solution

from critique_graph.calls.breaker import Patience
from critique_graph.calls.caller import Caller
from critique_graph.core.critique import parse_critique
from critique_graph.core.errors import ModelCallError
from critique_graph.core.prompts import DEFAULT_PROMPTS
from critique_graph.core.schema import Failure
from critique_graph.tasks.task import MATH
from critique_graph.trainers.refiner import Refiner, RefinerError
from critique_graph.trainers.rewards import Attempt

QUESTION = "Ann has 3 pens. Ann buys 4 more. Ann loses 2. How many pens does Ann have?"
WRONG, CORRECT = solution(6, "3 + 4 = 8.", "8 - 2 = 6."), solution(5, "3 + 4 = 7.", "7 - 2 = 5.")
CRITIQUE = parse_critique(critique_text("Wrong", ("3 + 4 = 8.", "Wrong")), WRONG)
BROKEN = ModelCallError(Failure(kind="rejected", message="too long"), can_retry=False)


def attempt(response: str = WRONG, chain: int = 0) -> Attempt:
    return Attempt("p", chain, QUESTION, response, "5", CRITIQUE)


async def no_pause(seconds: float) -> None:
    return


def refiner(actor: ScriptedModel, *, refinements: int = 1, outage: float = 0) -> Refiner:
    caller = Caller(actor, "actor", temperature=0.7, max_tokens=100, seed=0, sleep=no_pause)
    return Refiner(caller, MATH, DEFAULT_PROMPTS, Patience(outage=outage), refinements)


@pytest.mark.parametrize(
    ("response", "refined", "share"),
    [
        (WRONG, CORRECT, 1.0),
        (WRONG, WRONG, 0.0),
        (WRONG, "The answer is \\boxed{5}.", 0.0),
        (CORRECT, WRONG, 0.0),
        (CORRECT, "I give up.", 1.0),
        (WRONG, reply(CORRECT, finish_reason="length"), 0.0),
    ],
    ids=["correct", "wrong", "copied", "harm", "no answer, so the response stays", "cut off"],
)
async def test_refinement_counts_as_the_loop_would_keep_it(response: str, refined: object, share: float):
    assert await refiner(ScriptedModel(replies=[refined]))([attempt(response)]) == [share]


async def test_several_refinements_of_every_attempt_are_made_together_and_share_their_seeds():
    actor = ScriptedModel(replies=[CORRECT, WRONG, CORRECT, CORRECT])

    assert await refiner(actor, refinements=2)([attempt(), attempt()]) == [0.5, 1.0]

    seeds = [settings["seed"] for settings in actor.settings]
    assert seeds[:2] == seeds[2:]
    assert seeds[0] != seeds[1]
    assert all("3 + 4 = 8." in text for text in actor.texts)


async def test_refinement_that_fails_leaves_the_others():
    actor = ScriptedModel(replies=[BROKEN, CORRECT, BROKEN, BROKEN])

    assert await refiner(actor, refinements=2)([attempt(), attempt(chain=1)]) == [1.0, None]


async def test_nothing_is_asked_where_nothing_is_to_refine():
    actor = ScriptedModel()

    assert await refiner(actor)([]) == []
    assert actor.prompts == []


async def test_partner_that_makes_no_refinement_ends_the_training_in_one_line():
    with pytest.raises(RefinerError, match=r"^the partner makes no refinements: .*too long.* the same command goes on"):
        await refiner(ScriptedModel(replies=[BROKEN]))([attempt()])


async def test_server_that_is_lost_is_named():
    gone = openai.APIConnectionError(request=httpx.Request("POST", "http://127.0.0.1:9/v1"))
    actor = ScriptedModel(answer=lambda messages: gone)

    with pytest.raises(RefinerError, match="ScriptedModel was out for 0 s"):
        await refiner(actor, outage=0.001)([attempt()])
