import gc
import subprocess
import sys
import weakref
from types import ModuleType

import pytest
from langchain_core.language_models import FakeListChatModel

from critique_graph.calls.caller import accepted_settings
from critique_graph.core.errors import InputError, MissingDependencyError
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.miniature import weights_path
from critique_graph.models.load import load_model, release_models
from critique_graph.nodes.chat_openai import ChatOpenAIServer
from critique_graph.nodes.chat_transformers import ChatTransformers


@pytest.fixture(autouse=True)
def no_api_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def langchain(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Stands in for the langchain package: its `init_chat_model` knows one provider."""

    def init_chat_model(spec: str, **settings):
        if not spec.startswith("fake:"):
            raise ValueError(f"Unable to infer model provider\nfor {spec}.")
        return FakeListChatModel(responses=[spec, repr(settings)])

    module = ModuleType("langchain.chat_models")
    module.init_chat_model = init_chat_model
    monkeypatch.setitem(sys.modules, "langchain", ModuleType("langchain"))
    monkeypatch.setitem(sys.modules, "langchain.chat_models", module)
    monkeypatch.setattr("critique_graph.models.load.find_spec", lambda name: object())
    return module


def test_a_model_is_given_back():
    model = FakeListChatModel(responses=["Five."])

    assert load_model(model) is model


def test_hf_names_a_model_on_the_hub():
    assert load_model("hf:Qwen/Qwen3-0.6B") == ChatTransformers(model="Qwen/Qwen3-0.6B")


def test_hf_names_a_folder(tmp_path):
    (tmp_path / "config.json").write_text("{}")

    assert load_model(f"hf:{tmp_path}").model == str(tmp_path)


def test_openai_names_a_model_of_a_server():
    model = load_model("openai:Qwen/Qwen3-4B", base_url="http://localhost:8000/v1")

    assert isinstance(model, ChatOpenAIServer)
    assert (model.model_name, model.openai_api_base) == ("Qwen/Qwen3-4B", "http://localhost:8000/v1")
    assert model.max_retries == 0


def test_the_same_string_gives_the_same_model():
    assert load_model("hf:some/model") is load_model("hf:some/model")


def test_servers_are_told_apart_by_their_address():
    first, second = (load_model("openai:small", base_url=f"http://localhost:{port}/v1") for port in (8000, 8001))

    assert first is not second


@pytest.mark.parametrize("role", ["actor", "critic"])
def test_the_miniature_is_a_local_model(role):
    if not (weights_path(role) / "config.json").is_file():
        pytest.skip("the miniature's weights are not in this checkout")

    model = load_model(f"miniature:{role}")

    assert isinstance(model, ChatTransformers)
    assert model.model == str(weights_path(role))


def test_a_miniature_without_weights_says_how_to_make_them(tmp_path, monkeypatch):
    monkeypatch.setattr("critique_graph.models.model_string.weights_path", lambda role: tmp_path / role)

    with pytest.raises(InputError, match="make them with `critique-graph miniature train`"):
        load_model("miniature:actor")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "Unknown model ''; use miniature:actor, "),
        ("gpt", "Unknown model 'gpt'; use miniature:actor, "),
        ("hf:", "Unknown model 'hf:'"),
        (" hf:some/model", "Unknown model ' hf:some/model'"),
        ("nobody:model", "'nobody:model' is no model langchain can start"),
        ("miniature:judge", "There is no miniature:judge"),
        ("hf:./missing", r"hf:\./missing: there is no such folder"),
        ("hf:a/b/c", "hf:a/b/c: there is no such folder"),
        ("openai:gpt-5", "needs an API key in OPENAI_API_KEY"),
    ],
)
def test_a_string_that_names_no_model_is_one_line_of_input_error(spec, message):
    with pytest.raises(InputError, match=message) as caught:
        load_model(spec)

    assert "\n" not in str(caught.value)


def test_string_of_a_provider_without_langchain_says_what_to_install(monkeypatch):
    monkeypatch.setattr("critique_graph.models.load.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"Unknown model 'nobody:model'; .* or install langchain"):
        load_model("nobody:model")


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no model"):
        load_model(f"hf:{tmp_path}")


def test_base_url_is_for_servers_only():
    with pytest.raises(InputError, match="base_url is for openai:NAME, not for 'hf:some/model'"):
        load_model("hf:some/model", base_url="http://localhost:8000/v1")


def test_base_url_must_be_one():
    with pytest.raises(InputError, match="base_url must start with http"):
        load_model("openai:small", base_url="localhost:8000")


def test_a_missing_integration_names_the_extra(monkeypatch):
    monkeypatch.setattr("critique_graph.models.load.find_spec", lambda name: None)

    with pytest.raises(MissingDependencyError, match=r'pip install "critique-graph\[openai\]"'):
        load_model("openai:never-loaded-before", base_url="http://localhost:8000/v1")


def test_other_strings_go_to_langchain_without_retries_of_its_own(langchain):
    model = load_model("fake:model")

    assert model.responses == ["fake:model", "{'max_retries': 0}"]


def test_what_langchain_does_not_know_is_one_line_of_input_error(langchain):
    with pytest.raises(InputError, match="is no model langchain can start: Unable to infer model provider for"):
        load_model("unheard-of:model")


SETTINGS = {"temperature": 0.7, "seed": 1, "max_tokens": 10, "top_p": 0.9}


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (ChatTransformers(model="any"), {"temperature", "seed", "max_tokens", "top_p"}),
        (
            ChatOpenAIServer(model="any", base_url="http://localhost/v1"),
            {"temperature", "seed", "max_tokens", "top_p"},
        ),
        (FakeListChatModel(responses=[]), set()),
    ],
    ids=["ChatTransformers", "ChatOpenAIServer", "FakeListChatModel"],
)
def test_only_settings_the_model_declares_are_kept(model, names):
    assert accepted_settings(model, SETTINGS) == {name: SETTINGS[name] for name in names}


def test_importing_the_module_loads_no_engine():
    code = (
        "import sys, critique_graph.models;"
        "print({'torch', 'transformers', 'openai', 'langchain_openai', 'langchain'} & sys.modules.keys())"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_released_models_hold_no_weights() -> None:
    pytest.importorskip("torch")
    model = load_model("miniature:actor")
    model.invoke("2 + 3?", max_tokens=1)
    engine = model._engine  # type: ignore[attr-defined]
    thread, gone = engine._thread, weakref.ref(engine)
    del model, engine
    release_models()
    thread.join()  # it ends when idle for long
    assert gone() is None


def test_released_model_is_freed_though_a_graph_that_was_used_is_kept() -> None:
    pytest.importorskip("torch")
    graph = create_actor_critic("miniature:actor", "miniature:critic").compile()
    graph.invoke({"question": "Tom has 18 coins. Tom finds 13 more coins. How many coins does Tom have?"})
    held = weakref.ref(load_model("miniature:actor"))
    release_models()
    gc.collect()
    assert held() is None
