"""Programs in Python with unit tests: the answer is a program, which is correct if it passes the tests in the sandbox.

Rows are read as HumanEval and MBPP publish them (`sandbox/problems.py`). The reference of a problem is its tests, as
JSON. In votes, two programs are equal if they have the same tokens: comments, blank lines and the width of spaces make
no difference, names and texts do. The tests have no say in that, so a vote needs no reference.
"""

import asyncio
import io
import json
import re
import tokenize
from collections.abc import Mapping
from dataclasses import replace
from functools import cache, lru_cache

from pydantic import ValidationError

from critique_graph.core.errors import InputError
from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts
from critique_graph.core.schema import Grade
from critique_graph.grading.functions import FunctionGrader
from critique_graph.sandbox.code_text import extract_code
from critique_graph.sandbox.pool import PythonPool
from critique_graph.sandbox.problems import CodeProblem, code_problem
from critique_graph.sandbox.records import Execution, Program
from critique_graph.sandbox.run import require_sandbox
from critique_graph.tasks.task import BOXED_ENDING, Fields, Task, mentions_hints

PROGRAM_ENDING = """\
the whole program, with its imports, in this form:
The program is:
```python
PROGRAM
```"""
"""What the prompts ask for at the end of a response. The line before the program makes a step of both."""

_LONGEST_COMPARED = 20_000
"""Maximum number of characters of programs that are compared by their tokens; longer ones are compared as they are."""
_MOST_KNOWN = 4_096
"""Number of executions that are remembered."""
_LAYOUT = frozenset({tokenize.COMMENT, tokenize.NL, tokenize.ENCODING})
_WITHOUT_TEXT = frozenset({tokenize.INDENT, tokenize.DEDENT, tokenize.NEWLINE})
_TESTS = re.compile(
    r"\b(?:the|these|those|unit|hidden|given|provided|failing|first|second|third|last)\stests?\b|\btest\s?cases?\b",
    re.IGNORECASE,
)


def read_program(text: str) -> str | None:
    """Give the program of a response: its last block that defines a function or a class, else its last block.

    Without a block, it is what reads as a program; None if nothing does.
    """
    return extract_code(text, ())


def is_same_program(a: str | None, b: str | None) -> bool:
    """Tell whether two programs have the same tokens, comments left out. What Python cannot read equals only itself."""
    return a == b or (a is not None and b is not None and _tokens(a) == _tokens(b))


@lru_cache(maxsize=1024)  # every vote compares the program of a chain with several others
def _tokens(code: str) -> list[tuple[int, str]] | str:
    if len(code) > _LONGEST_COMPARED:
        return code
    try:
        return [
            (token.type, "" if token.type in _WITHOUT_TEXT else token.string)
            for token in tokenize.generate_tokens(io.StringIO(code).readline)
            if token.type not in _LAYOUT
        ]
    except (tokenize.TokenError, SyntaxError, ValueError):
        return code


def read_tests(text: str, fields: Fields) -> str:
    """Give the tests of a problem as JSON: of a row in a published format, or, without one, the text if it is that.

    Raises:
        ValueError: The row is in no such format, or the text holds no tests.
    """
    if fields:
        return _problem(fields).program("").model_dump_json(exclude={"code"})
    if _program("", text) is None:
        raise ValueError(
            f"the reference {text[:80]!r} is no tests in JSON, as `load_problems(FILE, task=...)` reads them"
        )
    return text


def _problem(fields: Fields) -> CodeProblem:
    try:
        return code_problem(fields)
    except InputError as error:
        raise ValueError(str(error).removesuffix(".")) from None


def _program(code: str, reference: str) -> Program | None:
    """Give a program with the tests of a reference; None if that holds none."""
    try:
        tests = json.loads(reference)
        return Program.model_validate({**tests, "code": code}) if isinstance(tests, Mapping) else None
    except (ValidationError, ValueError, RecursionError):
        return None


class _Tests:
    """Runs programs with their tests. A program that is graded again, as a vote's winner is, does not run again."""

    def __init__(self) -> None:
        self._known: dict[Program, Execution] = {}

    async def __call__(self, code: str, reference: str) -> Grade:
        program = _program(code, reference)
        if program is None:
            return Grade(outcome="ungraded", reason="unreadable_reference")
        execution = self._known.get(program)
        if execution is None:
            execution = await asyncio.wrap_future(_pool().submit(program))
            if len(self._known) == _MOST_KNOWN:
                self._known.clear()
            self._known[program] = execution
        return _grade(execution)


@cache
def _pool() -> PythonPool:
    return PythonPool()


def _grade(execution: Execution) -> Grade:
    reason = f"{execution.status}: {execution.detail}" if execution.detail else execution.status
    match execution.status:
        case "passed":
            return Grade(outcome="correct", reason=reason)
        case "unusable":
            return Grade(outcome="ungraded", reason=reason)
        case _:
            return Grade(outcome="incorrect", reason=reason)


def result_of_tests(grade: Grade) -> str:
    """Say how the tests of a program ended, for a critic that may know."""
    if grade.is_correct:
        return "The program of the response passes all tests."
    if grade.outcome == "ungraded":
        return "The program of the response could not be tested."
    if grade.reason == "no_answer":
        return "The response holds no program that could be tested."
    return f"The program of the response does not pass the tests. {grade.reason}"


def mentions_tests(critique: str) -> bool:
    """Tell whether a critique speaks of the tests that its annotator knew, or of hints."""
    return _TESTS.search(critique) is not None or mentions_hints(critique)


def _prompts() -> Prompts:
    """Give the default prompts, with a program in the place of the last line of responses, and hints about tests."""
    ending = f"a line of the form: {BOXED_ENDING}"
    changed = {
        name: {"ask": getattr(DEFAULT_PROMPTS, name).ask.replace(ending, PROGRAM_ENDING)}
        for name in ("solve", "refine", "smooth")
    }
    hints = {
        "reference": "The program has to pass these tests: {{reference}}",
        "right": "The program of the response passes them.",
        "wrong": "The program of the response does not pass them.",
    }
    return Prompts.model_validate({**changed, "annotate": {"hints": hints}})


CODE = Task(
    name="code",
    grader=FunctionGrader(read=read_program, is_correct=_Tests(), is_same=is_same_program),
    prompts=_prompts(),
    question=lambda _, fields: _problem(fields).question.strip(),
    reference=read_tests,
    has_own_fields=True,
    leaks=mentions_tests,
    answer_begins="",
    is_arithmetic=False,
    require=require_sandbox,
)
"""Programs with unit tests, which run in the sandbox."""
CODE_SEEN_TESTS = replace(CODE, name="code-seen-tests", evidence=result_of_tests)
"""As `code`, but the critic is told how the tests ended, which no critic knows where there are no tests."""
CODE_TASKS = frozenset({CODE.name, CODE_SEEN_TESTS.name})
