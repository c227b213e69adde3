"""Programs run only where the kernel confines them; elsewhere the tests that run one are skipped, and say why."""

import pytest

from critique_graph.core.errors import InputError
from critique_graph.sandbox.run import require_sandbox


@pytest.fixture(scope="session")
def sandbox() -> None:
    try:
        require_sandbox()
    except InputError as error:
        pytest.skip(str(error))
