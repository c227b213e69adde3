"""What servers can do is asked once, and decides how critiques and refinements are asked for."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fakes import ScriptedModel, critique_text, reply, solution

from critique_graph.calls.contract import BEGUN
from critique_graph.calls.faults import classify
from critique_graph.core.errors import ModelCallError
from critique_graph.core.schema import Failure, Problem
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.nodes.ask_critique import _warn_about
from critique_graph.nodes.refine import OPENING
from critique_graph.runs.traces import read_traces
from critique_graph.solve.run import run_problems

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
    first_verdict: str = "Correct"
    verdict: str = "Wrong"
    is_fluent: bool = False

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **options: Any) -> Any:
        self.answer = lambda prompt: self._reply(prompt, options)
        return super()._generate(messages, stop, **options)

    def _reply(self, prompt: Any, options: dict[str, Any]) -> Any:
        last, asked = prompt[-1].text, prompt[0].text
        if options.get("continue_final_message"):
            if last.startswith('{"steps"'):
                return self._continued(last, self._filled_in(last))
            if last == OPENING:
                return self._continued(last, RESPONSE)
            return self._continued(last, " 40, 30." if last == BEGUN else "\n7 + 1 = 8.\nThe answer is \\boxed{8}.")
        if form := options.get("extra_body", {}).get("response_format"):
            if self.given_schema == "refuses" or (
                self.given_schema == "refuses bounds" and "maxLength" in json.dumps(form)
            ):
                return REJECTED
            if self.given_schema == "thinks" and "2 + 2" in asked:
                return reply("", finish_reason="length")
            if self.given_schema in ("keeps", "refuses bounds", "thinks"):
                number = form["json_schema"]["schema"]["properties"]["steps"]["minItems"]
                verdicts = ["Correct"] + ["Wrong"] * (number - 1)
                return json.dumps({"steps": [*map(judgement, verdicts)], "final_answer": judgement("Wrong")})
        if "critic has checked" in last:
            return "The answer is \\boxed{8}."
        if "Correctness of the" in last:
            return critique_text(self.verdict, ("3 + 4 = 7.", self.first_verdict), ("7 + 1 = 9.", self.verdict))
        return "Yes, it is." if "2 + 2" in asked else RESPONSE

    def _filled_in(self, begun: str) -> str:
        verdict = "Wrong" if "7 + 1" in begun else "Correct"
        if self.is_fluent:
            return f'as \\frac{{1}}{{2}}", "verdict": "{verdict}'
        if begun.endswith('"explanation": "'):
            return "\\frac{1}{2} is not \\" if "7 + 1" in begun else ""  # as in: is not \"
        return verdict

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


async def test_model_that_thinks_for_longer_than_the_probe_keeps_its_schema() -> None:
    result = await play(Server(given_schema="thinks"))
    assert result["chains"][0]["rounds"][0]["critique"]["final"] == "wrong"


async def test_body_that_is_bound_to_a_model_is_kept_beside_the_schema() -> None:
    model = Server()
    thinking = {"chat_template_kwargs": {"enable_thinking": True}}
    result = await create_actor_critic(model, model.bind(extra_body=thinking)).compile().ainvoke(QUESTION)
    assert result["chains"][0]["rounds"][0]["critique"]["quality"] == "nominal"
    bodies = [options["extra_body"] for options in model.settings if "extra_body" in options]
    body = bodies[-1]
    assert (body["chat_template_kwargs"], "response_format" in body) == ({"enable_thinking": True}, True)


async def test_server_that_refuses_bounds_is_asked_for_json_without_them() -> None:
    model = Server(given_schema="refuses bounds")
    [round_] = (await play(model))["chains"][0]["rounds"]
    assert round_["critique"]["quality"] == "nominal"
    schemas = [json.dumps(options["extra_body"]) for options in model.settings if "extra_body" in options]
    assert ["maxLength" in schema for schema in schemas] == [True, False, False]


@pytest.mark.parametrize("schema", ["refuses", "ignores"])
@pytest.mark.parametrize("form", ["auto", "json"])
async def test_server_that_keeps_to_no_schema_is_asked_for_text(
    schema: str, form: Any, caplog: pytest.LogCaptureFixture
) -> None:
    _warn_about.cache_clear()
    model = Server(given_schema=schema, continuation="starts anew")
    with caplog.at_level(logging.WARNING):
        result = await play(model, critique_form=form, samples=3)
    assert [chain["rounds"][0]["critique"]["final"] for chain in result["chains"]] == ["wrong"] * 3
    assert caplog.text.count("does not keep to a JSON schema") == (form == "json")


async def test_server_that_only_continues_fills_in_what_the_node_begins() -> None:
    model = Server(given_schema="ignores")
    [round_] = (await play(model))["chains"][0]["rounds"]
    critique = round_["critique"]
    assert [step["verdict"] for step in critique["steps"]] == ["correct", "wrong", "wrong"]
    assert [step["step_index"] for step in critique["steps"]] == [0, 1, 2]
    assert (critique["final"], critique["quality"]) == ("wrong", "partial"), "the first step has no explanation"
    assert critique["steps"][1]["explanation"] == "\\frac{1}{2} is not"


async def test_model_that_goes_on_to_the_verdict_saves_calls() -> None:
    model = Server(given_schema="ignores", is_fluent=True)
    [round_] = (await play(model))["chains"][0]["rounds"]
    critique = round_["critique"]
    assert [step["verdict"] for step in critique["steps"]] == ["correct", "wrong", "wrong"]
    assert [step["explanation"] for step in critique["steps"]] == ["as \\frac{1}{2}"] * 3
    assert (critique["final"], round_["call"]["usage"]["calls"]) == ("wrong", 3 + 1)


async def test_critique_that_is_filled_in_is_one_reply_at_the_cost_of_all_calls() -> None:
    result = await play(Server(given_schema="ignores"))
    [round_] = result["chains"][0]["rounds"]
    strings = 2 * (3 + 1)
    assert round_["call"]["usage"]["calls"] == strings


async def test_critique_that_is_filled_in_ends_at_its_token_limit() -> None:
    result = await play(Server(given_schema="ignores"), critic_max_tokens=3)
    [round_] = result["chains"][0]["rounds"]
    assert (round_["call"]["finish_reason"], round_["critique"]["final"]) == ("length", None)


async def test_unreadable_critique_is_asked_for_again_and_counted(tmp_path: Path) -> None:
    critic = ScriptedModel(replies=["Fine.", "Still fine.", critique_text("Wrong", ("3 + 4 = 7.", "Correct"))])
    actor = ScriptedModel(answer=lambda _: RESPONSE)
    summary = await asyncio.to_thread(
        run_problems, [Problem(id="1", **QUESTION)], out=tmp_path, actor=actor, critic=critic, retry_unreadable=2
    )
    assert [options["temperature"] for options in critic.settings] == [0.0, 0.7, 0.7]
    assert len({options["seed"] for options in critic.settings}) == 3
    [trace] = read_traces(tmp_path)
    [round_] = trace.chains[0].rounds
    assert round_.critique.final == "wrong"
    assert round_.call.usage.calls == 3
    assert (summary.critiques_asked_again, summary.readable_critiques.value) == (1, 1)


async def test_critique_stays_unreadable_after_the_last_retry() -> None:
    critic = ScriptedModel(replies=["Fine.", "Still fine."])
    graph = create_actor_critic(ScriptedModel(replies=[RESPONSE]), critic, retry_unreadable=1).compile()
    [chain] = (await graph.ainvoke(QUESTION))["chains"]
    assert chain["stop"] == "judged_unparsed"


async def test_prefill_is_said_to_be_impossible(caplog: pytest.LogCaptureFixture) -> None:
    _warn_about.cache_clear()
    with caplog.at_level(logging.WARNING):
        result = await play(Server(continuation="refuses"), critique_form="prefill", samples=2)
    assert [chain["rounds"][0]["critique"]["final"] for chain in result["chains"]] == ["wrong"] * 2
    assert caplog.text.count("does not continue a text that was begun") == 1


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


async def test_refinement_begins_with_the_first_step_where_no_step_is_named_wrong() -> None:
    model = Server(given_schema="refuses", verdict="Correct")
    result = await play(model, gate="always", critique_form="text")
    assert model.prompts[-1][-1].text == "3 + 4 = 7."
    assert result["chains"][0]["rounds"][0]["refinement"]["text"] == "3 + 4 = 7.\n7 + 1 = 8.\nThe answer is \\boxed{8}."


async def test_refinement_is_begun_where_the_first_step_is_wrong() -> None:
    model = Server(given_schema="refuses", first_verdict="Wrong")
    result = await play(model, critique_form="text")
    assert model.prompts[-1][-1].text == OPENING
    assert result["chains"][0]["rounds"][0]["refinement"]["text"] == RESPONSE


def test_refusal_is_a_fault_of_the_request() -> None:
    assert classify(REJECTED).kind == "rejected"
