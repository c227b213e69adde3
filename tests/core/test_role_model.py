"""A role's model as a setting: a string, or a mapping with a server, a key's variable and options."""

from typing import Any

import pytest

from critique_graph.core.errors import InputError
from critique_graph.core.role_model import RoleModel, model_name, read_role
from critique_graph.solve.settings import RunSettings

WHOLE = {
    "model": "openai:judge",
    "base_url": "http://127.0.0.1:8000/v1",
    "api_key_env": "JUDGE_KEY",
    "options": {"top_p": 0.9},
}


def recorded(**settings: Any) -> dict[str, Any]:
    return RunSettings(**settings).model_dump(mode="json")


def test_string_is_recorded_as_it_is() -> None:
    found = recorded(actor="hf:some/model", critic="openai:judge")
    assert (found["actor"], found["critic"]) == ("hf:some/model", "openai:judge")


def test_mapping_is_recorded_with_what_it_says() -> None:
    assert recorded(critic=WHOLE)["critic"] == WHOLE
    assert recorded(critic={"model": "hf:some/model"})["critic"] == "hf:some/model"


def test_record_can_be_read_again() -> None:
    assert RunSettings(critic=recorded(critic=WHOLE)["critic"]).critic == RunSettings(critic=WHOLE).critic


def test_credentials_in_an_address_are_not_recorded() -> None:
    role = RoleModel(model="openai:x", base_url="http://me:secret-word@host/v1?api_key=secret-key")
    assert "secret" not in str(role.model_dump(mode="json"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "critic: model: Field required"),
        ({"model": "hf:x", "url": "http://x"}, "critic: url: there is no such key; the keys are model, base_url, "),
        ({"model": "hf:x", "options": 3}, "critic: options: Input should be a valid dictionary"),
        ({"model": ["hf:x"]}, "critic: model: Input should be a valid string"),
        ({"model": "openai:x", "api_key_env": 3}, "critic: api_key_env: give the name of an environment variable"),
        ({"model": "x:y", "options": {"api_key": "k"}}, "critic: options: api_key would be recorded; a key belongs in"),
        ("{model: [", "critic: this is neither a model string nor a mapping"),
    ],
)
def test_wrong_mapping_is_one_line_that_names_the_role(given: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        RunSettings(critic=given)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["sk-canary-0123456789", "canary0123456789abcdef"])
def test_key_in_the_place_of_its_variable_is_not_repeated(key: str) -> None:
    with pytest.raises(InputError) as caught:
        read_role({"model": "openai:x", "api_key_env": key}, "critic")
    assert "canary" not in str(caught.value)


def test_actor_that_is_given_alone_is_its_own_critic() -> None:
    settings = RunSettings(actor=WHOLE)
    assert settings.critic == settings.actor == RoleModel(**WHOLE)  # type: ignore[arg-type]
    assert RunSettings(actor={"model": "miniature:actor"}).critic.model == "miniature:critic"


URL = "http://127.0.0.1:8000/v1"


@pytest.mark.parametrize(
    ("role", "url"),
    [
        ({"model": "openai:x"}, URL),
        ({"model": "openai:x", "options": {"top_p": 0.9}}, URL),
        ({"model": "openai:x", "base_url": "http://other/v1"}, "http://other/v1"),
        ({"model": "openai:x", "api_key_env": "HOSTED_KEY"}, None),
        ({"model": "anthropic:x"}, None),
        ({"model": "hf:x"}, None),
    ],
    ids=["name", "options", "own server", "own key", "provider", "local"],
)
def test_shared_server_is_for_roles_without_a_server_or_key(role: dict[str, Any], url: str | None) -> None:
    assert RunSettings(actor="openai:a", critic=role, base_url=URL).roles()["critic"].base_url == url  # type: ignore[arg-type]


def test_name_of_a_recorded_role() -> None:
    assert model_name("hf:x") == model_name({"model": "hf:x", "options": {"top_p": 0.5}}) == "hf:x"
