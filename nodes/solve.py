"""The actor's first responses to a question."""

from langchain_core.messages import BaseMessage, HumanMessage

from critique_graph.untrusted import fence

SOLVE_INSTRUCTION = (
    "Solve the problem step by step, one step per line. "
    "End with a line of the form: The answer is \\boxed{ANSWER}."
)


def solve_messages(question: str) -> list[BaseMessage]:
    """Build the actor's prompt for a question."""
    return [HumanMessage(f"{fence('problem', question)}\n\n{SOLVE_INSTRUCTION}")]
