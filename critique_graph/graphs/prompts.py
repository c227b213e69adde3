"""The wording of all prompts by node, and its hashes: a run must not mix two, and a data set records its wording."""

import hashlib
from collections.abc import Mapping, Sequence

from langchain_core.messages import BaseMessage

from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts
from critique_graph.core.splice import SAID
from critique_graph.nodes.critique import critique_messages
from critique_graph.nodes.refine import refine_messages
from critique_graph.nodes.repair import repair_messages
from critique_graph.nodes.smooth import smooth_messages
from critique_graph.nodes.solve import solve_messages


def loop_prompts(prompts: Prompts = DEFAULT_PROMPTS) -> dict[str, str]:
    """Give the wording of the prompts of the loop's nodes, by node."""
    return {
        "solve": _wording(solve_messages("q", prompts)),
        "critique": _wording(critique_messages("q", "r", prompts)),
        "refine": _wording(refine_messages("q", "r", "c", prompts)),
    }


def data_prompts(prompts: Prompts = DEFAULT_PROMPTS) -> dict[str, str]:
    """Give the wording of the prompts of the nodes that make critique data, by node."""
    return loop_prompts(prompts) | {
        "annotate": prompts.annotate.model_dump_json(),
        "corrupt": prompts.corrupt.model_dump_json(),
    }


def talk_prompts(prompts: Prompts = DEFAULT_PROMPTS) -> dict[str, str]:
    """Give the wording of the prompts of the nodes that make self-talk, and of the words that `exact` adds."""
    asked = {
        "smooth": _wording(smooth_messages("q", "r", prompts)),
        "repair": _wording(repair_messages("q", "r", "c", "b", prompts)),
    }
    return loop_prompts(prompts) | asked | {"said": "\0".join(SAID.values())}


def prompts_hash(prompts: Mapping[str, str]) -> str:
    """Give one hash of several prompts."""
    return prompt_hash("\0".join(prompts.values()))


def prompt_hash(wording: str) -> str:
    """Give the first 12 digits of the SHA-256 of a wording."""
    return hashlib.sha256(wording.encode()).hexdigest()[:12]


def _wording(messages: Sequence[BaseMessage]) -> str:
    return "\0".join(f"{message.type}: {message.text}" for message in messages)
