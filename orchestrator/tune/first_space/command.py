"""What `tune --init FILE` does: reads the data, writes the space, says what was guessed."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from orchestrator.core.atomic_file import atomic_write
from orchestrator.core.errors import InputError, StorageError
from orchestrator.core.text import shown
from orchestrator.data.importers.contract import Reading
from orchestrator.data.manifest import load_manifest
from orchestrator.inputs.data_options import reading_of
from orchestrator.tune.first_space.collecting import collect, find_template, find_test
from orchestrator.tune.first_space.facts import Asked
from orchestrator.tune.first_space.proposal import Proposal, found_lines, propose
from orchestrator.tune.first_space.rendering import render
from orchestrator.tune.first_space.trial_folds import with_folds_that_hold


def run(arguments: argparse.Namespace) -> int:
    """The exit code. Raises InputError, ManifestError, StorageError."""
    path = Path(arguments.init)
    _refuse(arguments, path)
    source, reading = Path(arguments.data), reading_of(arguments)
    manifest = load_manifest(source, reading=reading, data_root=arguments.data_root)
    facts = collect(manifest, source, arguments.template)
    proposal = propose(facts, Asked(_names(arguments.target), arguments.metric))
    proposal = with_folds_that_hold(proposal, manifest)
    commands = _commands(path, source, reading, arguments, proposal)
    _write(path, render(proposal, commands))
    for line in (
        *manifest.found,
        *found_lines(proposal),
        f"wrote {path}; look it over, then:",
        *(f"  {c}" for c in commands),
    ):
        print(shown(line))
    return 0


def _refuse(arguments: argparse.Namespace, path: Path) -> None:
    if arguments.data is None:
        raise InputError(f"--init {path} needs --data: it writes a space for the data at hand")
    if arguments.space is not None or arguments.resume:
        raise InputError(f"--init {path} writes a space and searches nothing; leave out --space and --resume")
    if path.suffix != ".py":
        raise InputError(f"--init {path}: a space is a Python file; name it {path.with_suffix('.py')}")
    if path.exists():
        raise InputError(f"--init {path} exists and is not overwritten; name another file or delete it")


def _names(target: str | None) -> tuple[str, ...] | None:
    return None if target is None else tuple(name.strip() for name in target.split(",") if name.strip())


def _write(path: Path, text: str) -> None:
    try:
        with atomic_write(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}; name another file") from error


def _commands(
    path: Path, source: Path, reading: Reading, arguments: argparse.Namespace, proposal: Proposal
) -> list[str]:
    """The smoke test, the search, the submission: ready to paste."""
    tune = ["python", "-m", "orchestrator.tune", "--space", str(path), "--data", str(source)]
    tune += [*_reading_words(reading), *_words("--data-root", arguments.data_root)]
    if proposal.groups.refused:
        tune += ["--drop-rare", str(proposal.groups.folds)]
    template = arguments.template or find_template(source)
    predicted = find_test(source) or template or "TEST_IMAGES"  # a template names the images to predict too
    ensemble = ["python", "-m", "orchestrator.ensemble", "--predict", str(predicted)]
    ensemble += ["--submission", "submission.csv", *_words("--template", template)]
    return [shlex.join([*tune, "--smoke"]), shlex.join(tune), shlex.join(ensemble)]


def _reading_words(reading: Reading) -> list[str]:
    return [
        *_words("--path-column", reading.path_column),
        *(word for folder in reading.images for word in ("--images", str(folder))),
        *_words("--suffix", reading.suffix),
        *_words("--labels", reading.labels),
        *_words("--class-pattern", reading.class_pattern),
        *_words("--group-pattern", reading.group_pattern),
    ]


def _words(option: str, value: object) -> list[str]:
    return [] if value is None else [option, str(value)]
