r"""Worked solutions of data sets, in the form of a response: GSM8K's with `#### 24` at the end, MATH's with a box."""

import re

_CALCULATOR = re.compile(r"<<[^<>\n]*>>")
"""GSM8K's marks for a calculator: `48/2 = <<48/2=24>>24`."""
_GSM8K_ANSWER = re.compile(r"^####[ \t]*(\S[^\n]*?)\s*\Z", re.MULTILINE)


def worked_solution(text: str) -> str | None:
    """Give a solution without calculator marks, its `####` line as an answer line; None if it shows no work."""
    plain = _CALCULATOR.sub("", text).strip()
    answer = _GSM8K_ANSWER.search(plain)
    if answer is None:
        return plain or None
    work = plain[: answer.start()].rstrip()
    return f"{work}\nThe answer is \\boxed{{{answer[1]}}}." if work else None


def has_worked_solution(text: str) -> bool:
    """Tell whether a reference answer is a solution that ends in the answer, by the marks of such texts."""
    return "\\boxed" in text or _GSM8K_ANSWER.search(text.rstrip()) is not None
