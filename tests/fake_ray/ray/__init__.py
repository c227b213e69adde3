"""What a run asks of Ray, in this process: tasks that are waited for are run one after another."""

from typing import Any

from ray.exceptions import RayTaskError

clusters: list[dict[str, Any]] = []
"""What `init` was asked for, by each call."""
tasks: list[dict[str, Any]] = []
"""What each task asks for."""
resources: dict[str, float] = {"CPU": 2.0}
unreachable: list[str] = []
"""Addresses at which there is no cluster."""


def init(address: str, **options: Any) -> None:
    if address in unreachable:
        raise ConnectionError(f"Could not find any running Ray instance at {address}.\nMore that nobody reads.")
    clusters.append({"address": address, **options})


def shutdown() -> None:
    pass


def cluster_resources() -> dict[str, float]:
    return resources


class Reference:
    def __init__(self, function: Any, argument: Any) -> None:
        self.call = function, argument
        self.is_cancelled = False


class Task:
    def __init__(self, function: Any, asked: dict[str, Any]) -> None:
        self.function, self.asked = function, asked

    def options(self, **more: Any) -> "Task":
        return Task(self.function, {**self.asked, **more})

    def remote(self, argument: Any) -> Reference:
        tasks.append(self.asked)
        return Reference(self.function, argument)


def remote(**asked: Any) -> Any:
    return lambda function: Task(function, asked)


def wait(references: list[Reference], timeout: float) -> tuple[list[Reference], list[Reference]]:
    return references[:1], references[1:]


def get(reference: Reference) -> Any:
    function, argument = reference.call
    try:
        return function(argument)
    except Exception as error:
        raise RayTaskError(error) from error
