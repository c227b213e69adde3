"""What `serve-models` uses of vLLM's server, as a program; it answers as `hashed_model` does.

Its flags beside those of vLLM: `--die` ends it at the start, `--deaf` keeps it from ever being ready, and `--lock FILE`
has it and a process of its own share a lock for as long as they live. `POST /die` ends it.
"""

import fcntl
import json
import os
import subprocess
import sys
from argparse import ArgumentParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

parser = ArgumentParser()
for name in ("--model", "--host", "--lock", "--load-format", "--dtype"):
    parser.add_argument(name)
parser.add_argument("--port", type=int)
parser.add_argument("--die", action="store_true")
parser.add_argument("--deaf", action="store_true")
told = parser.parse_args()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/health":
            self.reply({}, 503 if told.deaf else 200)
        elif self.path == "/v1/models":
            self.reply({"data": [{"id": told.model}]})
        elif self.path == "/environment":
            self.reply(dict(os.environ))

    def do_POST(self) -> None:
        if self.path == "/die":
            os._exit(1)
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if asked["model"] != told.model:
            self.reply({"error": {"message": "there is no such model"}}, 404)
            return
        message = {"role": "assistant", "content": answer(asked)}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self.reply({"id": "1", "model": told.model, "choices": [choice], "usage": usage})

    def reply(self, content: dict[str, Any], status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def answer(asked: dict[str, Any]) -> str:
    """Give the reply to a request: that of `HashedModel` to its sums."""
    if "What is" not in str(asked["messages"]):  # one token, by which a client probes the server
        return "Yes"
    from hashed_model import HashedModel
    from langchain_core.messages import convert_to_messages

    skill = json.loads((Path(told.model) / "skill.json").read_text())
    return HashedModel(skill=skill).invoke(convert_to_messages(asked["messages"]), seed=asked.get("seed")).text


if told.die:
    sys.exit("loading weights\nValueError: there is no memory left")
if told.lock is not None:
    lock = os.open(told.lock, os.O_WRONLY | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_SH)
    subprocess.Popen(["sleep", "600"], pass_fds=[lock])
with ThreadingHTTPServer(("127.0.0.1", told.port), Handler) as server:
    server.daemon_threads = True
    server.serve_forever(0.01)
