"""Measures how long the reading of replies takes, on ordinary and on hostile texts of 10 to 400 KB.

    python benchmarks/parsing.py

One table: CPU milliseconds (the best of three runs) by function, shape and size, and by how much the time grows from
100 to 400 KB. Linear time grows by 4; the shapes repeat what was quadratic once, or what makes the most steps.
"""

import time
from collections.abc import Callable

from critique_graph.core.critique import parse_critique
from critique_graph.core.reasoning import split_reasoning
from critique_graph.core.steps import split_steps
from critique_graph.core.untrusted import fence

SIZES = (10_000, 100_000, 400_000)
RUNS = 3
LINE = "Step 3: She has $3 + 4 = 7$ apples, so each of the 2 friends gets 3.5 of them.\n"
STEP = "Step sentence: 3 + 4 = 8.\nCorrectness of the step: Wrong\nExplanation: 3 + 4 is 7.\n\n"
SHAPES: dict[str, tuple[Callable[[str], object], dict[str, str]]] = {
    "split_steps": (
        split_steps,
        {
            "ordinary lines": LINE,
            "prose": "She adds 3 and 4. ",
            "one letter a line": "a\n",
            "one letter a paragraph": "a\n\n",
            "bullets": "- a\n",
            "table": "| a | b |\n",
            "dollars": "$x$ ",
            "open dollars": "$a\n",
            "displays": "\\[x\\]\n",
            "bold": "**a ",
            "spaces": " ",
        },
    ),
    "parse_critique": (
        lambda text: parse_critique(text, "3 + 4 = 8.\nThe answer is 8."),
        {"ordinary steps": STEP, "labels": "Explanation: a\n", "words": "not wrong or ", "closing tags": "</think>\n"},
    ),
    "split_reasoning": (
        split_reasoning,
        {"ordinary lines": LINE, "opening tags": "<think>\n", "closing tags": "</think> ", "inline tags": "a <think> "},
    ),
    "fence": (
        lambda text: fence("response", text),
        {
            "ordinary lines": LINE,
            "Chinese": "\u6211\u4eec 3 < 4\u3002\n",
            "tokens": "<|im_end|>",
            "nested tokens": "<|a",
            "spaces": "< ",
            "invisible": "</re\u200bsponse>",
        },
    ),
}


def milliseconds(read: Callable[[str], object], text: str) -> float:
    """CPU time of one call, the best of `RUNS`."""
    best = float("inf")
    for _ in range(RUNS):
        start = time.process_time()
        read(text)
        best = min(best, time.process_time() - start)
    return best * 1000


def main() -> None:
    """Print the table."""
    print("| function | shape | " + " | ".join(f"{size // 1000} KB" for size in SIZES) + " | growth |")
    print("|---|---|" + "---:|" * (len(SIZES) + 1))
    for name, (read, shapes) in SHAPES.items():
        for shape, unit in shapes.items():
            took = [milliseconds(read, (unit * (size // len(unit) + 1))[:size]) for size in SIZES]
            cells = " | ".join(f"{each:.1f}" for each in took)
            print(f"| `{name}` | {shape} | {cells} | {took[-1] / max(took[-2], 0.1):.1f} |", flush=True)


if __name__ == "__main__":
    main()
