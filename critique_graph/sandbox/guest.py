"""The start of both processes: they are confined, and then run the tests or the program.

    judge CPU_SECONDS MEMORY_BYTES FILE_BYTES REQUESTS ANSWERS    reads a `Program` from its input, writes a `Verdict`
    candidate CPU_SECONDS MEMORY_BYTES FILE_BYTES                 reads requests from its input, writes answers

`run` starts it without the rest of the package, in the folder in which it may write files. REQUESTS and ANSWERS are the
descriptors of the pipes to the other process.
"""

import json
import os
import sys

from critique_graph.sandbox.candidate import serve
from critique_graph.sandbox.confine import confine
from critique_graph.sandbox.judge import judge


def main() -> None:
    role, *numbers = sys.argv[1:]
    cpu_seconds, memory_bytes, file_bytes, *pipes = map(int, numbers)
    del sys.argv[1:]
    with os.fdopen(os.dup(0), "rb") as incoming, os.fdopen(os.dup(1), "wb") as outgoing:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)  # what is printed goes where errors go
        try:
            confine(cpu_seconds=cpu_seconds, memory_bytes=memory_bytes, file_bytes=file_bytes, folder=os.getcwd())
        except OSError as error:
            outgoing.write(json.dumps({"status": "unprotected", "detail": error.strerror or str(error)}).encode())
            return
        if role == "judge":
            requests, answers = os.fdopen(pipes[0], "wb"), os.fdopen(pipes[1], "rb")
            outgoing.write(json.dumps(judge(**json.load(incoming), requests=requests, answers=answers)).encode())
        else:
            serve(incoming, outgoing)
