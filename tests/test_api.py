"""The front door: `import orchestrator as fo`."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import orchestrator as fo
from orchestrator.core.errors import InputError, StudyError
from orchestrator.core.events import EpochEnded, Event
from tests.support.helpers import check_consistent, curves, journal

HEAVY = {"ray", "torch", "cv2", "rich", "matplotlib", "timm", "albumentations", "sklearn", "optuna", "wandb"}


def python(code: str) -> Any:
    """What a fresh interpreter prints as JSON."""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def tint_space(**changes: Any) -> fo.SearchSpace:
    numbers = {"folds": 2, "trials": 3, "max_t": 2, "finalists": 2, **changes}
    return fo.SearchSpace(
        trainable="tests.pixel_trainable:PixelTrainable",
        target=fo.categorical("tint", ["red", "blue"]),
        params={"lr": fo.loguniform(1e-3, 2.0)},
        **numbers,
    )


def search(faces: Path, runs: Path, **changes: Any) -> fo.Study:
    asked = {"space": tint_space(), "data": faces, "study": "a", "backend": "inline", "progress": None}
    return fo.search(runs=runs, **{**asked, **changes})


# ---- importing ------------------------------------------------------------------------------------


def test_importing_costs_a_fraction_of_pandas_and_the_words_of_a_space_load_nothing_heavy() -> None:
    loaded, pandas_s, own_s = python(
        "import json, sys, time\n"
        "start = time.process_time(); import numpy, pandas; middle = time.process_time()\n"
        "import orchestrator as fo; end = time.process_time()\n"
        "fo.SearchSpace, fo.Estimate, fo.load_manifest, fo.Budget, fo.trainable\n"
        "tops = sorted({name.partition('.')[0] for name in sys.modules})\n"
        "print(json.dumps([tops, middle - start, end - middle]))"
    )
    assert not HEAVY & set(loaded)
    assert own_s < pandas_s / 5, "a ratio of seconds of CPU: on a busy machine either may have to wait"


def test_importing_alone_loads_not_even_pandas() -> None:
    loaded = python(
        "import json, sys; import orchestrator as fo; dir(fo); print(json.dumps(sorted(sys.modules)))"
    )
    assert "pandas" not in loaded and "numpy" not in loaded
    assert [name for name in loaded if name.startswith("orchestrator")] == ["orchestrator"]


def test_an_ensemble_is_loaded_without_ray_or_torch() -> None:
    loaded = python(
        "import json, sys; import orchestrator as fo; fo.Ensemble; print(json.dumps(list(sys.modules)))"
    )
    assert not HEAVY & {name.partition(".")[0] for name in loaded}


@pytest.mark.parametrize("name", fo.__all__)
def test_every_name_is_there_listed_and_known_to_type_checkers(name: str) -> None:
    assert getattr(fo, name) is getattr(fo, name)
    assert name in dir(fo)
    source = Path(fo.__file__).read_text()
    seen_by_checkers = source[source.index("if TYPE_CHECKING:") : source.index("_HOMES")]
    assert name in seen_by_checkers


def test_a_misspelt_name_is_refused_with_a_suggestion() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'serch'; did you mean search\?"):
        _ = fo.serch  # type: ignore[attr-defined]


def test_the_version_is_the_installed_one() -> None:
    assert fo.__version__ == metadata.version("fold-orchestrator")


def test_types_are_published() -> None:
    assert (Path(fo.__file__).parent / "py.typed").is_file()


# ---- searching ------------------------------------------------------------------------------------


def test_a_frame_is_searched_with_a_space_that_is_an_object(faces: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(faces)
    study = search(faces, tmp_path, data=frame, data_root=faces.parent)
    assert study.path == tmp_path / "a" and len(study.complete_trials()) == 2
    assert study.space == tint_space() and study.header.space_file is None
    check_consistent(study.path, folds=2, max_t=2)


def test_file_frame_and_manifest_give_the_same_study(faces: Path, tmp_path: Path, space_file: Path) -> None:
    sources = {"file": str(faces), "frame": pd.read_csv(faces), "manifest": fo.load_manifest(faces)}
    found = [
        curves(search(faces, tmp_path, study=name, data=data, data_root=faces.parent).path)
        for name, data in sources.items()
    ]
    assert found[0] == found[1] == found[2]
    from_file = search(faces, tmp_path, space=space_file, study="space-file", scale="smoke")
    assert from_file.header.space_file == str(space_file)


def test_a_study_is_resumed_by_its_path_its_name_or_itself(faces: Path, tmp_path: Path) -> None:
    study = search(faces, tmp_path)
    for trials, given in ((4, study.path), (5, str(study.path)), (6, "a"), (7, study)):
        again = fo.resume(given, trials=trials, runs=tmp_path, backend="inline", progress=None)
        assert again.path == study.path and len(again.configs) == trials


def test_a_budget_of_fold_epochs_holds(faces: Path, tmp_path: Path) -> None:
    study = search(faces, tmp_path, budget="12 fold-epochs")
    spent = sum(event["event"] == "epoch_ended" for event in journal(study.path))
    assert 8 <= spent <= 12 and study.header.budget.fold_epochs == 12


def test_every_event_is_handed_over_once_the_journal_has_it(faces: Path, tmp_path: Path) -> None:
    seen: list[Event] = []

    def watch(event: Event) -> None:
        seen.append(event)
        assert journal(tmp_path / "a")

    search(faces, tmp_path, progress=watch)
    noted = [event for event in journal(tmp_path / "a") if event["event"] == "epoch_ended"]
    assert sum(isinstance(event, EpochEnded) for event in seen) == len(noted) > 0


def test_no_progress_prints_nothing_and_lines_go_to_the_log(
    faces: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    lone = pd.read_csv(faces).drop(columns="group")
    with caplog.at_level(logging.INFO, "orchestrator"):
        search(faces, tmp_path, data=lone, data_root=faces.parent)
    assert capfd.readouterr() == ("", "")
    levels = {record.getMessage().partition(":")[0]: record.levelname for record in caplog.records}
    assert levels["rows"] == levels["plan"] == "INFO"
    assert levels["note"] == "WARNING", "that rows have no group must not go unseen"


def test_a_bar_is_lines_where_there_is_no_terminal(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search(faces, tmp_path, progress="bar", say=print)
    shown = capsys.readouterr().out
    assert "started a: macro_f1 (max)" in shown and "plan: 3 trials" in shown


# ---- ends -----------------------------------------------------------------------------------------


@pytest.fixture
def usual_handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("usual_handlers")
def test_ctrl_c_leaves_a_study_that_can_be_resumed_and_ctrl_c_as_it_was(faces: Path, tmp_path: Path) -> None:
    whole = search(faces, tmp_path, study="whole")
    epochs = 0

    def stop(event: Event) -> None:
        nonlocal epochs
        epochs += isinstance(event, EpochEnded)
        if epochs == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as caught:
        search(faces, tmp_path, progress=stop)
    assert f"continue with orchestrator.resume('{tmp_path / 'a'}')" in caught.value.__notes__
    assert journal(tmp_path / "a")[-1]["outcome"] == "interrupted"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    fo.resume(tmp_path / "a", backend="inline", progress=None)
    assert curves(tmp_path / "a") == curves(whole.path)


def test_what_a_listener_raises_ends_the_search_and_the_study_goes_on_later(
    faces: Path, tmp_path: Path
) -> None:
    def fail(event: Event) -> None:
        if isinstance(event, EpochEnded):
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        search(faces, tmp_path, progress=fail)
    again = fo.resume(tmp_path / "a", backend="inline", progress=None)
    assert len(again.complete_trials()) == 2


def test_a_study_whose_trainable_lies_beside_its_space_is_resumed_with_the_space(
    faces: Path, tmp_path: Path, space_file: Path
) -> None:
    beside = "from tests.pixel_trainable import PixelTrainable\n\n\nclass Mine(PixelTrainable):\n    pass\n"
    (space_file.parent / "beside_api.py").write_text(beside)
    text = space_file.read_text()
    space_file.write_text(text.replace("tests.pixel_trainable:PixelTrainable", "beside_api:Mine"))

    def stop(event: Event) -> None:
        if isinstance(event, EpochEnded):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        search(faces, tmp_path / "runs", space=space_file, scale="smoke", progress=stop)
    [note] = caught.value.__notes__
    assert note.endswith(f", space={str(space_file)!r})")
    again = fo.resume(tmp_path / "runs" / "a", space=space_file, backend="inline", progress=None)
    assert again.complete_trials()


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"backend": "slurm"}, "backend='slurm': give 'ray', 'inline', or Ray(address=..."),
        ({"progress": "line"}, "progress='line': give 'bar', None, or what is called with every event"),
        ({"budget": 1.5}, "budget=1.5: give a number of fold-epochs"),
        ({"budget": "soon"}, "budget soon: give a time"),
        ({"budget": 3}, "budget 3: 2 finalists on 2 folds of 2 epochs take 8"),
        ({"rule": "none"}, "rule none: use fold_asha"),
        ({"space": 3}, "space=3: give a SearchSpace, or the path of a space file"),
        ({"space": "no-such"}, "space no-such: no such file"),
        ({"data": pd.DataFrame({"file": ["a.png"]})}, "the DataFrame: no column names images (it has file)"),
        ({"runs": 3}, "runs=3: give a path"),
        ({"scale": "tiny"}, "scale tiny: this space declares only full"),
    ],
)
def test_refusals_name_the_argument_and_leave_no_study(
    changes: dict[str, Any], words: str, faces: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        search(faces, tmp_path, **changes) if "runs" not in changes else search(faces, **changes)
    message = str(caught.value)
    assert words in message and "--" not in message and len(message.splitlines()) <= 2
    assert not (tmp_path / "a").exists()


def test_a_study_that_exists_is_not_overwritten_and_both_ways_out_are_named(
    faces: Path, tmp_path: Path
) -> None:
    search(faces, tmp_path)
    before = (tmp_path / "a" / "journal.jsonl").read_bytes()
    with pytest.raises(
        StudyError, match=r"continue it with orchestrator.resume\(\), or name another with study"
    ):
        search(faces, tmp_path)
    assert (tmp_path / "a" / "journal.jsonl").read_bytes() == before


def test_private_files_are_for_their_owner_alone_and_the_program_goes_on_as_before(
    faces: Path, tmp_path: Path
) -> None:
    before = os.umask(0o022)
    try:
        search(faces, tmp_path, private=True)
        assert (tmp_path / "a" / "journal.jsonl").stat().st_mode & 0o077 == 0
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


# ---- on Ray ---------------------------------------------------------------------------------------


@pytest.mark.ray
def test_a_space_that_lives_in_a_program_is_searched_on_ray(faces: Path, tmp_path: Path) -> None:
    here = search(faces, tmp_path, study="here", data=pd.read_csv(faces), data_root=faces.parent)
    study = search(faces, tmp_path, backend="ray", data=pd.read_csv(faces), data_root=faces.parent)
    assert study.header.space_file is None
    check_consistent(study.path, folds=2, max_t=2)
    shared = {key: curve for key, curve in curves(here.path).items() if key in curves(study.path)}
    assert shared and all(
        score == curves(study.path)[key].get(epoch, score)
        for key, curve in shared.items()
        for epoch, score in curve.items()
    )


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
def test_a_process_that_is_on_a_ray_already_is_told_so(faces: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"connected to a Ray already.*ray.shutdown\(\)"):
        search(faces, tmp_path, backend="ray")
    assert not (tmp_path / "a").exists()
