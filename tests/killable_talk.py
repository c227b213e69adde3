"""A run that makes self-talk, in a process of its own that kills itself at a certain call of a certain stage."""

import multiprocessing
import os
import random
import signal
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, ClassVar

from fakes import ScriptedModel, critique_text, solution
from langchain_core.messages import AIMessage

from critique_graph.core.schema import Problem
from critique_graph.self_talk.make import make_self_talk

STAGES = ("solve", "critique", "repair", "smooth")
PROBLEMS = [
    Problem(id=f"p{n}", question=f"{n} people have 3 + 4 apples each, then double. How many has each?", answer="14")
    for n in range(8)
]


def stage_of(messages: Any) -> str:
    """Say what a call is for."""
    if isinstance(messages[-1], AIMessage):
        return "repair"
    if "thinks aloud" in messages[-1].text:
        return "smooth"
    return "critique" if "<response>" in messages[-1].text else "solve"


class Unpredictable(ScriptedModel):
    """Replies drawn by prompt and seed, right and wrong ones, of every kind of call; ends its process at one."""

    continues_final_message: ClassVar[bool] = True
    is_trained_here: ClassVar[bool] = True
    deadly: str | None = None
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
        value = rng.choice((14, 14, 15))
        if stage == "solve":
            return solution(value, "3 + 4 = 7.", f"7 * 2 = {value}.")
        if stage == "repair":
            return f"\n7 * 2 = {value}.\nThe answer is \\boxed{{{value}}}."
        text = messages[-1].text.partition("<response>\n")[2].partition("\n</response>")[0]
        if stage == "smooth":
            return f"So.\n{text}"
        verdict = "Correct" if "{14}" in text else "Wrong"
        return critique_text(verdict, ("3 + 4 = 7.", "Correct"), (text.splitlines()[1], verdict))


def make(folder: Path, deadly: str | None = None) -> tuple[bytes, Any]:
    """Make talks, or go on with it; gives the data set and what was dropped."""
    model = Unpredictable(deadly=deadly)
    summary = make_self_talk(
        PROBLEMS, out=folder, actor=model, critic=model, smoother=model, samples=3, seed=1, concurrency=2
    )
    return (folder / "dataset" / "self-talk.jsonl").read_bytes(), summary.dropped


def start(folder: Path, deadly: str) -> ForkServerProcess:
    """Make talks in a process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["killable_run", "killable_talk"])
    process = context.Process(target=make, args=(folder, deadly))
    process.start()
    return process
