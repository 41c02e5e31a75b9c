"""The page and the figure of `benchmarks.peers`, from its results alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.peers_run import OWN

Result = Mapping[str, Any]
BEGIN = "<!-- figures: written by python -m benchmarks.peers --page -->"
END = "<!-- end of figures -->"
NAMES = {
    "ours": "this tool", "told": "this tool, told the grid", "loop": "loop over a grid", "asha": "stock ASHA",
    "asha_trial": "stock ASHA, one trial", "optuna": "Optuna",
}  # fmt: skip
COLOURS = {"ours": "C3", "told": "C4", "loop": "C0", "asha": "C1", "asha_trial": "C8", "optuna": "C2"}


def load_results(folder: Path) -> list[Result]:
    """Every run's; in the order of their files. Raises SystemExit where there are none."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    if not found:
        raise SystemExit(f"{folder}: no result lies there; run python -m benchmarks.peers first")
    return found


def worlds(results: Sequence[Result]) -> list[tuple[str, float]]:
    """(data, minutes), each a section of the page."""
    return sorted({(result["data"], result["minutes"]) for result in results})


def curves(results: Sequence[Result], world: tuple[str, float]) -> dict[str, dict[int, list[float | None]]]:
    """method or rule -> seed -> the score at each mark."""
    found: dict[str, dict[int, list[float | None]]] = {name: {} for name in NAMES}
    for result in results:
        if (result["data"], result["minutes"]) == world:
            for rule, items in result["handed_in"].items():
                found[rule][result["seed"]] = [item["score"] for item in items]
    return {name: by_seed for name, by_seed in found.items() if by_seed}


def marks(results: Sequence[Result], world: tuple[str, float]) -> list[float]:
    own = next(result for result in results if (result["data"], result["minutes"]) == world)
    return [item["minute"] for item in own["handed_in"][own["method"]]]


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and its 95% interval by Student's t; one value has no interval (NaN)."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, float("nan"), float("nan")
    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return mean, mean - half, mean + half


def at(by_seed: Mapping[int, Sequence[float | None]], mark: int) -> dict[int, float]:
    """seed -> its score at the mark, of those who had something to hand in."""
    return {seed: value for seed, scores in by_seed.items() if (value := scores[mark]) is not None}


# ---- the page -------------------------------------------------------------------------------------


def page_with(page: str, results: Sequence[Result]) -> str:
    """The page with its figures replaced."""
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    parts = [section(results, world) for world in worlds(results)]
    return f"{before}{BEGIN}\n\n" + "\n\n".join(parts) + f"\n\n{END}{after}"


def section(results: Sequence[Result], world: tuple[str, float]) -> str:
    by_rule, minutes = curves(results, world), marks(results, world)
    seeds = sorted({result["seed"] for result in results if (result["data"], result["minutes"]) == world})
    return "\n".join(
        [
            f"## {world[0]}, {world[1]:g} minutes, {len(seeds)} seeds",
            "",
            *score_table(by_rule, minutes, len(seeds)),
            "",
            *difference_lines(by_rule, minutes),
            "",
            *spent_table(results, world),
            "",
            machine_line(results, world),
        ]
    )


def score_table(
    by_rule: Mapping[str, Mapping[int, Sequence[float | None]]], minutes: Sequence[float], seeds: int
) -> list[str]:
    """Mean held-out score by mark; in brackets how many of the seeds had a vote, where not all had."""
    lines = [
        "| minute | " + " | ".join(NAMES[rule] for rule in by_rule) + " |",
        "|---" * (len(by_rule) + 1) + "|",
    ]
    for mark, minute in enumerate(minutes):
        cells = []
        for by_seed in by_rule.values():
            values = at(by_seed, mark)
            few = f" ({len(values)} of {seeds})" if len(values) < seeds else ""
            cells.append("nothing" if not values else f"{np.mean(list(values.values())):.3f}{few}")
        lines.append(f"| {minute:g} | " + " | ".join(cells) + " |")
    return lines


def difference_lines(
    by_rule: Mapping[str, Mapping[int, Sequence[float | None]]], minutes: Sequence[float]
) -> list[str]:
    """This tool, told the grid or not, minus each other, seed by seed, at each mark where both had a vote."""
    others = [rule for rule in by_rule if rule not in OWN]
    lines: list[str] = []
    for own in (rule for rule in OWN if rule in by_rule):
        lines += [
            *([""] if lines else []),
            f"| {NAMES[own]}, minute | " + " | ".join(f"minus {NAMES[rule]}" for rule in others) + " |",
            "|---" * (len(others) + 1) + "|",
        ]
        for mark, minute in enumerate(minutes):
            ours = at(by_rule[own], mark)
            theirs = [at(by_rule[rule], mark) for rule in others]
            cells = [
                difference([ours[seed] - other[seed] for seed in sorted(ours) if seed in other])
                for other in theirs
            ]
            lines.append(f"| {minute:g} | " + " | ".join(cells) + " |")
    return lines


def difference(values: Sequence[float]) -> str:
    if not values:
        return "-"
    mean, low, high = interval(values)
    ahead = sum(value > 0 for value in values)
    spread = "" if np.isnan(low) else f" ({low:+.3f} to {high:+.3f})"
    return f"{mean:+.3f}{spread}, ahead in {ahead} of {len(values)}"


def spent_table(results: Sequence[Result], world: tuple[str, float]) -> list[str]:
    lines = [
        "| method | start-up, s | all folds of a configuration after, s | idle | epochs | seconds an epoch |",
        "|---|---|---|---|---|---|",
    ]
    for method in NAMES:
        own = [
            result["spent"]
            for result in results
            if result["method"] == method and (result["data"], result["minutes"]) == world
        ]
        if not own:
            continue
        votes = [item["first_vote"] for item in own if item["first_vote"] is not None]
        vote = "never" if not votes else f"{np.mean(votes):.0f}"
        vote += f" ({len(votes)} of {len(own)})" if 0 < len(votes) < len(own) else ""
        keys = ("start_up", "idle", "epochs", "epoch_seconds")
        mean = {key: float(np.mean([item[key] for item in own])) for key in keys}
        lines.append(
            f"| {NAMES[method]} | {mean['start_up']:.1f} | {vote} | {100 * mean['idle']:.0f}% | "
            f"{mean['epochs']:.0f} | {mean['epoch_seconds']:.2f} |"
        )
    return lines


def machine_line(results: Sequence[Result], world: tuple[str, float]) -> str:
    own = [result for result in results if (result["data"], result["minutes"]) == world]
    machine, loads = own[0]["machine"], [result["load_before"] for result in own]
    versions = ", ".join(f"{name} {machine[name]}" for name in ("ray", "torch", "optuna"))
    return (
        f"{machine['cores']} cores ({machine['cpu']}), {versions}; load before a run {min(loads):.1f} to "
        f"{max(loads):.1f}."
    )


# ---- the figure -----------------------------------------------------------------------------------


def draw_figure(results: Sequence[Result], path: Path) -> None:
    """Held-out score against minutes with 95% intervals over seeds, a panel per data set."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"svg.hashsalt": "peers", "font.size": 8})
    panels = worlds(results)
    figure, axes = plt.subplots(1, len(panels), figsize=(5.5 * len(panels), 3.8), squeeze=False)
    for axis, world in zip(axes.flat, panels, strict=True):
        _panel(axis, results, world)
    axes.flat[0].legend(frameon=False, loc="lower right")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def _panel(axis: Any, results: Sequence[Result], world: tuple[str, float]) -> None:
    minutes, width = marks(results, world), world[1] / 100
    rules = curves(results, world)
    for place, (rule, by_seed) in enumerate(rules.items()):
        points = [(minute, at(by_seed, mark)) for mark, minute in enumerate(minutes)]
        shown = [(minute, interval(list(values.values()))) for minute, values in points if values]
        if not shown:
            continue
        x = np.array([minute for minute, _ in shown]) + (place - (len(rules) - 1) / 2) * width
        mean, low, high = np.array([values for _, values in shown]).T
        yerr = [np.nan_to_num(mean - low), np.nan_to_num(high - mean)]
        axis.errorbar(
            x, mean, yerr, label=NAMES[rule], color=COLOURS[rule],
            marker="*" if rule in OWN else "o", markersize=9 if rule in OWN else 4, elinewidth=0.8,
        )  # fmt: skip
    axis.set(
        title=f"{world[0]}, {world[1]:g} minutes",
        xlabel="minutes",
        ylabel="held-out macro-F1",
        xlim=(0, None),
    )
    axis.grid(alpha=0.3)
