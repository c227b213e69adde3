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


def test_import_loads_no_heavy_package():
    heavy = {"torch", "transformers", "trl", "vllm", "sympy", "math_verify", "openai", "datasets"}
    code = f"import sys, critique_graph, critique_graph.cli; print({heavy} & set(sys.modules))"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
