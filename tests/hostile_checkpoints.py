"""Values of LangGraph's checkpoints that want to run code where they are read: the code creates the file `canary`."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import ormsgpack

SINGLE, POSITIONAL, KEYWORDS, METHOD, PYDANTIC_1, PYDANTIC_2, NUMPY, DELTA = range(8)

Blob = tuple[str, bytes]


class Touch:
    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> tuple[Callable[..., None], tuple[Path]]:
        return Path.touch, (self._canary,)


def packed(code: int, *parts: object) -> Blob:
    inner = ormsgpack.packb(parts)
    return "msgpack", ormsgpack.packb(ormsgpack.Ext(code, inner))


def nested(code: int, *parts: object) -> Blob:
    """The same deep inside an ordinary value."""
    inner = ormsgpack.Ext(code, ormsgpack.packb(parts))
    return "msgpack", ormsgpack.packb({"chains": [{"rounds": [inner]}], "question": [inner, {"deeper": inner}]})


def constructor(*name: str, **arguments: object) -> Blob:
    value = {"lc": 2, "type": "constructor", "id": [*name], "kwargs": arguments}
    return "json", json.dumps(value).encode()


KINDS: dict[str, Callable[[str], Blob]] = {
    "function with one argument": lambda canary: packed(SINGLE, "os", "system", f"touch {canary}"),
    "function with arguments": lambda canary: packed(POSITIONAL, "subprocess", "call", [["touch", canary]]),
    "function with keywords": lambda canary: packed(KEYWORDS, "subprocess", "call", {"args": ["touch", canary]}),
    "method": lambda canary: packed(METHOD, "pathlib", "Path", canary, "touch"),
    "pydantic 1": lambda canary: packed(PYDANTIC_1, "subprocess", "call", {"args": ["touch", canary]}),
    "pydantic 2": lambda canary: packed(PYDANTIC_2, "subprocess", "call", {"args": ["touch", canary]}, "construct"),
    "builtin": lambda canary: packed(SINGLE, "builtins", "exec", f"open({canary!r}, 'w').close()"),
    "deep inside": lambda canary: nested(SINGLE, "os", "system", f"touch {canary}"),
    "snapshot": lambda canary: (
        "msgpack",
        ormsgpack.packb(ormsgpack.Ext(DELTA, nested(0, "os", "system", f"touch {canary}")[1])),
    ),
    "pickle": lambda canary: ("pickle", pickle.dumps(Touch(Path(canary)))),
    "JSON constructor": lambda canary: constructor("subprocess", "call", args=["touch", canary]),
    "unknown type": lambda canary: ("dill", pickle.dumps(Touch(Path(canary)))),
}
LIVE = [kind for kind in KINDS if kind not in ("method", "pickle", "JSON constructor", "unknown type")]
"""Kinds that LangGraph's serializer calls by default."""
