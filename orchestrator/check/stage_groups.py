"""What may belong together where nothing says so, and the data written anew with groups joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.check.look import Look
from orchestrator.check.stage_copies import first_with_each
from orchestrator.check.stage_result import StageResult
from orchestrator.core.errors import InputError
from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded
from orchestrator.core.text import counted, on_one_line
from orchestrator.data.groups_table import with_groups, write_rows
from orchestrator.data.identical_files import codes_of
from orchestrator.data.manifest import GIVEN_GROUP, Manifest, given_groups, joined_folds
from orchestrator.data.quality.joined_groups import join_codes
from orchestrator.data.quality.suggest_groups import Suggestion, passed_over, suggest_groups
from orchestrator.data.quality.task_labels import TaskLabels
from orchestrator.data.scalars import to_scalars
from orchestrator.data.splits import SPLIT
from orchestrator.evaluation.leak_value import strata_of

_NO_IDENTITIES = ("path", "group", "role", GIVEN_GROUP, SPLIT)


def look_at_groups(look: Look) -> StageResult:
    """Raises InputError for what cannot be written, StorageError."""
    asked = look.arguments
    wanted = asked.suggest_groups or asked.use_suggestion is not None
    found = suggestions_of(look) if wanted else []
    doubted = passed_over(_own_paths(look), **_of_rows(look)) if wanted else []
    findings = [_finding(number, one) for number, one in enumerate(found, start=1)]
    findings += map(_doubted, doubted)
    lines = []
    if wanted and not found and not doubted:
        findings.append(_nothing_found(look))
    elif not wanted and not _are_given(look):
        lines.append("groups: nothing says which rows belong together; --suggest-groups looks for it")
    if asked.write_groups is not None:
        lines.append(_write(look, asked.write_groups, _used(found, asked.use_suggestion)))
    return StageResult(tuple(findings), lines=tuple(lines))


def refuse_groups_file(path: Path | None, use_suggestion: int | None) -> None:
    """Before anything is looked at. Raises InputError."""
    if path is None:
        if use_suggestion is not None:
            raise InputError("--use-suggestion goes with --write-groups FILE, which it says more about")
    elif path.exists():  # it may be the very data
        raise InputError(f"--write-groups {path} exists; name a new file, or move it away")


def suggestions_of(look: Look) -> list[Suggestion]:
    """Of the rows of the data: those of --predict, whatever they are called, say nothing of them."""
    n, measures, duplicates = _own(look), look.measures, look.duplicates
    pairs = np.concatenate(
        [duplicates.near_pairs, np.array(first_with_each(duplicates.exact[:n]), np.int64).reshape(-1, 2)]
    )
    return suggest_groups(
        _own_paths(look),
        near_pairs=pairs[(pairs < n).all(axis=1)],
        camera=[str(text) for text in measures.camera[:n]],
        taken=[str(text) for text in measures.taken[:n]],
        **_of_rows(look),
    )


def _own(look: Look) -> int:
    """How many rows are of the data; the others are of --predict."""
    return len(look) - look.predicted


def _own_paths(look: Look) -> tuple[str, ...]:
    return look.paths[: _own(look)]


def _of_rows(look: Look) -> dict[str, Any]:
    """What the table says of its rows, by the arguments of `suggest_groups`."""
    frame = look.frame.iloc[: _own(look)]
    predicted = {name for target in look.targets for name in target.columns}
    columns = {
        str(name): to_scalars(frame[name])
        for name in frame.columns
        if name not in _NO_IDENTITIES and name not in predicted
    }
    return {
        "columns": columns,
        "labels": [_as_classes(task)[: len(frame)] for task in look.tasks],
        "given": codes_of(look.groups[: len(frame)]),
        "seed": look.arguments.seed,
    }


def _as_classes(task: TaskLabels) -> NDArray[np.int64]:
    """(n,): the class, or the set of labels, of each row; -1 where it has none."""
    return np.where(task.known, strata_of(task.values), -1)


def _finding(number: int, found: Suggestion) -> Finding:
    written = f"check --use-suggestion {number} --write-groups FILE writes them"
    way_out = (
        f"if that is right: {on_one_line(found.option)}" if found.option else f"if that is right: {written}"
    )
    return coded("FO132", Level.WARNING, f"suggestion {number}: {found.text}", way_out)


def _doubted(one: Suggestion) -> Finding:
    if_right = f"; if they belong together all the same: {on_one_line(one.option)}"
    return coded("FO132", Level.OK, f"not suggested: {one.text}{if_right}")


def _nothing_found(look: Look) -> Finding:
    said = "no name, folder, column or time suggests groups"
    if _are_given(look):
        return coded("FO132", Level.OK, f"{said} beyond those that are given")
    return coded("FO131", Level.OK, f"{said}; ask who collected the images whether some belong together")


def _are_given(look: Look) -> bool:
    given = given_groups(look.frame.iloc[: _own(look)])
    return len(set(given)) < len(given)


def _used(found: Sequence[Suggestion], number: int | None) -> Suggestion | None:
    """Raises InputError for a number that no suggestion has."""
    if number is None:
        return None
    if number > len(found):
        raise InputError(
            f"--use-suggestion {number}: there are {counted(len(found), 'suggestion')}; --suggest-groups "
            "lists them"
        )
    return found[number - 1]


def _write(look: Look, path: Path, used: Suggestion | None) -> str:
    """The line that says what was written."""
    if (joined_folds(look.frame) >= 0).any():
        raise InputError(
            "--write-groups: some rows join one fold alone (pseudo-labels), and a table of groups would lose "
            "that; write the groups of the data without them, and give those rows with --extra"
        )
    n = _own(look)
    own = replace(look.manifest, frame=look.frame.iloc[:n])
    codes = look.duplicates.clusters[:n]
    if used is not None:
        codes = join_codes(codes, codes_of(used.names))
    written = with_groups(own, codes, None if used is None else used.names)
    write_rows(path, written)
    return (
        f"groups: {on_one_line(str(path))} has {len(written)} rows in {_groups(written)} groups "
        f"({_groups(own)} before); search it with --data {on_one_line(str(path))}"
    )


def _groups(manifest: Manifest) -> int:
    return int(manifest.frame["group"].nunique())
