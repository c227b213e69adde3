"""The graphs that make data, with scripted models: how paths come about, and why critiques are kept or dropped."""

import asyncio
import json
import random
from collections import Counter
from itertools import cycle
from typing import Any, ClassVar

import pytest
from fakes import ScriptedModel, critique_text, reply, solution
from killable_generation import JUDGED_WRONG, RIGHT, STEPS, WRONG, Unpredictable
from langchain_core.messages import AIMessage
from pydantic import ValidationError

from critique_graph.calls.caller import CallKey
from critique_graph.core.context import GenerationContext
from critique_graph.core.paths import ReasoningPath, Trial
from critique_graph.core.schema import Reply, Usage
from critique_graph.core.steps import split_steps
from critique_graph.graphs.auto_critique import create_auto_critique
from critique_graph.graphs.flawed_paths import create_flawed_paths
from critique_graph.metrics.intervals import independent_difference, wilson
from critique_graph.nodes.filter import LIFT_ERROR, counted, decision, grown, next_arm

QUESTION = "Ann has 3 apples and buys 4 more. Then she doubles them. How many apples has she?"


class Continuing(ScriptedModel):
    """A scripted model that can continue a message of its own."""

    continues_final_message: ClassVar[bool] = True


def paths_of(graph: Any, **given: Any) -> list[dict[str, Any]]:
    return asyncio.run(graph.compile().ainvoke({"question": QUESTION, "reference": "14", **given}))["paths"]


def drops(paths: list[dict[str, Any]]) -> list[str | None]:
    return [path["drop"] and path["drop"]["reason"] for path in paths]


def test_sampled_paths_are_told_apart_by_their_answer_and_only_so_many_are_kept():
    others = [solution(n, "3 + 4 = 8.") for n in (8, 10, 11)]
    cut_off = reply(RIGHT, finish_reason="length")
    actor = ScriptedModel(replies=[RIGHT, WRONG, WRONG, *others, "I do not know.", cut_off])
    paths = paths_of(create_flawed_paths(actor, samples=8))
    assert [path["strategy"] for path in paths] == ["correct", *["rg1"] * 7]
    assert drops(paths) == [None, None, "duplicate", None, "enough", "enough", "ungraded", "truncated"]
    assert {settings["temperature"] for settings in actor.settings} == {1.0}


def test_sampled_path_whose_call_failed_is_recorded():
    actor = ScriptedModel(replies=[ValueError("no such model"), WRONG])
    paths = paths_of(create_flawed_paths(actor, samples=2))
    assert drops(paths) == ["failed", None]
    assert "no such model" in paths[0]["failure"]["message"]


def test_path_is_continued_from_a_cut_ever_hotter_and_located_only_where_rollouts_confirm_it():
    actor = Continuing()

    def answer(messages: Any) -> str:
        if not isinstance(messages[-1], AIMessage):
            return RIGHT
        begun = messages[-1].text
        if begun == "3 + 4 = 7.":  # the attempt, at the first of the rising temperatures, goes wrong; rollouts do not
            is_attempt = actor.settings[-1]["temperature"] == 0.75
            return "\n7 * 2 = 15.\nSo 15.\nThe answer is 15." if is_attempt else "\n7 * 2 = 14.\nThe answer is 14."
        return "\nThe answer is 15." if "So" in begun else "\nSo 15.\nThe answer is 15."

    actor.answer = answer
    settings = {"samples": 1, "attempts": 1, "strategies": ("rg2",), "rise_from": 0.75, "rise": 0.5, "rise_to": 1.0}
    (_, path) = paths_of(create_flawed_paths(actor, **settings))
    assert path["response"]["text"] == "3 + 4 = 7.\n7 * 2 = 15.\nSo 15.\nThe answer is 15."
    assert path["known"]["step"] == 1
    heated = [s["temperature"] for s in actor.settings if s.get("continue_final_message") and s["temperature"] != 0.7]
    assert heated == [0.75, 1.0, 1.0]

    (_, unsure) = paths_of(create_flawed_paths(actor, **settings, rollouts=0))
    assert unsure["known"]["step"] is None


def test_path_whose_rollouts_could_not_be_made_is_a_failure_and_not_located():
    actor = Continuing()

    def answer(messages: Any) -> Any:
        if not isinstance(messages[-1], AIMessage):
            return RIGHT
        if actor.settings[-1]["temperature"] == 0.7:
            return ValueError("gone")
        return "\n7 * 2 = 15.\nThe answer is 15." if messages[-1].text == "3 + 4 = 7." else "\nThe answer is 15."

    actor.answer = answer
    graph = create_flawed_paths(actor, samples=1, attempts=1, strategies=("rg2",), rise_from=0.75)
    (_, path) = paths_of(graph)
    assert path["drop"] == {"stage": "paths", "reason": "failed"}
    assert "gone" in path["failure"]["message"]


def test_inserted_error_is_known_by_place_and_type_and_the_actor_goes_on_from_it():
    def answer(messages: Any) -> str:
        return "\nThe answer is \\boxed{99}." if isinstance(messages[-1], AIMessage) else RIGHT

    graph = create_flawed_paths(Continuing(answer=answer), samples=1, attempts=8, paths=8, strategies=("rg3",))
    made = [path for path in paths_of(graph) if path["strategy"] == "rg3" and path["drop"] is None]
    assert made
    for path in made:
        lines, place = path["response"]["text"].splitlines(), path["known"]["step"]
        assert lines[:place] == list(STEPS[:place])
        assert lines[place] != STEPS[place]
        assert path["known"]["type"].endswith("error")
        assert STEPS[place].rstrip(".") in path["known"]["description"]


def test_path_that_repeats_a_step_is_truncated_after_few_calls():
    def answer(messages: Any) -> str:
        return "\nSo she has it.\nSo she has it." if isinstance(messages[-1], AIMessage) else RIGHT

    actor = Continuing(answer=answer)
    settings = {"samples": 1, "attempts": 1, "rollouts": 0, "strategies": ("rg2",)}
    (_, path) = paths_of(create_flawed_paths(actor, **settings))
    assert path["drop"] == {"stage": "paths", "reason": "truncated"}
    assert len(actor.prompts) == 1 + 3


@pytest.mark.parametrize("strategy", ["rg2", "rg3"])
def test_no_more_paths_are_tried_than_are_needed(strategy: str):
    def answer(messages: Any) -> str:
        return f"\nThe answer is {20 + len(actor.prompts)}." if isinstance(messages[-1], AIMessage) else RIGHT

    actor = Continuing(answer=answer)
    settings = {"samples": 1, "attempts": 8, "paths": 2, "rollouts": 0, "strategies": (strategy,)}
    made = [path for path in paths_of(create_flawed_paths(actor, **settings)) if path["strategy"] == strategy]
    assert drops(made) == [None, None]
    assert len(actor.prompts) == 1 + 2


def test_rollouts_after_a_step_are_made_only_if_enough_of_those_before_it_are_correct():
    def answer(messages: Any) -> str:
        if not isinstance(messages[-1], AIMessage):
            return RIGHT
        return "\nThe answer is 15." if "15" in messages[-1].text else "\n7 * 2 = 15.\nThe answer is 15."

    actor = Continuing(answer=answer)
    settings = {"samples": 1, "attempts": 1, "strategies": ("rg2",), "rise_from": 0.75, "rise": 0.0}
    (_, path) = paths_of(create_flawed_paths(actor, **settings))
    assert path["drop"] is None
    assert path["known"]["step"] is None
    assert [settings["temperature"] for settings in actor.settings].count(0.7) == 4


IN_PARAGRAPHS = (
    "We count the apples.\nThey are hers.\n\nFirst the sum.\n3 + 4 = 7.\n\nThen the double.\n7 * 2 = 14.\n\n"
    "The answer is \\boxed{14}."
)


@pytest.mark.parametrize("strategy", ["rg2", "rg3"])
def test_place_of_an_error_is_that_in_the_new_text_also_where_its_steps_are_others(strategy: str):
    def answer(messages: Any) -> str:
        if not isinstance(messages[-1], AIMessage):
            return IN_PARAGRAPHS
        begun = messages[-1].text
        if strategy == "rg3" or "7 * 2 = 15" in begun:
            return "\nThe answer is 15."
        is_rollout = actor.settings[-1]["temperature"] == 0.7
        number = 14 if is_rollout else 15
        return f"\n7 * 2 = {number}.\nThe answer is {number}."

    actor = Continuing(answer=answer)
    settings = {"samples": 1, "attempts": 8, "paths": 8, "rise_from": 0.75, "rise": 0.0}
    paths = paths_of(create_flawed_paths(actor, strategies=(strategy,), **settings))
    made = [path for path in paths if path["strategy"] == strategy and path["drop"] is None]
    assert made
    for path in made:
        text = path["response"]["text"]
        step = split_steps(text)[path["known"]["step"]]
        assert step not in IN_PARAGRAPHS.split("\n")
        assert "=" in step


def test_introduction_is_neither_cut_nor_corrupted():
    introduced = f"To find the number of apples, we need to add and then to double.\n{RIGHT}"

    def answer(messages: Any) -> str:
        return f"\nThe answer is {20 + len(actor.prompts)}." if isinstance(messages[-1], AIMessage) else introduced

    def corrupt(messages: Any) -> str:
        return f"Step sentence: It is {len(corruptor.prompts)}.\nExplanation: It is not."

    actor, corruptor = Continuing(answer=answer), ScriptedModel(answer=corrupt)
    settings = {"samples": 1, "attempts": 12, "paths": 12, "rollouts": 0}
    paths = paths_of(create_flawed_paths(actor, corruptor, strategies=("rg2", "rg3"), **settings))
    begun = {prompt[-1].text for prompt in actor.prompts if isinstance(prompt[-1], AIMessage)}
    introduction, *_ = introduced.splitlines()
    assert all(text.startswith(introduction + "\n") for text in begun)
    continued = {text for text in begun if "It is" not in text}
    assert continued == {f"{introduction}\n3 + 4 = 7."}
    assert {path["known"]["step"] for path in paths if path["strategy"] == "rg3"} == {1, 2}


SOLUTION = "She has 3 + 4 = 7 apples.\nDoubled, these are 7 * 2 = 14 apples.\nThe answer is \\boxed{14}."


def never_solving(messages: Any) -> str:
    return "\nThe answer is 15." if isinstance(messages[-1], AIMessage) else WRONG


def test_problem_that_the_actor_never_solves_has_paths_that_begin_with_the_solution_if_that_is_wanted():
    graph = create_flawed_paths(Continuing(answer=never_solving), samples=2, from_solutions=True)
    paths = [path for path in paths_of(graph, solution=SOLUTION) if path["drop"] is None]
    begun = {"rg1": "3 + 4 = 7.", "rg2": "She has 3 + 4 = 7 apples.\nThe", "rg3": "She has "}
    assert {path["strategy"]: path["template"] for path in paths} == {
        "rg1": None,
        "rg2": "reference",
        "rg3": "reference",
    }
    for path in paths:
        assert path["response"]["text"].startswith(begun[path["strategy"]])

    unwanted = create_flawed_paths(Continuing(answer=never_solving), samples=2)
    assert {path["strategy"] for path in paths_of(unwanted, solution=SOLUTION)} == {"rg1"}


def test_correct_response_of_the_actor_comes_before_the_solution():
    def answer(messages: Any) -> str:
        return "\nThe answer is 15." if isinstance(messages[-1], AIMessage) else RIGHT

    graph = create_flawed_paths(Continuing(answer=answer), samples=1, from_solutions=True)
    paths = paths_of(graph, solution=SOLUTION)
    assert {path["template"] for path in paths if path["strategy"] in ("rg2", "rg3")} == {"sample"}


def test_solution_reaches_prompts_only_as_the_beginning_of_a_path():
    actor, annotator = Continuing(answer=never_solving), ScriptedModel(answer=lambda messages: JUDGED_WRONG)
    settings = {"samples": 2, "from_solutions": True, "strategies": ("rg1", "rg2", "rg3")}
    paths = paths_of(create_auto_critique(actor, annotator, **settings), solution=SOLUTION)
    assert {path["template"] for path in paths if path["critique"] is not None} == {None, "reference"}
    asked = [message.text for prompt in (*actor.prompts, *annotator.prompts) for message in prompt]
    assert not any("boxed{14}" in text for text in asked)
    begun = [prompt[-1].text for prompt in actor.prompts if isinstance(prompt[-1], AIMessage)]
    assert any(text.startswith("She has") for text in begun)


def test_error_can_come_from_a_model():
    def answer(messages: Any) -> str:
        return "\nThe answer is 16." if isinstance(messages[-1], AIMessage) else RIGHT

    corruptor = ScriptedModel(answer=lambda messages: "Step sentence: 4 + 4 = 8.\nExplanation: There are 3 apples.")
    graph = create_flawed_paths(
        Continuing(answer=answer),
        corruptor,
        samples=1,
        attempts=1,
        error_types=("counting_error",),
        strategies=("rg3",),
    )
    (_, path) = paths_of(graph)
    assert path["known"]["description"] == "There are 3 apples."
    assert path["known"]["type"] == "counting_error"
    assert "4 + 4 = 8." in path["response"]["text"]
    assert "things, days or terms are counted wrongly" in corruptor.texts[0]


def test_reply_of_a_corruptor_that_cannot_be_read_costs_all_the_same():
    corruptor = ScriptedModel(answer=lambda messages: "I would rather not.")
    graph = create_flawed_paths(
        Continuing(answer=lambda messages: RIGHT), corruptor, samples=1, attempts=3, strategies=("rg3",)
    )
    result = asyncio.run(graph.compile().ainvoke({"question": QUESTION, "reference": "14"}))
    assert drops(result["paths"]) == ["answer_right", *["not_corrupted"] * 3]
    assert result["usage"]["corruptor"]["calls"] == len(corruptor.prompts) == 3


def test_actor_that_cannot_continue_makes_sampled_paths_alone_and_says_so():
    graph = create_flawed_paths(ScriptedModel(answer=lambda messages: RIGHT), samples=1).compile()

    async def follow() -> list[Any]:
        given = {"question": QUESTION, "reference": "14"}
        return [event async for event in graph.astream(given, stream_mode="custom") if event["event"] == "refused"]

    assert [event["strategy"] for event in asyncio.run(follow())] == ["rg2", "rg3"]


def test_problem_needs_a_reference():
    with pytest.raises(ValueError, match="needs a reference answer"):
        paths_of(create_flawed_paths(ScriptedModel(answer=lambda messages: RIGHT)), reference=None)


def test_impossible_rule_is_refused():
    with pytest.raises(ValidationError, match="min_right"):
        create_auto_critique(refinements=2, min_right=3)


# What becomes of one wrong path, `WRONG`, or of one correct path.


def made(first: str, annotations: list[Any], refined: Any, **settings: Any) -> tuple[dict[str, Any], Any, Any]:
    """The path, the actor and the annotator of a graph whose actor answers `first` and refines by `refined`."""

    def answer(messages: Any) -> str:
        return first if len(messages) == 1 else refined("<critique>\n\n" not in messages[-1].text)

    actor, annotator = ScriptedModel(answer=answer), ScriptedModel(replies=annotations)
    graph = create_auto_critique(actor, annotator, samples=1, **{"strategies": ("rg1", "correct"), **settings})
    (path,) = paths_of(graph)
    return path, actor, annotator


def test_critique_that_helps_is_kept_with_its_evidence():
    path, actor, annotator = made(WRONG, [JUDGED_WRONG], lambda has_critique: RIGHT if has_critique else WRONG)
    assert path["drop"] is None
    assert path["critique"]["final"] == "wrong"
    assert path["trial"] == {
        "asked": 8,
        "tried": 2,
        "tried_without": 8,
        "right_with": 2,
        "right_without": 0,
        "refinement": RIGHT,
    }
    assert "The reference answer is 14." in annotator.texts[0]
    assert all("14." not in prompt[-1].text.partition("</critique>")[0] for prompt in actor.prompts[1:])


def played(chances: dict[str, float], context: GenerationContext, rng: random.Random) -> tuple[str, Trial, Any]:
    """Play the trial of a wrong path; gives the decision, the trial, and the outcome of every refinement."""
    path = ReasoningPath(name="sample-0", strategy="rg1")
    most = max(context.refinements, context.max_refinements)
    outcomes = {arm: [rng.random() < chance for _ in range(most)] for arm, chance in chances.items()}
    trial = Trial(asked=context.refinements, tried=0, tried_without=0, right_with=0, right_without=0)
    while (decided := decision(path, trial, context)) is None:
        trial = grown(trial, context)
        arm = next_arm(path, trial, context)
        begun = trial.tried if arm == "with" else trial.tried_without
        wave = range(begun, min(begun + 2, trial.asked))
        trial = counted(trial, arm, wave.stop, ["" for index in wave if outcomes[arm][index]])
    return decided, trial, outcomes


def test_critique_is_kept_by_the_same_rule_as_if_all_refinements_were_made():
    context, rng = GenerationContext(refinements=8), random.Random(1)
    for _ in range(2000):
        decided, _, outcomes = played({arm: rng.random() for arm in ("with", "without")}, context, rng)
        right_with, right_without = sum(outcomes["with"]), sum(outcomes["without"])
        assert (decided == "kept") == (right_with >= context.min_right and right_with > right_without)


def decided_at(look: int, outcomes: dict[str, list[bool]], confidence: float) -> str | None:
    """What the sequential test decides once so many refinements of both arms are made; None if that is open."""
    right_with, right_without = (sum(outcomes[arm][:look]) for arm in ("with", "without"))
    if right_with < 2:
        return "too_few_right"
    if right_with <= right_without:
        return "no_lift"
    low = independent_difference(*(wilson(right, look, confidence) for right in (right_without, right_with))).low
    return "kept" if low is not None and low > 0 else None


def test_sequential_test_decides_as_if_all_refinements_of_a_look_were_made():
    context, rng, looks = GenerationContext(refinements=4, max_refinements=20), random.Random(2), (4, 8, 16, 20)
    decisions = Counter[str]()
    for _ in range(1000):
        decided, trial, outcomes = played({arm: rng.random() for arm in ("with", "without")}, context, rng)
        at_looks = {look: decided_at(look, outcomes, 1 - 2 * LIFT_ERROR / len(looks)) for look in looks}
        closed = next((look for look in looks if at_looks[look]), None)
        assert (decided, trial.asked) == ((at_looks[closed], closed) if closed else ("unsure_lift", looks[-1]))
        decisions[decided] += 1
    assert set(decisions) == {"too_few_right", "no_lift", "kept", "unsure_lift"}


@pytest.mark.parametrize("chance", [0.2, 0.5, 0.8])
def test_error_of_the_sequential_test_is_as_stated(chance: float):
    context, rng, runs = GenerationContext(refinements=8, max_refinements=32), random.Random(3), 1500
    decided = [played({"with": chance, "without": chance}, context, rng)[0] for _ in range(runs)]
    assert decided.count("kept") <= LIFT_ERROR * runs


def test_sequential_test_keeps_what_helps_with_few_refinements():
    context, rng = GenerationContext(refinements=8, max_refinements=64), random.Random(4)
    trials = [played({"with": 0.9, "without": 0.3}, context, rng)[:2] for _ in range(300)]
    assert [decided for decided, _ in trials].count("kept") >= 285
    assert sum(trial.asked for _, trial in trials) / 300 < 16


@pytest.mark.parametrize(("most", "reason", "asked"), [(8, None, 8), (4, "unsure_lift", 4)])
def test_refinements_are_doubled_while_the_decision_is_open(most: int, reason: str | None, asked: int):
    without = cycle([RIGHT, WRONG])
    path, actor, _ = made(
        WRONG,
        [JUDGED_WRONG],
        lambda has_critique: RIGHT if has_critique else next(without),
        refinements=2,
        min_right=1,
        max_refinements=most,
    )
    assert (path["drop"] and path["drop"]["reason"]) == reason
    assert path["trial"] == {
        "asked": asked,
        "tried": asked,
        "tried_without": asked,
        "right_with": asked,
        "right_without": asked // 2,
        "refinement": RIGHT,
    }
    assert len({settings["seed"] for settings in actor.settings[1:]}) == asked, "both arms have the same seeds"


@pytest.mark.parametrize("refinements", [0, 9])
def test_largest_number_of_refinements_below_their_number_is_refused(refinements: int):
    with pytest.raises(ValidationError, match="max_refinements"):
        create_auto_critique(refinements=refinements, max_refinements=8)


def test_both_arms_draw_with_the_same_seeds():
    _, actor, _ = made(WRONG, [JUDGED_WRONG], lambda has_critique: RIGHT)
    arms: dict[bool, list[int]] = {True: [], False: []}
    for prompt, settings in zip(actor.prompts[1:], actor.settings[1:], strict=True):
        arms["<critique>\n\n" in prompt[-1].text].append(settings["seed"])
    with_critique, without = arms[False], arms[True]
    assert without[: len(with_critique)] == with_critique


@pytest.mark.parametrize(
    ("refined", "reason", "tried", "tried_without"),
    [
        (lambda has_critique: WRONG, "too_few_right", 8, 0),
        (lambda has_critique: RIGHT, "no_lift", 2, 8),
        (lambda has_critique: WRONG if has_critique else RIGHT, "too_few_right", 8, 0),
        (lambda has_critique: solution(14, "So."), "too_few_right", 8, 0),
    ],
    ids=["never right", "right without it too", "worse than without it: not tried", "answers without working out"],
)
def test_critique_that_does_not_help_is_dropped(refined: Any, reason: str, tried: int, tried_without: int):
    path, actor, _ = made(WRONG, [JUDGED_WRONG], refined)
    assert path["drop"] == {"stage": "filter", "reason": reason}
    assert (path["trial"]["tried"], path["trial"]["tried_without"]) == (tried, tried_without)
    assert len(actor.prompts) == 1 + tried + tried_without


def test_without_refinements_every_critique_that_agrees_with_what_is_known_is_kept():
    path, actor, _ = made(WRONG, [JUDGED_WRONG], lambda has_critique: WRONG, refinements=0)
    assert (path["drop"], path["trial"]["tried"], len(actor.prompts)) == (None, 0, 1)
    disagreeing, *_ = made(WRONG, [critique_text("Correct")] * 2, lambda has_critique: WRONG, refinements=0)
    assert disagreeing["drop"] == {"stage": "annotate", "reason": "verdict_disagrees"}


def test_critique_of_a_right_path_is_kept_if_it_does_no_harm():
    judged = critique_text("Correct")
    kept, actor, _ = made(RIGHT, [judged], lambda has_critique: RIGHT)
    assert (kept["strategy"], kept["drop"]) == ("correct", None)
    assert len(actor.prompts) == 1 + 8
    harmful, *_ = made(RIGHT, [judged], lambda has_critique: WRONG)
    assert harmful["drop"] == {"stage": "filter", "reason": "does_harm"}
    assert harmful["trial"]["tried"] == 2


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (critique_text("Correct"), "verdict_disagrees"),
        (critique_text("Wrong", ("3 + 4 = 7.", "Correct"), ("7 + 2 = 9.", "Correct")), "step_disagrees"),
        ("It is wrong.", "unreadable"),
        (JUDGED_WRONG.replace("7 + 2 = 9.", "Cats chase mice at night."), "unreadable"),
        (JUDGED_WRONG.replace("Explanation: ", "Explanation: By the reference answer, ", 1), "leak"),
    ],
)
def test_critique_that_contradicts_what_is_known_is_dropped(annotation: str, reason: str):
    path, *_ = made(WRONG, [annotation, annotation], lambda has_critique: RIGHT)
    assert path["drop"] == {"stage": "annotate", "reason": reason}


@pytest.mark.parametrize(
    ("said", "reason"),
    [("It should be 14.", "leak"), ("7 * 2 = 14.", None), ("It is too small.", None)],
    ids=["stated", "worked out", "not stated"],
)
def test_answer_that_is_stated_and_not_worked_out_is_a_leak_where_answers_are_refused(said: str, reason: str | None):
    annotation = JUDGED_WRONG.replace("because.", said)
    refined = {True: RIGHT, False: WRONG}.__getitem__
    path, *_ = made(WRONG, [annotation] * 2, refined, refuse_answers=True)
    assert (path["drop"] and path["drop"]["reason"]) == reason
    allowed, *_ = made(WRONG, [annotation], refined)
    assert allowed["drop"] is None


def test_malformed_critique_is_asked_for_once_more():
    path, _, annotator = made(
        WRONG, ["It is wrong.", JUDGED_WRONG], lambda has_critique: RIGHT if has_critique else WRONG
    )
    assert path["drop"] is None
    assert len(path["calls"]) == len(annotator.prompts) == 2


class Keeping(Continuing):
    """A scripted annotator that keeps to a schema, and that calls correct whatever it may call so."""

    takes_response_format: ClassVar[bool] = True

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **options: Any) -> Any:
        schema = options.get("extra_body", {}).get("response_format", {}).get("json_schema", {}).get("schema")
        self.answer = lambda _: "not so" if schema is None else json.dumps(self._filled(schema))
        return super()._generate(messages, stop, run_manager, **options)

    def _filled(self, schema: dict[str, Any]) -> Any:
        if schema["type"] == "object":
            return {name: self._filled(member) for name, member in schema["properties"].items()}
        if schema["type"] == "array":
            return [self._filled(schema["items"])] * schema["minItems"]
        return schema.get("enum", ["as it stands"])[0]


@pytest.mark.parametrize("form", ["json", "prefill"])
def test_annotator_that_contradicts_what_is_known_has_to_explain_it(form: str):
    def answer(messages: Any) -> str:
        if len(messages) == 1:
            return RIGHT
        is_told = ") is wrong: " in messages[-2].text
        return "\n".join(("", *STEPS, solution(14))) if is_told else "\nSo 15.\nThe answer is \\boxed{15}."

    actor, annotator = Continuing(answer=answer), Keeping()
    graph = create_auto_critique(actor, annotator, samples=1, paths=1, strategies=("rg3",), critique_form=form)
    path = paths_of(graph)[-1]
    assert (path["strategy"], path["drop"]) == ("rg3", None)
    assert path["critique"]["first_error"] == path["known"]["step"]
    assert path["critique"]["final"] == "wrong"
    assert "verdicts_given" in path["critique"]["warnings"]
    assert "<hints>" in annotator.prompts[0][0].text
    assert "<hints>" not in annotator.prompts[-1][0].text


def test_path_that_ends_without_an_answer_is_asked_for_one():
    def answer(messages: Any) -> str:
        if not isinstance(messages[-1], AIMessage):
            return RIGHT
        return "99}. So she has many." if messages[-1].text.endswith("\\boxed{") else "\nSo many."

    actor = Continuing(answer=answer)
    path = paths_of(create_flawed_paths(actor, samples=1, attempts=1, strategies=("rg3",)))[-1]
    assert path["drop"] is None
    assert path["response"]["text"].endswith("\nSo many.\nThe answer is \\boxed{99}. So she has many.")
    assert path["response"]["answer"] == "99"
    assert path["usage"]["actor"]["calls"] == 2
    assert actor.settings[-1]["max_tokens"] == 32


def test_each_of_several_critiques_of_a_path_is_tried_and_a_repeated_one_once():
    helpful = JUDGED_WRONG.replace("because", "to double is times 2")
    actor = ScriptedModel(
        answer=lambda messages: RIGHT if "to double" in messages[-1].text else WRONG,
    )
    annotator = ScriptedModel(replies=[JUDGED_WRONG, helpful, JUDGED_WRONG])
    graph = create_auto_critique(
        actor, annotator, samples=1, strategies=("rg1",), critiques=3, annotator_temperature=1.0
    )
    paths = paths_of(graph)
    assert [path["name"] for path in paths] == ["sample-0", "sample-0.1", "sample-0.2"]
    assert drops(paths) == ["too_few_right", None, "duplicate"]


def test_every_path_has_what_was_used_for_it_and_nothing_counts_twice():
    def answer(messages: Any) -> str:
        return "\nThe answer is 16." if isinstance(messages[-1], AIMessage) else RIGHT

    corruptor = ScriptedModel(answer=lambda messages: "Step sentence: 4 + 4 = 8.\nExplanation: There are 3 apples.")
    annotator = ScriptedModel(answer=lambda messages: f"It is wrong {len(annotator.prompts)}.")
    actor = Continuing(answer=answer)
    settings = {"samples": 2, "attempts": 2, "critiques": 2, "annotator_temperature": 1.0}
    graph = create_auto_critique(actor, annotator, corruptor, **settings).compile()
    result = asyncio.run(graph.ainvoke({"question": QUESTION, "reference": "14"}))
    spent: dict[str, Usage] = {}
    for path in result["paths"]:
        for role, used in path["usage"].items():
            spent[role] = spent.get(role, Usage()) + Usage(**used)
    assert spent == {role: Usage(**used) for role, used in result["usage"].items()}
    assert result["usage"]["actor"]["calls"] == len(actor.prompts)
    assert result["usage"]["corruptor"]["calls"] == len(corruptor.prompts) > 0


def test_critiques_that_cannot_differ_are_refused():
    with pytest.raises(ValidationError, match="annotator_temperature above 0"):
        create_auto_critique(critiques=2)


def test_annotator_can_be_asked_for_every_step():
    _, _, annotator = made(WRONG, [JUDGED_WRONG], lambda has_critique: RIGHT, annotate_until="all_steps")
    assert "Judge every step" in annotator.texts[0]


class Killed(Exception):
    pass


class MortalLog:
    """A journal that fails after some new calls, and remembers the calls before."""

    def __init__(self) -> None:
        self.replies: dict[CallKey, Reply] = {}
        self.lives: int | None = None

    def recall(self, key: CallKey) -> Reply | None:
        return self.replies.get(key)

    def record(self, key: CallKey, reply: Reply) -> None:
        if self.lives == 0:
            raise Killed
        self.lives = None if self.lives is None else self.lives - 1
        assert key not in self.replies, "a call was made twice"
        self.replies[key] = reply


@pytest.mark.slow
def test_run_that_dies_in_any_stage_ends_as_one_that_does_not():
    def graph(log: MortalLog) -> Any:
        settings = {"samples": 4, "attempts": 2, "refinements": 4, "rollouts": 2}
        return create_auto_critique(Unpredictable(), Unpredictable(), log=log, **settings)

    whole = MortalLog()
    expected = paths_of(graph(whole))
    assert any(path["drop"] is None for path in expected)
    for calls in range(0, len(whole.replies), 5):
        log = MortalLog()
        log.lives = calls
        with pytest.raises(Killed):
            paths_of(graph(log))
        log.lives = None
        assert without_seconds(paths_of(graph(log))) == without_seconds(expected)


def without_seconds(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_seconds(item) for key, item in value.items() if key not in ("started", "seconds")}
    return [without_seconds(item) for item in value] if isinstance(value, list) else value
