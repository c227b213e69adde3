"""A tool by which an agent asks the critic itself."""

from langchain_core.tools import BaseTool, StructuredTool

from critique_graph.agents.critic import AgentCritic
from critique_graph.calls.caller import CallKey
from critique_graph.calls.players import Model
from critique_graph.core.async_node import wait_for
from critique_graph.core.context import CritiqueForm
from critique_graph.core.critique import critique_in_prose
from critique_graph.core.prompts_file import PromptsGiven
from critique_graph.core.state_records import known_problem


def critique_tool(
    critic: Model,
    *,
    max_tokens: int = 1536,
    critique_form: CritiqueForm = "auto",
    prompts: PromptsGiven | None = None,
    seed: int = 0,
) -> BaseTool:
    """Create a tool that judges an answer step by step; an agent calls it when it wants to.

    Example:
        >>> agent = create_agent("openai:gpt-x", tools=[critique_tool("openai:gpt-x")])

    Args:
        critic: Judges the answer: a chat model, a model string, or `human` for a person.
        max_tokens: Number of tokens of one critique at most.
        critique_form: How critiques are asked for: `auto`, `text`, `json` or `prefill`.
        prompts: Wording of `critique`; None: the default.
        seed: Seed from which the seeds of the critic's calls derive.
    """
    judge = AgentCritic(
        critic, critiques=1, max_tokens=max_tokens, temperature=None, form=critique_form, prompts=prompts, seed=seed
    )

    async def critique(question: str, answer: str) -> str:
        key = CallKey(known_problem({"question": question})["id"], "critic", 0, 1)
        judgements, failure = await judge.judge(question, answer, key)
        if failure is not None:
            return f"There is no critique: {failure.message}"
        return critique_in_prose(judgements[0].critique)

    def critique_now(question: str, answer: str) -> str:
        return wait_for(critique(question, answer))

    return StructuredTool.from_function(
        critique_now,
        coroutine=critique,
        name="critique",
        description=(
            "Have a critic check an answer before you give it. `question` is the whole question with all that is "
            "needed to answer it, `answer` your whole answer, step by step. The critic says of every step whether it "
            "is correct, and why."
        ),
    )
