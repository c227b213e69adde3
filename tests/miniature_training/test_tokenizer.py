import random

import pytest

pytest.importorskip("transformers")

from critique_graph.miniature.critiques import critique_completion
from critique_graph.miniature.solutions import flawed_response, gold_response
from critique_graph.miniature.task import generate_exercises
from critique_graph.miniature_training.tokenizer import CONSTANT_TEXTS, SPECIAL_TOKENS, build_tokenizer
from critique_graph.nodes.critique import critique_messages
from critique_graph.nodes.refine import refine_messages
from critique_graph.nodes.solve import solve_messages
from critique_graph.trainers.rows import as_messages


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


@pytest.mark.parametrize("text", [*CONSTANT_TEXTS, *SPECIAL_TOKENS], ids=repr)
def test_constant_text_is_one_token(tokenizer, text):
    assert len(tokenizer.encode(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Natalia sold 48/2 = <<48/2=24>>24 clips — in May!\r\n\t“Quoted”",
        "日本語 naïve 🙂 \u200b\x00",
        "Tomorrow, applesauce: Correctness of everything; <problem> </problem>",
        "  leading, trailing and   inner spaces  ",
    ],
    ids=["empty", "gsm8k", "unicode", "near misses", "spaces"],
)
def test_any_text_survives_encoding(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_texts_of_the_task_survive_without_falling_back_to_bytes(tokenizer):
    rng = random.Random(0)
    for exercise in generate_exercises(200, seed=11, split="test"):
        flawed = flawed_response(exercise, rng)
        critique = critique_completion(exercise, flawed)
        for text in (exercise.problem.question, gold_response(exercise), flawed, critique):
            ids = tokenizer.encode(text)
            assert tokenizer.decode(ids) == text
            letters = [token for token in tokenizer.convert_ids_to_tokens(ids) if len(token) == 1 and token.islower()]
            assert letters == []


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("12 + 5 = 17", ["12", " + ", "5", " = ", "17"]), ("1234", ["123", "4"]), ("007", ["0", "0", "7"])],
)
def test_numbers_of_the_task_are_tokens_and_others_are_made_of_them(tokenizer, text, tokens):
    assert tokenizer.tokenize(text) == tokens


def test_project_prompts_are_short(tokenizer):
    messages = refine_messages("Tom has 12 apples.", "Tom has 12 + 5 = 17 apples.", "Explanation: 12 + 5 = 17.")
    fixed = refine_messages("", "", "")
    assert len(_ids(tokenizer, fixed)) < 20
    assert len(_ids(tokenizer, messages)) < 60


@pytest.mark.parametrize(
    "messages",
    [solve_messages("Tom has 2 pens."), critique_messages("Q", "R"), refine_messages("Q", "R", "C")],
    ids=["solve", "critique", "refine"],
)
def test_template_opens_the_assistants_turn_after_a_prompt(tokenizer, messages):
    text = tokenizer.apply_chat_template(as_messages(messages), add_generation_prompt=True, tokenize=False)
    assert text.startswith("<|user|><problem>\n")
    assert text.endswith("<|end|><|assistant|>")


def test_template_can_continue_the_final_message(tokenizer):
    messages = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "Tom has 1"}]
    text = tokenizer.apply_chat_template(messages, continue_final_message=True, tokenize=False)
    assert text == "<|user|>Q<|end|><|assistant|>Tom has 1"


def test_template_takes_a_system_message(tokenizer):
    messages = [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}]
    assert tokenizer.apply_chat_template(messages, tokenize=False) == "<|system|>S<|end|><|user|>Q<|end|>"


def test_special_tokens_are_left_out_of_decoded_text(tokenizer):
    ids = tokenizer.encode("<|assistant|>5 + 3 = 8<|end|><|pad|>")
    assert tokenizer.decode(ids, skip_special_tokens=True) == "5 + 3 = 8"


def test_saved_tokenizer_is_the_same(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    loaded = type(tokenizer).from_pretrained(tmp_path)
    messages = as_messages(solve_messages("Tom has 12 apples."))
    assert loaded.apply_chat_template(messages) == tokenizer.apply_chat_template(messages)
    assert loaded.get_vocab() == tokenizer.get_vocab()


def _ids(tokenizer, messages):
    return tokenizer.apply_chat_template(as_messages(messages), return_dict=False)
