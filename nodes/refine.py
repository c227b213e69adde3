"""The actor's refinement of a response after reading its critique."""

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from critique_graph.nodes.solve import solve_messages
from critique_graph.untrusted import fence, strip_role_tokens

REFINE_INSTRUCTION = (
    "A critic has checked your response. Use the critique to write a new, corrected response: step by step, "
    "one step per line, ending with a line of the form: The answer is \\boxed{ANSWER}."
)


def refine_messages(question: str, response: str, critique: str) -> list[BaseMessage]:
    """Build the actor's refinement prompt: it extends the solve prompt, so that its prefix is cached."""
    return [
        *solve_messages(question),
        AIMessage(strip_role_tokens(response)),
        HumanMessage(f"{fence('critique', critique)}\n\n{REFINE_INSTRUCTION}"),
    ]
