"""What differs between studies: settings, ranges of parameters, data, folds, chance, code. Pure.

A difference that follows from another (other folds from another seed) is named but is not one more thing that
was changed; neither are names, places and how much of its work a study keeps.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.core.errors import SearchSpaceError
from orchestrator.core.text import counted, shortened
from orchestrator.space import Domain
from orchestrator.study.header import StudyHeader
from orchestrator.study.study import Study

ABSENT = "-"
"""Where a study has no such thing."""

_SETTINGS = (
    "trainable", "target", "given", "joint", "group", "stratify", "fold_column", "metric", "mode", "folds",
    "max_t", "grace_period", "reduction_factor", "finalists", "ladder",
)  # fmt: skip
JUDGED = ("target", "given", "classes", "metric", "metric's direction")
"""What a score is of: where one differs, scores do not compare."""
_ROWS = (
    "folds",
    "stratify",
    "group",
    "fold_column",
    "data",
    "label fixes",
    "label rules",
    "copies",
    "target",
)
_FOLLOWS: Mapping[str, Sequence[str]] = {
    "classes": ("target", "data", "label rules"),
    "label rules": ("target",),
    "copies": ("data",),
    "metric's direction": ("metric",),
    "folds of rows": ("seed", *_ROWS),
    "fold order": ("seed", "folds"),
    "joint": ("target",),
    "stratify": ("target",),
    "rule version": ("rule", "code of orchestrator"),
    "proposals of a cohort": ("trials",),
}
"""What a difference may follow from; it does where one of these differs too."""


@dataclass(frozen=True)
class Difference:
    """values: a text for each study, in their order. follows: the difference that it comes from; "" where it
    is a change of its own."""

    name: str
    values: tuple[str, ...]
    follows: str = ""


def differences(studies: Sequence[Study]) -> tuple[Difference, ...]:
    """Of two studies or more, settings first, then parameters, data, chance, code."""
    return header_differences(
        [study.header for study in studies],
        [study.trials for study in studies],
        [study.sources for study in studies],
    )


def header_differences(
    headers: Sequence[StudyHeader],
    trials: Sequence[int],
    sources: Sequence[Mapping[str, Sequence[str]]],
) -> tuple[Difference, ...]:
    """trials: planned in each study by now; sources: as `Study.sources`."""
    described = [dict(_described(*each)) for each in zip(headers, trials, sources, strict=True)]
    names = list(dict.fromkeys(name for each in described for name in each))
    rows = {name: tuple(each.get(name, ABSENT) for each in described) for name in names}
    differ = {name: values for name, values in rows.items() if len(set(values)) > 1}
    return tuple(Difference(name, values, _cause(name, differ)) for name, values in differ.items())


def changed(found: Sequence[Difference]) -> list[str]:
    """Names of the things that were changed, without what follows from them."""
    return [item.name for item in found if not item.follows]


def verdict(found: Sequence[Difference]) -> str:
    """One sentence: whether scores compare, and whether a difference of them can be put down to anything."""
    names = changed(found)
    judged = [item.name for item in found if item.name in JUDGED and item.follows not in JUDGED]
    if judged:
        return f"They are judged by other things ({shortened(judged)}): their scores do not compare."
    if not names:
        return "They differ in nothing that is recorded: a difference of scores is chance, or the machines'."
    if len(names) == 1:
        return f"They differ in one thing, {names[0]}: a difference of scores is its effect, or chance."
    listed = shortened(names, limit=6)
    return (
        f"They differ in {counted(len(names), 'thing')} ({listed}): a difference of scores cannot be put "
        "down to one of them."
    )


def _described(
    header: StudyHeader, trials: int, sources: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, str]]:
    """Name of a thing and its value as text; a name stands for the same thing in every study."""
    for name in _SETTINGS:
        yield "metric's direction" if name == "mode" else name, _text(header.space.get(name))
    yield "trials", str(trials)
    yield from _parameters(header)
    yield from _data(header)
    yield from _chance(header)
    for package, digests in sources.items():
        yield f"code of {package}", ", then ".join(digests)
    if header.own_code is not None:
        yield "own code", str(header.own_code.get("digest", ""))[:12]
    for package, version in header.versions.items():
        yield f"version of {package}", version


def _parameters(header: StudyHeader) -> Iterator[tuple[str, str]]:
    """A parameter that a space leaves out has its default; whether it was written out makes no difference."""
    params = header.space.get("params", {})
    for name in sorted({*params, *header.defaults}):
        yield f"parameter {name}", _domain(params[name]) if name in params else repr(header.defaults[name])


def _domain(record: Mapping[str, Any]) -> str:
    try:
        made = Domain.from_json(record)
    except (SearchSpaceError, KeyError, TypeError, ValueError, AttributeError):  # of another version
        return _text(record)
    if not made.conditions:
        return str(made)
    when = ", ".join(f"{other} in {list(values)}" for other, values in made.conditions.items())
    return f"{made} where {when}"


def _data(header: StudyHeader) -> Iterator[tuple[str, str]]:
    # The fingerprint alone: the same rows may lie elsewhere, and other rows at the same place.
    yield "data", header.rows_fingerprint[:12]
    yield "classes", ", ".join(header.classes)
    fixes = header.label_fixes
    yield "label fixes", ABSENT if fixes is None else str(fixes.get("sha256", _text(fixes)))[:12]
    yield "label rules", _text(header.label_rules)
    yield "copies", _text(header.copies)
    yield "extra rows", ", ".join(str(item.get("fingerprint", ""))[:12] for item in header.extra) or ABSENT
    yield "folds of rows", header.fold_plan[:12]


def _chance(header: StudyHeader) -> Iterator[tuple[str, str]]:
    yield "seed", str(header.seed)
    yield "fold order", _text(header.fold_order)
    yield "rule", header.rule
    yield "rule version", str(header.rule_version)
    yield "sampler", header.sampler
    yield "tried first", _text(header.tries) if header.tries else ABSENT
    yield "epoch choice", header.epoch_choice
    limit = header.budget.fold_epochs
    yield "budget", ABSENT if limit is None else counted(limit, "fold-epoch")
    yield "proposals of a cohort", str(header.cohort)


def _text(value: Any) -> str:
    """Texts as they are; all else as JSON, which is the same for the same thing."""
    if value is None or value == [] or value == {}:
        return ABSENT
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def _cause(name: str, differ: Mapping[str, object]) -> str:
    return next((cause for cause in _FOLLOWS.get(name, ()) if cause in differ), "")
