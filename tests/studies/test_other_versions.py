"""Studies that versions before this one left are listed, shown and removed as others are."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestrator.studies.__main__ import main
from orchestrator.studies.listing import DAMAGED, list_studies

LEFT = Path(__file__).parents[1] / "study" / "made_by_0_1" / "studies"


def test_of_0_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = shutil.copytree(LEFT, tmp_path / "runs")
    found = list_studies(runs)
    assert found and all(item.state != DAMAGED and item.proposed for item in found)
    names = [item.name for item in found]
    for words in (["list"], ["show", names[0]], ["export", "--out", str(tmp_path / "x.csv")]):
        assert main([*words, "--runs", str(runs)]) == 0
    assert main(["rm", *names, "--yes", "--runs", str(runs)]) == 0
    assert list_studies(runs) == []


def test_of_a_later_version_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shutil.copytree(LEFT, tmp_path / "runs")
    name = list_studies(folder)[0].name
    journal = folder / name / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"format": 1', '"format": 9', 1))
    assert main(["list", "--runs", str(folder)]) == 0
    assert "format 9" in capsys.readouterr().out
    assert main(["rm", name, "--yes", "--runs", str(folder)]) == 0 and not (folder / name).exists()
