"""A study from somebody else may name a metric of its own: who looks at it runs no code that it names."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli.signals import restored_signals
from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.report.__main__ import main as report
from orchestrator.snapshot import take_snapshot
from orchestrator.studies.__main__ import main as studies
from orchestrator.tracking.__main__ import main as tracking
from tests.support.drawn_study import draw_study
from tests.support.journals import unsealed

OWN = "metric_of_somebody:score"
CODE = "import pathlib\npathlib.Path({ran!r}).touch()\ndef score(labels, probabilities):\n    return 0.5\n"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`plain`, and `voted` with an ensemble that has a temperature; both name a metric of their own."""
    runs = tmp_path_factory.mktemp("runs")
    draw_study(runs / "plain", trials=3, rows=90)
    voted = draw_study(runs / "voted", trials=3, rows=90)
    words = ["--study", str(voted), "--vote", "soft", "--decide", "auto", "--repeats", "20", "--no-report"]
    assert ensemble([*words, "--out", str(voted / "best")]) == 0
    for record in (*runs.glob("*/journal.jsonl"), voted / "best" / "ensemble.json"):
        text = re.sub(r',\s*"digest": "[0-9a-f]{64}"\s*}\s*$', "}", unsealed(record.read_text()))
        assert '"metric": "macro_f1"' in text and '"mode": "max"' in text
        record.write_text(text.replace('"metric": "macro_f1"', f'"metric": "{OWN}"'))
    for name in ("plain", "voted"):
        found = take_snapshot(runs / name)
        assert found.space.metric == OWN and found.complete and not found.notes
    assert found.ensemble is not None and found.ensemble.record.metric == OWN
    return runs


@pytest.fixture
def ran(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Exists once the code ran, which lies beside the studies and where the user stands."""
    ran = tmp_path / "it_ran"
    (runs / "metric_of_somebody.py").write_text(CODE.format(ran=str(ran)))
    monkeypatch.chdir(runs)
    monkeypatch.syspath_prepend(str(runs))
    with restored_signals():
        yield ran
    sys.modules.pop("metric_of_somebody", None)


COMMANDS = {
    "report of a trial": lambda runs: report(["--study", "plain", "--runs", str(runs)]),
    "report of an ensemble": lambda runs: report(["--study", "voted", "--runs", str(runs)]),
    "report of both": lambda runs: report(["--study", "plain", "voted", "--runs", str(runs)]),
    "list": lambda runs: studies(["list", "--runs", str(runs)]),
    "show": lambda runs: studies(["show", "voted", "--runs", str(runs)]),
    "score": lambda runs: studies(["score", "plain", "--public", "0.7", "--runs", str(runs)]),
    "compare": lambda runs: studies(["compare", "plain", "voted", "--runs", str(runs)]),
    "tracking": lambda runs: tracking(["voted", "--tensorboard", "--runs", str(runs)]),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_that_looks_at_it_runs_its_metric(runs: Path, ran: Path, command: str) -> None:
    if command == "tracking":
        pytest.importorskip("tensorboard")
    COMMANDS[command](runs)
    assert "metric_of_somebody" not in sys.modules and not ran.exists()


def test_its_answer_keeps_the_mean_over_folds(runs: Path, ran: Path) -> None:
    assert report(["--study", "plain", "--runs", str(runs), "--out", str(ran.parent / "plain.html")]) == 0
    html = (ran.parent / "plain.html").read_text()
    assert "mean over folds" in html and "all rows at once" not in html
    assert "could not be made" not in html
