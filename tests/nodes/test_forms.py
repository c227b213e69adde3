"""What servers can do is asked once, and decides how critiques and refinements are asked for."""

import json
import logging
from typing import Any, ClassVar

import pytest
from fakes import ScriptedModel, critique_text, reply, solution

from critique_graph.calls.contract import BEGUN
from critique_graph.calls.faults import classify
from critique_graph.core.errors import ModelCallError
from critique_graph.core.schema import Failure
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.nodes.ask_critique import _warn_about

QUESTION = {"question": "What is 3 + 4 + 1?"}
RESPONSE = solution(9, "3 + 4 = 7.", "7 + 1 = 9.")
REJECTED = ModelCallError(Failure(kind="rejected", message="unknown field"))


def judgement(verdict: str) -> dict[str, str]:
    return {"explanation": "worked out again", "verdict": verdict}


class Server(ScriptedModel):
    """A server of which nothing is known; the subclasses say what it does with a schema and with a text begun."""

    must_be_probed: ClassVar[bool] = True
    takes_response_format: ClassVar[bool] = True
    continues_final_message: ClassVar[bool] = True
    given_schema: str = "keeps"
    continuation: str = "continues"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **options: Any) -> Any:
        self.answer = lambda prompt: self._reply(prompt, options)
        return super()._generate(messages, stop, **options)

    def _reply(self, prompt: Any, options: dict[str, Any]) -> Any:
        last, asked = prompt[-1].text, prompt[0].text
        if options.get("continue_final_message"):
            return self._continued(last, " 40, 30." if last == BEGUN else "\n7 + 1 = 8.\nThe answer is \\boxed{8}.")
        if form := options.get("extra_body", {}).get("response_format"):
            if self.given_schema == "refuses":
                return REJECTED
            if self.given_schema == "keeps":
                number = form["json_schema"]["schema"]["properties"]["steps"]["minItems"]
                verdicts = ["Correct"] + ["Wrong"] * (number - 1)
                return json.dumps({"steps": [*map(judgement, verdicts)], "final_answer": judgement("Wrong")})
        if "critic has checked" in last:
            return "The answer is \\boxed{8}."
        if "Correctness of the" in last:
            return critique_text("Wrong", ("3 + 4 = 7.", "Correct"), ("7 + 1 = 9.", "Wrong"))
        return "Yes, it is." if "2 + 2" in asked else RESPONSE

    def _continued(self, begun: str, rest: str) -> Any:
        match self.continuation:
            case "refuses":
                return REJECTED
            case "echoes":
                return begun + rest
            case "starts anew":
                return reply("Here you are: 70, 60.")
        return rest


def probes(model: Server) -> list[str]:
    return [texts[0].text for texts in model.prompts if "Count down" in texts[0].text or "2 + 2" in texts[0].text]


async def play(model: Server, **settings: Any) -> dict[str, Any]:
    return await create_actor_critic(model, model, **settings).compile().ainvoke(QUESTION)  # type: ignore[return-value]


async def test_server_that_keeps_to_a_schema_is_asked_for_json() -> None:
    model = Server()
    result = await play(model)
    [round_] = result["chains"][0]["rounds"]
    assert any("extra_body" in options for options in model.settings)
    assert round_["critique"]["text"].startswith("Step sentence: 3 + 4 = 7.\nCorrectness of the step: Correct")
    assert (round_["critique"]["final"], round_["critique"]["quality"]) == ("wrong", "nominal")


async def test_body_that_is_bound_to_a_model_is_kept_beside_the_schema() -> None:
    model = Server()
    thinking = {"chat_template_kwargs": {"enable_thinking": True}}
    result = await create_actor_critic(model, model.bind(extra_body=thinking)).compile().ainvoke(QUESTION)
    assert result["chains"][0]["rounds"][0]["critique"]["quality"] == "nominal"
    bodies = [options["extra_body"] for options in model.settings if "extra_body" in options]
    body = bodies[-1]
    assert (body["chat_template_kwargs"], "response_format" in body) == ({"enable_thinking": True}, True)


@pytest.mark.parametrize("schema", ["refuses", "ignores"])
@pytest.mark.parametrize("form", ["auto", "json"])
async def test_server_that_keeps_to_no_schema_is_asked_for_text(
    schema: str, form: Any, caplog: pytest.LogCaptureFixture
) -> None:
    _warn_about.cache_clear()
    model = Server(given_schema=schema)
    with caplog.at_level(logging.WARNING):
        result = await play(model, critique_form=form, samples=3)
    assert [chain["rounds"][0]["critique"]["final"] for chain in result["chains"]] == ["wrong"] * 3
    assert caplog.text.count("does not keep to a JSON schema") == (form == "json")


async def test_text_asks_for_no_schema() -> None:
    model = Server()
    await play(model, critique_form="text")
    assert not any("extra_body" in options for options in model.settings)


async def test_server_is_probed_once_for_all_chains() -> None:
    model = Server()
    await play(model, samples=8, rounds=3)
    assert len(probes(model)) == 2


@pytest.mark.parametrize(
    ("continuation", "expected"),
    [
        ("continues", "3 + 4 = 7.\n7 + 1 = 8.\nThe answer is \\boxed{8}."),
        ("echoes", "3 + 4 = 7.\n7 + 1 = 8.\nThe answer is \\boxed{8}."),
        ("starts anew", "The answer is \\boxed{8}."),
        ("refuses", "The answer is \\boxed{8}."),
    ],
)
async def test_refinement_begins_with_the_correct_steps_where_the_server_continues(
    continuation: str, expected: str
) -> None:
    result = await play(Server(continuation=continuation))
    assert result["chains"][0]["rounds"][0]["refinement"]["text"] == expected
    assert result["answer"] == "8"


def test_refusal_is_a_fault_of_the_request() -> None:
    assert classify(REJECTED).kind == "rejected"
