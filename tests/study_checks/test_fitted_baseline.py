"""The baseline of a study: from images to answers, kept for the next time."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from orchestrator.core.finding import Level
from orchestrator.snapshot import StudySnapshot, take_snapshot
from orchestrator.study_checks import check_study, fitted_baseline
from orchestrator.study_checks.fitted_baseline import fit_baseline, known_baseline, quick_baseline
from orchestrator.study_checks.unseen import UnseenError
from tests.support.drawn_study import draw_study

pytestmark = pytest.mark.torch  # who measures images is a trainable


@pytest.fixture
def snapshot(tmp_path: Path) -> StudySnapshot:
    return take_snapshot(draw_study(tmp_path / "a", images=True, probabilities=False))


def test_a_baseline_is_fitted_once_and_kept_below_the_cache(
    snapshot: StudySnapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert known_baseline(snapshot) is None
    found = fit_baseline(snapshot)
    best = snapshot.oof(snapshot.complete[0].number)
    assert best is not None and np.array_equal(found.rows, best.rows)
    assert np.isfinite(found.probabilities).all() and np.allclose(
        found.probabilities.sum(axis=1), 1, atol=1e-5
    )
    monkeypatch.setattr(fitted_baseline, "measure_images", None)  # the second one measures nothing
    for known in (fit_baseline(snapshot), known_baseline(snapshot), quick_baseline(snapshot)):
        assert known is not None and known.name == found.name
        assert np.allclose(known.probabilities, found.probabilities)
    (told,) = [item for item in check_study(snapshot, seed=0, baseline=found) if item.code == "FO003"]
    assert "logistic regression" in told.found or told.level is Level.WARNING


def test_images_that_changed_make_another_baseline_and_gone_ones_none(snapshot: StudySnapshot) -> None:
    fit_baseline(snapshot)
    assert snapshot.manifest is not None
    root = snapshot.manifest.root
    first, second = (root / str(path) for path in snapshot.manifest.frame["path"][:2])
    shutil.copyfile(first, second)
    assert known_baseline(snapshot) is None
    shutil.rmtree(root)
    with pytest.raises(UnseenError, match="images are not in"):
        quick_baseline(snapshot)


def test_a_torn_cache_is_fitted_anew(snapshot: StudySnapshot) -> None:
    fit_baseline(snapshot)
    (file,) = (snapshot.path.parent / ".cache" / fitted_baseline.FOLDER).glob("*.parquet")
    file.write_bytes(file.read_bytes()[:100])
    assert known_baseline(snapshot) is None
    assert len(fit_baseline(snapshot).rows) == 240
