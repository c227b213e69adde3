"""The words for why something ended: a failed call, a chain, a text that may not be whole."""

from typing import Literal

FailureKind = Literal[
    "connection",  # no server answered, or the connection broke
    "timeout",  # no reply came within the time that one request may take
    "server",  # 5xx, 429, an engine that died
    "setup",  # nobody would be served: wrong key, address or model name, a login page, weights that cannot be loaded
    "rejected",  # the server or engine refused this very request (400, 413, 422, too long for the context)
    "invalid_reply",  # the reply cannot be used: no choice, no message, too large, not Unicode
    "empty_reply",  # the reply has no text: reasoning only, a refusal, a tool call
    "budget",  # the call was not made: its run has spent its budget
    "error",  # anything else the model class raised
]
ChainStop = Literal[
    "judged_correct",  # the critic called the latest response correct (gate `when_wrong`)
    "judged_unparsed",  # the critic's final verdict could not be read: nothing to act on
    "reference_correct",  # the reference agrees with the latest response (gate `oracle`)
    "abstained",  # too few of the critiques share the verdict (`abstain_below`)
    "kept_original",  # the critiques did not prefer the refinement to the response before it (`keep_original`)
    "refined",  # other chains are its refinements (`refine_best`)
    "passed_over",  # others of the pool were better (`refine_best`)
    "rounds",  # all rounds were used
    "truncated",  # a response hit the token limit
    "budget",  # the problem's token budget was spent
    "recursion_limit",  # LangGraph's recursion limit left no super-steps for another round
    "not_located",  # self-talk: the critic called the path wrong, but none of its steps
    "not_continued",  # self-talk: the repair changed steps before the one to repair
    "failed",  # a model call failed for good; `failure` says how
]

CUT_REASONS = frozenset(
    {
        *("length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded"),
        *("content_filter", "content_filtered", "safety", "recitation", "blocklist", "prohibited_content", "sensitive"),
        *("abort", "error", "network_error", "insufficient_system_resource", "incomplete"),
        "repetition",  # the text began to repeat itself, and was stopped
        "missing",  # our word where a server that gives reasons gave none
        "too_long",  # our word for a text that we cut off
    }
)
"""Finish reasons, in small letters, of a text that may not be whole."""
