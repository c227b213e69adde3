import asyncio
import random

import pytest
from fakes import ScriptedModel, reply

from critique_graph.core.errors import ModelCallError
from critique_graph.core.prompts import CRITIQUE_INSTRUCTION, REFINE_INSTRUCTION
from critique_graph.miniature.critiques import critique_completion
from critique_graph.miniature.solutions import flawed_response, gold_response
from critique_graph.miniature.task import generate_exercises
from critique_graph.miniature_training.evaluate import evaluate_pair
from critique_graph.miniature_training.report import evaluation_rows

N, SEED, SAMPLES = 40, 5, 4
EXERCISES = list(generate_exercises(N, seed=SEED, split="test"))
HALF = N // 2
"""The exact actor below answers the first half right at once."""


def _exercise(messages):
    return next(e for e in EXERCISES if e.problem.question in messages[0].text)


def exact_actor(messages):
    """Half right; corrects itself when a critique names its error, else repeats itself."""
    exercise = _exercise(messages)
    index = EXERCISES.index(exercise)
    first = gold_response(exercise) if index < HALF else flawed_response(exercise, random.Random(index))
    if REFINE_INSTRUCTION not in messages[-1].text:
        return reply(first, input_tokens=30, output_tokens=20)
    named = critique_completion(exercise, first).partition("</think>\n\n")[2]
    text = gold_response(exercise) if named in messages[-1].text else first
    return reply(text, input_tokens=60, output_tokens=20)


def exact_critic(messages):
    exercise = _exercise(messages)
    if CRITIQUE_INSTRUCTION not in messages[-1].text:
        return reply("I only judge.")
    response = messages[-1].text.partition("<response>\n")[2].partition("\n</response>")[0]
    return reply(critique_completion(exercise, response), input_tokens=50, output_tokens=50)


def evaluate(actor=exact_actor, critic=exact_critic):
    models = ScriptedModel(answer=actor), ScriptedModel(answer=critic)
    return asyncio.run(evaluate_pair(*models, n=N, seed=SEED, samples=SAMPLES)), *models


def test_exact_pair_repairs_everything():
    evaluation, *_ = evaluate()
    assert evaluation.actor.greedy.value == evaluation.actor.any_of_samples.value == 0.5
    critic = evaluation.critic
    rates = (critic.verdict, critic.verdict_on_right, critic.verdict_on_wrong, critic.located, critic.parsed)
    assert [rate.value for rate in (*rates, critic.aligned)] == [1.0] * 6
    assert (critic.verdict.n, critic.verdict_on_right.n, critic.located.n) == (N, HALF, HALF)
    assert (evaluation.round.accuracy.value, evaluation.round.gain.value) == (1.0, 0.5)
    assert (evaluation.round.repaired.value, evaluation.round.broken.value) == (1.0, 0.0)


def test_controls_see_no_true_critique():
    evaluation, actor, _ = evaluate()
    assert {name: arm.accuracy.value for name, arm in evaluation.arms.items()} == {
        "no critique": 0.5,
        "critique of another problem": 0.5,
        "all steps called correct": 0.5,
    }
    assert all(arm.critique_gains.value == 0.5 for arm in evaluation.arms.values())
    refinements = [text for text in actor.texts if REFINE_INSTRUCTION in text]
    assert len(refinements) == 4 * HALF


def test_right_answers_are_not_refined_and_a_false_alarm_counts_as_broken():
    def turncoat(messages):
        return reply("no idea") if REFINE_INSTRUCTION in messages[-1].text else exact_actor(messages)

    def pessimist(messages):
        text = exact_critic(messages).text
        return reply(text.replace("final answer: Correct", "final answer: Wrong"))

    assert evaluate(turncoat)[0].round.broken.value == 0.0
    assert evaluate(turncoat, pessimist)[0].round.broken.value == 1.0


def test_vote_costs_at_least_what_the_round_does():
    vote = evaluate()[0].vote
    assert vote.tokens_of_round == 50 + 100 + 80 / 2
    assert (vote.votes, vote.tokens_of_vote) == (4, 200)
    assert (vote.accuracy.value, vote.round_gains.value) == (0.5, 0.5)


def test_vote_is_left_out_when_it_needs_more_answers_than_there_are():
    def long_winded(messages):
        return reply(exact_critic(messages).text, output_tokens=1000)

    assert evaluate(critic=long_winded)[0].vote is None


def test_verdicts_on_problems_the_critic_does_not_solve_are_counted_apart():
    def solver(messages):
        exercise = _exercise(messages)
        if CRITIQUE_INSTRUCTION in messages[-1].text:
            return exact_critic(messages)
        return reply(gold_response(exercise) if EXERCISES.index(exercise) else "I do not know.")

    unsolved = evaluate(critic=solver)[0].critic.verdict_on_unsolved
    assert (unsolved.value, unsolved.n) == (1.0, 1)


def test_unreadable_critique_is_a_missed_verdict_and_refines_nothing():
    evaluation, *_ = evaluate(critic=lambda messages: reply("Hm."))
    assert (evaluation.critic.verdict.value, evaluation.critic.parsed.value) == (0.0, 0.0)
    assert evaluation.round.gain.value == 0.0


def test_failed_call_ends_the_evaluation():
    with pytest.raises(ModelCallError):
        evaluate(lambda messages: PermissionError("no key"))


def test_reference_answer_reaches_no_prompt():
    _, actor, critic = evaluate(lambda messages: reply("Step 1: I pass.\nThe answer is \\boxed{none}."))
    for prompt in (*actor.prompts, *critic.prompts):
        exercise = _exercise(prompt)
        rest = " ".join(message.text for message in prompt).replace(exercise.problem.question, "")
        assert f"{{{exercise.problem.answer}}}" not in rest
        assert gold_response(exercise).splitlines()[-2] not in rest


def test_rows_hold_every_rate_once():
    names = [name for name, _ in evaluation_rows(evaluate()[0])]
    assert len(names) == len(set(names))
    assert dict(evaluation_rows(evaluate()[0]))["  gain"].startswith("+50.0 points [")


def test_critique_that_was_cut_off_approves_nothing():
    def breathless(messages):
        return reply(exact_critic(messages).text, finish_reason="length")

    critic = evaluate(critic=breathless)[0].critic
    assert (critic.verdict_on_right.value, critic.verdict_on_wrong.value) == (0.0, 1.0)
