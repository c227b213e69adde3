"""What a graph reads of its input (any scalar is a reference or an id), and how nodes pass chains on."""

import hashlib
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from every_graph import EVERY_GRAPH, models

from critique_graph.core.critique import parse_critique
from critique_graph.core.schema import Call, Chain, Failure, Grade, Response, Round, Usage
from critique_graph.core.state_records import known_problem, problem_id, read_chains, reference_of, write_chains


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("7", "7"),
        ("", ""),
        (None, None),
        (7, "7"),
        (0, "0"),
        (-3, "-3"),
        (0.5, "0.5"),
        (7.0, "7.0"),
        (10**30, "1" + "0" * 30),
        (True, "true"),
        (False, "false"),
    ],
)
def test_reference_is_a_scalar_of_json(given: Any, text: str | None):
    assert known_problem({"question": "q", "reference": given})["reference"] == text


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"reference": ["7"]}, TypeError, r"reference must be text or a number, got list \(\['7'\]\)."),
        ({"reference": {"value": 7}}, TypeError, "reference must be text or a number, got dict"),
        ({"reference": b"7"}, TypeError, "reference must be text or a number, got bytes"),
        ({"reference": 1j}, TypeError, "got complex"),
        ({"reference": float("nan")}, ValueError, "reference must be text or a finite number, got nan"),
        ({"reference": float("-inf")}, ValueError, "reference must be text or a finite number, got -inf"),
        ({"id": ["a"]}, TypeError, "id must be text or a number, got list"),
        ({"question": 7}, TypeError, "question must be text, got int"),
        ({"question": None}, TypeError, "question must be text, got NoneType"),
    ],
)
def test_anything_else_is_refused_in_one_line(given: dict[str, Any], error: type[Exception], message: str):
    with pytest.raises(error, match=message) as caught:
        known_problem({"question": "q", **given})
    assert "\n" not in str(caught.value)


def test_problem_without_an_id_is_named_by_its_question():
    assert problem_id({"question": "q"}) == hashlib.sha256(b"q").hexdigest()[:12]
    assert [problem_id({"question": "q", "id": given}) for given in ("a", 5, 0)] == ["a", "5", "0"]


def test_nodes_after_the_first_read_what_it_kept():
    state = {"question": "q", "reference": "another", "problem": {"id": "kept", "reference": "7"}}

    assert (problem_id(state), reference_of(state)) == ("kept", "7")


@pytest.mark.parametrize("reference", [7, 7.0, "7"])
@pytest.mark.parametrize("name", EVERY_GRAPH)
def test_every_graph_takes_a_number_as_reference(name: str, reference: Any):
    result = EVERY_GRAPH[name](*models()).compile().invoke({"question": "q", "reference": reference})

    found = result.get("chains") or result.get("paths") or result.get("talks")
    assert found[0]["response"]["grade"]["outcome"] == "correct"


@pytest.mark.parametrize("name", EVERY_GRAPH)
def test_every_graph_refuses_a_reference_of_another_type(name: str):
    with pytest.raises(TypeError, match="reference must be text or a number, got list"):
        EVERY_GRAPH[name](*models()).compile().invoke({"question": "q", "reference": ["7"]})


def response(text: str, grade: Grade | None = None) -> Response:
    return Response(text=text, answer="7", call=Call(model="m", usage=Usage(calls=1, input_tokens=3)), grade=grade)


def judged(text: str, refinement: Response | None = None) -> Round:
    critique = parse_critique(f"Step sentence: {text}\nCorrectness of the step: Wrong\nExplanation: no.\n")
    return Round(critique=critique, call=Call(model="m"), refinement=refinement)


def later(chain: Chain) -> Iterator[Chain]:
    """Everything that the nodes make of a chain, one after the other."""
    yield (chain := chain.model_copy(update={"rounds": (judged("a"),)}))
    yield (chain := chain.model_copy(update={"rounds": (judged("a", response("b")),)}))
    yield (chain := chain.model_copy(update={"rounds": (*chain.rounds, judged("c")), "stop": "judged_correct"}))
    yield chain
    yield chain.model_copy(update={"response": response("a", Grade(outcome="correct"))})
    yield chain.model_copy(update={"stop": "failed", "failure": Failure(kind="server", message="503")})


def test_chains_that_were_written_before_are_written_alike():
    state: Any = {"question": "q", **write_chains([Chain(index=3), Chain(index=4, response=response("a"))])}

    for chain in later(Chain(index=4, response=response("a"))):
        chains = [read_chains(state)[0], chain]
        state = {"question": "q", **write_chains(chains, state)}
        assert orjson.dumps(state["chains"]) == orjson.dumps([each.model_dump(mode="json") for each in chains])
        assert read_chains(state) == chains


def test_stored_chains_are_read_as_they_are_now():
    written = write_chains([Chain(index=0, response=response("a"))])["chains"]
    stored = orjson.loads(orjson.dumps(written))
    stored[0]["response"]["answer"] = "8"

    state: Any = {"question": "q", "chains": stored}
    (chain,) = read_chains(state)

    assert (chain.index, chain.response and chain.response.answer) == (0, "8")
    assert write_chains([chain], state)["chains"][0]["response"]["answer"] == "8"
