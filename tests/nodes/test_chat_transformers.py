import asyncio
import functools
import gc
import string
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from pydantic import ValidationError
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
)

from critique_graph.core.errors import InputError, MissingDependencyError, ModelCallError
from critique_graph.engines.plain_template import PLAIN
from critique_graph.engines.transformers_batch import Batch
from critique_graph.miniature import weights_path
from critique_graph.nodes.chat_transformers import ChatTransformers

CONTEXT = 256
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": CONTEXT,
    "bos_token_id": None,
    "eos_token_id": 1,
    "pad_token_id": 1,
    "initializer_range": 0.3,  # wide, so that replies depend on the prompt
}
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PROMPTS = ["What is 2 + 3?", "Name a colour.", "Count: one, two,", "A long question " * 6, "x"]


def character_tokenizer(chat_template: str | None = CHAT_TEMPLATE) -> PreTrainedTokenizerFast:
    byte_level = {
        character: pre_tokenizers.ByteLevel(False).pre_tokenize_str(character)[0][0] for character in string.printable
    }
    vocabulary = {"<|im_start|>": 0, "<|im_end|>": 1} | {
        token: index for index, token in enumerate(byte_level.values(), 2)
    }
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        chat_template=chat_template,
    )


def save(folder: Path, model_class=LlamaForCausalLM, config_class=LlamaConfig, *, tokenizer=None, **config) -> str:
    tokenizer = tokenizer or character_tokenizer()
    torch.manual_seed(0)
    model_class(config_class(vocab_size=len(tokenizer), **(SIZES | config))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save(tmp_path_factory.mktemp("llama"))


@pytest.fixture
def model(path: str) -> ChatTransformers:
    return ChatTransformers(model=path, temperature=0, max_tokens=20)


class TestStandardUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[ChatTransformers]:
        return ChatTransformers

    @property
    def chat_model_params(self) -> dict:
        return {"model": "no/such-model"}

    @property
    def has_tool_calling(self) -> bool:
        return False


class TestStandardIntegration(ChatModelIntegrationTests):
    path: str

    @pytest.fixture(autouse=True)
    def _path(self, path: str) -> None:
        type(self).path = path

    @property
    def chat_model_class(self) -> type[ChatTransformers]:
        return ChatTransformers

    @property
    def chat_model_params(self) -> dict:
        return {"model": self.path, "temperature": 0, "max_tokens": 20}

    @property
    def has_tool_calling(self) -> bool:
        return False

    @property
    def supported_usage_metadata_details(self) -> dict:
        return {"invoke": [], "stream": []}


class TestStandardIntegrationOfTheMiniature(TestStandardIntegration):
    @pytest.fixture(autouse=True)
    def _path(self) -> None:
        if not (weights_path("actor") / "config.json").is_file():
            pytest.skip("the miniature's weights are not in this checkout")
        type(self).path = str(weights_path("actor"))


class Passes(list[tuple[int, int]]):
    """The shape (rows, columns) of every forward pass of a Llama."""

    def __init__(self) -> None:
        self.begun = threading.Event()


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Passes:
    recorded = Passes()
    forward = LlamaForCausalLM.forward

    @functools.wraps(forward)
    def recording(self, input_ids, **kwargs):
        recorded.append(tuple(input_ids.shape))
        recorded.begun.set()
        return forward(self, input_ids=input_ids, **kwargs)

    monkeypatch.setattr(LlamaForCausalLM, "forward", recording)
    return recorded


async def test_models_are_loaded_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    load, inside, most = AutoModelForCausalLM.from_pretrained, [], []

    def counting(*args, **kwargs):
        inside.append(1)
        most.append(len(inside))
        try:
            return load(*args, **kwargs)
        finally:
            inside.pop()

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", counting)
    paths = [save(tmp_path / str(number)) for number in range(4)]

    await asyncio.gather(*(ChatTransformers(model=path, max_tokens=1).ainvoke("x") for path in paths))

    assert most == [1, 1, 1, 1]


def reference_reply(path: str, prompt: str, tokens: int) -> str:
    """What `model.generate` writes for one prompt."""
    tokenizer = AutoTokenizer.from_pretrained(path)
    inputs = tokenizer.apply_chat_template(
        [{"role": "user", "content": prompt}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    output = AutoModelForCausalLM.from_pretrained(path).generate(**inputs, do_sample=False, max_new_tokens=tokens)
    return tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


async def replies(model: ChatTransformers, prompts: list[str], **settings) -> list[str]:
    return [reply.text for reply in await asyncio.gather(*(model.ainvoke(prompt, **settings) for prompt in prompts))]


@pytest.mark.parametrize(
    ("model_class", "config_class", "settings"),
    [
        (LlamaForCausalLM, LlamaConfig, {}),
        (MistralForCausalLM, MistralConfig, {"sliding_window": 16}),
    ],
    ids=["llama", "sliding window"],
)
async def test_greedy_replies_of_a_batch_equal_those_of_generate(tmp_path, model_class, config_class, settings):
    path = save(tmp_path, model_class, config_class, **settings)

    together = await replies(ChatTransformers(model=path, temperature=0, max_tokens=30), PROMPTS)

    assert together == [reference_reply(path, prompt, 30) for prompt in PROMPTS]


async def test_calls_made_together_share_forward_passes(model, passes):
    await replies(model, PROMPTS)

    assert max(rows for rows, _ in passes) == len(PROMPTS)
    assert len(passes) < 2 * 20


async def test_a_call_joins_calls_that_are_running(model, passes):
    stream = model.astream("What is 2 + 3?", max_tokens=100)
    await anext(stream)
    await model.ainvoke("Name a colour.")
    await stream.aclose()

    assert (2, 1) in passes


async def test_max_batch_size_bounds_the_rows_of_a_forward_pass(path, passes):
    model = ChatTransformers(model=path, temperature=0, max_tokens=5, max_batch_size=2)

    assert all(await replies(model, PROMPTS))
    assert max(rows for rows, _ in passes) == 2


async def test_equal_prompts_are_computed_once_and_reported_as_cached(model):
    usages = [reply.usage_metadata for reply in await asyncio.gather(*(model.ainvoke("Hello") for _ in range(8)))]

    cached = sorted(usage["input_token_details"]["cache_read"] for usage in usages)
    assert {usage["input_tokens"] for usage in usages} == {cached[-1]}
    assert cached.count(0) <= 2  # the first request may have started alone


async def test_same_seed_gives_the_same_text_whatever_else_runs(path):
    model = ChatTransformers(model=path, max_tokens=20)
    alone = (await model.ainvoke("Name a colour.", seed=7)).text

    crowd = await asyncio.gather(
        *(model.ainvoke(prompt, seed=seed, temperature=0.5) for seed, prompt in enumerate(PROMPTS)),
        model.ainvoke("Name a colour.", seed=7),
    )

    assert crowd[-1].text == alone


async def test_different_seeds_give_different_texts(path):
    model = ChatTransformers(model=path, max_tokens=20)
    texts = [reply.text for reply in await asyncio.gather(*(model.ainvoke("Hello", seed=seed) for seed in range(8)))]

    assert len(set(texts)) == 8


async def test_rows_keep_their_own_settings(path):
    model = ChatTransformers(model=path, max_tokens=20)
    greedy = model.invoke("Hello", temperature=0).text

    crowd = await asyncio.gather(
        model.ainvoke("Hello", temperature=0, max_tokens=3),
        model.ainvoke("Hello", temperature=2.0, seed=1),
        model.ainvoke("Hello", temperature=2.0, seed=1, top_p=1e-6),
        model.ainvoke("Hello", temperature=0, stop=[greedy[4:6]]),
    )

    assert [reply.text == greedy for reply in crowd] == [False, False, True, False]
    assert crowd[0].text == greedy[:3]
    assert crowd[3].text == greedy[: greedy.index(greedy[4:6])]


def test_a_reply_says_why_it_ended_and_what_it_used(model):
    cut = model.invoke("Hello", max_tokens=4)
    stopped = model.invoke("Hello", max_tokens=4, stop=[cut.text[1:3]])

    assert (cut.response_metadata["finish_reason"], cut.usage_metadata["output_tokens"]) == ("length", 4)
    assert (stopped.response_metadata["finish_reason"], stopped.text) == ("stop", cut.text[:1])
    assert cut.usage_metadata["input_tokens"] == len("<im>user\nHello<im>\n<im>assistant\n") - 3 * len("im>")
    assert cut.usage_metadata["total_tokens"] == cut.usage_metadata["input_tokens"] + 4


async def test_replies_can_be_limited_to_some_texts_beside_free_ones(path):
    model = ChatTransformers(model=path, temperature=1.0, max_tokens=20)

    async def ask(seed: int, **options) -> str:
        return (await model.ainvoke("Is it?", seed=seed, **options)).text

    alone = await ask(0)
    free, *chosen = await asyncio.gather(ask(0), *(ask(seed, choices=("Correct", "Wrong")) for seed in range(40)))
    assert free == alone
    assert set(chosen) == {"Correct", "Wrong"}


def test_a_reply_ends_with_the_model_s_end_of_turn(tmp_path):
    path = save(tmp_path, tie_word_embeddings=False)
    ending = LlamaForCausalLM.from_pretrained(path)
    ending.lm_head.weight.data.zero_()  # all tokens equally likely: greedy takes the first end token below
    ending.generation_config.eos_token_id = [0, 1]
    ending.save_pretrained(path)

    reply = ChatTransformers(model=path, temperature=0).invoke("Hello")

    assert (reply.text, reply.response_metadata["finish_reason"]) == ("", "stop")
    assert reply.usage_metadata["output_tokens"] == 1


def test_replies_end_when_the_context_is_full(path):
    reply = ChatTransformers(model=path, temperature=0).invoke("Hello")

    assert reply.response_metadata["finish_reason"] == "length"
    assert reply.usage_metadata["total_tokens"] == CONTEXT


def test_final_message_is_continued(model):
    whole = model.invoke("Name a colour.", max_tokens=12).text

    rest = model.invoke(
        [HumanMessage("Name a colour."), AIMessage(whole[:5])], max_tokens=7, continue_final_message=True
    )

    assert (len(whole), rest.text) == (12, whole[5:])


def test_continuing_anything_but_an_ai_message_is_refused(model):
    with pytest.raises(ValueError, match="needs a final AI message, got HumanMessage"):
        model.invoke("Hello", continue_final_message=True)


def test_logprobs_come_with_rivals_for_every_token(model):
    reply = model.invoke("Hello", max_tokens=3, logprobs=True, top_logprobs=2)

    content = reply.response_metadata["logprobs"]["content"]
    assert "".join(entry["token"] for entry in content) == reply.text
    for entry in content:
        likeliest, second = entry["top_logprobs"]
        assert likeliest == {key: entry[key] for key in ("token", "bytes", "logprob")}
        assert second["logprob"] <= likeliest["logprob"] < 0


def test_streamed_pieces_join_to_the_reply(model):
    chunks = list(model.stream("Hello"))

    assert len(chunks) > 10
    assert "".join(chunk.text for chunk in chunks) == model.invoke("Hello").text
    assert chunks[-1].response_metadata["finish_reason"] == "length"


async def test_streamed_text_never_shows_a_part_of_a_stop_string(model):
    stop = model.invoke("Hello").text[5:9]

    pieces = [chunk.text async for chunk in model.astream("Hello", stop=[stop])]

    assert "".join(pieces) == model.invoke("Hello", stop=[stop]).text


async def test_a_cancelled_call_leaves_the_batch(model, passes):
    task = asyncio.create_task(model.ainvoke("Hello", max_tokens=200))
    await asyncio.to_thread(passes.begun.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await model.ainvoke("Name a colour.")

    assert len(passes) < 100
    assert passes[-1] == (1, 1)


async def test_a_call_cancelled_while_it_waits_is_never_run(path, passes):
    model = ChatTransformers(model=path, temperature=0, max_tokens=20, max_batch_size=1)
    first = asyncio.create_task(model.ainvoke("Hello"))
    waiting = asyncio.create_task(model.ainvoke("What is 2 + 3?"))
    await asyncio.to_thread(passes.begun.wait)
    waiting.cancel()
    await first
    await model.ainvoke("Hello")

    assert len({columns for _, columns in passes if columns > 1}) == 1


async def test_leaving_a_stream_frees_its_row(model, passes):
    stream = model.astream("Hello", max_tokens=200)
    await anext(stream)
    await stream.aclose()
    await model.ainvoke("Name a colour.")

    assert len(passes) < 100


@pytest.mark.parametrize(
    "call",
    [
        lambda model: model.invoke("Hello"),
        lambda model: list(model.stream("Hello")),
        lambda model: asyncio.run(model.ainvoke("Hello")),
        lambda model: asyncio.run(anext(model.astream("Hello", stop=["never written, so all text is held back" * 9]))),
    ],
    ids=["invoke", "stream", "ainvoke", "astream"],
)
def test_a_call_that_takes_too_long_times_out(path, call):
    with pytest.raises(TimeoutError):
        call(ChatTransformers(model=path, timeout=0.001))


def test_a_prompt_longer_than_the_context_is_rejected(model):
    with pytest.raises(ModelCallError, match="the prompt has 319 tokens, the model's context 256") as caught:
        model.invoke("x" * 300)

    assert caught.value.failure.kind == "rejected"


def test_a_base_model_is_asked_with_the_plain_template(tmp_path):
    base = save(tmp_path / "base", tokenizer=character_tokenizer(chat_template=None))
    told = save(tmp_path / "told", tokenizer=character_tokenizer(PLAIN))
    replies = [ChatTransformers(model=path, temperature=0, max_tokens=20).invoke("Hello") for path in (base, told)]

    assert replies[0].content == replies[1].content != ""
    assert replies[0].usage_metadata["input_tokens"] == len("Human: Hello\nAssistant:\n")


def test_a_tokenizer_with_neither_template_nor_end_is_one_line(tmp_path):
    tokenizer = character_tokenizer(chat_template=None)
    tokenizer.eos_token = None
    path = save(tmp_path, tokenizer=tokenizer)

    with pytest.raises(InputError, match="no chat template, and no token that ends a text"):
        ChatTransformers(model=path).invoke("Hello")


def test_messages_the_chat_template_refuses_are_rejected(tmp_path):
    path = save(tmp_path, tokenizer=character_tokenizer("{{ raise_exception('no system role') }}"))

    with pytest.raises(ModelCallError, match="rejected: the chat template refused the messages: no system role"):
        ChatTransformers(model=path).invoke([SystemMessage("Be brief."), HumanMessage("Hello")])


def test_pickled_weights_are_refused(tmp_path):
    path = save(tmp_path)
    torch.save(LlamaForCausalLM.from_pretrained(path).state_dict(), tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()

    with pytest.raises(InputError, match=r"cannot load .*safetensors"):
        ChatTransformers(model=path).invoke("Hello")


def test_models_without_attention_are_refused(tmp_path):
    MambaForCausalLM(MambaConfig(vocab_size=102, hidden_size=16, num_hidden_layers=1)).save_pretrained(tmp_path)
    character_tokenizer().save_pretrained(tmp_path)

    with pytest.raises(ModelCallError, match=r"setup: cannot load .* use openai:NAME"):
        ChatTransformers(model=str(tmp_path)).invoke("Hello")


def test_messages_that_are_not_text_are_refused(model):
    with pytest.raises(ValueError, match="got ToolMessage"):
        model.invoke([HumanMessage("Hello"), ToolMessage("5", tool_call_id="1")])
    with pytest.raises(ValueError, match="got a content block of type 'image'"):
        model.invoke([HumanMessage([{"type": "image", "url": "https://example.org/x.png"}])])


def test_settings_out_of_range_are_refused(model):
    with pytest.raises(ValidationError, match="temperature"):
        model.invoke("Hello", temperature=-1)
    with pytest.raises(ValidationError, match="presence_penalty"):
        model.invoke("Hello", presence_penalty=1)


async def test_an_error_in_the_model_ends_the_running_calls_and_nothing_else(model, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(LlamaForCausalLM, "forward", lambda *_, **__: torch.ones(2) @ torch.ones(3))
        outcomes = await asyncio.gather(*(model.ainvoke(prompt) for prompt in PROMPTS), return_exceptions=True)

    assert [outcome.failure.kind for outcome in outcomes] == ["server"] * len(PROMPTS)
    assert (await model.ainvoke("Hello")).text


def test_event_loops_and_threads_share_one_engine(tmp_path, passes):
    path = save(tmp_path)
    models = [ChatTransformers(model=path, temperature=0, max_tokens=20) for _ in range(3)]
    alone = [models[0].invoke(prompt).text for prompt in PROMPTS]

    with ThreadPoolExecutor() as pool:
        loops = [pool.submit(asyncio.run, replies(model, PROMPTS)) for model in models[1:]]
        batch = pool.submit(models[0].batch, PROMPTS)

    assert [[reply.text for reply in batch.result()], *(loop.result() for loop in loops)] == [alone] * 3
    assert sum(thread.name == f"engine {path}" for thread in threading.enumerate()) == 1
    assert max(rows for rows, _ in passes) > 1


def test_weights_are_freed_with_the_last_model_that_uses_them(tmp_path, monkeypatch):
    monkeypatch.setattr("critique_graph.engines.transformers_engine.IDLE_SECONDS", 0.01)
    created = []
    monkeypatch.setattr(Batch, "__init__", _remembering(Batch.__init__, created))
    model = ChatTransformers(model=save(tmp_path), max_tokens=2)
    model.invoke("Hello")
    for thread in threading.enumerate():
        if thread.name == f"engine {model.model}":
            thread.join()

    assert created[0]() is not None
    del model
    gc.collect()
    assert created[0]() is None


def _remembering(init, created: list):
    def remembered(self, model):
        created.append(weakref.ref(model))
        init(self, model)

    return remembered


def test_a_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setattr("critique_graph.nodes.chat_transformers.find_spec", lambda name: None)

    with pytest.raises(MissingDependencyError, match=r'pip install "critique-graph\[local\]"'):
        ChatTransformers(model="any")


def test_creating_a_model_does_not_import_torch():
    code = (
        "import sys; from critique_graph.nodes.chat_transformers import ChatTransformers;"
        "ChatTransformers(model='any'); print({'torch', 'transformers'} & sys.modules.keys())"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


@pytest.mark.slow
def test_no_thread_is_left_in_torch_when_the_process_ends():
    program = (
        "import atexit, threading\n"
        "atexit.register(lambda: print([t.name for t in threading.enumerate() if t.name.startswith('engine')]))\n"
        "from critique_graph.models.load import load_model\n"
        "load_model('miniature:actor').invoke('Tom has 8 coins.', max_tokens=5)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"
