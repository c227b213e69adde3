"""Problems of Python with unit tests, in the formats of HumanEval (Chen et al. 2021) and MBPP (Austin et al. 2021)."""

import re
from collections.abc import Mapping

from pydantic import AliasChoices, Field, ValidationError

from critique_graph.core.errors import InputError
from critique_graph.core.schema import Record
from critique_graph.sandbox.code_text import as_body, defines, extract_code
from critique_graph.sandbox.records import Program

_IMPORT = re.compile(r"^(?:import|from) .+", re.MULTILINE)
_NAME = re.compile(r"(?<![.\w])[^\W\d]\w*")


class HumanEvalProblem(Record):
    """A function to complete; its tests are a function `check` that takes it."""

    id: str = Field(validation_alias="task_id", coerce_numbers_to_str=True)
    prompt: str
    """Imports, helpers, and the head of the function with its docstring."""
    entry_point: str = Field(pattern=r"^[^\W\d]\w*$")
    canonical_solution: str
    """The body of the function."""
    test: str

    @property
    def question(self) -> str:
        """What the model is shown."""
        return self.prompt

    @property
    def solution(self) -> str:
        """The program that passes."""
        return self._completed(self.canonical_solution)

    def read(self, response: str) -> str | None:
        """Give the program of a response, with the whole function or with its body; None without code."""
        code = extract_code(response, [self.entry_point])
        return code if code is None or defines(code, [self.entry_point]) else self._completed(as_body(code))

    def program(self, code: str) -> Program:
        """Give a program with the tests of this problem."""
        tests = f"{self.test}\n\ncheck({self.entry_point})\n"
        return Program(setup=self._parts()[0], code=code, tests=tests, names=(self.entry_point,))

    def _completed(self, body: str) -> str:
        return f"{self._parts()[1].rstrip()}\n{body}"

    def _parts(self) -> tuple[str, str]:
        """Give what stands before the function, and its head."""
        heads = list(re.finditer(rf"^(?:async +)?def +{self.entry_point}\b", self.prompt, re.MULTILINE))
        start = heads[-1].start() if heads else len(self.prompt)
        return self.prompt[:start], self.prompt[start:]


class MBPPProblem(Record):
    """A task in words, with assertions; in the form of the whole set (`text`) or of the sanitized one (`prompt`)."""

    id: str = Field(validation_alias="task_id", coerce_numbers_to_str=True)
    text: str = Field(validation_alias=AliasChoices("text", "prompt"))
    code: str
    test_list: tuple[str, ...] = Field(min_length=1)
    test_setup_code: str = ""
    test_imports: tuple[str, ...] = ()

    @property
    def question(self) -> str:
        """What the model is shown: the task and, as the authors do, the tests, which name the function."""
        return "\n".join([self.text.strip(), "Your code should pass these tests:", "", *self.test_list])

    @property
    def solution(self) -> str:
        """The program that passes."""
        return self.code

    def read(self, response: str) -> str | None:
        """Give the program of a response; None without code."""
        return extract_code(response, self._names())

    def program(self, code: str) -> Program:
        """Give a program with the tests of this problem, which may also use what its solution imports."""
        tests = [*_IMPORT.findall(self.code), *self.test_imports, self.test_setup_code, *self.test_list]
        return Program(code=code, tests="\n".join(tests), names=self._names())

    def _names(self) -> tuple[str, ...]:
        """Give the names in the tests that the solution defines."""
        used = dict.fromkeys(_NAME.findall("\n".join([self.test_setup_code, *self.test_list])))
        return tuple(name for name in used if defines(self.code, [name]))


CodeProblem = HumanEvalProblem | MBPPProblem


def code_problem(fields: Mapping[str, object]) -> CodeProblem:
    """Read one row of a problem file, in either format.

    Raises:
        InputError: A field is missing, or is not what the format says.
    """
    form = HumanEvalProblem if "entry_point" in fields else MBPPProblem
    try:
        return form.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        name = "HumanEval" if form is HumanEvalProblem else "MBPP"
        raise InputError(f"field {place!r} of a problem in the format of {name}: {first['msg'].lower()}.") from error
