"""What reaches a terminal, from every function that prints; JSON for a terminal is the same JSON as for a pipe."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes import ScriptedModel
from hostile_texts import MARKUP, TEXTS, hidden_in
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from critique_graph.cli import run_command
from critique_graph.core.schema import Failure
from critique_graph.generate.dataset import CritiqueRow
from critique_graph.generate.show import shown
from critique_graph.output import terminal
from critique_graph.runs.outcomes import Outcome
from critique_graph.runs.progress import Progress
from critique_graph.solve.live import LiveView

FOLDED = ("table", "usage", "value", "address", "error")
"""Printers that show a text in parts, or in quotes."""

texts = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Stands in for the terminal behind stdout and stderr."""
    stream = Terminal()
    monkeypatch.setenv("TERM", "xterm-256color")
    for console in (terminal.stdout, terminal.log):
        monkeypatch.setattr(console, "_file", stream)
        monkeypatch.setattr(console, "_force_terminal", True, raising=False)
    monkeypatch.setattr(terminal, "sys", SimpleNamespace(stdout=stream))  # pytest puts its own back into `sys`
    return stream


def row_of(text: str) -> CritiqueRow:
    fields: dict[str, Any] = dict.fromkeys(CritiqueRow.model_fields, text)
    names = ("refinements", "refinements_without", "right_with", "right_without", "first_error", "error_step", "level")
    numbers = dict.fromkeys(names, 0)
    kinds = {"strategy": "rg1", "verdict": "wrong", "is_correct": False}
    return CritiqueRow.model_construct(**{**fields, **numbers, **kinds})


def live(text: str) -> None:
    view = LiveView(terminal.stdout, samples=2)
    step = {"verdict": "wrong", "text": text, "explanation": text}
    judged = {"steps": [step], "final": None, "final_explanation": text, "text": text}
    for event in (
        {"event": "response", "chain": 0, "round": 0, "text": text},
        {"event": "critique", "chain": 0, "round": 1, **judged},
        {"event": "critique", "chain": 0, "round": 1, **judged, "steps": []},
        {"event": "failure", "chain": 0, "round": 1, **Failure(kind="server", message=text).model_dump()},
        {
            "event": "ballot",
            "rule": "majority",
            "entries": [{"weight": 1.0, "answer": text, "chains": [0]}],
            "unparsed": [1],
            "is_tie": True,
        },
    ):
        view.show(event)


def table(text: str) -> None:
    made = Table()
    made.add_column(text)
    made.add_row(text)
    terminal.stdout.print(made, Rule(text))


def progress(text: str) -> None:
    shown = Progress()
    with shown:
        shown.update(Outcome("failed", text), None)


PRINTERS: dict[str, Callable[[str], object]] = {
    "print": lambda text: terminal.stdout.print(text, Text(text), terminal.plain(text)),
    "log": lambda text: terminal.log.print(text, Text(text, style="red"), style="bold"),
    "figures": lambda text: terminal.stdout.print(terminal.figures_table([(text, text)])),
    "table": table,
    "text": terminal.print_text,
    "JSON": lambda text: terminal.print_json({text: [text]}),
    "JSON lines": lambda text: terminal.print_json_lines([json.dumps({text: text}, ensure_ascii=False).encode()]),
    "show": lambda text: terminal.stdout.print(shown(row_of(text))),
    "live": live,
    "progress": progress,
    "error": lambda text: run_command(["run", f"no-{text}-file"]),
    "usage": lambda text: run_command(["run", f"--no-{text}-flag"]),
    "value": lambda text: run_command(["run", "--limit", f"no {text} number"]),
    "model": lambda text: run_command(["solve", "2 + 3?", "--actor", f"hf:{text}"]),
    "address": lambda text: run_command(["solve", "2 + 3?", "--actor", "openai:x", "--base-url", f"http://{text}:x/"]),
}


@texts
@pytest.mark.parametrize("printer", PRINTERS)
def test_terminal_gets_visible_characters_alone(printer: str, text: str, screen: Terminal) -> None:
    PRINTERS[printer](f"before {text} after")
    assert hidden_in(screen.getvalue()) == []
    assert screen.getvalue().strip()


@pytest.mark.parametrize("text", MARKUP)
@pytest.mark.parametrize("printer", [name for name in PRINTERS if name not in ("progress", "JSON", "JSON lines")])
def test_markup_is_shown_as_it_stands(printer: str, text: str, screen: Terminal) -> None:
    PRINTERS[printer](text)
    assert text in screen.getvalue().replace("\n", "") or printer in FOLDED
    assert "\x1b]8" not in screen.getvalue()


@texts
def test_json_for_a_terminal_is_that_for_a_pipe(text: str, screen: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    value = {"a": [text, f"{text}\n\t"], text: None, "é 数 😀": "é 数 😀"}
    terminal.print_json(value)
    assert json.loads(screen.getvalue()) == value
    assert "é 数 😀" in screen.getvalue()
    piped = io.StringIO()
    monkeypatch.setattr(terminal, "sys", SimpleNamespace(stdout=piped))
    terminal.print_json(value)
    assert json.loads(piped.getvalue()) == value


@texts
def test_what_is_piped_is_json_as_written(text: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    line = json.dumps({"a": text}, ensure_ascii=False).encode() + b"\n"
    terminal.print_json_lines([line, line])
    sys.stdout.flush()
    assert capfdbinary.readouterr().out == line * 2


@texts
@pytest.mark.parametrize("arguments", [[], ["--quiet"], ["--json"]], ids=["live", "quiet", "json"])
def test_solve_shows_replies_without_them(
    arguments: list[str], text: str, screen: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `fault_server.py` with the fault `nulesc` replies."""
    actor = ScriptedModel(answer=lambda messages: f"{text}2 + 3 = 5.\n{text}The answer is \\boxed{{5{text}}}.")
    judged = f"{text}\nCorrectness of the final answer: Wrong\nExplanation: {text}"
    critic = ScriptedModel(answer=lambda messages: judged)
    monkeypatch.setattr("critique_graph.solve.command.load_roles", lambda roles: {"actor": actor, "critic": critic})
    run_command(["solve", "2 + 3?", *arguments])
    assert hidden_in(screen.getvalue()) == []
    if arguments == ["--json"]:
        json.loads(screen.getvalue()[screen.getvalue().index("{\n") :])


@texts
def test_solve_shows_what_a_server_complains_of_without_them(
    text: str, screen: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `fault_server.py` with the fault `400esc` complains."""
    model = ScriptedModel(answer=lambda messages: ValueError(f"{text} [link=file:///etc]l[/link] [/nope]"))
    monkeypatch.setattr("critique_graph.solve.command.load_roles", lambda roles: {"actor": model, "critic": model})
    assert run_command(["solve", "2 + 3?"]) == 3
    assert hidden_in(screen.getvalue()) == []
    assert "[/nope]" in screen.getvalue()


def test_line_breaks_tabs_and_all_visible_characters_stay() -> None:
    text = "a\n\tb é ё 数 ع א ก 😀 ½ ∞ \u00a0 \u0301"
    assert terminal.plain(text).plain == text


def test_export_to_a_terminal_is_escaped(screen: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "problems.jsonl"
    file.write_text(json.dumps({"question": "What is\u202e 2 + 3?\U000e0041", "answer": "5"}) + "\n")
    assert run_command(["run", str(file), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    run_command(["export", str(tmp_path / "run"), "--to", "traces"])
    assert hidden_in(screen.getvalue()) == []
    assert "\\u202e 2 + 3?\\udb40\\udc41" in screen.getvalue()
