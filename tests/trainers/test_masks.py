"""Which tokens of a row are learned, under the chat templates of real model families."""

from pathlib import Path

import pytest

pytest.importorskip("trl")

import trl
from datasets import Dataset
from shipped import shipped_tokenizer
from transformers import PreTrainedTokenizerBase
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer

from critique_graph.core.errors import InputError
from critique_graph.miniature_training.train import new_model
from critique_graph.nodes.critique import critique_messages
from critique_graph.nodes.refine import refine_messages
from critique_graph.nodes.solve import solve_messages
from critique_graph.trainers.masks import checked_masks, coloured
from critique_graph.trainers.rows import TrainingRow, preference_row, row
from critique_graph.trainers.trainer import SFTSettings, arguments

QUESTION, FLAWED, CRITIQUE, RIGHT = "Tom has 3 pens.", "Tom has 4 pens.", "Step 1 is Wrong.", "The answer is 3."
TASKS = {
    "critic": row(critique_messages(QUESTION, FLAWED), CRITIQUE),
    "critic with reasoning": row(critique_messages(QUESTION, FLAWED), f"<think>\n3 pens\n</think>\n\n{CRITIQUE}"),
    "refiner": row(refine_messages(QUESTION, FLAWED, CRITIQUE), RIGHT),
    "actor": row(solve_messages(QUESTION), RIGHT),
    "self-talk": row(solve_messages(QUESTION), f"Tom has 5 pens.\nWrong. Tom has 3 pens, not 5.\n{RIGHT}"),
    "self-correction": row(solve_messages(QUESTION), f"The answer is 5.\n\n{CRITIQUE}\n\n{RIGHT}"),
}
FAMILIES = ("qwen2_5", "qwen3", "llama3", "phi3", "gemma")


def tokenizer_of(family: str) -> PreTrainedTokenizerBase:
    """The miniature's tokenizer, which can write anything, with the template of a model family, as TRL brings it."""
    tokenizer = shipped_tokenizer()
    tokenizer.add_special_tokens({"bos_token": "<s>"})
    tokenizer.chat_template = (Path(trl.__file__).parent / "chat_templates" / f"{family}.jinja").read_text()
    return tokenizer


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("task", TASKS)
def test_completion_alone_is_learned(family: str, task: str) -> None:
    ((*tokens,),) = checked_masks([TASKS[task]], tokenizer_of(family))
    learned = "".join(text for text, is_learned in tokens if is_learned)
    context = "".join(text for text, is_learned in tokens if not is_learned)
    completion = TASKS[task]["completion"][0]["content"]
    assert completion in learned
    assert completion not in context
    assert QUESTION in context
    assert FLAWED not in learned
    first = next(index for index, (_, is_learned) in enumerate(tokens) if is_learned)
    assert all(is_learned for _, is_learned in tokens[first:]), "what is learned is the end of the row"


@pytest.mark.parametrize("family", FAMILIES)
def test_trl_compares_the_two_answers_of_a_preference_alone(family: str, tmp_path: Path) -> None:
    tokenizer = tokenizer_of(family)
    pair = preference_row(solve_messages(QUESTION), RIGHT, FLAWED)
    trainer = DPOTrainer(
        model=new_model(tokenizer, seed=0),
        ref_model=new_model(tokenizer, seed=0),
        args=DPOConfig(**arguments(SFTSettings(batch_size=1), str(tmp_path), keeps_state=False)),
        train_dataset=Dataset.from_list([dict(pair)]),
        processing_class=tokenizer,
    )
    (seen,) = trainer.train_dataset
    context, chosen, rejected = (tokenizer.decode(seen[f"{part}_ids"]) for part in ("prompt", "chosen", "rejected"))
    assert QUESTION in context
    assert (RIGHT in context, FLAWED in context) == (False, False)
    assert (RIGHT in chosen, FLAWED in chosen) == (True, False)
    assert (RIGHT in rejected, FLAWED in rejected) == (False, True)


def test_template_that_says_more_at_the_end_is_over_wide() -> None:
    tokenizer = tokenizer_of("qwen2_5")
    tokenizer.chat_template += "{% if not add_generation_prompt %}" + "Ask me more. " * 9 + "{% endif %}"
    with pytest.raises(InputError, match="row 0: more than the completion is learned"):
        list(checked_masks([TASKS["actor"]], tokenizer))


def test_template_that_drops_the_completion_is_found() -> None:
    tokenizer = tokenizer_of("qwen2_5")
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] | upper }}{% endfor %}"
    with pytest.raises(InputError, match="row 0: not all of the completion is learned"):
        list(checked_masks([TASKS["actor"]], tokenizer))


def test_row_with_nothing_to_learn_is_named() -> None:
    empty: TrainingRow = {"prompt": TASKS["actor"]["prompt"], "completion": []}
    tokenizer = tokenizer_of("qwen2_5")
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    with pytest.raises(InputError, match=r"row 1: .*nothing to learn"):
        list(checked_masks([TASKS["actor"], empty], tokenizer))


def test_tokenizer_without_template_has_the_plain_one() -> None:
    tokenizer = shipped_tokenizer()
    tokenizer.chat_template = None
    (mask,) = checked_masks([TASKS["actor"]], tokenizer)
    assert "".join(text for text, learned in mask if learned).startswith(TASKS["actor"]["completion"][0]["content"])


def test_learned_tokens_are_green() -> None:
    text = coloured([("Q", False), ("A", True)])
    assert text.plain == "QA"
    assert ["green" in str(span.style) for span in text.spans] == [False, True]
