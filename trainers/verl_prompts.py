"""Exports prompts for GRPO with verl 0.9.1: rows, a file with the reward, and the command that trains."""

import shlex
from collections.abc import Iterable
from pathlib import Path

from critique_graph.core.errors import InputError, MissingDependencyError
from critique_graph.core.files import write_atomically
from critique_graph.trainers.other_trainers import portable_model, token_limit, write_script
from critique_graph.trainers.prompt_rows import PromptTask
from critique_graph.trainers.rows import PromptRow, ResponseRow

ANSWER_TOKENS, GENERATIONS, BATCH = 1536, 8, 32
"""Maximum number of tokens of an answer, answers per prompt, and prompts per step, as `train critic-rl` has them."""
REWARDS: dict[PromptTask, str] = {
    "grpo": '''\
"""The reward of these rows for verl, whose environment needs critique-graph: 1 for a correct answer, else 0."""

from critique_graph.trainers.rewards import correctness


def compute_score(data_source, solution_str, ground_truth, extra_info=None, **more):
    return correctness([solution_str], reference=[ground_truth])[0]
''',
    "critic-grpo": '''\
"""The reward of these rows for verl, whose environment needs critique-graph: 1 for a verdict that agrees, else -1."""

from critique_graph.trainers.rewards import discriminability


def compute_score(data_source, solution_str, ground_truth, extra_info=None, **more):
    columns = {name: [extra_info[name]] for name in ("question", "response", "is_correct")}
    return discriminability([solution_str], reference=[ground_truth], **columns)[0]
''',
}
"""By task, the file `reward.py`."""


def write_prompts(
    rows: Iterable[PromptRow | ResponseRow], task: PromptTask, folder: Path, *, model: str
) -> tuple[int, str]:
    """Write a folder for verl; gives the number of rows and the command that trains on them.

    Raises:
        InputError: There are no rows, or the model is a folder that does not exist.
        MissingDependencyError: Parquet needs pyarrow.
    """
    made, start = list(rows), portable_model(model)
    if not made:
        raise InputError("there are no rows of this task to write.")
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingDependencyError("pyarrow", extra="data", purpose="Writing Parquet files") from error
    folder.mkdir(parents=True, exist_ok=True)
    records = [
        {
            "data_source": "critique-graph",
            "prompt": row["prompt"],
            "ability": "math",
            "reward_model": {"style": "rule", "ground_truth": row["reference"]},
            "extra_info": {
                "index": index,
                **{name: value for name, value in row.items() if name not in ("prompt", "reference")},
            },
        }
        for index, row in enumerate(made)
    ]
    parquet.write_table(arrow.Table.from_pylist(records), folder / "rows.parquet")
    write_atomically(folder / "reward.py", [REWARDS[task].encode()])
    longest = token_limit(row["prompt"] for row in made)
    command = (
        "python3 -m verl.trainer.main_ppo algorithm.adv_estimator=grpo data.train_files=rows.parquet "
        f"data.val_files=rows.parquet data.train_batch_size={BATCH} "
        f"data.max_prompt_length={longest} data.max_response_length={ANSWER_TOKENS} "
        f"actor_rollout_ref.model.path={shlex.quote(start)} actor_rollout_ref.rollout.name=vllm "
        f"actor_rollout_ref.actor.ppo_mini_batch_size={BATCH} actor_rollout_ref.actor.use_dynamic_bsz=True "
        f"actor_rollout_ref.rollout.n={GENERATIONS} reward.custom_reward_function.path=reward.py "
        "trainer.n_gpus_per_node=1 trainer.logger=[console] trainer.default_local_dir=model"
    )
    return len(made), write_script(folder, "verl", command)
