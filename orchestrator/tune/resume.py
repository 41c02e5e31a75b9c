"""An existing study: opened, checked against what was asked, told that a new driver took over."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from orchestrator.core.callbacks import Announce
from orchestrator.core.errors import StudyError
from orchestrator.core.events import Decided, Event, Extended, RaceEvent, Reopened, Resumed, decided
from orchestrator.core.known_code import remember_names
from orchestrator.core.text import counted, on_one_line, shortened
from orchestrator.inputs import image_origin
from orchestrator.inputs.dataset import make_dataset, size, values_of
from orchestrator.race import REPLAYED, VERSION
from orchestrator.race.contract import Race
from orchestrator.sampling import Sampler
from orchestrator.space import SearchSpace
from orchestrator.space.loading import resolve_space
from orchestrator.space.own_code import (
    OwnCode,
    activate,
    beside,
    check_recorded,
    known_beside,
    known_or_named_again,
)
from orchestrator.study.finding import find_study
from orchestrator.study.sources import changed_sources, code_sources
from orchestrator.study.study import Study
from orchestrator.tune.budgeting import check_budget
from orchestrator.tune.checkpoint_location import check_store_answers, refuse_another_location
from orchestrator.tune.finalists import more_finalists, widened_line
from orchestrator.tune.new_study import check, open_for, prepare
from orchestrator.tune.request import PreparedStudy, Request
from orchestrator.tune.retrying import refuse_others, reopened


def reopen(request: Request, stack: contextlib.ExitStack, say: Announce) -> PreparedStudy:
    """The study to resume, its lock held. Raises InputError; nothing is written."""
    folder = find_study(request.study, request.runs)
    _refuse_changes(request, folder)
    study = Study.open(folder, trust=request.trust)
    stack.callback(study.close)
    _same_race(study)
    refuse_others(request.retry_failed, study)  # before the images are looked at
    manifest, plan = study.manifest(), study.fold_plan()  # refused before anything is changed
    own = _own_code(request, study, say)
    refuse_another_location(request, study)
    check_store_answers(study)  # before --trials takes effect
    study.store().remove_partial_files()  # of a killed command; the study's lock is held
    space = study.space
    say(f"study: {folder} (space {on_one_line(study.header.space_name)}, {size(space)})")
    if study.cut_bytes:
        say(f"note: the journal's torn last line ({study.cut_bytes} bytes) was cut off")
    backend = stack.enter_context(open_for(request, own, space.trainable))
    dataset = image_origin.of_study(make_dataset(space, manifest, plan, request.runs), request, study)
    accepted = check(space, backend)
    told = backend.disk_needs(space.trainable, dataset, values_of(space, accepted))
    prepare(space, accepted, backend, dataset, study.store(), say)
    return PreparedStudy(study, space, dataset, backend, told)


def _own_code(request: Request, study: Study, say: Announce) -> OwnCode | None:
    """The trainable beside a space file, importable. Raises StudyError, TrainableError for one not to import.

    A study's own word for where its code lies is not taken: it may come from somebody else.
    """
    record, trainable = study.header.own_code, study.space.trainable
    names = (trainable, study.space.metric)
    found = None if request.space is None else beside(_same_space(request.space, study), *names)
    if found is not None:
        activate(found)
        remember_names([name for name in names if found.has(name)], say)
        known_beside(None, [name for name in names if not found.has(name)], study.path, request.trust)
    else:
        found = known_or_named_again(record, names, study.path, request.trust)
    if note := check_recorded(record, trainable, found):
        say(note)
    before = study.header.sources
    told = record["module"] if record and note else ""
    for package, digest in _changed_code(study).items():
        if package != told:
            began = on_one_line(before[package])
            say(f"note: {on_one_line(package)} has changed since the study began ({began}, now {digest})")
    return found


def _changed_code(study: Study) -> dict[str, str]:
    """Package -> its digest now, of those whose code is not what the study began with."""
    return changed_sources(study.header.sources, code_sources((study.space.trainable, study.space.metric)))


def _refuse_changes(request: Request, folder: Path) -> None:
    for option in request.fixed():
        raise StudyError(
            f"{option} cannot change study {folder}: its numbers are fixed; leave it out, "
            "or begin another study without --resume"
        )


def _same_space(given: SearchSpace | str, study: Study) -> Path:
    """The file that is named again. Raises StudyError for another space."""
    if isinstance(given, SearchSpace):
        raise StudyError(f"study {study.path} has its own space; leave yours out, or begin another study")
    path, name = resolve_space(given), study.header.space_name
    if path.stem != name:
        raise StudyError(
            f"--space {path} is not the space of study {study.path} ({on_one_line(name)}); "
            "leave --space out, or name the study of that space with --study"
        )
    return path


def _same_race(study: Study) -> None:
    version = study.header.rule_version
    if version not in REPLAYED:
        raise StudyError(
            f"study {study.path} was begun by an earlier version of the race (version {version}, this is "
            f"{VERSION}), whose decisions this one cannot continue; what it completed can be used as it is: "
            f"python -m orchestrator.ensemble --study {study.path}"
        )


def record_resume(request: Request, study: Study, race: Race, sampler: Sampler, say: Announce) -> None:
    """Notes the new driver, with --trials the larger study, with --retry-failed the trials that are back.

    Raises StudyError before it notes any.
    """
    check_budget(request, study, race)
    extended = _extension(request, study, sampler)
    before, widened = race.finalists, more_finalists(request, study, race)
    noted = _taken([Resumed(_changed_code(study)), *widened, *extended], race, study)
    # Only now has the race set aside what was under way when a trial failed and the last driver died.
    again = reopened(request.retry_failed, study, race)
    study.append(*noted, *_taken(again, race, study))
    for more in widened:
        say(widened_line(more, before))
    for larger in extended:
        say(f"extended to {larger.trials} trials")
    if request.retry_failed is not None:
        say(_told(again))


def _taken(events: Sequence[RaceEvent], race: Race, study: Study) -> list[Event]:
    """The events, each with what the race decides about it behind it. Raises StudyError."""
    return [item for event in events for item in (event, *_decisions(event, race, study))]


def _decisions(event: RaceEvent, race: Race, study: Study) -> list[Decided]:
    """Raises StudyError for a trial that the race does not take back."""
    try:
        return [decided(item) for item in race.apply(event) if item.is_noted]
    except ValueError as error:
        if not isinstance(event, Reopened):
            raise
        raise StudyError(f"--retry-failed: study {study.path}: {error}") from error


def _told(again: Sequence[Reopened]) -> str:
    if not again:
        return "no trial failed: --retry-failed has nothing to run again"
    kept = sum(sum(event.epochs) for event in again)
    names = shortened([str(event.trial) for event in again], limit=12)
    return f"run again: failed trials {names}, with {counted(kept, 'stored fold-epoch')}"


def _extension(request: Request, study: Study, sampler: Sampler) -> list[Extended]:
    now = study.trials
    if request.trials is None or request.trials == now:
        return []
    if request.trials < now:
        raise StudyError(
            f"--trials {request.trials}: study {study.path} has {now} already; give a larger number"
        )
    if sampler.limit is not None and request.trials > sampler.limit:
        raise StudyError(f"--trials {request.trials}: the grid has {sampler.limit} configurations in all")
    return [Extended(request.trials)]
