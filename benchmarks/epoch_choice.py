"""Which epoch of a fold run to keep: what the vote then scores on held-out groups, and how each flatters.

    python -m benchmarks.epoch_choice --tables runs/tables --draws 200 --write

Every draw is a study of benchmarks.simulated_worlds, its truth the score on the groups that were not drawn:
the race is run, and each way of choosing epochs is given the same complete trials.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.epoch_choice_page import page
from benchmarks.resumable import read_log, run_missing
from benchmarks.simulated_votes import VOTES, vote_over
from benchmarks.simulated_worlds import Epochs, SimulatedStudy, World, split_study, truth_of, worlds
from orchestrator.core.metrics import score
from orchestrator.race import VERSION, RaceConfig, make_race
from orchestrator.race.simulate.simulator import simulate

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "epoch_choice.md"
TEMPERATURES = np.exp(np.linspace(np.log(0.25), np.log(8.0), 16))
FINALISTS = 3

Choice = Callable[[SimulatedStudy, int], Epochs]
"""A study and one of its trials -> the epochs taken of every fold."""


def best_per_fold(study: SimulatedStudy, trial: int) -> Epochs:
    return _one_each(study.scores[trial].argmax(axis=1))


def best_for_all_folds(study: SimulatedStudy, trial: int) -> Epochs:
    return _same(study, study.scores[trial].mean(axis=0).argmax())


def best_of_other_folds(study: SimulatedStudy, trial: int) -> Epochs:
    """Of each fold, the epoch that is best by the mean of all others: its own rows have no say."""
    scores = study.scores[trial]
    return _one_each((scores.sum(axis=0) - scores).argmax(axis=1))


def calibrated_loss_per_fold(study: SimulatedStudy, trial: int) -> Epochs:
    """Berta et al. 2025, "Rethinking early stopping: refine, then calibrate": the epoch of the least log loss
    after the temperature that suits the epoch best."""
    return _one_each(_calibrated_losses(study, trial).argmin(axis=1))


def calibrated_loss_for_all_folds(study: SimulatedStudy, trial: int) -> Epochs:
    return _same(study, _calibrated_losses(study, trial).mean(axis=0).argmin())


def best_smoothed_per_fold(study: SimulatedStudy, trial: int) -> Epochs:
    """The middle of the three neighbouring epochs with the best mean score; at the ends, of two."""
    scores = study.scores[trial]
    padded = np.pad(scores, ((0, 0), (1, 1)), constant_values=np.nan)
    near = np.nanmean(np.stack([padded[:, :-2], padded[:, 1:-1], padded[:, 2:]]), axis=0)
    return _one_each(near.argmax(axis=1))


def last_two(study: SimulatedStudy, trial: int) -> Epochs:
    """Probabilities are averaged, in place of weights."""
    epochs = study.answers.shape[1]
    return ((epochs - 2, epochs - 1),) * study.scores.shape[1]


def best_and_neighbours(study: SimulatedStudy, trial: int) -> Epochs:
    """One epoch for all folds, and the epochs before and after it, averaged."""
    best = int(study.scores[trial].mean(axis=0).argmax())
    near = tuple(epoch for epoch in (best - 1, best, best + 1) if 0 <= epoch < study.answers.shape[1])
    return (near,) * study.scores.shape[1]


CHOICES: dict[str, tuple[str, Choice]] = {
    "per_fold": ("best epoch of each fold", best_per_fold),
    "judged": ("the same, votes fitted at the other folds' best epoch", best_per_fold),
    "all_folds": ("one epoch for all folds, best mean", best_for_all_folds),
    "smoothed": ("best mean of three epochs, per fold", best_smoothed_per_fold),
    "loss": ("least log loss after temperature, per fold", calibrated_loss_per_fold),
    "loss_all_folds": ("least log loss after temperature, one for all folds", calibrated_loss_for_all_folds),
    "neighbours": ("one for all folds and its neighbours, averaged", best_and_neighbours),
    "last_two": ("the last two, averaged", last_two),
}


JUDGED_BY = {"judged": best_of_other_folds}
"""Choices whose votes are fitted to, and judged by, other epochs' answers than those of the models kept."""


def _one_each(epochs: NDArray[np.intp]) -> Epochs:
    return tuple((int(epoch),) for epoch in epochs)


def _same(study: SimulatedStudy, epoch: int | np.intp) -> Epochs:
    return ((int(epoch),),) * study.scores.shape[1]


def _calibrated_losses(study: SimulatedStudy, trial: int) -> NDArray[np.float64]:
    """(folds, epochs): mean log loss of a fold's rows at the best of TEMPERATURES."""
    logs = np.log(np.clip(study.answers[trial], 1e-6, 1.0))  # (epochs, n, C)
    rows = np.arange(len(study.labels))
    losses = np.empty((len(TEMPERATURES), *logs.shape[:2]))
    for at, temperature in enumerate(TEMPERATURES):
        powers = logs / temperature
        losses[at] = np.log(np.exp(powers).sum(axis=2)) - powers[:, rows, study.labels]
    folds = range(study.scores.shape[1])
    return np.stack([losses[:, :, study.folds == fold].mean(axis=2).min(axis=0) for fold in folds])


def complete_trials(study: SimulatedStudy) -> list[int]:
    """Of the default rule's race, four slots."""
    trials, folds, epochs = study.scores.shape
    race = make_race("fold_asha", RaceConfig(trials, folds, epochs, finalists=FINALISTS))
    full = simulate(race, study.scores, 4, record=False).full
    return sorted(trial for trial, done in full.items() if len(done) == folds)


def one_draw(world: World, seed: int, number: int) -> dict[str, Any]:
    """Of every choice and vote: the score on the study's rows, and the truth."""
    rng = np.random.default_rng([seed, number])
    population = world.draw(rng)
    groups = int(population.codes.max()) + 1
    study, rest = split_study(population, min(world.groups, groups // 2), rng)
    trials = complete_trials(study)
    found: dict[str, Any] = {"world": world.name, "number": number, "trials": trials, "race": VERSION}
    for key, (_, choose) in CHOICES.items():
        members = [(trial, choose(study, trial)) for trial in trials]
        judged = [(trial, JUDGED_BY.get(key, choose)(study, trial)) for trial in trials]
        for vote in VOTES:
            vote_of = vote_over(study, judged, vote)
            answers = vote_of(np.stack([study.member(*member) for member in judged]))
            truth = truth_of(population, members, vote_of, rest)
            seen = score(study.metric, study.labels, answers)
            found[f"{key}/{vote}"] = [seen, truth.of_folds, truth.of_mean]
    return found


_worlds: dict[str, World] = {}  # of this worker process


def _begin(tables: Path | None) -> None:
    _worlds.update({world.name: world for world in worlds(tables)})


def _draw(job: tuple[str, int, int]) -> dict[str, Any]:
    name, seed, number = job
    return one_draw(_worlds[name], seed, number)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--tables", type=Path, help="folder of tables; without it, drawn models alone")
    add("--draws", type=int, default=200)
    add("--seed", type=int, default=0)
    add("--workers", type=int, default=1)
    add("--log", type=Path, default=Path("runs/epoch_choice.jsonl"), help="draws that are there stay")
    add("--write", action="store_true", help="write docs/benchmarks/epoch_choice.md")
    options = parser.parse_args(argv)
    rows = run(options.tables, options.draws, options.seed, options.workers, options.log)
    titles = {key: title for key, (title, _) in CHOICES.items()}
    text = page(rows, titles, VOTES, options.seed)
    if options.write:
        PAGE.write_text(text)
    print(text)


def run(tables: Path | None, draws: int, seed: int, workers: int, log: Path) -> list[dict[str, Any]]:
    """All draws, those of an earlier run read from the log."""
    names = [world.name for world in worlds(tables)]
    jobs = [(name, seed, number) for number in range(draws) for name in names]
    started = time.monotonic()
    made = run_missing(jobs, _draw, log, workers, _begin, tables)
    print(f"{made} draws in {(time.monotonic() - started) / 60:.1f} min", flush=True)
    return [row for row in read_log(log) if row["number"] < draws and row["world"] in names]


if __name__ == "__main__":
    main()
