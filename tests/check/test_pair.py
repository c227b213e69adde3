"""Whether a pair of models is fit for the method, from a few problems."""

from pathlib import Path
from typing import Any

import pytest
from fakes import ScriptedModel, critique_text, reply, solution

from critique_graph.check.pair import Check, check_pair
from critique_graph.core.schema import Problem

PROBLEMS = [Problem(id=f"p{n}", question=f"What is 3 + {n}?", answer=str(3 + n)) for n in range(4)]
STEPS = ("3 + 4 = 7.",)


class Pair(ScriptedModel):
    """Solves every problem by 7, criticises by `critique`, refines by `refinement`."""

    critique: Any = ""
    refinement: str = solution(7)

    def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        last = messages[-1].text
        is_refinement, is_critique = "critic has checked" in last, "Correctness of the" in last
        text = self.refinement if is_refinement else self.critique if is_critique else solution(7)
        self.answer = lambda _: text
        return super()._generate(messages, *args, **kwargs)


def checked(**given: Any) -> Check:
    return check_pair(PROBLEMS, actor=Pair(**given))


APPROVES = critique_text("Correct", (STEPS[0], "Correct"), ("The answer is \\boxed{7}.", "Correct"))
CONDEMNS = critique_text("Wrong", (STEPS[0], "Wrong"), ("The answer is \\boxed{7}.", "Wrong"))


def test_figures_of_a_pair_that_approves_of_everything() -> None:
    found = checked(critique=APPROVES)
    assert (found.done, found.calls) == (4, 12)
    assert (found.readable.value, found.readable.n) == (1.0, 4)
    assert (found.aligned.value, found.aligned.n) == (1.0, 8)
    assert (found.says_wrong_on_wrong.value, found.says_wrong_on_wrong.n) == (0.0, 4)
    assert (found.says_wrong_on_right.value, found.says_wrong_on_right.n) == (None, 0)
    assert (found.continues_prefix, found.structured) == (False, False)
    assert any("no wrong response wrong" in advice for advice in found.advice)


def test_critic_that_says_wrong_gets_no_such_advice() -> None:
    found = checked(critique=CONDEMNS)
    assert found.says_wrong_on_wrong.value == 1.0
    assert not any("no wrong response" in advice for advice in found.advice)


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ({"critique": "Looks fine to me."}, "cannot be read"),
        (
            {"critique": reply("Step", finish_reason="length")},
            "4 of 4 critiques are cut off: raise --critic",
        ),
        ({"critique": CONDEMNS, "refinement": "The answer is \\boxed{7}."}, "give an answer alone"),
        ({"critique": CONDEMNS}, "continues no text that was begun"),
    ],
)
def test_advice_names_what_is_wrong(given: dict[str, Any], advice: str) -> None:
    assert any(advice in sentence for sentence in checked(**given).advice)


def test_run_is_kept_where_a_folder_is_named(tmp_path: Path) -> None:
    found = check_pair(PROBLEMS, out=tmp_path / "kept", actor=Pair(critique=APPROVES))
    assert found.run == str(tmp_path / "kept")
    assert (tmp_path / "kept" / "traces.jsonl").is_file()
