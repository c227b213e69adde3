"""The events of the loop in words, as a caller reads them while the answer is worked out."""

from collections.abc import Mapping
from typing import Any


def narrated(event: Mapping[str, Any]) -> str | None:
    """Say in words what an event of the loop is; None for what need not be said."""
    match event["event"]:
        case "response":
            return f"Actor:\n{event['text']}"
        case "refinement":
            return f"Actor, refinement {event['round']}:\n{event['text']}"
        case "critique":
            return f"Critic: {event['final'] or 'no verdict'}\n{event['text']}"
        case "verdict":
            return f"Critics: {event['verdict'] or 'no verdict'}, by {event['confidence']:.0%} of the critiques"
        case "failure":
            return f"{event['kind']}: {event['message']}"
        case "ballot" if len(event["entries"]) > 1:
            votes = ", ".join(f"{entry['answer']} ({entry['weight']:g})" for entry in event["entries"])
            return f"Votes: {votes}"
        case _:
            return None
