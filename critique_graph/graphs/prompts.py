"""The wording of all prompts, and its hashes: a run must not mix two wordings, and a data set records its wording."""

import hashlib
from collections.abc import Mapping, Sequence

from langchain_core.messages import BaseMessage

from critique_graph.core.splice import SAID
from critique_graph.nodes.annotate import HINTS_INSTRUCTION, UNTIL_FIRST_ERROR, UNTIL_THE_END
from critique_graph.nodes.corruptors import CORRUPT_INSTRUCTION, DEFINITIONS
from critique_graph.nodes.critique import critique_messages
from critique_graph.nodes.refine import refine_messages
from critique_graph.nodes.repair import repair_messages
from critique_graph.nodes.smooth import smooth_messages
from critique_graph.nodes.solve import solve_messages


def loop_prompts() -> dict[str, str]:
    """Give the wording of the prompts of the loop's nodes, by node."""
    return {
        "solve": _wording(solve_messages("q")),
        "critique": _wording(critique_messages("q", "r")),
        "refine": _wording(refine_messages("q", "r", "c")),
    }


def data_prompts() -> dict[str, str]:
    """Give the wording of the prompts of the nodes that make critique data, by node."""
    return loop_prompts() | {
        "annotate": "\0".join((HINTS_INSTRUCTION, UNTIL_FIRST_ERROR, UNTIL_THE_END)),
        "corrupt": "\0".join((CORRUPT_INSTRUCTION, *DEFINITIONS.values())),
    }


def talk_prompts() -> dict[str, str]:
    """Give the wording of the prompts of the nodes that make self-talk, and of the words that `exact` adds."""
    asked = {"smooth": _wording(smooth_messages("q", "r")), "repair": _wording(repair_messages("q", "r", "c", "b"))}
    return loop_prompts() | asked | {"said": "\0".join(SAID.values())}


def prompts_hash(prompts: Mapping[str, str]) -> str:
    """Give one hash of several prompts."""
    return prompt_hash("\0".join(prompts.values()))


def prompt_hash(wording: str) -> str:
    """Give the first 12 digits of the SHA-256 of a wording."""
    return hashlib.sha256(wording.encode()).hexdigest()[:12]


def _wording(messages: Sequence[BaseMessage]) -> str:
    return "\0".join(f"{message.type}: {message.text}" for message in messages)
