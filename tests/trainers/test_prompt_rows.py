"""Prompts for GRPO, and their rewards as TRL and verl call them."""

import importlib.util
import json
import shlex
from pathlib import Path
from types import ModuleType

import pytest
from fakes import critique_text, solution

from critique_graph.cli import run_command
from critique_graph.core.errors import InputError
from critique_graph.core.schema import Ballot, Call, Chain, Grade, Problem, Response, Trace
from critique_graph.nodes.critique import critique_messages
from critique_graph.nodes.solve import solve_messages
from critique_graph.trainers.prompt_rows import rows_of_traces
from critique_graph.trainers.rewards import correctness, discriminability
from critique_graph.trainers.rows import PromptRow, ResponseRow, as_messages
from critique_graph.trainers.verl_prompts import write_prompts

QUESTION = "What is 3 + 4?"
RIGHT, WRONG = solution(7), solution(8, "3 + 4 = 8.")
PROBLEM: PromptRow = {"prompt": as_messages(solve_messages(QUESTION)), "problem": "p", "reference": "7"}
JUDGED: ResponseRow = {
    "prompt": as_messages(critique_messages(QUESTION, WRONG)),
    "problem": "p",
    "chain": 0,
    "question": QUESTION,
    "response": WRONG,
    "reference": "7",
    "is_correct": False,
}


def played(*texts: str, problems: str = "train.jsonl") -> Trace:
    """A trace with a graded response of each text."""
    chains = tuple(
        Chain(
            index=index,
            response=Response(
                text=text,
                answer="?",
                call=Call(model="m"),
                grade=Grade(outcome="correct" if text == RIGHT else "incorrect"),
            ),
        )
        for index, text in enumerate(texts)
    )
    return Trace(
        problem=Problem(id="p", question=QUESTION, answer="7"),
        graph="actor_critic",
        settings={"problems": problems},
        chains=chains,
        ballot=Ballot(rule="majority"),
        answer="7",
        correct=True,
        usage={},
        seconds=1.0,
    )


def test_traces_give_each_problem_and_each_response_once() -> None:
    trace = played(WRONG, WRONG, RIGHT)
    assert list(rows_of_traces([trace], "grpo")) == [PROBLEM]
    wrong, right = rows_of_traces([trace], "critic-grpo")
    assert wrong == JUDGED
    assert (right["response"], right["is_correct"]) == (RIGHT, True)


def test_test_problems_give_no_prompts() -> None:
    with pytest.raises(InputError, match="is a test problem"):
        list(rows_of_traces([played(RIGHT, problems="hf:openai/gsm8k:main:test")], "grpo"))


@pytest.mark.parametrize("task", ["grpo", "critic-grpo"])
def test_data_set_gives_its_problems_and_responses(task: str, data: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    assert run_command(["export", str(data), "--to", "trl", "--task", task, "--out", str(file)]) == 0
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    kept = [json.loads(line) for line in (data / "dataset" / "train.jsonl").read_text().splitlines()]
    names = ("problem", "reference") if task == "grpo" else ("problem", "response", "is_correct")
    found = [tuple(row[name] for name in names) for row in rows]
    assert found == list(dict.fromkeys(tuple(row[name] for name in names) for row in kept))


def test_rewards_take_the_columns_of_the_rows() -> None:
    def columns(row: PromptRow | ResponseRow) -> dict[str, list[object]]:
        return {name: [value, value] for name, value in row.items()}

    texts = [[{"role": "assistant", "content": text}] for text in (solution(7), f"<think>7</think>{solution(8)}")]
    assert correctness(texts, **columns(PROBLEM)) == [1.0, 0.0]
    verdicts = [critique_text(verdict).replace("3 + 4 = 7.", "3 + 4 = 8.", 1) for verdict in ("Wrong", "Correct")]
    assert discriminability(verdicts, **columns(JUDGED)) == [1.0, -1.0]


@pytest.mark.parametrize(
    ("task", "row", "good", "bad"),
    [
        ("grpo", PROBLEM, (solution(7), 1.0), (solution(8), 0.0)),
        ("critic-grpo", JUDGED, (critique_text("Wrong").replace("= 7.", "= 8.", 1), 1.0), ("Hm.", -1.0)),
    ],
    ids=["grpo", "critic-grpo"],
)
def test_verl_gets_rows_reward_and_command(task, row, good, bad, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    count, command = write_prompts([row], task, tmp_path, model="hub/model")
    (written,) = parquet.read_table(tmp_path / "rows.parquet").to_pylist()
    assert (count, written["prompt"], written["reward_model"]["ground_truth"]) == (1, row["prompt"], "7")
    reward = loaded(tmp_path / "reward.py")
    for text, expected in (good, bad):
        assert reward.compute_score("critique-graph", text, "7", extra_info=written["extra_info"]) == expected
    words = shlex.split(command)
    assert {"actor_rollout_ref.model.path=hub/model", "reward.custom_reward_function.path=reward.py"} <= set(words)


def loaded(file: Path) -> ModuleType:
    """The module, as verl loads it."""
    spec = importlib.util.spec_from_file_location("reward", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
