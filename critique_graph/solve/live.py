"""One question on the terminal, as it happens: response, critique with coloured verdicts, refinement, ballot."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from critique_graph.core.steps import split_steps
from critique_graph.output.terminal import plain

VERDICT_STYLE = {"correct": "green", "wrong": "bold red", None: "yellow"}


class LiveView:
    """Prints the graph's custom events; with several chains every block names its chain."""

    def __init__(self, console: Console, *, samples: int, split: Callable[[str], Sequence[str]] = split_steps) -> None:
        self._console = console
        self._samples = samples
        self._split = split

    def show(self, event: Mapping[str, Any]) -> None:
        """Print one event of `stream_mode="custom"`."""
        match event["event"]:
            case "response" | "refinement":
                self._title(event)
                for number, step in enumerate(self._split(event["text"]), start=1):
                    self._console.print(Text(f"{number:>3} ", style="dim") + plain(step))
            case "critique":
                self._title(event)
                self._critique(event)
            case "verdict":
                verdict = Text(event["verdict"] or "no verdict", style=VERDICT_STYLE[event["verdict"]])
                self._console.print(verdict, f"is the verdict of {event['confidence']:.0%} of the critiques")
            case "failure":
                self._title(event)
                self._console.print(Text(f"{event['kind']}: ", style="bold red") + plain(event["message"]))
            case "ballot":
                self._ballot(event)

    def _title(self, event: Mapping[str, Any]) -> None:
        chain = f"chain {event['chain']} · " if self._samples > 1 else ""
        number = f" {event['round']}" if event["round"] else ""
        self._console.print(Rule(Text(f"{chain}{event['event']}{number}"), align="left", style="dim"))

    def _critique(self, event: Mapping[str, Any]) -> None:
        for step in event["steps"]:
            verdict = Text(f"{step['verdict'] or 'no verdict':>10} ", style=VERDICT_STYLE[step["verdict"]])
            self._console.print(verdict + plain(step["text"]))
            if step["explanation"]:
                self._console.print(Text(" " * 11) + plain(step["explanation"]).copy(), style="dim")
        verdict = Text(f"{event['final'] or 'no verdict':>10} ", style=VERDICT_STYLE[event["final"]])
        self._console.print(verdict + Text("final answer: ", style="bold") + plain(event["final_explanation"]))
        if event["final"] is None and not event["steps"]:
            self._console.print(plain(event["text"]), style="dim")

    def _ballot(self, event: Mapping[str, Any]) -> None:
        self._console.print(Rule(Text(f"{event['rule']} vote"), align="left", style="dim"))
        for entry in event["entries"]:
            chains = ", ".join(map(str, entry["chains"]))
            self._console.print(
                plain(f"{entry['weight']:>5.4g}  {entry['answer']}"), Text(f"chains {chains}", style="dim")
            )
        if event["unparsed"]:
            self._console.print(f"{len(event['unparsed']):>5}  without a readable answer", style="yellow")
        if event["is_tie"]:
            self._console.print("a tie, decided by the seed", style="yellow")
