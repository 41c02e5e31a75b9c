"""An ensemble in Python: built in one call, honest in words, light to import."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.core.errors import EnsembleError
from orchestrator.ensemble import Ensemble, build_ensemble
from orchestrator.ensemble.building import default_out
from orchestrator.ensemble.estimating import ESTIMATES
from orchestrator.evaluation.estimate import Estimate
from orchestrator.study.study import Study
from tests.support.ensemble_command import PLAIN, build, build_joint, record
from tests.support.format_1 import to_format_1

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def built(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Ensemble:
    """Tests don't write into its folder."""
    return build_ensemble(made / "both", out=tmp_path_factory.mktemp("built") / "e", repeats=10, **PLAIN)


def test_one_call_builds_what_the_command_builds(runs: Path) -> None:
    called = build_ensemble(
        [runs / "both"], vote="hard", calibrate="none", decide="none", top=1, out=runs / "called", seed=3
    )
    assert record(called.path) == record(build(runs, "--vote", "hard", "--top", "1", "--seed", "3"))


def test_studies_of_one_joint_label_are_given_as_text_or_objects_in_any_order(runs: Path) -> None:
    called = build_ensemble([str(runs / "shade"), Study(runs / "tint")], **PLAIN)
    assert called.path.parent == runs and called.path.name.startswith("ensemble-shade-tint-")
    assert record(called.path) == record(build_joint(runs))


def test_ensembles_of_one_second_lie_in_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.strftime", lambda form: "now")
    found = [default_out([tmp_path])]
    for _ in range(2):
        found[-1].mkdir()
        found.append(default_out([tmp_path]))
    assert [path.name for path in found] == ["ensemble-now", "ensemble-now-2", "ensemble-now-3"]
    (tmp_path / "ensemble-a-b-now").mkdir()
    assert default_out([tmp_path / "a", tmp_path / "b"]) == tmp_path / "ensemble-a-b-now-2"


def test_without_a_folder_to_write_the_studys_own_gets_it_and_progress_reaches_its_end(runs: Path) -> None:
    seen: list[tuple[int, int]] = []
    called = build_ensemble(
        str(runs / "both"), progress=lambda done, total: seen.append((done, total)), **PLAIN
    )
    assert called.path.parent == runs / "both"
    assert seen[-1] == (6, 6) and any(done == total == 10 for done, total in seen)


def test_what_cannot_be_built_is_refused_before_any_work(runs: Path) -> None:
    with pytest.raises(EnsembleError, match=r"vote='sofd'.*use auto, .* or greedy; did you mean soft\?"):
        build_ensemble(runs / "both", vote="sofd")
    with pytest.raises(EnsembleError, match=r"calibrate='yes' is not known; use auto or none"):
        build_ensemble(runs / "both", calibrate="yes")
    with pytest.raises(EnsembleError, match="needs at least one study"):
        build_ensemble([])
    with pytest.raises(EnsembleError, match="exists"):
        build_ensemble(runs / "nowhere", out=runs / "tint")
    assert sorted(path.name for path in runs.iterdir()) == ["both", "shade", "tint"]


# ---- estimates --------------------------------------------------------------------------------------


def test_every_estimate_of_the_table_is_written_and_read_back_with_its_words(built: Ensemble) -> None:
    written = record(built.path)["estimates"]
    assert [item["key"] for item in written] == [*ESTIMATES]
    titles = ["OOF macro_f1", "Cross-fitted macro_f1", "BBC-CV macro_f1", "BBC macro_f1, whole race"]
    assert [estimate.title for estimate in built.estimates] == titles
    for item, estimate in zip(written, built.estimates, strict=True):
        assert estimate.to_json() == item
        assert estimate.meaning.endswith(".")
    assert "All 72 rows at once" in built.estimates[0].meaning


def test_an_estimate_that_the_table_gains_is_written_and_printed(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Estimate(0.5, 0.25, 0.75, 0.9, "by guess", 36, "Guessed macro_f1", "Nobody measured.", "guessed")
    monkeypatch.setitem(ESTIMATES, "guessed", lambda rows, rng, repeats, progress: made)
    folder = build(runs)
    said = capsys.readouterr().out
    assert "Guessed macro_f1: 0.5000 (90% interval 0.2500 to 0.7500)\n  Nobody measured." in said
    assert Ensemble.load(folder).estimates[-1] == made


@pytest.mark.parametrize("text", ["{", "3", '{"naive": 1}', '{"unknown": {"title": "x"}}'])
def test_a_damaged_file_of_meanings_is_refused_in_a_line(runs: Path, text: str) -> None:
    to_format_1(folder := build(runs))
    (folder / "estimates.json").write_text(text)
    with pytest.raises(EnsembleError, match=r"estimates\.json is damaged.*write the ensemble anew"):
        Ensemble.load(folder)


def test_estimates_that_version_0_1_wrote_have_a_title() -> None:
    old = Ensemble.load(ROOT / "tests" / "study" / "made_by_0_1" / "studies" / "complete" / "ensemble")
    written = record(old.path)["estimates"]
    assert [item.title for item in old.estimates] == ["OOF macro_f1", "BBC-CV macro_f1"]
    assert [item.score for item in old.estimates] == [written["naive"]["score"], written["bbc"]["score"]]


# ---- in a notebook ----------------------------------------------------------------------------------


def test_a_notebook_shows_what_an_ensemble_is_and_its_estimates(built: Ensemble) -> None:
    shown = built._repr_html_()
    assert "P(tint_shade)" in shown and "red/dark, red/mid" in shown
    assert "2 trials, 6 models, soft vote" in shown
    assert all(estimate._repr_html_() in shown for estimate in built.estimates)


def test_no_name_breaks_out_of_the_html(built: Ensemble) -> None:
    odd = Estimate(0.5, 0.4, 0.6, 0.95, "m", 3, "<i>title</i>", "<script>alert(1)</script>")
    assert odd._repr_html_() == (
        "<p><b>&lt;i&gt;title&lt;/i&gt;: 0.5000 (95% interval 0.4000 to 0.6000)</b>"
        "<br>&lt;script&gt;alert(1)&lt;/script&gt;</p>"
    )
    other = built.with_members(lambda member: replace(member, study="<script>x"))
    assert "&lt;script&gt;x" in (shown := other._repr_html_())
    assert "<script" not in shown


# ---- imports ----------------------------------------------------------------------------------------


def test_who_only_predicts_loads_neither_studies_nor_a_command_line() -> None:
    script = (
        "import sys, json, numpy, pandas; before = set(sys.modules)\n"
        "from orchestrator.ensemble import Ensemble\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = json.loads(found.stdout)
    assert {name.split(".")[1] for name in loaded if name.startswith("orchestrator.")} == {
        "core", "data", "ensemble", "ensemble_record", "evaluation",
    }  # fmt: skip
    assert {name.split(".")[0] for name in loaded} & {"rich", "cv2", "ray", "torch", "filelock"} == set()
    assert sum(name.startswith("orchestrator") for name in loaded) <= 60
