from critique_graph.core.schema import Call, Chain, Critique, Failure, Response, Round
from critique_graph.grading.grader import MathGrader
from critique_graph.grading.records import graded_chain, graded_response


def response(answer: str | None, *, finish_reason: str = "stop") -> Response:
    return Response(text="…", answer=answer, call=Call(model="m", finish_reason=finish_reason))


async def test_every_response_of_a_chain_is_graded(grader: MathGrader) -> None:
    critique, call = Critique(text="…"), Call(model="m")
    rounds = (Round(critique=critique, call=call, refinement=response("0.5")), Round(critique=critique, call=call))
    chain = await graded_chain(Chain(index=0, response=response("3"), rounds=rounds), "1/2", grader)
    assert [one.is_correct for one in chain.responses] == [False, True]
    assert chain.rounds[1] == rounds[1]


async def test_response_that_was_cut_off_is_graded_without_its_answer(grader: MathGrader) -> None:
    graded = await graded_response(response("3", finish_reason="length"), "3", grader)
    assert graded.grade == await grader.grade(None, "3")


async def test_nothing_is_graded_without_a_reference(grader: MathGrader) -> None:
    chain = Chain(index=0, response=response("3"))
    assert await graded_chain(chain, None, grader) == chain


async def test_chain_without_a_response_stays_as_it_is(grader: MathGrader) -> None:
    chain = Chain(index=0, stop="failed", failure=Failure(kind="server", message="…"))
    assert await graded_chain(chain, "3", grader) == chain
