"""docs/benchmarks/simulated_studies.md, from the log of benchmarks.simulated_studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Row = Mapping[str, Any]
Floats = NDArray[np.float64]

ESTIMATES = {
    "naive": "naive",
    "cross_fitted": "cross-fitted",
    "bbc": "BBC over the finalists",
    "bbc_race": "BBC over the whole race",
}
INTERVALS = {"percentile": "percentile", "corrected_t": "corrected t", "bayle": "Bayle et al."}

HEAD = """# Simulated studies with known truth

Written by `python -m benchmarks.simulated_studies --tables runs/tables --write` from {told}, seed {seed}.

## What a study is, and what the truth is

A world has models and a population of groups. A study takes 48 of the configurations; its **validation
groups are drawn from the population, with replacement**, each is dealt to one of five folds and answered
by that fold's models. The default race then runs on these scores, each fold keeps its best epoch, the
complete trials (three) are voted by `--vote auto`, calibrated and given class offsets, each behind its
gate, and the estimates are made, all by the code that `ensemble` runs. What is random in a study: the
configurations, the order of the folds, the validation groups, and what the estimates resample. What is
not: the models, which are trained once (on the tables) and which none of the population's groups trained.

The **truth** is the macro-F1 of the final answer on the whole population, each of its rows judged by
every fold's models in turn, as a validation row is by its own fold's. As the validation groups are
independent draws from this very population, the truth has no error of its own. It is that of the models
in hand (the k-fold test error of Bayle et al. 2020). Not simulated: what a new training on other rows
would change. New images get the mean of all folds' models, which scores {mean_gain:+.4f} more on average
than the truth meant here.

Worlds:

- **drawn**: 48 linear models a study, drawn anew, on 24 latent variables; they learn along the curves of
  `race.simulate.synthetic` and are blurred by trial, by fold run and by epoch, so that the scores scatter
  as those of small networks on faces do. 6,000 groups of 1 to 6 rows that share 60% of their variance; a
  study draws 400.
- **utkface**: a table of `benchmarks.stored_tables`; ages in three classes of UTKFace photos, 64 heads on
  frozen features trained on 1,000 groups, 6,667 groups held out; a study draws 1,000.
- **mask_faces**: the same of 400 people with seven photos each, of whom few are over 60; 400 people held
  out and 400 drawn.

Studies whose answers are multiplied: [simulated products](simulated_products.md).
"""


def page(rows: Sequence[Row], seed: int) -> str:
    studies = [row for row in rows if "scores" in row]
    noise = [row for row in rows if "refused" in row]
    worlds = list(dict.fromkeys(row["world"] for row in studies))
    if not studies:
        return "No study is in the log yet.\n"
    by_world = {world: [row for row in studies if row["world"] == world] for world in worlds}
    told = ", ".join(f"{len(own)} studies of {world}" for world, own in by_world.items())
    gain = float(np.mean([row["truth"][1] - row["truth"][0] for row in studies]))
    by_world |= {"all": studies} if len(worlds) > 1 else {}
    parts = [
        HEAD.format(told=told, seed=seed, mean_gain=gain),
        "## Bias, error, coverage\n",
        "*Bias* is the mean of estimate minus truth, with its standard error; *RMSE* of a study's estimate; "
        "then the share of 95% intervals that hold the truth, by kind, and their mean width.\n",
        _estimates(by_world),
        "## The vote\n",
        "*Printed gain*: of the vote that `auto` chose over the best trial, cross-fitted, and its printed "
        "standard error; *held-out gain*: the same two on the population; *replayed*: the gain over the best "
        "trial in the replays of the whole race. *Worse*: share of studies in which "
        "`auto` is worse than the best trial by more than the printed error. *90% set*: share of studies in "
        "which the confidence set of the best trial holds the truly best of the complete trials.\n",
        _votes(by_world),
        _others(by_world),
        "## Against what was asked\n",
        "Means over studies; *met* where the figure itself keeps the limit, whatever its error.\n",
        _targets(by_world, noise),
    ]
    if noise:
        parts += ["## Pools of noise\n", _noise(noise)]
    return "\n".join(parts)


def _estimates(by_world: Mapping[str, Sequence[Row]]) -> str:
    heads = " | ".join(f"{name}: cover | width" for name in INTERVALS.values())
    lines = [
        f"| world | estimate | bias | RMSE | {heads} |",
        "|---|---|---|---|" + "---|---|" * len(INTERVALS),
    ]
    for world, rows in by_world.items():
        truth = np.array([row["truth"][0] for row in rows])
        for key, title in ESTIMATES.items():
            off = np.array([row["scores"][key] for row in rows]) - truth
            lines.append(
                f"| {world} | {title} | {_mean(off)} | {_rms(off):.4f} | {_cover(rows, key, truth)} |"
            )
    return "\n".join(lines) + "\n"


def _cover(rows: Sequence[Row], key: str, truth: Floats) -> str:
    cells = []
    for kind in INTERVALS:
        low, high = np.array([row["intervals"][kind][key] for row in rows]).T
        cells.append(f"{((low <= truth) & (truth <= high)).mean():.3f} | {(high - low).mean():.3f}")
    return " | ".join(cells)


def _votes(by_world: Mapping[str, Sequence[Row]]) -> str:
    lines = [
        "| world | printed gain | its error | held-out gain | printed - held-out | replayed - held-out | "
        "auto - best trial | auto - uniform | auto - greedy | worse | 90% set |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for world, rows in by_world.items():
        truth = {vote: np.array([row["votes"][vote]["truth"][0] for row in rows]) for vote in VOTES}
        printed = np.array([_gate(row)["gain"] for row in rows], float)
        error = np.array([_gate(row)["se"] for row in rows], float)
        held_out = truth["auto"] - truth["single"]
        inside = [bool(row["best_inside"]) for row in rows if "best_inside" in row]
        cells = [
            f"{printed.mean():+.4f}",
            f"{np.nanmean(error):.4f}",
            _mean(held_out),
            _mean(printed - held_out),
            _mean(np.array([row["replayed_gain"] for row in rows]) - held_out),
            *(_mean(truth["auto"] - truth[vote]) for vote in ("single", "soft", "greedy")),
            f"{(held_out < -np.nan_to_num(error)).mean():.3f}",
            f"{np.mean(inside):.3f}" if inside else "-",
        ]
        lines.append(f"| {world} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


VOTES = ("single", "soft", "greedy", "auto")


def _gate(row: Row) -> Mapping[str, float]:
    """What was printed of the vote that was chosen; nothing is gained where it is the best trial alone."""
    found = row["gates"].get(row["votes"]["auto"]["name"], {})
    return {"gain": found.get("gain") or 0.0, "se": found.get("se") or 0.0}


def _others(by_world: Mapping[str, Sequence[Row]]) -> str:
    """How often later steps were accepted, what they were worth, what the race cost."""
    lines = [
        "| world | best trial kept | temperature accepted | offsets accepted | whole pipeline - vote alone | "
        "fold-epochs | replays that left the record |",
        "|---|---|---|---|---|---|---|",
    ]
    for world, rows in by_world.items():
        steps = np.array([row["truth"][0] - row["votes"]["auto"]["truth"][0] for row in rows])
        cells = [
            f"{np.mean([row['members'] == 1 for row in rows]):.2f}",
            *(
                f"{np.mean([_accepted(row, step) for row in rows]):.2f}"
                for step in ("temperature", "decisions")
            ),
            _mean(steps),
            f"{np.mean([row['epochs'] for row in rows]):.0f}",
            f"{np.mean([row['left'] for row in rows]):.2f}",
        ]
        lines.append(f"| {world} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _accepted(row: Row, step: str) -> bool:
    return bool(row["gates"].get(step, {}).get("accepted", False))


def _targets(by_world: Mapping[str, Sequence[Row]], noise: Sequence[Row]) -> str:
    """What the estimates and votes were to keep, and whether they did, world by world."""
    lines = ["| world | what | measured | limit | |", "|---|---|---|---|---|"]
    for world, rows in by_world.items():
        for what, measured, low, high in _limits(rows):
            met = "met" if low <= measured <= high else "**not met**"
            limit = f"{low:.4g} to {high:.4g}" if np.isfinite([low, high]).all() else _one_end(low, high)
            lines.append(f"| {world} | {what} | {measured:.4f} | {limit} | {met} |")
    for kind in dict.fromkeys(row["world"] for row in noise):
        share = float(np.mean([row["refused"] for row in noise if row["world"] == kind]))
        if kind != JITTERED:
            met = "met" if share >= 0.95 else "**not met**"
            lines.append(f"| {kind} | `auto` answers with one trial | {share:.4f} | at least 0.95 | {met} |")
    return "\n".join(lines) + "\n"


JITTERED = "one trial eight times, jittered"
"""Its vote is better, by a little: nothing that has to be refused."""


def _one_end(low: float, high: float) -> str:
    return f"at least {low:.4g}" if np.isfinite(low) else f"at most {high:.4g}"


def _limits(rows: Sequence[Row]) -> list[tuple[str, float, float, float]]:
    """What, measured, and the least and the most it may be."""
    truth = np.array([row["truth"][0] for row in rows])
    bias = {key: float(np.mean([row["scores"][key] for row in rows] - truth)) for key in ESTIMATES}
    low, high = np.array([row["intervals"]["percentile"]["bbc_race"] for row in rows]).T
    votes = {vote: np.array([row["votes"][vote]["truth"][0] for row in rows]) for vote in VOTES}
    printed, error = (np.array([_gate(row)[key] for row in rows]) for key in ("gain", "se"))
    gain = votes["auto"] - votes["single"]
    return [
        ("size of the bias of BBC over the whole race", abs(bias["bbc_race"]), -np.inf, 0.003),
        (
            "the same, of the size of that over the finalists",
            abs(bias["bbc_race"]) / max(abs(bias["bbc"]), 1e-9),
            -np.inf,
            0.5,
        ),
        (
            "cover of its 95% interval (percentile)",
            float(((low <= truth) & (truth <= high)).mean()),
            0.93,
            0.97,
        ),
        (
            "cover of the 90% set of the best trial",
            float(np.mean([row["best_inside"] for row in rows])),
            0.9,
            np.inf,
        ),
        (
            "printed minus held-out gain, in printed errors",
            abs(float((printed - gain).mean() / max(error.mean(), 1e-9))),
            -np.inf,
            1.0,
        ),
        ("`auto` worse than the best trial by over one error", float((gain < -error).mean()), -np.inf, 0.0),
        ("`auto` minus greedy, held out", float((votes["auto"] - votes["greedy"]).mean()), 0.0, np.inf),
    ]


def _noise(rows: Sequence[Row]) -> str:
    lines = ["| pool | pools | refused |", "|---|---|---|"]
    for world in dict.fromkeys(row["world"] for row in rows):
        own = [bool(row["refused"]) for row in rows if row["world"] == world]
        lines.append(f"| {world} | {len(own)} | {np.mean(own):.3f} |")
    return (
        "`--vote auto` on eight members, 1,000 rows of 500 groups, three classes. Refused: it answers with "
        "one trial alone.\n\n" + "\n".join(lines) + "\n"
    )


def _mean(values: Floats) -> str:
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{round(float(values.mean()), 4) + 0.0:+.4f} ({error:.4f})"  # no -0.0000


def _rms(values: Floats) -> float:
    return float(np.sqrt((values**2).mean()))
