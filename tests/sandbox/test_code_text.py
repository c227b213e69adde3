"""Programs in what models write: the forms are those of real replies."""

import pytest

from critique_graph.sandbox.code_text import as_body, extract_code

ADD = "def add(a, b):\n    return a + b"
WRONG = "def add(a, b):\n    return a - b"

RESPONSES = {
    "fence": (f"Here is the function:\n\n```python\n{ADD}\n```\n\nIt adds two numbers.", ADD),
    "fence without a language": (f"```\n{ADD}\n```", ADD),
    "fence with other capitals": (f"```Python\n{ADD}\n```", ADD),
    "fence with attributes": (f'```python title="add.py"\n{ADD}\n```', ADD),
    "fence of four marks around one of three": (f"````python\n{ADD}\n'''\n```\n'''\n````", f"{ADD}\n'''\n```\n'''"),
    "tildes": (f"~~~python\n{ADD}\n~~~", ADD),
    "fence in a list": (f"1. The code:\n   ```python\n   {ADD.replace(chr(10), chr(10) + '   ')}\n   ```", ADD),
    "fence never closed": (f"```python\n{ADD}", ADD),
    "fence that the prompt opened": (f"{ADD}\n```\n\nThis works because of addition.", ADD),
    "body in a fence that the prompt opened": ("    return a + b\n```\nDone.", "    return a + b"),
    "windows line ends": (f"```python\r\n{ADD}\r\n```".replace("\n    ", "\r\n    "), ADD),
    "usage after the solution": (f"```python\n{ADD}\n```\nUsage:\n```python\nprint(add(1, 2))\n```", ADD),
    "corrected solution": (f"```python\n{WRONG}\n```\nWait, that is wrong.\n```python\n{ADD}\n```", ADD),
    "shell and output beside it": (f"```bash\npip install x\n```\n```python\n{ADD}\n```\n```text\n3\n```", ADD),
    "output without a language after it": (f"```python\n{ADD}\n```\nOutput:\n```\n3\n```", ADD),
    "no block defines it": ("```python\nx = 1\n```\n```python\ny = 2\n```", "y = 2"),
    "another language": ("```javascript\nconst add = (a, b) => a + b;\n```", None),
    "tags": (f"[PYTHON]\n{ADD}\n[/PYTHON]\n[TESTS]\nassert add(1, 2) == 3\n[/TESTS]", f"\n{ADD}\n"),
    "tags of the few-shot prompt": (f"[BEGIN]\n{ADD}\n[DONE]\n\nYou are an expert", f"\n{ADD}\n"),
    "bare": (ADD, ADD),
    "bare, after a sentence": (f"Here is my solution:\n\n{ADD}", ADD),
    "bare, before sentences": (f"{ADD}\n\nThe function adds a and b.\n- It is fast.", ADD),
    "bare, before a heading": (f"{ADD}\n\nExplanation:\nIt adds.", ADD),
    "bare, with imports and a comment": (
        f"import math\n# for numbers\nfrom typing import List\n\n{ADD}",
        f"import math\n# for numbers\nfrom typing import List\n\n{ADD}",
    ),
    "bare, with statements after it": (
        f"{ADD}\n\nif True:\n    x = 1\nelse:\n    y()",
        f"{ADD}\n\nif True:\n    x = 1\nelse:\n    y()",
    ),
    "decorated": (f"@cache\n{ADD}", f"@cache\n{ADD}"),
    "asynchronous": ("async def add(a, b):\n    return a", "async def add(a, b):\n    return a"),
    "end of text": (f"{ADD}<|endoftext|>def other(): pass", ADD),
    "end of turn in a fence": (f"```python\n{ADD}\n```<|im_end|>", ADD),
    "body": ("    total = a + b\n    return total", "    total = a + b\n    return total"),
    "prose": ("I cannot solve this problem.", None),
    "prose that mentions Python": ("You should define a class for that, import nothing, and return it.", None),
    "nothing": ("", None),
    "empty fence": ("```python\n```", None),
}


@pytest.mark.parametrize("form", RESPONSES)
def test_program_is_found(form: str) -> None:
    response, code = RESPONSES[form]

    assert extract_code(response, ["add"]) == code


@pytest.mark.parametrize(
    ("code", "body"),
    [
        ("    return a", "    return a"),
        ("return a", "    return a"),
        ("x = a\nreturn x", "    x = a\n    return x"),
        ("for x in a:\n    b += x\nreturn b", "    for x in a:\n        b += x\n    return b"),
        ("x = a\n    return x", "    x = a\n    return x"),
        ("for x in a:\n        b += x\n    return b", "    for x in a:\n        b += x\n    return b"),
        ("    return a\n\n\ndef other():\n    pass", "    return a\n\n"),
        ("    return a\n\n# Test\nprint(f(1))", "    return a\n\n# Test"),
        ("    return (\n        a\n)\nprint(1)", "    return (\n        a\n)"),
        ("\treturn a", "    return a"),
        ("\n\n    return a\n", "    return a"),
    ],
    ids=[
        *("indented", "one line", "lines", "block", "first line stripped", "first line of a block stripped"),
        *("another function after it", "calls after it", "closing bracket", "tab", "blank lines"),
    ],
)
def test_body_is_indented_and_ends_with_the_function(code: str, body: str) -> None:
    assert as_body(code) == body


@pytest.mark.parametrize(
    "text", ["`" * 100_000, "```\n" * 50_000, "[BEGIN]" * 20_000, "a." * 100_000, " " * 200_000 + "x"]
)
def test_hostile_texts_are_read_in_linear_time(text: str) -> None:
    extract_code(text, ["add"])
