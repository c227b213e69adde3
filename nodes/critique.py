"""The critic's judgement of each chain's latest response."""

from langchain_core.messages import BaseMessage, HumanMessage

from critique_graph.untrusted import fence

CRITIQUE_INSTRUCTION = """\
Check the response to the problem step by step. For every step write three lines:
Step sentence: the step, repeated
Correctness of the step: Correct or Wrong
Explanation: why
Then judge the final answer in two lines:
Correctness of the final answer: Correct or Wrong
Explanation: why"""


def critique_messages(question: str, response: str) -> list[BaseMessage]:
    """Build the critic's prompt; what varies least comes last, so that prefixes are shared (design §4)."""
    return [
        HumanMessage(f"{fence('problem', question)}\n\n{fence('response', response)}\n\n{CRITIQUE_INSTRUCTION}")
    ]
