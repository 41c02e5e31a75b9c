"""BBC-CV of any method: fitted again on resampled groups, and scored on the groups left out. Pure."""

from __future__ import annotations

import numpy as np

from orchestrator.core.arrays import Probabilities
from orchestrator.core.callbacks import Progress
from orchestrator.core.errors import EnsembleError
from orchestrator.evaluation.bbc_cv import scores_out_of_bags
from orchestrator.evaluation.bootstrap import group_codes
from orchestrator.evaluation.estimate import Estimate, no_estimate
from orchestrator.evaluation.intervals import DEFAULT, Answers, moved, scored
from orchestrator.evaluation.method import Method
from orchestrator.evaluation.resampled_scores import affordable, defined
from orchestrator.evaluation.resamples import bags, scores_left_out
from orchestrator.evaluation.voted import PlainVote

MEANING = (
    "The choice among complete trials, weights, temperature and decisions are made again in every resample "
    "and scored on the groups left out, some 37% each time. Not corrected: the choice of epochs, and trials "
    "the race stopped early. Choices on resamples are worse than the one on all rows: rather too low."
)

SUMMARY = "corrected: the same, in resamples, which makes it rather too low; not: epochs, the race"


def bbc(
    method: Method,
    answers: Answers,
    rng: np.random.Generator,
    repeats: int = 200,
    level: float = 0.95,
    interval: str = DEFAULT,
    progress: Progress | None = None,
    plain: PlainVote | None = None,
) -> Estimate:
    """answers: of the method fitted on all rows. repeats: times it is fitted; each costs one fit.

    plain: the method, where it is no more than a vote of the best trials: a thousand repeats then take
    seconds.
    The score is the mean over resamples; the interval is that of the answers, about this score. Where it
    cannot be made, an estimate that says why.
    Source: Tsamardinos, Greasidou, Borboudakis, Machine Learning 107 (2018), "Bootstrapping the out-of-sample
    predictions for efficient and accurate cross-validation", algorithm 2, with groups for samples.
    """
    title = f"BBC-CV {answers.metric}"
    try:
        codes, count = group_codes(answers.groups)
        resamples = bags(count, affordable(repeats, answers.metric), rng)

        def answer(number: int) -> Probabilities:
            answered = method(resamples.weights[number][codes])
            if progress is not None:
                progress(number + 1, len(resamples))
            return answered

        if plain is None:
            found = scores_left_out(resamples, answer, answers.labels, codes, answers.metric)
        else:
            told = _in_resamples(len(resamples), progress)
            found = scores_out_of_bags(plain, answers.labels, codes, resamples.weights, answers.metric, told)
        scores, note = defined(found, answers.metric)
        base = scored(answers, rng, level=level, interval=interval)
    except EnsembleError as error:
        return no_estimate("bbc", title, f"{error}.", level)
    how = f"BBC-CV, {len(scores)} repeats; {base.method}"
    estimate = moved(base, float(scores.mean()), how, answers.metric).noted(note)
    return estimate.described("bbc", title, MEANING, SUMMARY)


def _in_resamples(count: int, progress: Progress | None) -> Progress | None:
    """Told of steps of any kind, it tells how many resamples that is worth."""
    return None if progress is None else lambda done, total: progress(done * count // total, count)
