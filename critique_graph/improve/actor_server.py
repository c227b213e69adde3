"""Servers for the actor of a self-improvement: a command starts them with the weights of each iteration.

The command is ended before a training, which has the devices for itself, and started again with the model that was
trained. Servers are ready once they list the weights under their path, which is what vLLM calls a model by itself: one
that still has the weights of an earlier iteration is never taken for ready.
"""

import shlex
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from langchain_core.language_models import BaseChatModel

from critique_graph.core.addresses import addresses_of
from critique_graph.core.errors import InputError, RunError
from critique_graph.core.secrets import redacted
from critique_graph.core.tied_process import TiedProcess
from critique_graph.models.load import load_model, path_or_hub_name
from critique_graph.models.model_string import ModelString
from critique_graph.models.servers import NoAnswerError, models_at

WEIGHTS = "{model}"
"""What the path of the weights replaces in the command."""
_TICK_SECONDS = 1.0
_LOG_LINES = 2


class ActorServer:
    """A command that has servers serve an actor, and how these are reached. A context: at its end the command ends.

    Args:
        command: The command, in which `{model}` stands for the weights. No shell reads it. It may run for as long as
            it serves, or start servers elsewhere and exit with 0.
        base_url: Addresses of the servers, as `--base-url` takes them; a file of addresses need not exist yet.
        log: File that gets what the command prints.
        start_seconds: Longest time that the servers may take until they have the weights.
        pause: Waits between two looks at the servers, for so many seconds.

    Raises:
        InputError: The command does not name the weights, or cannot be read.
    """

    def __init__(
        self,
        command: str,
        base_url: str,
        log: Path,
        *,
        start_seconds: float,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        try:
            self._command = shlex.split(command)
        except ValueError as error:
            raise InputError(f"--serve-command {command}: {error}.") from None
        if WEIGHTS not in command:
            raise InputError(f"--serve-command {command}: write {WEIGHTS} where the path of the weights belongs.")
        self._base_url = base_url
        self._log = log
        self._start_seconds = start_seconds
        self._pause = pause
        self._process: TiedProcess | None = None
        self._name: str | None = None
        """The weights that the command was started with."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def model(self, actor: str) -> BaseChatModel:
        """Give the chat model that calls an actor at the servers; it is prompted as it would be in this process."""
        name = _name(actor)
        return load_model(f"openai:{name}", base_url=self._base_url).model_copy(update={"weights": name})

    def serve(self, actor: str) -> None:
        """Have the servers serve an actor, if they do not yet; returns once they have it.

        Raises:
            RunError: The command failed, or the servers do not have the weights in time.
        """
        name = _name(actor)
        if self._process is not None and self._name == name and self._process.exit_code in (None, 0):
            return
        self.end()
        command = [word.replace(WEIGHTS, name) for word in self._command]
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._process, self._name = TiedProcess(command, self._log), name
        began = time.monotonic()
        while missing := self._missing(name):
            if self._process.exit_code not in (None, 0):
                self._fail(f"failed: {self._process.last_words(_LOG_LINES)}")
            if time.monotonic() - began >= self._start_seconds:
                self._fail(f"did not have the model served within {self._start_seconds:g} s (--outage): {missing}")
            self._pause(_TICK_SECONDS)

    def end(self) -> None:
        """End the command, and with it what it serves."""
        if self._process is not None:
            self._process.end()
        self._process = self._name = None

    def _missing(self, name: str) -> str | None:
        """Say why the servers do not have the weights yet; None once all of them do."""
        try:
            for address in addresses_of(self._base_url):
                if name not in models_at(address):
                    return f"the server at {redacted(address)} does not list {name}."
        except (NoAnswerError, InputError) as error:  # no server, or no file of servers
            return str(error)
        return None

    def _fail(self, what: str) -> None:
        self.end()
        raise RunError(f"--serve-command {what} Its log is {self._log}. The same command again goes on here.")


def _name(actor: str) -> str:
    """Give what the servers call an actor: the whole path of its weights, or their name on the hub."""
    weights = ModelString.parse(actor).weights
    assert weights is not None
    return path_or_hub_name(actor, weights)
