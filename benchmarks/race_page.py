"""Pages and plots of the race's figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Rows = Sequence[Mapping[str, Any]]
MARKERS = "os^vDPXh<>p"
COLOURS = ("C0", "C1", "C2", "C4", "C5", "C6", "C7", "C8", "C9", "k", "navy")
BEGIN, END = "<!-- figures: written by make bench-race -->", "<!-- end of figures -->"


def race_page(page: str, rows: Rows, setting: str) -> str:
    """The page with its figures replaced. setting: the draws and the machine, in words."""
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    parts = [f"{setting}.", *(_world(rows, name) for name in dict.fromkeys(row["world"] for row in rows))]
    return f"{before}{BEGIN}\n\n" + "\n\n".join(parts) + f"\n\n{END}{after}"


def _world(rows: Rows, name: str) -> str:
    own = [row for row in rows if row["world"] == name]
    plain = {(row["title"], row["slots"]): row for row in own if not row["failures"] and row["spread"] == 1}
    titles = [title for title, slots in plain if slots == 4]
    shown = [title for title in titles if not title.startswith("TopK")] + _best_top_k(plain, titles)
    lines = [
        f"## {name}",
        "",
        "| rule | fold-epochs | fewer | CV regret | test regret | same pick | complete | ensemble "
        "| makespan 1, 4, 16 slots |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    exhaustive = plain["Exhaustive", 4]["fold_epochs"]
    lines += [_line(title, plain, exhaustive) for title in shown]
    return "\n".join([*lines, "", *_worlds_notes(own, plain)])


def _line(title: str, plain: Mapping[tuple[str, int], Mapping[str, Any]], exhaustive: float) -> str:
    row = plain[title, 4]
    few = f" ({row['draws']} draws)" if row["draws"] < plain["FoldASHA", 4]["draws"] else ""
    spans = ", ".join(
        f"{plain[title, slots]['makespan']:.0f}" for slots in (1, 4, 16) if (title, slots) in plain
    )
    cells = [
        f"**{title}**" if title == "FoldASHA" else f"{title}{few}",
        f"{row['fold_epochs']:.0f}",
        f"{exhaustive / row['fold_epochs']:.1f}x",
        *(_with_interval(row, name) for name in ("cv_regret", "test_regret")),
        f"{row['same_pick']:.2f}",
        f"{row['complete_trials']:.1f}",
        "-" if row["ensemble"] is None else f"{row['ensemble']:.4f}",
        spans,
    ]
    return "| " + " | ".join(cells) + " |"


def _with_interval(row: Mapping[str, Any], name: str) -> str:
    if row[name] is None:
        return "-"
    low, high = row[f"{name}_interval"]
    few = f", {row[f'{name}_draws']} draws" if row[f"{name}_draws"] < row["draws"] else ""
    return f"{row[name]:.4f} ({low:.4f} to {high:.4f}{few})"


def _best_top_k(plain: Mapping[tuple[str, int], Mapping[str, Any]], titles: Sequence[str]) -> list[str]:
    """Those that nothing of their kind beats in both fold-epochs and CV regret."""
    kind = [title for title in titles if title.startswith("TopK")]
    figures = {title: (plain[title, 4]["fold_epochs"], plain[title, 4]["cv_regret"]) for title in kind}

    def beaten(title: str) -> bool:
        cost, regret = figures[title]
        better = (other for other in figures.values() if other != (cost, regret))
        return any(other[0] <= cost and other[1] <= regret for other in better)

    return sorted((title for title in kind if not beaten(title)), key=lambda title: figures[title])


def _worlds_notes(own: Rows, plain: Mapping[tuple[str, int], Mapping[str, Any]]) -> list[str]:
    race = [row for row in own if row["title"] == "FoldASHA"]
    failed = next(row for row in race if row["failures"])
    uneven = {row["slots"]: row for row in race if row["spread"] > 1}
    more = {
        slots: row["makespan"] / plain["FoldASHA", slots]["makespan"] - 1 for slots, row in uneven.items()
    }
    spans = [f"{100 * share:+.0f}% at {slots} slots" for slots, share in more.items()]
    busy = ", ".join(f"{100 * plain['FoldASHA', slots]['busy']:.0f}% at {slots}" for slots in (4, 16))
    return [
        f"FoldASHA: slots busy {busy}; with 5% of legs failing once {failed['complete_trials']:.2f} complete "
        f"trials, {failed['fold_epochs']:.0f} fold-epochs; epochs of one to ten times the cost: makespan "
        f"{', '.join(spans)}."
    ]


def draw_plot(rows: Rows, path: Path) -> None:
    """Cost against CV regret, a panel per world; what lies down and left is better."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"svg.hashsalt": "race", "font.size": 8})
    names = list(dict.fromkeys(row["world"] for row in rows))
    height = -(-(len(names) + 1) // 3)  # the last place is for the legend
    figure, axes = plt.subplots(height, 3, figsize=(12, 3.6 * height), squeeze=False)
    for axis in axes.flat[len(names) :]:
        axis.set_axis_off()
    for name, axis in zip(names, axes.flat, strict=False):
        _panel(axis, name, [row for row in rows if row["world"] == name and row["slots"] == 4])
    axes.flat[len(names)].legend(*axes.flat[0].get_legend_handles_labels(), loc="center left", frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _panel(axis: Any, name: str, rows: Rows) -> None:
    plain = [row for row in rows if not row["failures"] and row["spread"] == 1]
    exhaustive = next(row["fold_epochs"] for row in plain if row["title"] == "Exhaustive")
    top = [row for row in plain if row["title"].startswith("TopK")]
    others = {row["title"]: row for row in plain if row not in top and row["title"] != "SequentialCV"}
    for place, (title, row) in enumerate(sorted(others.items())):
        low, high = row["cv_regret_interval"]
        own, y = title == "FoldASHA", row["cv_regret"]
        axis.errorbar(
            row["fold_epochs"] / exhaustive, y, [[max(y - low, 0)], [max(high - y, 0)]], label=title,
            fmt="*" if own else MARKERS[place], markersize=13 if own else 6, elinewidth=0.8, linestyle="none",
            color="C3" if own else COLOURS[place],
        )  # fmt: skip
    share = [row["fold_epochs"] / exhaustive for row in top]
    axis.scatter(share, [row["cv_regret"] for row in top], s=9, color="0.7", label="top K after i epochs")
    axis.set(title=name, xlabel="share of exhaustive's fold-epochs", ylabel="CV regret")
    axis.set_xscale("log")
    axis.set_yscale("symlog", linthresh=0.01)
    axis.set_ylim(-0.0005, 0.2)
    axis.grid(alpha=0.3)
