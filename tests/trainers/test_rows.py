"""Rows from traces of the loop: what of them is learned, by task."""

import json
from pathlib import Path
from typing import Literal, get_args

import pytest
from compared_critiques import HALF, HELPFUL, USELESS
from fakes import critique_text, solution
from killable_generation import PROBLEMS
from killable_generation import WRONG as WRONG_PATH

from critique_graph.cli import run_command
from critique_graph.core.critique import parse_critique
from critique_graph.core.errors import InputError
from critique_graph.core.schema import Ballot, Call, Chain, Grade, Problem, Response, Round, Trace
from critique_graph.generate.dataset import CritiqueRow
from critique_graph.nodes.critique import critique_messages
from critique_graph.nodes.refine import refine_messages
from critique_graph.nodes.solve import solve_messages
from critique_graph.trainers.candidates import dataset_candidates, read_candidates, trace_candidates
from critique_graph.trainers.rows import LABELLED, LabelledRow, Task, as_messages, labelled_row, preference_row
from critique_graph.trainers.tasks import ROW_MAKERS

QUESTION = "What is 3 + 4?"
RIGHT, WRONG = solution(7), solution(8, "3 + 4 = 8.")
SEEN, FALSE_ALARM, MISSED = (
    critique_text("Wrong").replace("3 + 4 = 7.", "3 + 4 = 8.", 1),
    critique_text("Wrong"),
    critique_text("Correct").replace("3 + 4 = 7.", "3 + 4 = 8.", 1),
)


def response(text: str, outcome: Literal["correct", "incorrect", "ungraded"] | None = None) -> Response:
    grade = Grade(outcome=outcome or ("correct" if text == RIGHT else "incorrect"))
    return Response(text=text, answer="?", call=Call(model="m"), grade=grade)


def chain(first: Response, *rounds: tuple[str, Response | None]) -> Chain:
    before, made = first, []
    for critique, refinement in rounds:
        parsed = parse_critique(critique, before.text)
        made.append(Round(critique=parsed, call=Call(model="m"), refinement=refinement))
        before = refinement or before
    return Chain(index=0, response=first, rounds=tuple(made))


def trace(*chains: Chain, problems: str = "train.jsonl") -> Trace:
    return Trace(
        problem=Problem(id="p", question=QUESTION, answer="7", level=2),
        graph="actor_critic",
        settings={"problems": problems},
        chains=chains,
        ballot=Ballot(rule="majority"),
        answer="7",
        correct=True,
        usage={},
        seconds=1.0,
    )


def learned(task: Task, *chains: Chain) -> list[tuple[list[dict[str, str]], str]]:
    rows = [candidate.row for candidate in trace_candidates([trace(*chains)], task)]
    return [(row["prompt"], row["completion"][0]["content"]) for row in rows]


REPAIRED = chain(response(WRONG), (SEEN, response(RIGHT)))


def test_repaired_response_teaches_all_three() -> None:
    assert learned("critic", REPAIRED) == [(as_messages(critique_messages(QUESTION, WRONG)), SEEN)]
    assert learned("refiner", REPAIRED) == [(as_messages(refine_messages(QUESTION, WRONG, SEEN)), RIGHT)]
    assert learned("actor", REPAIRED) == [(as_messages(solve_messages(QUESTION)), RIGHT)]


def test_steps_of_a_repaired_response_are_labelled_up_to_the_wrong_one() -> None:
    (candidate,) = trace_candidates([trace(REPAIRED)], "step-critic")
    assert candidate.row == {"prompt": QUESTION, "completions": ["3 + 4 = 8."], "labels": [False]}


def test_critique_that_helped_is_preferred_over_the_one_that_helped_least(critiques_compared: Path) -> None:
    found = list(read_candidates(critiques_compared, "critic-preference"))
    assert [(candidate.problem, candidate.is_correct) for candidate in found] == [(p.id, False) for p in PROBLEMS]
    for candidate, problem in zip(found, PROBLEMS, strict=True):
        assert candidate.row == preference_row(critique_messages(problem.question, WRONG_PATH), HELPFUL, USELESS)


def test_data_set_alone_does_not_say_which_critiques_helped_less(critiques_compared: Path) -> None:
    with pytest.raises(InputError, match="lacks the critiques that did not help"):
        list(read_candidates(critiques_compared / "dataset", "critic-preference"))


def test_repaired_response_is_preferred_over_what_it_was() -> None:
    (candidate,) = trace_candidates([trace(REPAIRED)], "preference")
    assert candidate.row == {
        "prompt": as_messages(solve_messages(QUESTION)),
        "chosen": [{"role": "assistant", "content": RIGHT}],
        "rejected": [{"role": "assistant", "content": WRONG}],
    }


def test_right_response_teaches_the_actor_and_its_approval_the_critic() -> None:
    approved = chain(response(RIGHT), (critique_text("Correct"), None))
    assert learned("actor", approved) == [(as_messages(solve_messages(QUESTION)), RIGHT)]
    assert learned("critic", approved) == [(as_messages(critique_messages(QUESTION, RIGHT)), critique_text("Correct"))]
    assert learned("refiner", approved) == []


@pytest.mark.parametrize(
    "nothing",
    [
        chain(response(WRONG), (SEEN, response(WRONG))),
        chain(response(WRONG), (MISSED, None)),
        chain(response(WRONG), ("No idea.", None)),
        chain(response(WRONG, "ungraded"), (SEEN, response(RIGHT))),
        chain(response(WRONG), (SEEN, response("The answer is 7.", "correct").model_copy(update={"grade": None}))),
    ],
    ids=["no better", "missed", "unreadable", "ungraded", "refinement ungraded"],
)
@pytest.mark.parametrize("task", [task for task in get_args(Task) if task not in ("self-talk", *LABELLED)])
def test_what_did_not_help_teaches_nothing(nothing: Chain, task: Task) -> None:
    assert learned(task, nothing) == []


def labelled(task: Task, *chains: Chain) -> list[LabelledRow]:
    return [candidate.row for candidate in trace_candidates([trace(*chains)], task)]


def test_responses_and_their_refinements_are_desirable_if_they_are_correct() -> None:
    prompt = solve_messages(QUESTION)
    bad, good = labelled_row(prompt, WRONG, label=False), labelled_row(prompt, RIGHT, label=True)
    assert labelled("kto", REPAIRED) == [bad, good]
    assert labelled("kto", chain(response(WRONG), (SEEN, response(WRONG)))) == [bad], "refinements answer a critique"
    assert labelled("kto", chain(response(RIGHT)), chain(response(WRONG))) == [good, bad], "without critiques"


def test_cut_off_or_ungraded_response_is_neither_desirable_nor_undesirable() -> None:
    cut_off = response(WRONG).model_copy(update={"call": Call(model="m", finish_reason="length")})
    assert labelled("kto", chain(cut_off), chain(response(WRONG, "ungraded"))) == []


def test_critiques_are_desirable_if_they_agree_and_helped() -> None:
    def judged(text: str, critique: str, *, label: bool) -> LabelledRow:
        return labelled_row(critique_messages(QUESTION, text), critique, label=label)

    assert labelled("critic-kto", REPAIRED) == [judged(WRONG, SEEN, label=True)]
    assert labelled("critic-kto", chain(response(WRONG), (MISSED, None))) == [judged(WRONG, MISSED, label=False)]
    assert labelled("critic-kto", chain(response(WRONG), ("Hm.", None))) == [judged(WRONG, "Hm.", label=False)]
    assert labelled("critic-kto", chain(response(RIGHT), (FALSE_ALARM, None))) == [
        judged(RIGHT, FALSE_ALARM, label=False)
    ]


def test_critique_after_which_one_refinement_failed_is_neither_desirable_nor_undesirable() -> None:
    assert labelled("critic-kto", chain(response(WRONG), (SEEN, response(WRONG)))) == []


def test_critiques_that_generate_dropped_are_undesirable(critiques_compared: Path) -> None:
    found = {(row["completion"][0]["content"], row["label"]) for row in kto_rows(critiques_compared)}
    assert found == {(HELPFUL, True), (HALF, True), (USELESS, False)}
    with pytest.raises(InputError, match="lacks the critiques that did not help"):
        kto_rows(critiques_compared / "dataset")


def kto_rows(source: Path) -> list[LabelledRow]:
    return [candidate.row for candidate in read_candidates(source, "critic-kto")]


def test_response_that_is_judged_twice_teaches_the_actor_once() -> None:
    cut_off = response(RIGHT).model_copy(update={"call": Call(model="m", finish_reason="length")})
    flagged_twice = chain(response(RIGHT), (FALSE_ALARM, cut_off), (FALSE_ALARM, response(RIGHT)))
    assert learned("actor", flagged_twice) == [(as_messages(solve_messages(QUESTION)), RIGHT)]


def test_false_alarm_teaches_no_critic_and_no_refiner() -> None:
    flagged = chain(response(RIGHT), (FALSE_ALARM, response(RIGHT)))
    assert learned("critic", flagged) == learned("refiner", flagged) == []
    assert len(learned("actor", flagged)) == 1


def test_refinement_that_is_not_worked_out_teaches_nobody() -> None:
    long = solution(9, "1 + 2 = 3.", "3 + 4 = 8.")
    shortcut = response("The answer is \\boxed{7}.", "correct")
    taken = chain(response(long), (SEEN, shortcut))
    assert learned("refiner", taken) == learned("actor", taken) == []


def test_every_round_is_judged_by_the_response_it_is_about() -> None:
    late = chain(response(WRONG), (SEEN, response(WRONG)), (SEEN, response(RIGHT)))
    assert [prompt for prompt, _ in learned("refiner", late)] == [as_messages(refine_messages(QUESTION, WRONG, SEEN))]


def test_response_critique_and_refinement_are_one_text_of_who_corrects_itself() -> None:
    prompt = as_messages(solve_messages(QUESTION))
    assert learned("self-correction", REPAIRED) == [(prompt, f"{WRONG}\n\n{SEEN}\n\n{RIGHT}")]
    approval = critique_text("Correct")
    assert learned("self-correction", chain(response(RIGHT), (approval, None))) == [(prompt, f"{RIGHT}\n\n{approval}")]


def test_traces_hold_no_self_talk() -> None:
    with pytest.raises(InputError, match="a run folder of `critique-graph self-talk`"):
        learned("self-talk", REPAIRED)


@pytest.mark.parametrize("task", [task for task in ROW_MAKERS if task != "critic-kto"])
def test_kept_critique_teaches_what_it_teaches_in_a_trace(task: Task) -> None:
    kept = CritiqueRow(
        id="p/rg1-0",
        problem="p",
        question=QUESTION,
        reference="7",
        level=2,
        source=None,
        strategy="rg1",
        response=WRONG,
        answer="8",
        is_correct=False,
        critique=SEEN,
        verdict="wrong",
        first_error=0,
        error_step=None,
        error_type=None,
        error_description=None,
        refinement=RIGHT,
        refinements=1,
        right_with=1,
        right_without=0,
        actor="a",
        annotator="b",
    )
    assert list(dataset_candidates([kept], task)) == list(trace_candidates([trace(REPAIRED)], task)) != []


def test_what_a_selection_goes_by_comes_along() -> None:
    (candidate,) = trace_candidates([trace(REPAIRED)], "critic")
    assert (candidate.problem, candidate.level, candidate.is_correct) == ("p", 2, False)


@pytest.mark.parametrize(
    "problems",
    [
        "miniature",
        "hf:openai/gsm8k",
        "hf:openai/gsm8k:main:test",
        "hf:openai/gsm8k:main:Test",
        "validation problems of self-improvement",
        "test problems of self-improvement",
        "held-out problems of critic-rl",
    ],
)
def test_test_problems_are_refused(problems: str) -> None:
    with pytest.raises(InputError, match="p is a test problem"):
        list(trace_candidates([trace(REPAIRED, problems=problems)], "actor"))


@pytest.mark.parametrize("task", ROW_MAKERS)
def test_questions_of_public_test_sets_are_refused_in_every_spelling(task: Task) -> None:
    found = trace(REPAIRED)
    spelled = "WHAT IS  THE SMALLEST POSITIVE PERFECT CUBE that can be written as the sum of three consecutive integers"
    asked = found.problem.model_copy(update={"question": spelled})

    with pytest.raises(InputError, match="'p' is a question of MATH-500"):
        list(trace_candidates([found.model_copy(update={"problem": asked})], task))


def test_traces_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "traces.jsonl").write_text(trace(REPAIRED).model_dump_json(by_alias=True))
    for path in (tmp_path, tmp_path / "traces.jsonl"):
        assert len(list(read_candidates(path, "critic"))) == 1


@pytest.mark.parametrize("name", [".", "traces.jsonl"])
def test_what_the_critic_thought_is_learned_where_it_is_asked_for(name: str, tmp_path: Path) -> None:
    call = Call(model="m", reasoning="3 + 4 = 7, not 8.")
    thought = REPAIRED.model_copy(update={"rounds": (REPAIRED.rounds[0].model_copy(update={"call": call}),)})
    (tmp_path / "traces.jsonl").write_text(trace(thought).model_dump_json(by_alias=True))
    for flags, completion in (((), SEEN), (("--reasoning",), f"<think>\n3 + 4 = 7, not 8.\n</think>\n\n{SEEN}")):
        command = ["export", str(tmp_path / name), "--to", "trl", "--task", "critic", *flags]
        assert run_command([*command, "--out", str(tmp_path / "rows")]) == 0
        (row,) = map(json.loads, (tmp_path / "rows").read_text().splitlines())
        assert row["completion"][0]["content"] == completion


def test_what_the_critic_thought_is_not_learned_with_a_critique_that_a_person_changed() -> None:
    update = {"call": Call(model="m", reasoning="All is well."), "is_edited": True}
    edited = REPAIRED.model_copy(update={"rounds": (REPAIRED.rounds[0].model_copy(update=update),)})
    (candidate,) = trace_candidates([trace(edited)], "critic", with_reasoning=True)
    assert candidate.row["completion"][0]["content"] == SEEN
