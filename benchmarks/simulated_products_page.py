"""The figures of docs/benchmarks/simulated_products.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulated_studies_page import ESTIMATES

Row = Mapping[str, Any]
Floats = NDArray[np.float64]

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "simulated_products.md"
BEGIN, END = "<!-- figures: written by benchmarks.simulated_products -->", "<!-- end of figures -->"
KINDS = ("age alone", "product", "joint")
LUCK = {"age alone": "age"}  # of other kinds: of all classes


def write_page(rows: Sequence[Row], write: bool) -> None:
    """Prints the figures; write: puts them between the page's marks."""
    figures = "\n".join(_table(rows))
    print(figures)
    if write:
        text = PAGE.read_text()
        head, rest = text.split(BEGIN)
        PAGE.write_text(f"{head}{BEGIN}\n\n{figures}\n{END}{rest.split(END)[1]}")


def _table(rows: Sequence[Row]) -> list[str]:
    lines = [
        f"| {len(rows)} studies | truth | as many other groups | estimate | bias | less that of others "
        "| RMSE | 95% interval holds the truth | width |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for kind in KINDS:
        truth, other = (np.array(values) for values in zip(*map(_truths(kind), rows), strict=True))
        for key, title in ESTIMATES.items():
            own = [row[kind] for row in rows]
            off = np.array([item["scores"][key] for item in own]) - truth
            ends = np.array([item["intervals"][key] for item in own])
            held = (ends[:, 0] <= truth) & (truth <= ends[:, 1])
            luck = np.array([row["luck"][LUCK.get(kind, "all")] for row in rows])
            cells = [
                f"{truth.mean():.3f}",
                f"{(other - truth).mean():+.4f}",
                title,
                _mean(without_luck(off, luck)),
                _mean(without_luck(off + truth - other, luck)),
                f"{np.sqrt((off**2).mean()):.4f}",
                f"{held.mean():.2f}",
                f"{np.ptp(ends, axis=1).mean():.3f}",
            ]
            lines.append(f"| {kind} | {' | '.join(cells)} |")
    return [*lines, ""]


def _truths(kind: str) -> Any:
    return lambda row: (row[kind]["truth"][0], row[kind]["other"])


def without_luck(off: Floats, luck: Floats) -> Floats:
    """(n,) errors of estimates, less what the luck of each study's groups explains of them.

    luck (n,): known to be 0 in the mean of all studies, so that only chance is taken out (a control variate).
    """
    slope = np.cov(off, luck)[0, 1] / luck.var(ddof=1)
    found: Floats = off - slope * luck
    return found


def _mean(values: Floats) -> str:
    return f"{values.mean():+.4f} ({values.std(ddof=1) / np.sqrt(len(values)):.4f})"
