"""Grade records: one response, or every response of a chain."""

from critique_graph.core.async_node import together
from critique_graph.core.schema import Chain, Response, Round
from critique_graph.grading.grader import Grader


async def graded_response(response: Response, reference: str | None, grader: Grader) -> Response:
    """Give a response with its grade; without a reference, give it unchanged.

    A response that was cut off is graded as one without an answer, whatever it contains.
    """
    if reference is None:
        return response
    answer = None if response.is_truncated else response.answer
    return response.model_copy(update={"grade": await grader.grade(answer, reference)})


async def graded_chain(chain: Chain, reference: str | None, grader: Grader) -> Chain:
    """Give a chain in which the first response and every refinement are graded."""

    async def graded_round(judged: Round) -> Round:
        if judged.refinement is None:
            return judged
        refinement = await graded_response(judged.refinement, reference, grader)
        return judged.model_copy(update={"refinement": refinement})

    if chain.response is None:
        return chain
    response = await graded_response(chain.response, reference, grader)
    rounds = await together(graded_round, chain.rounds)
    return chain.model_copy(update={"response": response, "rounds": tuple(rounds)})
