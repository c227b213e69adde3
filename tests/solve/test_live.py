"""What is shown of a question while it is worked on, and told to a client that waits."""

import io

from fakes import ScriptedModel, critique_text, solution
from rich.console import Console

from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.serve.narration import narrated
from critique_graph.solve.live import LiveView


def test_several_critiques_are_shown_with_the_verdict_that_they_have():
    actor = ScriptedModel(replies=[solution(8), solution(7)])
    critic = ScriptedModel(replies=[critique_text("Wrong"), critique_text("Wrong"), critique_text("Correct")])
    graph = create_actor_critic(actor, critic, critiques=3, critic_temperature=1).compile()
    console = Console(width=80, record=True, file=io.StringIO())
    view, told = LiveView(console, samples=1), []

    for event in graph.stream({"question": "What is 3 + 4?"}, stream_mode="custom"):
        view.show(event)
        told.append(narrated(event))

    shown = console.export_text()
    assert shown.count("critique 1") == 3
    assert "wrong is the verdict of 67% of the critiques" in shown
    assert "Critics: wrong, by 67% of the critiques" in told
