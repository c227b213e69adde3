"""The miniature's actor behind `/v1/chat/completions` on the loopback: a real OpenAI-compatible peer for tests."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, convert_to_messages

from critique_graph.miniature import weights_path
from critique_graph.nodes.chat_transformers import ChatTransformers

SETTINGS = ("temperature", "top_p", "max_tokens", "seed")


@contextmanager
def miniature_server() -> Iterator[str]:
    """Serve until the block ends; gives the base URL."""
    model = ChatTransformers(model=str(weights_path("actor")), max_tokens=40)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            messages = convert_to_messages(asked["messages"])
            settings = {name: asked[name] for name in SETTINGS if asked.get(name) is not None}
            stop = [asked["stop"]] if isinstance(asked.get("stop"), str) else asked.get("stop")
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream" if asked.get("stream") else "application/json")
            self.end_headers()
            if asked.get("stream"):
                for chunk in model.stream(messages, stop=stop, **settings):
                    self.event(_choice("delta", chunk))
                    if chunk.usage_metadata:
                        self.event({"choices": [], "usage": _usage(chunk)})
                self.wfile.write(b"data: [DONE]\n\n")
                return
            reply = model.invoke(messages, stop=stop, **settings)
            self.wfile.write(json.dumps(_payload({**_choice("message", reply), "usage": _usage(reply)})).encode())

        def event(self, fields: dict[str, Any]) -> None:
            self.wfile.write(f"data: {json.dumps(_payload(fields))}\n\n".encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def _payload(fields: dict[str, Any]) -> dict[str, Any]:
    return {"id": "1", "model": "miniature", **fields}


def _choice(name: str, message: AIMessage | AIMessageChunk) -> dict[str, Any]:
    reason = message.response_metadata.get("finish_reason")
    content = {"role": "assistant", "content": message.text}
    return {"choices": [{"index": 0, name: content, "finish_reason": reason}]}


def _usage(message: AIMessage | AIMessageChunk) -> dict[str, Any]:
    usage = message.usage_metadata
    assert usage is not None
    return {
        "prompt_tokens": usage["input_tokens"],
        "completion_tokens": usage["output_tokens"],
        "total_tokens": usage["total_tokens"],
    }
