"""What holds for every test."""

import os

# Before torch is first imported: tiny models are as fast on one thread, and threads that wait for each other spin.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Nothing is ever fetched from a hub.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("LANGSMITH_TRACING", "false")

import pytest

from critique_graph.core.errors import InputError
from critique_graph.sandbox.run import require_sandbox


@pytest.fixture(autouse=True)
def secrets_of_one_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test names as a secret, such as `user`, is not hidden in the texts of the others."""
    monkeypatch.setattr("critique_graph.core.secrets._known", set())


@pytest.fixture(scope="session")
def sandbox() -> None:
    """Programs run only where the kernel confines them; elsewhere the tests that run one are skipped, and say why."""
    try:
        require_sandbox()
    except InputError as error:
        pytest.skip(str(error))
