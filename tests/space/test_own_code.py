"""A trainable beside its space file: found, noted, never run from what a study or an ensemble wrote."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from orchestrator.core.errors import SearchSpaceError, StudyError, TrainableError
from orchestrator.core.metrics import find
from orchestrator.core.metrics.own import resampled_rows
from orchestrator.core.trainable import Parameter, load_trainable
from orchestrator.space import SearchSpace, categorical, choice, loguniform, quniform, randint, uniform
from orchestrator.space.loading import load_space
from orchestrator.space.own_code import OwnCode, beside, check_recorded
from orchestrator.tune.__main__ import parser
from orchestrator.tune.command import _resume
from orchestrator.tune.request import Interrupted

MODEL = """
from orchestrator.core.own_trainable import trainable
from {helper} import SHARE

@trainable(lr=0.1)
def {name}(data, config):
    for _ in range(data.max_epochs):
        yield [[SHARE, 1 - SHARE]] * len(data.validation)
"""
SPACE = """
from orchestrator.space import SearchSpace, categorical
{more}
space = SearchSpace(trainable={trainable}, target=categorical("tint", ["red", "blue"]), params={{}})
"""


@pytest.fixture(autouse=True)
def same_path_afterwards() -> Iterator[None]:
    path, inherited, modules = list(sys.path), os.environ.get("PYTHONPATH"), set(sys.modules)
    yield
    sys.path[:] = path
    os.environ.pop("PYTHONPATH", None)
    if inherited is not None:
        os.environ["PYTHONPATH"] = inherited
    for name in set(sys.modules) - modules:
        if name.startswith(("own_", "space_of_")):
            del sys.modules[name]


def write(folder: Path, trainable: str = '"own_model:sgd"', more: str = "", name: str = "sgd") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "own_model.py").write_text(MODEL.format(helper="own_helper", name=name))
    (folder / "own_helper.py").write_text("SHARE = 0.25\n")
    (folder / "unrelated.py").write_text("raise RuntimeError\n")
    path = folder / "space_of_mine.py"
    path.write_text(SPACE.format(trainable=trainable, more=more))
    return path


def test_a_module_beside_the_space_file_is_found_here_and_by_processes_started_here(tmp_path: Path) -> None:
    space = load_space(write(tmp_path / "a"))
    assert load_trainable(space.trainable).parameters() == {"lr": Parameter(0.1)}
    assert str(tmp_path / "a") in os.environ["PYTHONPATH"].split(os.pathsep)
    assert sys.path[-1] == str(tmp_path / "a"), "it comes last and hides nothing"


def test_a_class_may_be_given_and_is_stored_by_its_name(tmp_path: Path) -> None:
    path = write(tmp_path, trainable="sgd", more="from own_model import sgd")
    space = load_space(path)
    assert space.trainable == "own_model:sgd"
    assert SearchSpace.from_json(space.to_json()).trainable == "own_model:sgd"


def test_space_and_trainable_may_be_one_file(tmp_path: Path) -> None:
    model = MODEL.format(helper="own_helper", name="sgd")
    space = load_space(write(tmp_path, trainable="sgd", more=model))
    assert space.trainable == "space_of_mine:sgd"
    assert load_trainable(space.trainable).parameters() == {"lr": Parameter(0.1)}


def test_two_folders_may_have_modules_of_one_name(tmp_path: Path) -> None:
    load_trainable(load_space(write(tmp_path / "a")).trainable)
    found = load_trainable(load_space(write(tmp_path / "b", '"own_model:other"', name="other")).trainable)
    assert found.__name__ == "other" and str(tmp_path / "a") not in sys.path


def test_an_installed_trainable_is_nobodys_own_and_leaves_the_path_alone(tmp_path: Path) -> None:
    path = write(tmp_path, trainable='"tests.pixel_trainable:PixelTrainable"')
    before = list(sys.path)
    assert beside(path, load_space(path).trainable) is None and sys.path == before


def test_what_is_noted_are_the_files_it_imports_and_no_others(tmp_path: Path) -> None:
    own = beside(write(tmp_path), "own_model:sgd")
    assert own is not None and [Path(entry).name for entry in own.entries] == [
        "own_helper.py",
        "own_model.py",
    ]
    (tmp_path / "unrelated.py").write_text("changed = True\n")
    assert beside(tmp_path / "space_of_mine.py", "own_model:sgd") == own
    (tmp_path / "own_helper.py").write_text("SHARE = 0.5\n")
    changed = beside(tmp_path / "space_of_mine.py", "own_model:sgd")
    assert changed is not None and changed.digest != own.digest


def test_a_package_beside_it_is_noted_with_all_its_files(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "own_nets").mkdir()
    (tmp_path / "own_nets" / "__init__.py").write_text("")
    (tmp_path / "own_nets" / "small.py").write_text("import own_helper\n")
    own = beside(tmp_path / "space_of_mine.py", "own_nets.small:Net")
    assert own is not None and own.modules == ("own_nets",)
    assert [Path(entry).name for entry in own.entries] == ["own_helper.py", "own_nets"]


@pytest.mark.parametrize("record", ["journal.jsonl", "ensemble.json"])
@pytest.mark.parametrize("depth", [".", "checkpoints/code"])
def test_code_below_a_study_or_an_ensemble_is_not_run(tmp_path: Path, record: str, depth: str) -> None:
    (tmp_path / record).write_text("{}")
    path = write(tmp_path / depth)
    with pytest.raises(
        SearchSpaceError, match="which a study or an ensemble wrote; code from there is not run"
    ):
        load_space(path)
    assert "own_model" not in sys.modules


@pytest.mark.parametrize("more", ["from own_model import sgd", "import own_model.nets", "import own_helper"])
def test_nor_is_it_when_the_space_there_imports_it(tmp_path: Path, more: str) -> None:
    (tmp_path / "journal.jsonl").write_text("{}")
    path = write(tmp_path / "code", trainable="sgd", more=more)
    with pytest.raises(SearchSpaceError, match="which a study or an ensemble wrote; code from there is not"):
        load_space(path)
    assert not {"own_model", "own_helper"} & sys.modules.keys()


def test_a_space_below_a_study_may_name_what_is_installed(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text("{}")
    path = write(tmp_path, trainable='"tests.pixel_trainable:PixelTrainable"')
    assert load_space(path).trainable == "tests.pixel_trainable:PixelTrainable"


def test_a_module_that_another_hides_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shelve.py").write_text(MODEL.format(helper="own_helper", name="sgd"))
    with pytest.raises(
        SearchSpaceError, match=r"module shelve beside it is hidden by .*shelve.py; give it another"
    ):
        load_space(write(tmp_path, trainable='"shelve:sgd"'))


def test_a_resumed_study_asks_for_the_space_file_and_says_what_changed(tmp_path: Path) -> None:
    own = beside(write(tmp_path), "own_model:sgd")
    assert own is not None
    with pytest.raises(
        StudyError, match=r"lay beside .*space_of_mine.py when the study began; name that file"
    ):
        check_recorded(own.to_json(), "own_model:sgd", None)
    assert check_recorded(own.to_json(), "own_model:sgd", own) == ""
    changed = OwnCode(own.space_file, own.modules, "0" * 12, own.entries)
    assert check_recorded(own.to_json(), "own_model:sgd", changed) == (
        "note: own_model has changed since the study began"
    )
    assert check_recorded(None, "tests.pixel_trainable:PixelTrainable", None) == ""


def test_a_class_that_no_other_process_finds_is_refused() -> None:
    class Local:
        pass

    target = categorical("tint", ["red", "blue"])
    with pytest.raises(TrainableError, match="is no class at the top of a module; name one"):
        SearchSpace(trainable=Local, target=target, params={})  # type: ignore[arg-type]
    here = type("Here", (), {"__module__": "__main__", "__qualname__": "Here"})
    with pytest.raises(TrainableError, match="defined where workers cannot import it"):
        SearchSpace(trainable=here, target=target, params={})  # type: ignore[arg-type]


def test_a_plain_function_is_told_what_it_lacks(tmp_path: Path) -> None:
    path = write(tmp_path, '"own_plain:train"')
    (tmp_path / "own_plain.py").write_text("def train(data, config):\n    yield 1\n")
    with pytest.raises(TrainableError, match=r"is a plain function; write @trainable\(...\) above it"):
        load_trainable(load_space(path).trainable)


@pytest.mark.parametrize(
    "domain, parameter",
    [
        (loguniform(1e-4, 1.0), Parameter(0.01, ("float",), minimum=1e-4, maximum=1.0)),
        (uniform(0.2, 0.8), Parameter(0.5, ("float",), minimum=0.2, maximum=0.8)),
        (randint(2, 9), Parameter(2, ("int",), minimum=2, maximum=8)),
        (quniform(8, 64, 8), Parameter(32, ("int",), minimum=8, maximum=64)),
        (choice(["l1", "l2"]), Parameter("l1", ("str",), choices=("l1", "l2"))),
        (choice([None, 3]), Parameter(None, ("none", "int"), choices=(None, 3))),
    ],
)
def test_a_domain_declares_a_parameter(domain: object, parameter: Parameter) -> None:
    found = domain.as_parameter()  # type: ignore[attr-defined]
    assert found.default == pytest.approx(parameter.default) and found.types == parameter.types
    assert (found.choices, found.minimum, found.maximum) == (
        parameter.choices, parameter.minimum, parameter.maximum,
    )  # fmt: skip


def test_what_comes_with_the_project_is_nobodys_own_even_beside_it(tmp_path: Path) -> None:
    """A space file in a checkout's root: the servers have the project already."""
    for name in ("orchestrator", "trainables"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
    path = write(tmp_path)
    (tmp_path / "own_helper.py").write_text("import orchestrator, trainables\nSHARE = 0.25\n")
    assert beside(path, "trainables.image_classifier:ImageClassifier") is None
    own = beside(path, "own_model:sgd")
    assert own is not None and [Path(entry).name for entry in own.entries] == [
        "own_helper.py",
        "own_model.py",
    ]


def test_the_command_to_continue_names_the_space_file_again(tmp_path: Path) -> None:
    own = beside(write(tmp_path), "own_model:sgd")
    assert own is not None
    given = parser().parse_args(["--space", own.space_file, "--inline"])
    said = _resume(Interrupted(Path("runs/a"), own_code=own.to_json()), given)
    assert said == f"python -m orchestrator.tune --resume --study a --space {own.space_file} --inline"
    assert "--space" not in _resume(Interrupted(Path("runs/a")), given)


# ---- an own metric --------------------------------------------------------------------------------


def write_metric(folder: Path, trainable: str = '"own_model:sgd"') -> Path:
    path = write(folder, trainable)
    (folder / "own_scores.py").write_text(
        "from own_weights import WEIGHT\ndef score(labels, probabilities):\n    return WEIGHT\n"
    )
    (folder / "own_weights.py").write_text("WEIGHT = 0.5\n")
    judged = path.read_text().replace("params={}", 'params={}, metric="own_scores:score", mode="min"')
    path.write_text(judged)
    return path


def test_a_metric_beside_the_space_file_is_found_sent_and_noted_with_what_it_imports(tmp_path: Path) -> None:
    path = write_metric(tmp_path)
    space = load_space(path)
    assert (space.metric, space.mode) == ("own_scores:score", "min")
    assert find(space.metric).of(resampled_rows(*NO_ROWS)(np.ones((2, 1)))).tolist() == [0.5, 0.5]
    own = beside(path, space.trainable, space.metric)
    assert own is not None and own.modules == ("own_model", "own_scores")
    assert [Path(item).name for item in own.entries] == [
        "own_helper.py", "own_model.py", "own_scores.py", "own_weights.py",
    ]  # fmt: skip
    assert own.to_json()["modules"] == ["own_model", "own_scores"]


NO_ROWS = (np.zeros(3, np.int64), np.full((3, 2), 0.5, np.float32), np.zeros(3, np.int64), 1)


def test_an_installed_trainable_may_have_an_own_metric(tmp_path: Path) -> None:
    space = load_space(write_metric(tmp_path, '"trainables.image_classifier:ImageClassifier"'))
    own = beside(tmp_path / "space_of_mine.py", space.trainable, space.metric)
    assert own is not None and own.modules == ("own_scores",) and "modules" not in own.to_json()
    with pytest.raises(StudyError, match=r"^module own_gone lay beside .*--space"):
        check_recorded({**own.to_json(), "module": "own_gone"}, space.trainable, None)


def test_a_metric_below_a_study_is_not_run(tmp_path: Path) -> None:
    path = write_metric(tmp_path, '"trainables.image_classifier:ImageClassifier"')
    (tmp_path / "journal.jsonl").write_text("")
    with pytest.raises(SearchSpaceError, match=r"its metric own_scores:score lies below .* is not run"):
        load_space(path)


# ---- whether a metric suits the target ----------------------------------------------------------------


def test_a_space_refuses_a_metric_that_its_target_cannot_have() -> None:
    def judged(metric: str, **more: object) -> SearchSpace:
        target = categorical("grade", ["0", "1", "2"], **more)  # type: ignore[arg-type]
        return SearchSpace(trainable="a:b", target=target, params={}, metric=metric)

    assert judged("quadratic_weighted_kappa", ordered=True).mode == "max"
    with pytest.raises(SearchSpaceError, match="does not suit this target: it needs ordered classes; say"):
        judged("quadratic_weighted_kappa")
    with pytest.raises(
        SearchSpaceError, match=r"'binary_f1' does not suit this target: .*not 3; use macro_f1"
    ):
        judged("binary_f1")
    with pytest.raises(SearchSpaceError, match="it is always 1 with 3 classes; use accuracy or"):
        judged("top_k_accuracy@5")
    opened = SearchSpace(trainable="a:b", target="grade", params={}, metric="quadratic_weighted_kappa")
    assert opened.target.is_open  # judged once its classes are known
