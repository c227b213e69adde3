"""The text in a state that tells a person what the records beside it come to."""

from fakes import ScriptedModel, critique_text, reply, solution

from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.graphs.auto_critique import create_auto_critique

QUESTION = {"question": "3 + 4?", "reference": "7"}


def glances(graph, config=None):
    return [
        update["glance"]
        for part in graph.stream(QUESTION, config, stream_mode="updates")
        for update in part.values()
        if update and "glance" in update
    ]


def test_every_node_of_the_loop_says_what_the_chains_have_come_to():
    actor = ScriptedModel(replies=[solution(7), solution(8), solution(7)])
    critic = ScriptedModel(answer=lambda messages: critique_text("Wrong" if "{8}" in messages[-1].text else "Correct"))

    assert glances(create_actor_critic(actor, critic, samples=2).compile()) == [
        "chain 0: 7\nchain 1: 8",
        "chain 0: 7, judged correct, stopped: judged_correct\nchain 1: 8, judged wrong",
        "chain 0: 7, judged correct, stopped: judged_correct\nchain 1: 8, judged wrong, refined to 7, stopped: rounds",
    ]


def test_failures_and_texts_without_an_answer_are_named():
    actor = ScriptedModel(
        replies=[reply("Let me see.", finish_reason="length"), "I am not sure.", ValueError("no key")]
    )
    critic = ScriptedModel(replies=["Well."])

    assert glances(create_actor_critic(actor, critic, samples=3).compile())[-1] == (
        "chain 0: cut off, stopped: truncated\n"
        "chain 1: no answer, judged without a verdict, stopped: judged_unparsed\n"
        "chain 2: failed (error: ValueError: no key)"
    )


def test_recursion_limit_is_named():
    actor = ScriptedModel(replies=[solution(8)])

    (glance,) = glances(create_actor_critic(actor, ScriptedModel()).compile(), {"recursion_limit": 3})

    assert glance == "chain 0: 8, stopped: recursion_limit"


def test_paths_say_what_became_of_them():
    actor = ScriptedModel(answer=lambda messages: solution(8))
    annotator = ScriptedModel(answer=lambda messages: critique_text("Correct"))
    graph = create_auto_critique(actor, annotator, samples=1, strategies=("rg1",)).compile()

    assert [line for glance in glances(graph) for line in glance.splitlines()][-1] == (
        "sample-0: 8, judged correct, dropped by annotate: verdict_disagrees"
    )


def test_output_has_no_glance():
    actor, critic = ScriptedModel(replies=[solution(7)]), ScriptedModel(replies=[critique_text("Correct")])

    assert "glance" not in create_actor_critic(actor, critic).compile().invoke(QUESTION)
