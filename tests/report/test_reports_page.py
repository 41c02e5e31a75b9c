"""docs/explanation/reports.md: the numbers that it names are those of the code."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from orchestrator.evaluation.reliability import reliability
from orchestrator.report import trial_figures
from orchestrator.report.sections import errors
from orchestrator.sampling import importance
from tests.evaluation.test_error_numbers import calibrated

PAGE = " ".join((Path(__file__).parents[2] / "docs" / "explanation" / "reports.md").read_text().split())


def test_its_numbers_are_those_of_the_code() -> None:
    assert f"With fewer than {importance.FEWEST} scores nothing is said" in PAGE
    assert (
        importance.BEST == 0.1 and f"the best tenth of the trials (at least {importance.FEWEST_BEST})" in PAGE
    )
    assert f"At most {trial_figures.MOST} trials are drawn" in PAGE
    assert f"over {errors.REPEATS:,} resamples of the groups" in PAGE


def test_calibrated_answers_show_by_chance_what_it_says() -> None:
    found = [
        reliability(*calibrated(seed, 600), np.random.default_rng(seed), 100).by_chance for seed in range(5)
    ]
    assert "with 600 rows that is some 0.09" in PAGE and abs(np.mean(found) - 0.09) < 0.01
