"""The environment of verifiers in `examples/verifiers_env`, through the package itself, with scripted models.

The package brings much that nothing else here needs, so the test is skipped where it is not installed. CI runs it in an
environment of its own.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("verifiers")

import verifiers.v1 as vf
from fakes import critique_text, solution

sys.path.insert(0, str(Path(__file__).parents[1] / "examples" / "verifiers_env"))

import critic_env
from scripted_harness import ScriptedConfig
from verifiers.v1.clients import ModelContext
from verifiers.v1.configs.client import EvalClientConfig

pytestmark = [pytest.mark.network_loopback, pytest.mark.enable_socket]


class Scripted(ThreadingHTTPServer):
    """A server of OpenAI's chat completions: replies by model in, asked prompts out."""

    def __init__(self, **replies: list[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.replies, self.asked = replies, list[tuple[str, str]]()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Answer(BaseHTTPRequestHandler):
    server: Scripted

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((asked["model"], asked["messages"][-1]["content"]))
        replies = self.server.replies[asked["model"]]
        message = {"role": "assistant", "content": replies.pop(0) if replies else ""}
        body = json.dumps(
            {
                "id": "1",
                "object": "chat.completion",
                "created": 0,
                "model": asked["model"],
                "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
            }
        ).encode()
        self.send_response(200 if message["content"] else 500)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def problems(tmp_path: Path) -> str:
    file = tmp_path / "problems.jsonl"
    file.write_text(json.dumps({"question": "3 + 4?", "answer": "7"}) + "\n")
    return str(file)


async def played(server: Scripted, problems: str) -> Any:
    def seat(model: str) -> Any:
        return vf.AgentConfig(harness=ScriptedConfig(id="scripted-harness"), runtime=vf.SubprocessConfig(), model=model)

    taskset = critic_env.ProblemsConfig(id="critic-env", problems=problems)
    env = critic_env.CriticEnv(critic_env.CriticEnvConfig(taskset=taskset, actor=seat("actor"), critic=seat("critic")))
    context = ModelContext("critic", EvalClientConfig(base_url=f"http://127.0.0.1:{server.server_port}/v1"))
    async with env.serving():
        (task,) = env.taskset
        return await env.run_episode(task, context)


def seats(episode: Any) -> list[tuple[str, bool, dict[str, float]]]:
    return [
        (trace.agent.name, trace.agent.trainable, {name: reward.score for name, reward in trace.rewards.items()})
        for trace in episode.traces
    ]


async def test_critic_whose_critique_corrects_the_actor_is_rewarded_for_both(problems: str):
    server = Scripted(actor=[solution(8), solution(7)], critic=[critique_text("Wrong")])

    episode = await played(server, problems)

    assert episode.ok
    assert seats(episode) == [
        ("actor", False, {}),
        ("critic", True, {"verdict": 1.0, "helps": 1.0}),
        ("actor", False, {}),
    ]
    assert [model for model, _ in server.asked] == ["actor", "critic", "actor"]
    assert "{8}" in server.asked[1][1]
    assert "Correctness of the final answer: Wrong" in server.asked[2][1]


@pytest.mark.parametrize(
    ("answer", "judged", "rewards"),
    [
        (7, critique_text("Correct"), {"verdict": 1.0, "helps": 1.0}),
        (8, critique_text("Correct"), {"verdict": -1.0, "helps": 0.0}),
        (8, "Well.", {"verdict": -1.0, "helps": 0.0}),
    ],
    ids=["approves of a correct one", "approves of a wrong one", "unreadable"],
)
async def test_critique_that_asks_for_no_refinement_is_rewarded_by_the_response(
    answer: int, judged: str, rewards: dict[str, float], problems: str
):
    episode = await played(Scripted(actor=[solution(answer)], critic=[judged]), problems)

    assert seats(episode) == [("actor", False, {}), ("critic", True, rewards)]


async def test_call_that_fails_gives_no_reward(problems: str):
    episode = await played(Scripted(actor=[solution(8)], critic=[]), problems)

    assert not episode.ok
    assert [rewards for _, _, rewards in seats(episode)] == [{}, {}]
