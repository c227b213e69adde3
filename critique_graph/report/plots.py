"""The plots of runs: accuracy against tokens, flips, levels, cost, time; every plot comes with its numbers."""

from collections.abc import Iterator, Sequence

from critique_graph.core.schema import Usage
from critique_graph.report.contents import Shown
from critique_graph.report.drawing import (
    Plot,
    bar_labels,
    bars,
    empty,
    label,
    legend,
    percent,
    plain_ticks,
    short,
    styled,
)
from critique_graph.report.svg import BAD, GOOD, INK, MOST_RUNS, MUTED, PALE, PLAIN, RUNS, svg_of


def draw_plots(runs: Sequence[Shown]) -> list[Plot]:
    """Draw everything that can be drawn of the runs."""
    with styled():
        return list(_plots(runs[:MOST_RUNS]))


def _plots(runs: Sequence[Shown]) -> Iterator[Plot]:
    graded = [run for run in runs if run.summary.accuracy_final.n]
    if priced := [run for run in graded if _first_tokens(run) and _mean_tokens(run)]:
        yield _accuracy(priced)
    if graded:
        yield _flips(graded)
    if any(len(run.summary.by_level) > 1 for run in graded):
        yield _levels([run for run in graded if run.summary.by_level])
    if any(cost.usage.total_tokens for run in runs for cost in run.costs):
        yield _cost(runs)
    if any(run.seconds for run in runs):
        yield _latency([run for run in runs if run.seconds])


def _accuracy(runs: Sequence[Shown]) -> Plot:
    figure, axes = empty()
    rows = []
    for run, color in zip(runs, RUNS, strict=False):
        first, final = run.summary.accuracy_first, run.summary.accuracy_final
        costs = [_first_tokens(run), _mean_tokens(run)]
        for rate, cost, marker in ((first, costs[0], "o"), (final, costs[1], "D")):
            axes.errorbar([cost], [percent(rate)], bars(rate), color=color, capsize=3, alpha=0.5, elinewidth=1)
            axes.plot([cost], [percent(rate)], marker, color=color, markersize=6)
        axes.plot(costs, [percent(first), percent(final)], color=color, linewidth=1.5)
        name = "final answer" if len(runs) == 1 else short(run.name)
        label(axes, name, (costs[1], percent(final)), color, is_left=True)
        if len(runs) == 1:
            label(axes, "first response", (costs[0], percent(first)), color)
        rows += [
            (run.name, "first responses alone", f"{costs[0]:.0f}", first.percent(), str(first.n)),
            (run.name, "final", f"{costs[1]:.0f}", final.percent(), str(final.n)),
        ]
    axes.set_xscale("log")
    plain_ticks(axes)
    axes.set_xlabel("tokens per problem (log scale)")
    axes.set_ylabel("accuracy, %")
    axes.margins(x=0.25, y=0.15)
    columns = ("run", "answer", "tokens per problem", "accuracy, 95 % interval", "n")
    return Plot(_gain_in_words(runs), svg_of(figure, "accuracy"), columns, rows)


def _gain_in_words(runs: Sequence[Shown]) -> str:
    if len(runs) > 1:
        against = runs[1].against_first
        if len(runs) > 2 or against is None or not against.n:
            return "Accuracy for tokens"
        difference = against.percent(sign="+", unit="points")
        return f"{short(runs[1].name)} against {short(runs[0].name)}: {difference}"
    gain = runs[0].summary.gain
    word = "No clear gain" if (gain.low or 0) <= 0 <= (gain.high or 0) else "Gain" if (gain.value or 0) > 0 else "Loss"
    return f"{word} by {runs[0].gains_by}: {gain.percent(sign='+', unit='points')}"


def _flips(runs: Sequence[Shown]) -> Plot:
    figure, axes = empty(bars=len(runs))
    rows = []
    kinds = (
        ("stayed correct", "right_to_right", PLAIN),
        ("wrong → correct", "wrong_to_right", GOOD),
        ("correct → wrong", "right_to_wrong", BAD),
        ("stayed wrong", "wrong_to_wrong", PALE),
    )
    for position, run in enumerate(runs):
        start = 0.0
        for _, name, color in kinds:
            count = getattr(run.summary.flips, name)
            share = 100 * count / run.summary.accuracy_final.n
            axes.barh([position], [share], left=[start], color=color, height=0.62)
            if share > 5:
                ink = INK if color in (PLAIN, PALE) else "#ffffff"
                axes.text(start + share / 2, position, str(count), ha="center", va="center", color=ink)
            start += share
        counts = [getattr(run.summary.flips, name) for _, name, _ in kinds]
        rows.append((run.name, *(str(count) for count in counts)))
    bar_labels(axes, _run_names(runs), "share of graded problems, %")
    legend(axes, [(name, color) for name, _, color in kinds], columns=2)
    won, lost = (sum(getattr(run.summary.flips, name) for run in runs) for name in ("wrong_to_right", "right_to_wrong"))
    title = f"{won} problems became correct, {lost} became wrong" if len(runs) == 1 else "What became of the answers"
    return Plot(title, svg_of(figure, "flips"), ("run", *(name for name, *_ in kinds)), rows)


def _levels(runs: Sequence[Shown]) -> Plot:
    from matplotlib.ticker import MaxNLocator

    figure, axes = empty()
    rows, ends = [], []
    for run, color in zip(runs, RUNS, strict=False):
        levels = run.summary.by_level
        places = list(levels)
        for name, line, paint in (("first", "--", MUTED if len(runs) == 1 else color), ("final", "-", color)):
            rates = [getattr(levels[level], name) for level in places]
            values = [percent(rate) for rate in rates]
            axes.plot(places, values, line, color=paint, marker="o", markersize=4, linewidth=1.5)
            if len(runs) == 1:
                lows, highs = ([100 * (getattr(rate, end) or 0) for rate in rates] for end in ("low", "high"))
                axes.fill_between(places, lows, highs, color=paint, alpha=0.15, linewidth=0)
            if name == "final" or len(runs) == 1:
                ends.append((values[-1], places[-1], name if len(runs) == 1 else short(run.name), paint))
        rows += [
            (run.name, str(level), both.first.percent(), both.final.percent(), str(both.first.n))
            for level, both in levels.items()
        ]
    lowest = -100.0
    for value, place, name, paint in sorted(ends):
        lowest = max(value, lowest + 7)  # names of lines that end at the same place stand above one another
        label(axes, name, (place, lowest), paint)
    axes.set_xlabel("level")
    axes.set_ylabel("accuracy, %")
    axes.set_ylim(-4, 104)
    axes.margins(x=0.16)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    title = "Accuracy by level: first responses (dashed) and final answers"
    return Plot(title, svg_of(figure, "levels"), ("run", "level", "first", "final", "n"), rows)


def _cost(runs: Sequence[Shown]) -> Plot:
    figure, axes = empty(bars=len(runs))
    rows = []
    for position, run in enumerate(runs):
        start = 0.0
        for cost in run.costs:
            tokens = cost.usage.total_tokens / max(1, len(run.seconds))
            color = RUNS[1] if cost.role == "critic" else RUNS[0]
            axes.barh(
                [position], [tokens], left=[start], color=color, height=0.62, alpha=max(0.35, 1 - 0.2 * cost.round)
            )
            start += tokens
            name = "first responses" if cost.round == 0 else f"round {cost.round}"
            rows.append((run.name, cost.role, name, f"{cost.usage.calls:,}", f"{cost.usage.total_tokens:,}"))
    bar_labels(axes, _run_names(runs), "tokens per problem (paler: later rounds)")
    legend(axes, [("actor", RUNS[0]), ("critic", RUNS[1])], columns=2)
    critic = sum(run.summary.tokens.critic for run in runs)
    share = critic / max(1, sum(run.summary.tokens.total for run in runs))
    title = f"The critic uses {share:.0%} of the tokens" if len(runs) == 1 else "Tokens by role and round"
    return Plot(title, svg_of(figure, "cost"), ("run", "role", "round", "calls", "tokens"), rows)


def _latency(runs: Sequence[Shown]) -> Plot:
    figure, axes = empty()
    rows = []
    for run, color in zip(runs, RUNS, strict=False):
        times = sorted(run.seconds)
        shares = [100 * (place + 1) / len(times) for place in range(len(times))]
        step = max(1, len(times) // 200)  # what is finer cannot be seen
        chosen = [*range(0, len(times) - 1, step), len(times) - 1]
        axes.step(
            [times[place] for place in chosen],
            [shares[place] for place in chosen],
            where="post",
            color=color,
            linewidth=1.5,
        )
        if len(runs) > 1:
            label(axes, short(run.name), (times[len(times) // 2], 50.0), color)
        rows.append((run.name, *(f"{_quantile(times, q):.2f}" for q in (0.5, 0.9, 1.0)), str(len(times))))
    axes.set_xlabel("seconds from the first call of a problem to its answer")
    axes.set_ylabel("problems, %")
    axes.set_ylim(0, 103)
    axes.set_xlim(left=0)
    title = f"Half of the problems take at most {rows[0][1]} s"
    if len(runs) > 1:
        title = "How long problems take"
    return Plot(title, svg_of(figure, "latency"), ("run", "median, s", "90 % below, s", "longest, s", "problems"), rows)


def _run_names(runs: Sequence[Shown]) -> list[str]:
    return [short(run.name) if len(runs) > 1 else "" for run in runs]


def _first_tokens(run: Shown) -> float:
    """Tokens of one first response, which is all that the actor alone needs; 0 if unknown."""
    first = next((cost.usage for cost in run.costs if cost.round == 0), Usage())
    return first.total_tokens / max(1, first.calls - first.unknown_calls)


def _mean_tokens(run: Shown) -> float:
    """Tokens per problem; 0 if unknown."""
    return run.summary.tokens.total / max(1, len(run.seconds))


def _quantile(values: Sequence[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))]
