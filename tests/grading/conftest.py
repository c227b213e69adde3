"""One grader for the folder: its workers start once, and serve every test's own event loop."""

import asyncio
from collections.abc import Iterator

import pytest

from critique_graph.grading.grader import MathGrader


@pytest.fixture(scope="session")
def grader() -> Iterator[MathGrader]:
    shared = MathGrader()
    yield shared
    asyncio.run(shared.aclose())
