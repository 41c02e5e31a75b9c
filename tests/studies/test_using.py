"""What uses a study is told before it is removed: ensembles, labels that they gave, fixes, copies."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator.audit.__main__ import main as audit
from orchestrator.core.errors import StudyError
from orchestrator.data.manifest import Manifest
from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.studies.__main__ import main as studies
from orchestrator.studies.removing import plan_removal, remove
from orchestrator.studies.scoring import leaderboard_score
from orchestrator.studies.using import header_of, lost_with_it, shares_storage, uses_of
from orchestrator.study import Study
from orchestrator.study.remarks import read_remarks
from tests.support.drawn_study import draw_study
from tests.support.journals import unsealed


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Studies a and b, an ensemble of both beside them and one of a in its folder."""
    runs = tmp_path_factory.mktemp("using")
    for name in "ab":
        draw_study(runs / name, trials=2, folds=2, max_t=1, rows=48)
    words = [
        "--runs",
        str(runs),
        "--repeats",
        "10",
        "--vote",
        "soft",
        "--calibrate",
        "none",
        "--decide",
        "none",
    ]
    assert ensemble(["--study", "a", "b", "--out", str(runs / "both"), *words]) == 0
    assert ensemble(["--study", "a", *words]) == 0
    return runs


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "runs")


def begun_with(study: Path, **fields: Any) -> None:
    """Changes the header as if the study had been begun so."""
    first, rest = unsealed((study / "journal.jsonl").read_text()).split("\n", 1)
    record = json.loads(first)
    record["header"].update(fields)
    (study / "journal.jsonl").write_text(json.dumps(record) + "\n" + rest)


def extra(source: Path) -> list[Mapping[str, str]]:
    return [{"source": str(source), "root": "/images", "fingerprint": "f" * 64}]


def test_an_ensemble_elsewhere_is_told_and_predicts_on(runs: Path) -> None:
    [told] = uses_of(runs / "b", runs)
    assert told.startswith(f"ensemble {runs / 'both'} has members of it: it stays")
    weights = {path: path.read_bytes() for path in (runs / "both" / "weights").rglob("*") if path.is_file()}
    remove(plan_removal(runs / "b", runs))
    assert weights and all(path.read_bytes() == data for path, data in weights.items())


def test_an_ensemble_in_its_own_folder_goes_with_it_and_that_is_told(runs: Path) -> None:
    [told] = lost_with_it(runs / "a")
    assert told.startswith("1 ensemble in its folder: ensemble-")
    assert all("both" in line for line in uses_of(runs / "a", runs))


def test_labels_that_its_ensemble_gave_are_told(runs: Path, tmp_path: Path) -> None:
    [inner] = runs.glob("a/ensemble-*")
    rows = Study(runs / "a").manifest().frame
    note = f"labels of {inner.name} with a confidence of at least 0.9"
    Manifest(rows, Path("/images"), "pseudo-x", (note,)).write(tmp_path / "pseudo.parquet")
    begun_with(runs / "b", extra=extra(tmp_path / "pseudo.parquet"))
    assert any("study b trains on labels that an ensemble in its folder gave" in line
               for line in uses_of(runs / "a", runs))  # fmt: skip
    begun_with(runs / "b", extra=extra(tmp_path / "gone.parquet"))
    assert not any("study b" in line for line in uses_of(runs / "a", runs))


@pytest.mark.parametrize(
    "fields, told",
    [
        (lambda folder: {"label_fixes": {"file": str(folder / "audit-1" / "fixes.csv")}}, "label fixes"),
        (lambda folder: {"manifest": {"source": str(folder / "t.csv"), "fingerprint": "f"}}, "its table"),
        (lambda folder: {"extra": extra(folder / "rows.csv")}, "rows with role extra"),
    ],
)
def test_what_another_study_was_begun_with_from_its_folder_is_told(
    runs: Path, fields: Any, told: str
) -> None:
    begun_with(runs / "b", **fields(runs / "a"))
    assert [line for line in uses_of(runs / "a", runs) if "study b" in line and told in line]


def test_a_copy_shares_its_part_of_a_store(runs: Path) -> None:
    for name in "ab":
        begun_with(runs / name, storage="/mnt/store", name="a")
    header = header_of(runs / "a")
    assert header is not None and shares_storage(header, runs / "a", runs) == ["b"]


def test_damaged_neighbours_say_nothing_and_stop_nothing(runs: Path) -> None:
    (runs / "both" / "ensemble.json").write_text("{")
    (runs / "b" / "journal.jsonl").write_text("\x00")
    assert uses_of(runs / "a", runs) == [] and header_of(runs / "b") is None


@pytest.mark.parametrize(
    "main, where, words",
    [
        (ensemble, "orchestrator.ensemble.command.gather", ["--out", "new"]),
        (audit, "orchestrator.audit.command.gather_evidence", []),
    ],
    ids=["ensemble", "audit"],
)
def test_what_an_ensemble_is_built_of_or_an_audit_looks_at_is_not_removed(
    runs: Path,
    monkeypatch: pytest.MonkeyPatch,
    main: Callable[[Sequence[str]], int],
    where: str,
    words: list[str],
) -> None:
    refused = []

    def meanwhile(*given: object) -> None:
        for name in "ab":
            with pytest.raises(StudyError, match="is being read by another process"):
                remove(plan_removal(runs / name, runs))
            refused.append(name)
        raise StudyError("that was it")

    monkeypatch.chdir(runs)
    monkeypatch.setattr(where, meanwhile)
    assert main(["--study", "a", "b", "--runs", str(runs), *words]) == 2
    assert refused == ["a", "b"] and (runs / "a" / "journal.jsonl").exists()
    remove(plan_removal(runs / "a", runs))  # nobody holds it any more
    assert not (runs / "a").exists()


# ---- a score of an ensemble -----------------------------------------------------------------------


def test_a_score_stands_beside_the_estimate_that_corrects_most(runs: Path) -> None:
    [inner] = runs.glob("a/ensemble-*")
    found = leaderboard_score(Study(runs / "a"), 0.7, None, now=1.0)
    assert (found.ensemble, found.trial) == (inner.name, None)
    assert found.estimate in ("bbc_race", "bbc") and found.oof is not None
    assert found.low is not None and found.high is not None and found.low <= found.oof <= found.high
    other = leaderboard_score(Study(runs / "a"), 0.7, None, runs / "both", now=1.0)
    assert other.ensemble == "both"


def test_an_ensemble_without_the_study_is_no_source_of_its_score(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [inner] = runs.glob("a/ensemble-*")
    words = ["score", "b", "--public", "0.5", "--ensemble", str(inner), "--runs", str(runs)]
    assert studies(words) == 2
    assert "has no member of study b, it is of a" in capsys.readouterr().err
    assert not read_remarks(runs / "b").scores
    (runs / "a").rename(runs / "renamed")
    assert leaderboard_score(Study(runs / "renamed"), 0.7, None, runs / "renamed" / inner.name).ensemble


def test_the_ensemble_is_found_by_its_name_in_the_study(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [inner] = runs.glob("a/ensemble-*")
    words = ["score", "a", "--public", "0.5", "--ensemble", inner.name, "--runs", str(runs)]
    assert studies(words) == 0 and f"of {inner.name}" in capsys.readouterr().out
