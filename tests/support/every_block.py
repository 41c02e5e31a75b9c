"""A page that holds every kind of block: what browser and size tests open."""

from __future__ import annotations

import numpy as np

from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded
from orchestrator.pages.blocks import (
    Block,
    Code,
    Columns,
    Findings,
    Link,
    Page,
    PageSection,
    Pictures,
    Quantity,
    Table,
    Text,
)
from orchestrator.pages.figures import (
    Axis,
    BarChart,
    Heatmap,
    Interval,
    IntervalChart,
    Line,
    LineChart,
    ParallelChart,
    ParallelLine,
    Point,
    ScatterChart,
)

BACKBONES = ("resnet18", "tf_efficientnet_b0", "convnext_tiny.in12k_ft_in1k")


def every_block(trials: int = 40, folds: int = 3, epochs: int = 6, name: str = "", seed: int = 0) -> Page:
    """name: is written wherever a text may come from data."""
    rng = np.random.default_rng(seed)
    scores = (0.6 + 0.1 * rng.random(trials)).tolist()
    rates = (10 ** rng.uniform(-5, -3, trials)).tolist()
    kinds = rng.integers(0, len(BACKBONES), trials).tolist()
    sections = (
        PageSection("Answer", _answer(name), "What should be used?"),
        PageSection("Checks", (Findings(_findings(name)),), "May it be believed?"),
        PageSection("Trials", _trials(scores, rates, kinds, name)),
        PageSection("Curves", _curves(trials, folds, epochs, rng, name), anchor="curves"),
        PageSection("Errors", _errors(name)),
        PageSection(
            "Two studies", (Columns((f"age{name}", "age_b"), (_answer(name)[:1], _errors(name)[:1])),)
        ),
    )
    lines = (f"{trials} trials x {folds} folds{name}",)
    return Page(f"Report of age{name}", lines, (), sections, lambda row: (f"{row}{name}.png",), script=True)


def _answer(name: str) -> tuple[Block, ...]:
    intervals = (
        Interval(
            f"best trial, as it scored{name}", 0.731, 0.70, 0.76, f"too good by its choice{name}", "naive"
        ),
        Interval("corrected", 0.712, 0.68, 0.74, group="honest", trial=7),
        Interval("not scored", None),
    )
    return (
        Text((("Use trial ", Link(f"7{name}", trial=7), ", see ", Link("its curves", "curves")),), lead=True),
        IntervalChart(
            "Estimates", "macro-F1", intervals, name, reference=0.7, reference_label="the baseline"
        ),
        Code(f"python -m orchestrator.ensemble --study runs/age{name}", "Next command"),
        BarChart("Cost", ["spent", "exhaustive"], [1200, 5760], "fold-epochs", texts=["1,200", "5,760"]),
    )


def _findings(name: str) -> tuple[Finding, ...]:
    return (
        coded(
            "FO121",
            Level.BLOCKS,
            f"3 images are copies{name}",
            f"remove them{name}",
            rows=[0, 1],
            pairs=[(0, 1)],
        ),
        coded("FO104", Level.WARNING, f"one class is rare{name}"),
    )


def _trials(scores: list[float], rates: list[float], kinds: list[int], name: str) -> tuple[Block, ...]:
    numbers = range(len(scores))
    rows = tuple(
        (
            number,
            scores[number] if number % 9 else "",
            Quantity(rates[number], f"{rates[number]:.2g}"),
            BACKBONES[kind] + name,
            Quantity(37 * number % 400, f"{37 * number % 400 // 60} min {37 * number % 400 % 60} s"),
        )
        for number, kind in enumerate(kinds)
    )
    axes = (Axis("lr", log=True), Axis("backbone", categories=BACKBONES), Axis("macro-F1"))
    places = tuple((rates[number], kinds[number], scores[number]) for number in numbers)
    return (
        Table(f"Trials{name}", ("trial", "macro-F1", "lr", "backbone", "time"), rows, name, trials=numbers),
        *(
            ScatterChart(
                axis.label + name,
                axis,
                axes[2],
                [
                    Point(place[at], place[2], f"trial {number}{name}", "ab"[number % 2], number)
                    for number, place in enumerate(places)
                ],
                small=True,
            )
            for at, axis in enumerate(axes[:2])
        ),
        ParallelChart(
            "Parameters",
            axes,
            [ParallelLine(f"trial {n}{name}", places[n], scores[n], n) for n in numbers],
            color_label="macro-F1",
        ),
    )


def _curves(trials: int, folds: int, epochs: int, rng: np.random.Generator, name: str) -> tuple[Block, ...]:
    lines = []
    for trial in range(trials):
        for fold in range(folds):
            length = epochs if trial % 3 == 0 else epochs // 3
            scores = 0.7 - 0.2 * np.exp(-np.arange(length) / 3) + 0.02 * rng.random(length)
            ended = "complete" if length == epochs else "stopped"
            lines.append(
                Line(
                    f"trial {trial}, fold {fold}{name}",
                    range(1, length + 1),
                    scores.tolist(),
                    ended,
                    (2,),
                    trial,
                    f"fold {fold}",
                )
            )
    facets = [f"fold {fold}" for fold in range(folds)]
    return (
        LineChart(f"Score by epoch{name}", "epoch", "macro-F1", lines, name, facets, x_marks=[(2, "rung 1")]),
    )


def _errors(name: str) -> tuple[Block, ...]:
    classes = (f"young{name}", "old")
    shares = [[0.9, 0.1], [0.4, 0.6]]
    reference = Line("perfect", [0, 1], [0, 1], muted=True)
    observed = Line(f"ensemble{name}", [0.1, 0.5, 0.9], [0.2, None, 0.8], mark_x=[0.1, 0.9])
    return (
        Heatmap(
            "Confusion",
            classes,
            classes,
            shares,
            name,
            "true class",
            "predicted class",
            [["90", "10"], ["40", "60"]],
        ),
        LineChart(
            "Calibration",
            "predicted probability",
            "share that is right",
            [reference, observed],
            y_range=(0, 1),
        ),
        Pictures(f"Worst mistakes{name}", ((0,), (1, 2)), name, heads=(f"row 0{name}", "rows 1 and 2")),
    )
