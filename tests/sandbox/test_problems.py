"""Problems in the formats of HumanEval and MBPP: the solution passes, and a wrong one fails."""

import pytest

from critique_graph.core.errors import InputError
from critique_graph.sandbox.problems import HumanEvalProblem, MBPPProblem, code_problem
from critique_graph.sandbox.records import Program
from critique_graph.sandbox.run import run_python

ROOT = {
    "task_id": "HumanEval/900",
    "prompt": '''import math


def value(coefficients: list, x: float) -> float:
    """Value of a polynomial."""
    return sum(c * math.pow(x, i) for i, c in enumerate(coefficients))


def root(coefficients: list) -> float:
    """Find x such that value(coefficients, x) = 0, for two coefficients.
    >>> root([1.0, 2.0])
    -0.5
    """
''',
    "entry_point": "root",
    "canonical_solution": "    return -coefficients[0] / coefficients[1]\n",
    "test": """
METADATA = {"author": "us"}

def check(candidate):
    import random
    generator = random.Random(42)
    for _ in range(20):
        line = [generator.randint(-10, 10), generator.randint(1, 9)]
        assert math.fabs(value(line, candidate(line))) < 1e-4
""",
}


def human_eval(head: str, body: str, tests: str) -> dict[str, object]:
    name = head.removeprefix("def ").partition("(")[0]
    return {
        "task_id": f"HumanEval/{name}",
        "prompt": f'from typing import List\n\n\n{head}\n    """Do what the name says."""\n',
        "entry_point": name,
        "canonical_solution": body,
        "test": "def check(candidate):\n" + "".join(f"    {line}\n" for line in tests.splitlines()),
    }


def mbpp(code: str, tests: list[str], **fields: object) -> dict[str, object]:
    return {
        "task_id": 7,
        "text": "Write a function.",
        "code": code,
        "test_list": tests,
        "test_setup_code": "",
        **fields,
    }


NODE = "class Node:\r\n    def __init__(self, x):\r\n        self.x, self.left = x, None\r\n"
ROWS = {
    "helper and imports of the prompt": (ROOT, "def root(coefficients): return 0.25"),
    "list": (
        human_eval(
            "def evens(n: List[int]):", "    return [x for x in n if x % 2 == 0]\n", "assert candidate([1, 2]) == [2]"
        ),
        "def evens(n): return n",
    ),
    "words": (
        human_eval(
            "def longest(w):", "    return max(w, key=len)\n", "assert candidate(['a', 'bb']) == 'bb', 'longest'"
        ),
        "def longest(w): return w[0]",
    ),
    "truth": (
        human_eval("def is_even(n):", "    return n % 2 == 0\n", "assert candidate(4)\nassert not candidate(3)"),
        "def is_even(n): return True",
    ),
    "expected exception": (
        human_eval(
            "def root_of(n):",
            "    if n < 0:\n        raise ValueError('negative')\n    return n**0.5\n",
            "try:\n    candidate(-1)\n    assert False\nexcept ValueError:\n    pass\nassert candidate(4) == 2",
        ),
        "def root_of(n): return abs(n) ** 0.5",
    ),
    "nothing": (
        human_eval("def first(n):", "    return n[0] if n else None\n", "assert candidate([]) is None"),
        "def first(n): return 0",
    ),
    "tuple": (
        mbpp("def swap(p):\r\n    return p[1], p[0]", ["assert swap((1, 2)) == (2, 1)"]),
        "def swap(p): return [p[1], p[0]]",
    ),
    "name of a built-in function": (
        mbpp("def sum(a, b):\n    return a + b", ["assert sum(1, 2) == 3"]),
        "def add(a, b): return a + b",
    ),
    "set of what it gives": (
        mbpp("def common(a, b):\n    return tuple(set(a) & set(b))", ["assert set(common((1, 2), (2, 3))) == {2}"]),
        "def common(a, b): return ()",
    ),
    "objects of its classes": (
        mbpp(
            NODE + "def depth(node):\r\n    return 1 + depth(node.left) if node else 0",
            ["assert depth(root) == 3"],
            test_setup_code="root = Node(1) \r\nroot.left = Node(2) \r\nroot.left.left = Node(3)",
        ),
        NODE + "def depth(node): return 2",
    ),
    "sanitized, with imports": (
        {
            "task_id": 8,
            "source_file": "Benchmark Questions Verification V2.ipynb",
            "prompt": "Write a function to find the area of a circle.",
            "code": "import math\ndef area(r):\n  return math.pi * r**2",
            "test_imports": ["import math"],
            "test_list": ["assert math.isclose(area(1), 3.14159, rel_tol=0.001)"],
        },
        "def area(r): return 2 * r",
    ),
    "imports of the solution": (
        mbpp("import sys\ndef size(a):\n    return sys.getsizeof(a)", ["assert size('a') == sys.getsizeof('a')"]),
        "def size(a): return len(a)",
    ),
    "several tests": (
        mbpp("def cube(n):\n    return n**3", ["assert cube(1) == 1", "assert cube(2) == 8", "assert cube(-1) == -1"]),
        "def cube(n): return abs(n) ** 3",
    ),
}


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("name", ROWS)
def test_solution_passes_and_a_wrong_program_fails(name: str) -> None:
    row, wrong = ROWS[name]
    problem = code_problem(row)

    assert run_python(problem.program(problem.solution)).status == "passed"
    assert run_python(problem.program(wrong)).status == "failed"


def test_whole_function_of_a_response_replaces_the_head() -> None:
    response = "```python\nfrom __future__ import annotations\n\ndef root(coefficients):\n    return 0\n```"

    assert code_problem(ROOT).read(response) == (
        "from __future__ import annotations\n\ndef root(coefficients):\n    return 0"
    )


def test_response_that_goes_on_from_the_head_is_completed_with_it() -> None:
    response = "    return -coefficients[0] / coefficients[1]\n\n\ndef check_it():\n    pass"

    read = code_problem(ROOT).read(response)

    assert read is not None
    assert read.startswith("def root(coefficients: list) -> float:\n")
    assert read.rstrip().endswith('"""\n    return -coefficients[0] / coefficients[1]')


def test_response_without_a_program_is_read_as_none() -> None:
    assert code_problem(ROOT).read("I do not know.") is None


def test_models_see_the_prompt_of_human_eval() -> None:
    problem = code_problem(ROOT)

    assert isinstance(problem, HumanEvalProblem)
    assert (problem.id, problem.question) == ("HumanEval/900", ROOT["prompt"])


def test_models_see_the_tests_of_mbpp() -> None:
    problem = code_problem(mbpp("def cube(n): return n**3", ["assert cube(1) == 1", "assert cube(2) == 8"]))

    assert isinstance(problem, MBPPProblem)
    assert problem.id == "7"
    assert problem.question == (
        "Write a function.\nYour code should pass these tests:\n\nassert cube(1) == 1\nassert cube(2) == 8"
    )
    assert problem.program("x") == Program(
        code="x", tests="\nassert cube(1) == 1\nassert cube(2) == 8", names=("cube",)
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"entry_point": "f", "task_id": 1}, "field 'prompt' of a problem in the format of HumanEval: field required"),
        (
            ROOT | {"entry_point": "f(x)"},
            "field 'entry_point' of a problem in the format of HumanEval: string should match",
        ),
        (mbpp("x", []), "field 'test_list' of a problem in the format of MBPP: tuple should have at least 1 item"),
        ({"question": "2 + 2?"}, "field 'task_id' of a problem in the format of MBPP: field required"),
    ],
)
def test_rows_of_another_form_are_refused(row: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        code_problem(row)
