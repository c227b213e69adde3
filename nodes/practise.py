"""The critic's practice: critiques of given responses, tried one after the other until one is worth learning.

Every problem needs a reference answer, which decides what is worth learning and is in no prompt.
"""

from typing import Any

from langchain_core.runnables import Runnable

from critique_graph.calls.caller import CallKey
from critique_graph.calls.players import Players
from critique_graph.core.async_node import BothWays, emit, together
from critique_graph.core.context import LoopContext
from critique_graph.core.schema import Call, Chain, Failure, Response, Round
from critique_graph.core.state import PracticeState
from critique_graph.core.state_records import problem_id, reference_of, write_chains
from critique_graph.nodes.critique import critiques_of
from critique_graph.nodes.refine import ask_for_refinement
from critique_graph.nodes.refine_until_right import is_worked_out
from critique_graph.nodes.solve import to_response


def create_practise(
    players: Players[LoopContext], *, tries: int, is_refined: bool
) -> Runnable[PracticeState, dict[str, Any]]:
    """Create the node that has every given response critiqued up to `tries` times; each try is a chain.

    It stops at the first critique that is worth learning: it can be read, its verdict agrees with the reference, and
    the refinement that the actor writes with it, if the response is wrong, is correct and no shortcut.

    Args:
        players: The critic, and the actor that refines.
        tries: Maximum number of critiques of a response.
        is_refined: Whether the actor tries the critique of a wrong response; if not, its verdict alone decides.
    """

    async def practise(state: PracticeState) -> dict[str, Any]:
        problem, reference, call_critic = problem_id(state), reference_of(state), players.caller("critic")
        if reference is None:
            raise ValueError("practice needs a reference answer in the input, got none.")

        async def judge(response: Response, index: int) -> Round | Failure:
            asked, evidence = await critiques_of(
                call_critic, response, state, players, CallKey(problem, "critic", index, 1)
            )
            if not asked.judgements:
                return asked.failures[0]
            given = asked.judgements[0]
            emit("critique", given.critique, chain=index, round=1)
            return Round(critique=given.critique, call=given.call, evidence=evidence)

        async def refine(response: Response, turn: Round, index: int) -> Response | Failure:
            outcome = await ask_for_refinement(
                players.caller("actor"),
                state["question"],
                response.text,
                turn.critique,
                CallKey(problem, "actor", index, 1),
                prompts=players.prompts,
                form=players.context().critique_form,
                steps=response.own_steps,
            )
            return outcome if isinstance(outcome, Failure) else to_response(outcome, players.task)

        async def attempt(response: Response, index: int, *, is_correct: bool) -> tuple[Chain, bool]:
            """Give the chain of a try, and whether no other try has to follow."""
            chain = Chain(index=index, response=response, stop="rounds")
            turn = await judge(response, index)
            if isinstance(turn, Failure):
                return chain.model_copy(update={"stop": "failed", "failure": turn}), True
            agrees = turn.critique.is_readable and turn.critique.final == ("correct" if is_correct else "wrong")
            if is_correct or not agrees or not is_refined:
                return chain.model_copy(update={"rounds": (turn,)}), agrees
            refinement = await refine(response, turn, index)
            if isinstance(refinement, Failure):
                return chain.model_copy(update={"rounds": (turn,), "stop": "failed", "failure": refinement}), True
            turn = turn.model_copy(update={"refinement": refinement})
            is_good = await is_worked_out(refinement, response, reference, players.task)
            return chain.model_copy(update={"rounds": (turn,)}), is_good

        async def work_on(given: tuple[int, str]) -> list[Chain]:
            number, text = given
            answer, steps = players.grader.extract(text), players.task.own_steps(text)
            response = Response(text=text, answer=answer, call=Call(model="given"), own_steps=steps)
            is_correct = (await players.grader.grade(answer, reference)).is_correct
            chains = []
            for index in range(number * tries, (number + 1) * tries):
                chain, is_last = await attempt(response, index, is_correct=is_correct)
                chains.append(chain)
                if is_last:
                    break
            return chains

        tried = await together(work_on, enumerate(state.get("responses", [])))
        return write_chains(chain for chains in tried for chain in chains)

    return BothWays(practise)
