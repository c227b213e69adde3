import random

import pytest

pytest.importorskip("trl")

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from critique_graph.miniature import weights_path
from critique_graph.miniature.solutions import gold_response, shortened_response
from critique_graph.miniature.task import generate_exercises
from critique_graph.nodes.solve import solve_messages
from critique_graph.trainers.encoded import encode_rows
from critique_graph.trainers.kto import train_kto
from critique_graph.trainers.label_weights import kto_weights
from critique_graph.trainers.rows import LabelledRow, labelled_row
from critique_graph.trainers.trainer import SFTResult, SFTSettings


@pytest.fixture(scope="module")
def rows() -> list[LabelledRow]:
    """Four desirable rows and eight undesirable ones."""
    rng, made = random.Random(0), list[LabelledRow]()
    for number, exercise in enumerate(generate_exercises(8, seed=1, split="train")):
        prompt = solve_messages(exercise.problem.question)
        if number < 4:
            made.append(labelled_row(prompt, gold_response(exercise), label=True))
        made.append(labelled_row(prompt, shortened_response(exercise, rng), label=False))
    return made


def trained(rows: list[LabelledRow], **settings: object) -> tuple[SFTResult, PreTrainedModel, PreTrainedTokenizerBase]:
    weights = weights_path("actor")
    model = AutoModelForCausalLM.from_pretrained(weights, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(weights)
    quick = {"learning_rate": 1e-4, "batch_size": 12, "max_steps": 4, "use_cpu": True, "log_every": 1, "warmup": 0.0}
    result = train_kto(rows, model=model, tokenizer=tokenizer, settings=SFTSettings(**{**quick, **settings}))
    return result, model, tokenizer


def likelihoods(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: list[LabelledRow]
) -> dict[bool, float]:
    """Log likelihood, in nats a row, of the undesirable and of the desirable answers."""
    found: dict[bool, list[float]] = {False: [], True: []}
    for made in rows:
        (encoded,) = encode_rows([made], tokenizer, max_length=10_000)
        ids, labels = (torch.tensor([encoded[key]]) for key in ("input_ids", "labels"))
        with torch.no_grad():
            loss = model(input_ids=ids, labels=labels).loss.item()
        found[made["label"]].append(-loss * (labels != -100).sum().item())
    return {label: sum(values) / len(values) for label, values in found.items()}


def test_desirable_answers_become_likelier_than_undesirable_ones(rows: list[LabelledRow]) -> None:
    before = likelihoods(*trained(rows, learning_rate=1e-12, max_steps=1)[1:], rows)
    result, model, tokenizer = trained(rows)
    after = likelihoods(model, tokenizer, rows)
    assert result.losses[0] == pytest.approx(2 / 3, abs=1e-3), "half of the mean weight: the start is the reference"
    assert result.losses[-1] < result.losses[0]
    assert after[True] - after[False] > before[True] - before[False] + 1


def test_seed_gives_the_same_losses_and_another_seed_another_order(rows: list[LabelledRow]) -> None:
    settings = {"batch_size": 4, "max_steps": 3}
    first, again, other = (trained(rows, seed=seed, **settings)[0].losses for seed in (0, 0, 1))
    assert first == again != other


@pytest.mark.parametrize(
    ("desirable", "undesirable", "weights"),
    [(4, 8, (2.0, 1.0)), (8, 4, (1.0, 2.0)), (5, 5, (1.0, 1.0))],
    ids=["few desirable", "few undesirable", "as many"],
)
def test_rarer_kind_weighs_more(
    rows: list[LabelledRow], desirable: int, undesirable: int, weights: tuple[float, float]
) -> None:
    good, bad = (next(row for row in rows if row["label"] is label) for label in (True, False))
    found = kto_weights([good] * desirable + [bad] * undesirable)
    assert (found["desirable"], found["undesirable"]) == weights


def test_what_kto_cannot_learn_from_is_refused(rows: list[LabelledRow]) -> None:
    with pytest.raises(ValueError, match="all 4 rows are of one kind: KTO also needs undesirable ones"):
        trained([row for row in rows if row["label"]])
    with pytest.raises(ValueError, match="at least 2"):
        trained(rows, rows_at_once=1)
    with pytest.raises(ValueError, match="longer than 20 tokens"):
        trained(rows, max_length=20)
