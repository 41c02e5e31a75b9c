"""Studies whose models see what an image shows: their stored predictions lean towards given truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from orchestrator.storage.checkpoint_files import PROBABILITIES
from orchestrator.study.predictions import write_prediction
from orchestrator.study.study import Study
from tests.study.test_comparing import make
from tests.support.ensemble_studies import Plan


def make_leaning(path: Path, data: Path, plan: Plan, truth: Path, seed: int = 0) -> Study:
    """A study of `data` whose complete trials' out-of-fold predictions lean towards the labels in `truth`.

    Both are tables of the same rows in the same order. What single epochs predicted is not kept.
    """
    study = make(path, data, plan)
    target, rng = study.space.target, np.random.default_rng(seed)
    true = target.encode(pd.read_csv(truth).assign(role="train"))
    paths = study.manifest().frame["path"].tolist()
    for trial in study.complete_trials():
        oof = study.oof(trial.number)
        lean = (true if target.multi_label else np.eye(len(target.classes))[true])[oof.rows]
        odds = np.exp(rng.normal(size=lean.shape) + 3 * lean - 1.5 * target.multi_label)
        chances = odds / (1 + odds) if target.multi_label else odds / odds.sum(axis=1, keepdims=True)
        prediction = replace(oof, probabilities=chances.astype(np.float32))
        write_prediction(study.files.oof(trial.number), prediction, paths, target.classes)
    store = study.store()
    for name in store.names(PROBABILITIES):
        store.delete(name)
    return study
