"""The best responses of a pool are refined, and every refinement joins the pool: the loop with `refine_best`."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import ScriptedModel, critique_text, solution

from critique_graph import Context, Problem, create_actor_critic, read_traces, run_problems
from critique_graph.cli import run_command
from critique_graph.core.schema import Chain, Trace
from critique_graph.trainers.candidates import judged_responses

QUESTION = "Ann has 3 apples and buys 4 more. How many apples has she?"
RIGHT, WRONG = critique_text("Correct"), critique_text("Wrong")


def objection(why: str, *, step: str = "3 + 4 = 7.") -> str:
    return critique_text("Wrong", (step, "Wrong")).replace("because.", f"{why}.", 1)


def answer_of(text: str) -> int:
    return int(re.findall(r"boxed\{(\d+)\}", text)[-1])


def play(
    samples: list[int], judge: Callable[[int], list[str]], refine: Callable[[int, str], int], **settings: Any
) -> tuple[dict[str, Any], ScriptedModel]:
    """Play a pool: the actor's samples, the critiques of a response by its answer, its refinement under a critique."""
    first, asked = iter(samples), dict[int, int]()

    def act(messages: Any) -> str:
        if len(messages) == 1:
            return solution(next(first))
        return solution(refine(answer_of(messages[1].text), messages[-1].text))

    def criticise(messages: Any) -> str:
        answer = answer_of(messages[-1].text)
        asked[answer] = asked.get(answer, -1) + 1
        critiques = judge(answer)
        return critiques[asked[answer] % len(critiques)]

    actor = ScriptedModel(answer=act)
    settings = {"samples": len(samples), "temperature": 1.0, "critic_temperature": 1.0, **settings}
    graph = create_actor_critic(actor, ScriptedModel(answer=criticise), **settings).compile()
    return asyncio.run(graph.ainvoke({"question": QUESTION, "reference": "7"})), actor


def lineage(result: dict[str, Any]) -> list[tuple[int, int | None, int | None, str | None]]:
    return [
        (chain["index"], chain.get("parent"), chain.get("told"), chain["response"]["answer"])
        for chain in result["chains"]
    ]


def by_approval(answer: int) -> list[str]:
    """Four critiques, of which as many approve as the answer says; 7 is approved of by all."""
    approving = 4 if answer == 7 else answer
    return [RIGHT] * approving + [objection(f"reason {n}") for n in range(4 - approving)]


def test_best_responses_are_refined_and_join_the_pool():
    result, actor = play(
        [0, 2, 1], by_approval, lambda answer, told: answer + 5, critiques=4, agree="any_wrong", refine_best=2
    )

    assert lineage(result) == [
        (0, None, None, "0"),
        (1, None, None, "2"),
        (2, None, None, "1"),
        (3, 1, 0, "7"),
        (4, 2, 0, "6"),
    ]
    assert [chain["stop"] for chain in result["chains"]] == ["passed_over", "refined", "refined", "rounds", "rounds"]
    assert len(actor.prompts) == 3 + 2


def test_refinements_of_a_response_are_told_different_critiques():
    critiques = [
        objection("first"),
        objection("first"),
        objection("same step"),
        objection("another step", step="The answer is \\boxed{8}."),
    ]
    result, actor = play(
        [8],
        lambda answer: critiques,
        lambda answer, told: 10 + next(n for n, why in enumerate(("first", "same", "another")) if why in told),
        critiques=4,
        refine_best=1,
        refinements=4,
    )

    assert [entry[1:] for entry in lineage(result)[1:]] == [(0, 0, "10"), (0, 3, "12"), (0, 2, "11")]
    assert result["usage"]["actor"]["calls"] == len(actor.prompts) == 4


def test_passed_over_responses_may_be_refined_in_a_later_round():
    result, _ = play(
        [2, 3],
        lambda answer: by_approval(answer) if answer < 7 else [objection("no")] * 4,
        lambda answer, told: answer + 10,
        critiques=4,
        agree="any_wrong",
        refine_best=1,
        rounds=2,
    )

    assert [entry[:2] for entry in lineage(result)] == [(0, None), (1, None), (2, 1), (3, 0)]


def test_no_refinement_where_nothing_is_called_wrong():
    result, actor = play([7, 7], lambda answer: [RIGHT], lambda answer, told: 0, refine_best=2)

    assert [chain["stop"] for chain in result["chains"]] == ["judged_correct"] * 2
    assert (len(actor.prompts), result["answer"]) == (2, "7")


def test_pool_votes_as_a_whole_and_verdicts_of_refinements_count_where_the_vote_needs_them():
    def judge(answer: int) -> list[str]:
        return [RIGHT] if answer == 7 else [objection("no")]

    settings: dict[str, Any] = {"refine_best": 1, "rounds": 2}
    majority, _ = play([8, 8, 9], judge, lambda answer, told: 7, **settings)
    filtered, _ = play([8, 8, 9], judge, lambda answer, told: 7, vote="critic_filtered", **settings)

    assert majority["answer"] == "8"  # two samples against one refinement in the first round, which is approved of
    assert filtered["answer"] == "7"
    assert filtered["chains"][3]["stop"] == "judged_correct"


def test_rounds_of_a_pool_end_and_last_verdicts_are_given():
    result, _ = play(
        [1], lambda answer: [objection("no")], lambda answer, told: answer + 1, refine_best=1, rounds=3,
        vote="critic_weighted",
    )  # fmt: skip

    assert [entry[1] for entry in lineage(result)] == [None, 0, 1, 2]
    assert [len(chain["rounds"]) for chain in result["chains"]] == [1, 1, 1, 1]
    assert [chain["stop"] for chain in result["chains"]] == ["refined", "refined", "refined", "rounds"]


def test_changes_of_a_round_are_those_of_its_refinements():
    result, _ = play(
        [8, 8], lambda answer: [RIGHT if answer == 7 else objection("no")], lambda answer, told: 7,
        refine_best=2, rounds=2,
    )  # fmt: skip

    first, *_ = result["changes"]
    assert (first["round"], first["critiques"], first["said_wrong"]) == (1, 2, 2)
    assert (first["refinements"], first["changed"], first["is_vote_moved"]) == (2, 2, False)


def test_failed_refinement_is_a_chain_of_the_pool():
    def refine(answer: int, told: str) -> int:
        raise ValueError("broken")

    result, _ = play([8, 7], lambda answer: [RIGHT if answer == 7 else objection("no")], refine, refine_best=1)

    failed = result["chains"][2]
    assert (failed["parent"], failed["stop"], failed["failure"]["kind"]) == (0, "failed", "error")
    assert result["answer"] in ("7", "8")


def test_trace_has_the_lineage_and_rows_for_training_know_it(tmp_path: Path):
    def act(messages: Any) -> str:
        return solution(7) if len(messages) > 1 else solution(8)

    actor = ScriptedModel(answer=act)
    critic = ScriptedModel(answer=lambda messages: RIGHT if answer_of(messages[-1].text) == 7 else WRONG)
    problems = [Problem(id="p", question=QUESTION, answer="7")]

    summary = run_problems(problems, actor=actor, critic=critic, refine_best=1, out=tmp_path / "run")

    (trace,) = read_traces(tmp_path / "run")
    assert [(chain.parent, chain.told) for chain in trace.chains] == [(None, None), (0, 0)]
    assert Trace.model_validate_json(trace.model_dump_json()) == trace
    first, second = judged_responses(trace)
    assert (first.is_first, first.is_reliable, first.refinement) == (True, True, solution(7))
    assert (second.is_first, second.is_correct) == (False, True)
    assert (summary.tokens.total, summary.critic.discriminability.n) == (3 * 15, 1)


def test_chains_outside_a_pool_are_written_as_before():
    assert Chain(index=0).model_dump(mode="json") == {
        "index": 0, "response": None, "rounds": [], "stop": None, "failure": None,
    }  # fmt: skip


@pytest.mark.parametrize("settings", [{"gate": "always"}, {"keep_original": True}])
def test_settings_that_lose_an_original_are_refused(settings: dict[str, Any]):
    with pytest.raises(ValueError, match="refine_best goes with the gate when_wrong"):
        Context(refine_best=2, **settings)
    graph = create_actor_critic(*[ScriptedModel(replies=[solution(7)])] * 2, refine_best=2).compile()
    with pytest.raises(ValueError, match="refine_best goes with the gate when_wrong"):
        graph.invoke({"question": QUESTION}, context=Context(**settings))


def test_refinements_without_a_pool_are_one_line(capsys: pytest.CaptureFixture[str]):
    assert run_command(["run", "--refinements", "2"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert said == "critique-graph: refinements is for a pool: set refine_best, too."
