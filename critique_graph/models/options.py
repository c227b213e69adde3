"""The options of a role's model, which every call gets, and the key of its server."""

import os
from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from critique_graph.core.errors import InputError
from critique_graph.core.secrets import remember

_LOCAL = ("stop", "template_arguments", "top_p")
OPTIONS = {
    "openai": (
        "extra_body",
        "frequency_penalty",
        "logit_bias",
        "presence_penalty",
        "reasoning_effort",
        "stop",
        "top_p",
        "verbosity",
    ),
    "hf": _LOCAL,
    "vllm": _LOCAL,
    "miniature": _LOCAL,
}
"""Options by what stands before the colon of a model string; a provider of langchain takes what its class takes."""
_SET_BY_RUN = frozenset(
    {"temperature", "max_tokens", "max_completion_tokens", "seed", "model", "messages", "stream", "n"}
)


def read_key(variable: str) -> str:
    """Read a key from the environment, and hide it from now on wherever it could be printed or written.

    Raises:
        InputError: The variable is not set.
    """
    key = os.environ.get(variable, "").strip()
    if not key:
        raise InputError(f"the environment variable {variable}, which api_key_env names, is not set.")
    remember(key)
    return key


def check_options(spec: str, prefix: str, options: Mapping[str, JsonValue], *, has_key: bool) -> None:
    """Check the names of the options of a model.

    Raises:
        InputError: An option is unknown, or one that the run sets itself; or a model in this process has a key.
    """
    known = OPTIONS.get(prefix)
    if has_key and known is _LOCAL:
        raise InputError(f"{spec}: api_key_env is for openai:NAME and PROVIDER:NAME.")
    extra = options.get("extra_body")
    inner: Iterable[str] = extra if isinstance(extra, Mapping) else ()
    for name in (*options, *inner):
        if name in _SET_BY_RUN:
            raise InputError(f"{spec}: {name} is no option of a role, since the run sets it for every call.")
    for name in options:
        if known is not None and name not in known:
            more = "; whatever else a server takes belongs in extra_body" if "extra_body" in known else ""
            raise InputError(f"{spec}: there is no option {name}; there are {', '.join(known)}{more}.")
