import platform
from importlib.metadata import version

from critique_graph.core.versions import installed_versions


def test_versions_of_python_and_of_packages_are_given() -> None:
    assert installed_versions(["pydantic", "no-such-package"]) == {
        "python": platform.python_version(),
        "pydantic": version("pydantic"),
        "no-such-package": None,
    }
