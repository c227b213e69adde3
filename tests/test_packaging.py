"""What is installed, what is public, and what an import costs."""

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import critique_graph

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_folder_with_modules_is_installed():
    folders = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for top in ("critique_graph", "nodes", "trainers")
        for path in (ROOT / top).rglob("__init__.py")
        if "__pycache__" not in path.parts
    }
    folders = {f"critique_graph.{name}" if name in ("nodes", "trainers") else name for name in folders}

    assert sorted(folders) == sorted(PROJECT["tool"]["setuptools"]["packages"])


@pytest.mark.parametrize("package", PROJECT["tool"]["setuptools"]["packages"])
def test_public_names_are_sorted_and_exist(package: str):
    module = importlib.import_module(package)

    names = getattr(module, "__all__", [])
    assert names == sorted(names)
    assert [name for name in names if not hasattr(module, name)] == []


def test_fixed_names_are_public():
    fixed = {
        "ChatTransformers",
        "ChatVLLM",
        "create_actor_critic",
        "create_ask",
        "create_auto_critique",
        "create_chat",
        "create_flawed_paths",
        "create_self_improve",
        "create_self_talk",
        "grade",
        "load_problems",
        "maj_at_k",
        "parse_critique",
        "pass_at_k",
        "read_traces",
        "render_critique",
        "split_steps",
    }
    assert fixed <= set(critique_graph.__all__)


def loaded_by(code: str, packages: set[str]) -> set[str]:
    shown = f"import sys; {code}; print(*({packages} & set(sys.modules)), file=sys.stderr)"
    found = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    return set(found.stderr.split())


def test_import_loads_no_package_of_others():
    packages = {"langgraph", "langchain_core", "langsmith", "pydantic", "cyclopts", "rich", "yaml", "orjson", "torch"}

    assert loaded_by("import critique_graph", packages) == set()


def test_public_names_load_no_heavy_package():
    heavy = {"torch", "transformers", "trl", "vllm", "sympy", "math_verify", "openai", "datasets"}

    assert loaded_by("from critique_graph import *; import critique_graph.cli", heavy) == set()


def test_help_loads_no_verb():
    packages = {"langgraph", "langchain_core", "langsmith", "critique_graph.verbs.output", "critique_graph.runs.drive"}
    code = "from critique_graph.cli import run_command; run_command(['--help'])"

    assert loaded_by(code, packages) == set()


def test_a_verb_loads_its_own_module_alone():
    modules = {f"critique_graph.{verb}.command" for verb in ("solve", "generate", "compare", "study", "improve")}
    code = "from critique_graph.cli import run_command; run_command(['generate', '--help'])"

    assert loaded_by(code, modules) == {"critique_graph.generate.command"}
