"""Async graph nodes that a synchronous `.invoke` can run too, and the events they send."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Any, TypeVar

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.runtime import get_runtime

from critique_graph.core.context import Context
from critique_graph.core.schema import Record

State = TypeVar("State")
Result = TypeVar("Result")


_is_watched: ContextVar[bool] = ContextVar("is_watched", default=True)


def emit(event: str, record: Record | None = None, **fields: Any) -> None:
    """Send a custom event to whoever streams the graph (`stream_mode="custom"`): the fields, then those of `record`."""
    if _is_watched.get():
        recorded = {} if record is None else record.model_dump(mode="json")
        get_runtime(Context).stream_writer({"event": event, **fields, **recorded})


@contextmanager
def unwatched() -> Iterator[None]:
    """Send no events from graphs that run within, because nobody streams them."""
    token = _is_watched.set(False)
    try:
        yield
    finally:
        _is_watched.reset(token)


async def together(work: Callable[[State], Awaitable[Result]], items: Iterable[State]) -> list[Result]:
    """Await the work on all items at the same time; a single one needs no task of its own."""
    todo = list(items)
    if len(todo) == 1:
        return [await work(todo[0])]
    return await asyncio.gather(*map(work, todo))


class BothWays(Runnable[State, Result]):
    """An async node or router that `.invoke` can run too; then it gets its own event loop.

    `RunnableLambda` could do this, but it inspects signatures and opens its own callback run on every call.
    """

    def __init__(self, function: Callable[[State], Awaitable[Result]]) -> None:
        self._function = function
        self.name = getattr(function, "__name__", None)

    async def ainvoke(  # `input` is LangChain's name for it
        self,
        input: State,  # noqa: A002
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Result:
        return await self._function(input)

    def invoke(self, input: State, config: RunnableConfig | None = None, **kwargs: Any) -> Result:  # noqa: A002
        return wait_for(self.ainvoke(input))


def wait_for(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end in its own event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as executor:  # called from inside a running loop, as in notebooks
        return executor.submit(copy_context().run, asyncio.run, work).result()
