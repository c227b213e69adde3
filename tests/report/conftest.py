"""Folders of the verbs whose pages are tested."""

from pathlib import Path
from typing import Any

import pytest

from critique_graph.compare.pool import compare_strategies
from critique_graph.core.schema import Record
from critique_graph.eval_critic.score import evaluate_critic
from critique_graph.generate.make import generate_data
from critique_graph.self_talk.make import make_self_talk


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Record]]:
    """A folder of every verb that plays the miniature, and the summary that the verb gave."""
    root = tmp_path_factory.mktemp("verbs")
    small: dict[str, Any] = {"samples": 2, "seed": 3}
    return {
        "generate": (
            root / "generate",
            generate_data(limit=3, rollouts=2, refinements=2, out=root / "generate", **small),
        ),
        "self-talk": (root / "self-talk", make_self_talk(limit=4, out=root / "self-talk", **small)),
        "compare": (root / "compare", compare_strategies(limit=4, out=root / "compare", **small)),
        "eval-critic": (root / "eval-critic", evaluate_critic(limit=8, out=root / "eval-critic", seed=3)),
    }
