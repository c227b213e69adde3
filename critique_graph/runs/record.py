"""What every run's record holds: how the run ended, its problems by outcome, and what it cost."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from critique_graph.calls.traffic import ServerCalls
from critique_graph.core.schema import Record, Usage
from critique_graph.runs.folder import RunState
from critique_graph.runs.journal import JournalRow
from critique_graph.runs.outcomes import Status

_NUMBERED = re.compile(r"[\w-]*\d[\w-]*")
"""Words with digits: counts, ids of requests."""
_MOST_REASONS = 20


class Reason(Record):
    """Why problems failed or were quarantined."""

    status: Status
    reason: str
    """The reason of the example; reasons that differ in numbers alone are counted together."""
    problems: int
    example: str
    """Id of a problem."""


class ServerShare(Record):
    """What a run's last session sent to one server of a pool."""

    server: str
    """Its address, without credentials."""
    calls: int
    """Number of calls that it answered."""
    failures: int
    """Number of tries that failed there."""
    share: float
    """Part of all answered calls, from 0 to 1."""

    def in_words(self) -> str:
        """Say it in a few words."""
        failures = f", {self.failures:,} failures" if self.failures else ""
        return f"{self.share:.1%} of calls ({self.calls:,}){failures}"


@dataclass(frozen=True)
class Price:
    """What a million tokens of a role cost, in any currency."""

    prompts: float
    """Price of a million tokens of prompts, cached ones included."""
    replies: float

    def of(self, usage: Usage) -> float:
        """Give what the calls of a usage cost, without those whose usage is unknown."""
        return (self.prompts * usage.input_tokens + self.replies * usage.output_tokens) / 1_000_000


class Ended(Record):
    """How a run ended: the base of the record that every verb with a run folder gives."""

    state: RunState = "complete"
    """`complete`, `stopped_early` or `interrupted`."""
    reason: str | None = None
    """Why the run stopped early; None otherwise."""
    seconds: float
    """Wall-clock time of the run, over all sessions."""
    run: str
    """Path of the run folder."""
    reasons: tuple[Reason, ...] = ()
    """Why problems failed or were quarantined, the most frequent reason first."""
    money: dict[str, float] | None = None
    """What all sessions cost, by role and in `total`; None without prices. A role without a price is left out."""
    servers: tuple[ServerShare, ...] = ()
    """Where the calls of the last session went, by server, if a model has a pool of them."""

    def exit_code(self, failed: int | None = None) -> int:
        """Exit code of the process: 0 complete, 3 with failed problems, 4 stopped early, 130 interrupted.

        Args:
            failed: How many problems failed.
        """
        if self.state == "interrupted":
            return 130
        if self.state == "stopped_early":
            return 4
        return 3 if failed else 0


class RunRecord(Ended):
    """The problems of a run by outcome; `problems` is the sum of the four counts below it."""

    problems: int
    done: int
    failed: int
    quarantined: int
    pending: int

    def outcomes_in_words(self, more: Mapping[str, int] | None = None) -> str:
        """Say how many problems are done, and how many are not, by outcome and by what is counted in `more`."""
        left = {status: getattr(self, status) for status in ("failed", "quarantined", "pending")} | dict(more or {})
        return f"{self.done} of {self.problems} done" + "".join(
            f", {count} {name}" for name, count in left.items() if count
        )

    def exit_code(self, failed: int | None = None) -> int:
        """Exit code of the process; see `Ended.exit_code`."""
        return super().exit_code(self.failed + self.quarantined if failed is None else failed)


@dataclass(frozen=True)
class FinishedRun:
    """A run whose session has ended, as summaries read it."""

    rows: Callable[[], Iterable[JournalRow]]
    """Reads the journal's problems from the start, each time it is called."""
    outcomes: Mapping[Status, int]
    """All problems of the set by outcome."""
    folder: Path
    seconds: float
    state: RunState = "complete"
    reason: str | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Number of problems left out, by reason: near copies, and questions of public test sets."""
    untraced: Mapping[str, Usage] = field(default_factory=dict)
    """What the recorded calls of problems without a trace used, by role."""
    prices: Mapping[str, Price] = field(default_factory=dict)
    """Prices of roles."""
    servers: tuple[ServerShare, ...] = ()

    def usage(self) -> dict[str, Usage]:
        """Give what all calls of the run used so far, by role, those of unfinished problems included."""
        usage = defaultdict(Usage, self.untraced)
        for row in self.rows():
            if row.trace is not None:
                for role, used in orjson.loads(row.trace)["usage"].items():
                    usage[role] += Usage.model_validate(used)
        usage.pop("total", None)
        return usage

    def reasons(self) -> tuple[Reason, ...]:
        """Give why problems failed or were quarantined, the most frequent reason first."""
        if not self.outcomes["failed"] + self.outcomes["quarantined"]:
            return ()
        found: dict[tuple[Status, str], Reason] = {}
        for row in self.rows():
            outcome = row.outcome
            if outcome.status in ("failed", "quarantined"):
                key = outcome.status, _NUMBERED.sub("#", outcome.reason or "unknown")
                first = found.setdefault(
                    key, Reason(status=outcome.status, reason=outcome.reason or "unknown", problems=0, example=row.id)
                )
                found[key] = first.model_copy(update={"problems": first.problems + 1})
        return tuple(sorted(found.values(), key=lambda reason: -reason.problems)[:_MOST_REASONS])

    def money(self) -> dict[str, float] | None:
        """Give what the run cost, by role and in total; None without prices."""
        if not self.prices:
            return None
        usage = self.usage()
        costs = {role: price.of(usage.get(role, Usage())) for role, price in self.prices.items()}
        return {role: round(cost, 6) for role, cost in {**costs, "total": sum(costs.values())}.items()}

    def ending(self) -> dict[str, Any]:
        """Give the fields of `Ended`."""
        return {
            "state": self.state,
            "reason": self.reason,
            "seconds": round(self.seconds, 3),
            "run": str(self.folder),
            "reasons": self.reasons(),
            "money": self.money(),
            "servers": self.servers,
        }

    def counts(self) -> dict[str, Any]:
        """Give the fields of `RunRecord`."""
        return {"problems": sum(self.outcomes.values())} | dict(self.outcomes) | self.ending()


def shares(servers: Mapping[str, ServerCalls]) -> tuple[ServerShare, ...]:
    """Give what was sent to the servers of pools, the server with the most calls first."""
    total = sum(calls.answered for calls in servers.values())
    found = [
        ServerShare(server=server, calls=calls.answered, failures=calls.failed, share=calls.answered / max(1, total))
        for server, calls in servers.items()
    ]
    return tuple(sorted(found, key=lambda share: (-share.calls, share.server)))


def spent(usage: Mapping[str, Usage]) -> dict[str, dict[str, int]]:
    """Give `calls` by role, and `tokens` by role and in `total`."""
    roles = sorted(usage)
    tokens = {role: usage[role].total_tokens for role in roles}
    return {
        "calls": {role: usage[role].calls for role in roles},
        "tokens": {**tokens, "total": sum(tokens.values())},
    }
