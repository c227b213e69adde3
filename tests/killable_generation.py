"""A run that makes data, in a process of its own that kills itself at a certain call of a certain stage."""

import multiprocessing
import os
import random
import signal
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, ClassVar, Literal

from fakes import ScriptedModel, critique_text, solution
from langchain_core.messages import AIMessage

from critique_graph.core.schema import Problem
from critique_graph.generate.make import generate_data

Stage = Literal["sample", "continue", "corrupt", "annotate", "refine"]

STEPS = ("3 + 4 = 7.", "7 * 2 = 14.")
RIGHT, WRONG = solution(14, *STEPS), solution(9, "3 + 4 = 7.", "7 + 2 = 9.")
JUDGED_WRONG = critique_text("Wrong").replace("3 + 4 = 7.", "7 + 2 = 9.", 1)
PROBLEMS = [
    Problem(id=f"p{n}", question=f"{n} people have 3 + 4 apples each, then double. How many has each?", answer="14")
    for n in range(6)
]
SETTINGS: dict[str, Any] = {
    "samples": 4,
    "attempts": 2,
    "refinements": 4,
    "rollouts": 2,
    "seed": 1,
    "concurrency": 2,
}


def stage_of(messages: Any) -> Stage:
    """Say what a call is for."""
    if isinstance(messages[-1], AIMessage):
        return "continue"
    text = messages[-1].text
    if "<hints>" in text:
        return "annotate"
    if "exactly one error" in text:
        return "corrupt"
    return "refine" if len(messages) > 1 else "sample"


class Unpredictable(ScriptedModel):
    """Replies drawn by prompt and seed, right and wrong ones, of every kind of call; ends its process at one."""

    continues_final_message: ClassVar[bool] = True
    is_trained_here: ClassVar[bool] = True
    deadly: Stage | None = None
    """A call of this kind, the seventh, kills the process."""
    asked: int = 0

    def model_post_init(self, context: Any) -> None:
        self.answer = self._answer

    def _answer(self, messages: Any) -> str:
        stage = stage_of(messages)
        self.asked += stage == self.deadly
        if self.asked == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        said = "".join(message.text for message in messages)
        rng = random.Random(f"{said}/{self.settings[-1].get('seed')}")
        if stage == "annotate":
            return JUDGED_WRONG if "another answer" in messages[-1].text else critique_text("Correct")
        if stage == "corrupt":
            return "Step sentence: 7 + 2 = 9.\nExplanation: It should be doubled."
        if stage == "continue":
            return rng.choice(("\n7 * 2 = 14.\nThe answer is 14.", "\n7 + 2 = 9.\nThe answer is 9."))
        if stage == "refine" and "<critique>\nStep" in messages[-1].text:
            return rng.choice((RIGHT, RIGHT, RIGHT, WRONG))
        return rng.choice((RIGHT, WRONG))


def generate(folder: Path, deadly: Stage | None = None) -> tuple[bytes, Any]:
    """Make data, or go on with it; gives the data set and the funnel."""
    model = Unpredictable(deadly=deadly)
    models = {"actor": model, "annotator": model, "corruptor": model}
    summary = generate_data(PROBLEMS, out=folder, **models, **SETTINGS)
    return (folder / "dataset" / "train.jsonl").read_bytes(), summary.funnel


def start(folder: Path, deadly: Stage) -> ForkServerProcess:
    """Make data in a process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["killable_run", "killable_generation"])
    process = context.Process(target=generate, args=(folder, deadly))
    process.start()
    return process
