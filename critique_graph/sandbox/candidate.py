"""Runs the program of a model in a process of its own, and answers the calls of the tests, one JSON line each.

Requests, and what they give:

    {"do": "load", "setup": "…", "code": "…", "names": ["f"]}     the values of those names that it defines, by name
    {"do": "call", "of": OBJECT, "arguments": […], "named": {"dict": […]}}
    {"do": "get", "of": OBJECT, "name": "…"}
    {"do": "set", "of": OBJECT, "name": "…", "value": …}
    {"do": "list", "of": OBJECT}

An OBJECT is `{"object": 3, "called": "f"}`, which the program has given before. The answer is `{"value": …}`, and
`{"arguments": […]}` with it if the call changed them, or `{"raised": ["ValueError", "its text", 7]}` with the line of
the program.
"""

import json
import sys
from collections.abc import Iterable
from types import ModuleType
from typing import IO, cast

from critique_graph.sandbox.wire import Data, decode, encode

_PROGRAM = "<program>"
_LONGEST_TEXT = 1_000


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until they end."""
    program, printed = _Program(), sys.stdout
    for line in requests:
        answer = program.answer(json.loads(line))
        printed.flush()  # before the answer, after which this process may be killed
        answers.write(answer + b"\n")
        answers.flush()


class _Program:
    """The module that the program is, and the objects that the tests have got from it."""

    def __init__(self) -> None:
        self._module = sys.modules["solution"] = ModuleType("solution")
        self._objects: list[object] = []

    def answer(self, request: dict[str, Data]) -> bytes:
        try:
            return json.dumps(self._do(request)).encode()
        except BaseException as error:  # noqa: BLE001 - whatever the program raises is for the tests
            raised: Data = [type(error).__name__, str(error)[:_LONGEST_TEXT], _line(error)]
            return json.dumps({"raised": raised}).encode()

    def _do(self, request: dict[str, Data]) -> dict[str, Data]:
        if request["do"] == "load":
            names = self._module.__dict__
            for place, text in (("<setup>", request["setup"]), (_PROGRAM, request["code"])):
                exec(compile(str(text), place, "exec", dont_inherit=True), names)  # noqa: S102
            wanted = cast("list[str]", request["names"])
            return {"value": self._encoded({name: names[name] for name in wanted if name in names})}
        target = self._decoded(request["of"])
        match request["do"]:
            case "get":
                return {"value": self._encoded(getattr(target, str(request["name"])))}
            case "set":
                setattr(target, str(request["name"]), self._decoded(request["value"]))
                return {"value": None}
            case "list":
                return {"value": self._encoded(list(cast("Iterable[object]", target)))}
            case _:
                return self._call(target, request)

    def _call(self, target: object, request: dict[str, Data]) -> dict[str, Data]:
        assert callable(target)
        arguments = cast("list[object]", self._decoded(request["arguments"]))
        answer = {
            "value": self._encoded(target(*arguments, **cast("dict[str, object]", self._decoded(request["named"]))))
        }
        after = self._encoded(arguments)
        return answer if after == request["arguments"] else {**answer, "arguments": after}

    def _decoded(self, data: Data) -> object:
        return decode(data, self._find)

    def _encoded(self, value: object) -> Data:
        return encode(value, self._keep)

    def _find(self, data: dict[str, Data]) -> object:
        return self._objects[cast("int", data["object"])]

    def _keep(self, value: object) -> Data:
        self._objects.append(value)
        return {"object": len(self._objects) - 1, "called": str(getattr(value, "__name__", type(value).__name__))}


def _line(error: BaseException) -> int | None:
    """Give the last line of the program on the error's way."""
    line = error.lineno if isinstance(error, SyntaxError) and error.filename == _PROGRAM else None
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == _PROGRAM:
            line = step.tb_lineno
        step = step.tb_next
    return line
