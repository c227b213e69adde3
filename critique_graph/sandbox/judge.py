"""Runs the tests of a problem in a process of their own; calls of the program go to the process of the program.

The tests compare plain data, here, with expected values that the program's process never gets. So whatever the program
does to its own process (exits, changed builtins, frames, descriptors), it can only give an answer or give none.
"""

import ast
import builtins
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Literal, TypedDict, cast

from critique_graph.sandbox.wire import Data, decode, encode

_TESTS = "<tests>"
_LONGEST_ANSWER = 1 << 24
"""Number of bytes of an answer of the program that are read."""
_LONGEST_TEXT = 2_000
_ENDS_LOOPS = (StopIteration, StopAsyncIteration)
"""Raised in a test, they could end one of its loops early, and the rest of it would count as passed."""


class Verdict(TypedDict):
    """What the tests say of the program."""

    status: Literal["passed", "failed", "forbidden", "out_of_memory", "unusable", "lost"]
    """`lost`: the process of the program ended before the tests did; how it ended says more."""
    detail: str


class _LostError(BaseException):
    """The program's process has ended, or wrote what is no answer. Tests that catch `Exception` do not catch this."""


class _UnusableError(BaseException):
    """The tests do what they cannot do here."""


class _RaisedError(Exception):
    """The program raised an exception that is not one of Python's own."""


class _Remote:
    """Stands for an object of the program, of which calls and attributes are asked for; it cannot be compared."""

    _remote_link: "_Link"
    _remote_data: dict[str, Data]

    def __init__(self, link: "_Link", data: dict[str, Data]) -> None:
        object.__setattr__(self, "_remote_link", link)
        object.__setattr__(self, "_remote_data", data)

    def __call__(self, *arguments: object, **named: object) -> object:
        return self._remote_link.call(self, arguments, named)

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._remote_link.ask(do="get", of=self._remote_data, name=name)

    def __setattr__(self, name: str, value: object) -> None:
        self._remote_link.ask(do="set", of=self._remote_data, name=name, value=self._remote_link.encoded(value))

    def __iter__(self) -> Iterator[object]:
        return iter(cast("list[object]", self._remote_link.ask(do="list", of=self._remote_data)))

    def __eq__(self, other: object) -> bool:
        raise TypeError(f"the program gave {self!r}, which is no plain data, and cannot be compared")

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return str(self._remote_data.get("called"))


class _Link:
    """The pipes to the process of the program."""

    def __init__(self, requests: IO[bytes], answers: IO[bytes]) -> None:
        self._requests, self._answers = requests, answers
        self.is_lost = False
        self.last_call: tuple[_Remote, tuple[object, ...], object] | None = None
        self.raised: Exception | None = None
        """The exception that the program raised last."""
        self.raised_text = ""

    def call(self, target: _Remote, arguments: tuple[object, ...], named: dict[str, object]) -> object:
        self.last_call = None
        encoded = [self.encoded(argument) for argument in arguments]
        answer = self._exchange(do="call", of=target._remote_data, arguments=encoded, named=self.encoded(named))
        for given, changed in zip(arguments, cast("list[Data]", answer.get("arguments", [])), strict=False):
            _change(given, self._decoded(changed))
        value = self._decoded(answer["value"])
        self.last_call = target, arguments, value
        return value

    def ask(self, **request: Data) -> object:
        """Give the value of the answer to a request, or raise what the program raised."""
        return self._decoded(self._exchange(**request)["value"])

    def encoded(self, value: object) -> Data:
        return encode(value, self._keep)

    def _decoded(self, data: Data) -> object:
        return decode(data, lambda found: _Remote(self, found))

    def _keep(self, value: object) -> Data:
        if isinstance(value, _Remote):
            return value._remote_data
        raise _UnusableError(f"they give the program {type(value).__name__} objects, and can only give plain data")

    def _exchange(self, **request: Data) -> dict[str, Data]:
        try:
            self._requests.write(json.dumps(request).encode() + b"\n")
            self._requests.flush()
            line = self._answers.readline(_LONGEST_ANSWER)
            answer = json.loads(line)
            if "raised" not in answer:
                return {"value": answer["value"], **answer}
            name, text, number = answer["raised"]
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            self.is_lost = True
            raise _LostError from error
        self.raised = _exception(str(name), str(text))
        self.raised_text = f"{name}: {text}" if text else str(name)
        if number:
            self.raised_text += f", in line {number} of the program"
        raise self.raised


def judge(  # the fields of a `Program`, and the pipes to the process that runs it
    *, tests: str, setup: str, code: str, names: list[Data], requests: IO[bytes], answers: IO[bytes]
) -> Verdict:
    """Run the tests on the program, whose process reads `requests` and writes `answers`."""
    link = _Link(requests, answers)
    try:
        namespace: dict[str, object] = {"__name__": "tests"}
        tree = _prepared(tests, setup, namespace)
        defined = cast("dict[str, object]", link.ask(do="load", setup=setup, code=code, names=names))
        namespace |= {name: defined[name] for name in map(str, names) if name in defined}  # no other, whatever it sends
        exec(compile(tree, _TESTS, "exec", dont_inherit=True), namespace)  # noqa: S102
    except _UnusableError as error:
        return Verdict(status="unusable", detail=f"The tests cannot be run: {error}"[:_LONGEST_TEXT])
    except BaseException as error:  # noqa: BLE001 - whatever the tests raise, they have not passed
        if not link.is_lost:
            return _failed(tests, tree, error, link)
    if link.is_lost:  # also where the tests themselves have caught the error
        return Verdict(status="lost", detail="")
    return Verdict(status="passed", detail="")


def _prepared(tests: str, setup: str, namespace: dict[str, object]) -> ast.Module:
    try:
        exec(compile(setup, "<setup>", "exec", dont_inherit=True), namespace)  # noqa: S102
        return ast.parse(tests, _TESTS)
    except Exception as error:
        raise _UnusableError(f"{type(error).__name__}: {error}") from error


def _exception(name: str, text: str) -> Exception:
    """Give the exception of Python with this name, so that tests can expect it."""
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, _ENDS_LOOPS):
        with suppress(TypeError):  # a few take other arguments than a text
            return kind(text)
    return _RaisedError(f"{name}: {text}")


def _change(given: object, changed: object) -> None:
    """Give an argument the contents that the program has left in its copy."""
    if isinstance(given, list) and isinstance(changed, list):
        given[:] = changed
    elif isinstance(given, dict | set) and isinstance(changed, type(given)):
        given.clear()
        given.update(changed)


def _failed(tests: str, tree: ast.Module, error: BaseException, link: _Link) -> Verdict:
    statement = _statement(tests, tree, error)
    if error is link.raised:
        detail = f"{statement}: {link.raised_text}"
    elif isinstance(error, AssertionError):
        detail = statement if str(error) in statement else f"{statement}: {error}"
        if link.last_call is not None:
            target, arguments, value = link.last_call
            detail += f"; {target!r}({', '.join(map(_shown, arguments))}) gave {_shown(value)}"
    else:
        detail = f"{statement}: {type(error).__name__}: {error}"
    status: Literal["failed", "forbidden", "out_of_memory"] = "failed"
    if isinstance(error, MemoryError):
        status = "out_of_memory"
    elif isinstance(error, PermissionError):
        status = "forbidden"
    return Verdict(status=status, detail=detail[:_LONGEST_TEXT])


def _shown(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # Python writes no integer of more than some thousand digits
        return "a number of too many digits"


def _statement(tests: str, tree: ast.Module, error: BaseException) -> str:
    """Give the text of the innermost statement of the tests that raised the error."""
    line, step = 0, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == _TESTS:
            line = step.tb_lineno
        step = step.tb_next
    within = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    if not within:
        return "before the tests"
    innermost = min(within, key=lambda node: (node.end_lineno or node.lineno) - node.lineno)
    return ast.get_source_segment(tests, innermost) or ""
