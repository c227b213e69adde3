from collections import Counter

import pytest
from langchain_core.messages import HumanMessage

from critique_graph.core.errors import InputError
from critique_graph.trainers.candidates import Candidate
from critique_graph.trainers.rows import row
from critique_graph.trainers.selection import select


def candidate(name: str, *, problem: str = "", level: int = 1, is_correct: bool = True) -> Candidate:
    return Candidate(row([HumanMessage(name)], "done"), problem or name, level, is_correct)


def names(candidates: list[Candidate], **rule: object) -> list[str]:
    return [row["prompt"][0]["content"] for row in select(candidates, **rule).rows]


def test_copies_and_rows_of_a_problem_beyond_its_share_are_left_out() -> None:
    made = [candidate(name, problem="p") for name in "aabcd"] + [candidate("e")]
    assert names(made, per_problem=3) == ["a", "b", "c", "e"]
    assert select(made, per_problem=3).dropped == {"duplicate": 1, "enough of the problem": 1}


@pytest.mark.parametrize(("balance", "expected"), [("verdict", {True: 3, False: 3}), ("none", {True: 9, False: 3})])
def test_verdicts_can_be_balanced(balance: str, expected: dict[bool, int]) -> None:
    made = [candidate(f"{n}", is_correct=n % 4 != 0) for n in range(12)]
    chosen = names(made, balance=balance)
    assert Counter(int(name) % 4 != 0 for name in chosen) == expected
    assert chosen == sorted(chosen, key=int)


def test_levels_can_be_balanced_and_the_seed_draws() -> None:
    made = [candidate(f"{n}", level=min(n, 2)) for n in range(30)]
    assert len(names(made, balance="level")) == 3
    assert names(made, balance="level", seed=1) == names(made, balance="level", seed=1)
    assert len({names(made, balance="level", seed=seed)[-1] for seed in range(9)}) > 1
    assert select(made, balance="level").dropped == {"out of balance": 27}


def test_nothing_to_learn_says_why() -> None:
    with pytest.raises(InputError, match="of 0 rows of this task, none were there to begin with"):
        select([])
