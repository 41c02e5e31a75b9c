"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from orchestrator.audit import __main__ as audit
from orchestrator.check import __main__ as check
from orchestrator.doctor import __main__ as doctor
from orchestrator.ensemble import __main__ as ensemble
from orchestrator.pseudo_labels import __main__ as pseudo_labels
from orchestrator.race.simulate import __main__ as simulate
from orchestrator.space.loading import SHIPPED, load_space, resolve_space
from orchestrator.tune import Request
from orchestrator.tune import __main__ as tune
from orchestrator.tune.first_space.options import OF_INIT
from trainables.parameters import PARAMETERS

README = (Path(__file__).parents[1] / "README.md").read_text()
WRITTEN = set(re.findall(r"--init (\S+\.py)", README))  # by the commands that it shows
COMMANDS = sorted(set(re.findall(r"python -m (orchestrator\.[\w.]+[^\n`;]*)", README)))


def blocks() -> list[str]:
    """The Python that it shows: a space file, then a program."""
    return re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_space_it_shows_can_be_searched(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(blocks()[0])
    space = load_space(path)
    assert space.at_scale("small").folds == 3


def test_the_program_it_shows_runs_in_small(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it stands there, but for the model, the classes and the size of the search."""
    frame = pd.read_csv(faces).rename(columns={"tint": "label"})
    frame["path"] = [str(faces.parent / path) for path in frame["path"]]
    changes = {
        "trainables.image_classifier:ImageClassifier": "tests.pixel_trainable:PixelTrainable",
        ', "backbone": "resnet18", "pretrained": False': "",
        "max_t=18": "max_t=2",
        "trials=16": "trials=2",
        "folds=5": "folds=2",
        'budget="2h"': 'budget="2h", trials=2, backend="inline", progress=None',
    }
    code = blocks()[1]
    for old, new in changes.items():
        assert old in code
        code = code.replace(old, new)
    monkeypatch.chdir(tmp_path)
    names = {"frame": frame, "paths": frame["path"].tolist()[:5]}
    exec(code + "\nshown = ensemble.predict(paths)\n", names)  # noqa: S102  the README's own code
    assert names["shown"].shape == (5, 2)


def test_it_leads_to_every_page_and_every_link_of_every_page_leads_somewhere() -> None:
    """From README over pages that it leads to; a folder's link leads to its README."""
    root = Path(__file__).parents[1]
    pages = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
    links = {page: linked_files(page) for page in pages}
    assert not [f"{page.name}: {link}" for page in pages for link in links[page] if not link.exists()]
    reached, found = {pages[0]}, [pages[0]]
    while found:
        new = {link for link in links.get(found.pop(), ()) if link not in reached}
        reached |= new
        found += new
    assert not [str(page.relative_to(root)) for page in pages if page not in reached]


def linked_files(page: Path) -> list[Path]:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    paths = [(page.parent / link).resolve() for link in links if "://" not in link]
    return [path / "README.md" if path.is_dir() else path for path in paths]


def test_a_space_it_shows_lies_where_it_says() -> None:
    """A reader looks for the folder that is named, though the program would find it by its name alone."""
    root = Path(__file__).parents[1]
    named = {word for word in re.findall(r"\b\w+/[\w/]+\.py\b", README) if word not in WRITTEN}
    assert named and not [word for word in named if not (root / word).exists()]
    pages = "".join(page.read_text() for page in (root / "docs").rglob("*.md"))
    assert "--space spaces/" not in pages


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_it_shows_is_one_the_program_takes(command: str) -> None:
    module, *arguments = shlex.split(
        command.split("   #")[0].replace("$target", "age").replace("$who", "male")
    )
    modules = {
        item.__name__.removesuffix(".__main__"): item
        for item in (audit, check, doctor, ensemble, pseudo_labels, simulate, tune)
    }
    parsed = vars(modules[module].parser().parse_args(arguments))
    if parsed.get("space") and parsed["space"] not in WRITTEN:
        assert resolve_space(parsed["space"]).resolve().is_relative_to(SHIPPED)
    assert COMMANDS


def test_a_request_has_a_field_for_every_option_of_tune() -> None:
    options = {action.dest for action in tune.parser()._actions} - {"help", "version", "set", "smoke"}
    assert (options - set(OF_INIT)) | {"settings"} == set(Request.__dataclass_fields__)


def test_every_parameter_of_the_classifier_is_in_the_techniques() -> None:
    page = (Path(__file__).parents[1] / "docs" / "reference" / "techniques.md").read_text()
    missing = [name for name in PARAMETERS if f"`{name}`" not in page]
    assert not missing
