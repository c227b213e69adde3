"""Which problems a shard has."""

import pytest
from hashed_model import addition_problems

from critique_graph.core.errors import InputError
from critique_graph.problems.problem_set import ProblemSet
from critique_graph.problems.shard import Shard


@pytest.mark.parametrize(("problems", "count"), [(10, 1), (10, 3), (3, 3), (2, 3)])
def test_shards_have_every_problem_once_at_its_place(problems: int, count: int):
    whole = addition_problems(problems)
    found = {}
    for index in range(1, count + 1):
        shard = Shard(index, count)
        part = shard.part_of(ProblemSet.of(whole))
        own = list(part.read())
        assert part.total == len(own)
        found |= {shard.place(number): problem for number, problem in enumerate(own)}

    assert [found[place] for place in sorted(found)] == whole
    assert sorted(found) == list(range(problems))


def test_shard_of_a_set_of_unknown_size_has_an_unknown_size():
    part = Shard(2, 3).part_of(ProblemSet(lambda: addition_problems(6), None))

    assert part.total is None
    assert [problem.id for problem in part.read()] == ["p1", "p4"]


def test_shard_is_read_as_it_is_written():
    assert Shard.read("12/64") == Shard(12, 64)
    assert str(Shard(12, 64)) == "12/64"


@pytest.mark.parametrize("text", ["", "2", "0/3", "4/3", "-1/3", "1/0", "1/3/3", "a/b", "1 / 3", "01/3", "¹/3"])
def test_text_that_is_no_shard_is_refused_as_it_was_given(text: str):
    with pytest.raises(InputError, match="expected I/N such as 2/8, with I from 1 to N") as refused:
        Shard.read(text)
    assert repr(text) in str(refused.value)
