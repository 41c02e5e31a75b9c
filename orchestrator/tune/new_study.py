"""A new study: space, manifest, folds, checks, preparation; the folder is made last."""

from __future__ import annotations

import contextlib
import platform
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from orchestrator.core.callbacks import Announce
from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import InputError, StudyError
from orchestrator.core.known_code import remember_names
from orchestrator.core.text import counted
from orchestrator.core.trainable import Parameter
from orchestrator.data.importers.detect import refuse_absent
from orchestrator.execution.backends import Backend, open_backend
from orchestrator.execution.on_ray.slots import parse_resource_request
from orchestrator.inputs import image_origin
from orchestrator.inputs.dataset import size, values_of
from orchestrator.inputs.study_data import StudyData, gather_data
from orchestrator.progress import progress_bar
from orchestrator.race import RULES, VERSION
from orchestrator.sampling import make_sampler
from orchestrator.sampling.configs_to_try import checked_tries
from orchestrator.space import SearchSpace
from orchestrator.space.loading import load_space, resolve_space
from orchestrator.space.own_code import OwnCode, beside
from orchestrator.storage.contract import CheckpointStore
from orchestrator.study.epoch_choice import DEFAULT
from orchestrator.study.header import KEEP_OOF, StudyHeader
from orchestrator.study.journal import has_journal
from orchestrator.study.sources import code_sources
from orchestrator.study.study import Study
from orchestrator.tune.budgeting import header_of, requested_budget
from orchestrator.tune.checkpoint_location import location_of, new_store
from orchestrator.tune.disk import check_disks, places_of, size_of_search
from orchestrator.tune.plan import fit_to_budget
from orchestrator.tune.request import PreparedStudy, Request

FAR_MORE = 4
"""Times the space's own number of trials; worth a word when a budget chooses more."""


def begin(request: Request, stack: contextlib.ExitStack, say: Announce) -> PreparedStudy:
    """Everything that can be wrong is found before the study's folder exists. Raises InputError."""
    if request.space is None:
        raise InputError("--space is missing; name a space file, for example --space search_spaces/age.py")
    given = _given_space(request.space)
    full = given.space
    say(f"space: {given.shown}")
    name, folder = _free_name(request, given)
    seed, rule, sampler_name = request.seed or 0, request.rule or "fold_asha", request.sampler or "random"
    if rule not in RULES:
        raise InputError(f"--rule {rule}: use {', '.join(RULES)}")
    keep_oof = _keep_oof(request, say)
    location = location_of(request)
    store = stack.enter_context(new_store(location, name, folder))
    if isinstance(request.data, str | Path):
        refuse_absent(Path(request.data))
    # Workers of a cluster are sent the module when they start, so it is settled before the backend is.
    own = None if given.file is None else beside(given.file, full.trainable, full.metric)
    backend = stack.enter_context(open_for(request, own, full.trainable))
    space, scale = _sized(full, request, backend.gpus, say)
    tries = checked_tries(_with_room_for_tries(space, request), request.tries)
    limit = make_sampler(sampler_name, space, seed, tries).limit
    space = space if limit is None else replace(space, trials=min(space.trials, limit), ladder=None)
    cohort = space.trials
    space = _afforded(space, request, rule, backend.slots, limit, say)
    accepted = check(space, backend)
    with progress_bar("reading rows"):
        data = gather_data(request, space, seed, say)  # after the checks that cost nothing
    space = data.space
    dataset = image_origin.of_new_study(data.dataset, request)
    with progress_bar("estimating what will be stored"):
        told = backend.disk_needs(space.trainable, dataset, values_of(space, accepted))
    places = places_of(folder, store, dataset, request)
    disk_size = size_of_search(space, backend.slots, keep_oof, dataset)
    more_to_come = requested_budget(request).given and request.trials is None and limit is None
    check_disks(space, rule, disk_size, told, places, say, more_to_come)
    prepare(space, accepted, backend, dataset, store, say)
    header = replace(
        _header(given, own, space, seed, rule, data),
        name=name,
        # A later version's defaults must not change what this study's models are.
        defaults={name: item.default for name, item in accepted.items()},
        scale=scale,
        sampler=sampler_name,
        tries=tries,
        demo=request.data is None,
        storage=location,
        keep_oof=keep_oof,
        epoch_choice=DEFAULT,
        budget=header_of(request, cohort),
    )
    images = None if dataset.origin is None else dataset.origin.files
    remember_names((space.trainable, space.metric), say)
    study = Study.create(folder, header, data.rows.manifest, data.plan, images)
    stack.callback(study.close)
    if data.rows.fixes is not None:
        data.rows.fixes.write(folder)
    return PreparedStudy(study, space, dataset, backend, told)


def _free_name(request: Request, given: _GivenSpace) -> tuple[str, Path]:
    """The study's name and its folder, where none lies yet. Raises StudyError, InputError."""
    name = _name(request) or f"{given.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    folder = request.runs / name
    if has_journal(folder):
        raise StudyError(f"study {folder} exists; continue it with --resume, or name another with --study")
    return name, folder


def _keep_oof(request: Request, say: Announce) -> str:
    """Raises InputError."""
    asked = request.keep_oof or "all"
    if asked not in KEEP_OOF:
        raise InputError(f"--keep-oof {asked}: use {' or '.join(KEEP_OOF)}")
    if asked == "complete":
        say(
            "keep-oof: complete: what a trial predicts of its folds is deleted when the trial is dropped, so "
            "there will be no estimate over the whole race, no scores of dropped trials by another metric, "
            "and an audit of labels by complete trials alone"
        )
    return asked


def _header(
    given: _GivenSpace, own: OwnCode | None, space: SearchSpace, seed: int, rule: str, data: StudyData
) -> StudyHeader:
    """What follows from the space, the seed and the rows; the caller adds what was asked for."""
    return StudyHeader(
        name="",
        space_name=given.name,
        space_file=None if given.file is None else str(given.file),
        own_code=None if own is None else own.to_json(),
        space=space.to_json(),
        seed=seed,
        rule=rule,
        rule_version=VERSION,
        fold_order=np.random.default_rng([seed, space.folds]).permutation(space.folds).tolist(),
        **data.rows.header,
        fold_plan=data.plan.fingerprint,
        classes=list(space.target.classes),
        versions={"python": platform.python_version()},
        sources=code_sources((space.trainable, space.metric)),
    )


def _name(request: Request) -> str | None:
    """--study as one folder below --runs, which may be given along, as other commands take it."""
    if request.study is None:
        return None
    given = Path(request.study)
    given = given.relative_to(request.runs) if given.is_relative_to(request.runs) else given
    if len(given.parts) != 1 or given.name.startswith(".") or len(given.name.encode()) > 200:
        raise InputError(
            f"--study {request.study}: give one name of at most 200 bytes, without / or a leading dot; "
            "--runs says where studies lie"
        )
    return given.name


@dataclass(frozen=True)
class _GivenSpace:
    space: SearchSpace
    name: str  # what its studies are called by default
    file: Path | None  # None for an object of a program

    @property
    def shown(self) -> str:
        """Its file, relative to where the user stands if it lies below."""
        if self.file is None:
            return f"given as an object, of the target {self.space.target.name}"
        here = Path.cwd()
        return str(self.file.relative_to(here) if self.file.is_relative_to(here) else self.file)


def _given_space(given: SearchSpace | str) -> _GivenSpace:
    if isinstance(given, SearchSpace):
        return _GivenSpace(given, re.sub(r"[^\w-]+", "-", given.target.name).strip("-") or "space", None)
    path = resolve_space(given)
    return _GivenSpace(load_space(path), path.stem, path)


def open_for(
    request: Request, own: OwnCode | None, trainable: str
) -> contextlib.AbstractContextManager[Backend]:
    share = parse_resource_request(request.gpus_per_fold_run, request.cpus_per_fold_run)
    modules = () if own is None else own.entries
    return open_backend(request.inline, request.address, share, modules, trainable)


def _sized(full: SearchSpace, request: Request, gpus: float, say: Announce) -> tuple[SearchSpace, str]:
    scale = request.scale or ("full" if gpus or "small" not in full.scales else "small")
    space = full.at_scale(scale).narrowed(request.settings)
    if request.trials is not None:
        space = replace(space, trials=request.trials, ladder=None)
    if request.max_epochs is not None:
        grace = min(space.grace_period, request.max_epochs)
        space = replace(space, max_t=request.max_epochs, grace_period=grace, ladder=None)
    why = "asked for" if request.scale else ("a GPU is there" if gpus else "no GPU here")
    line = f"scale: {scale} ({why}): {size(space)}"
    say(line if scale == "full" else f"{line}; full would be {size(full)}")
    return space, scale


def _afforded(
    space: SearchSpace, request: Request, rule: str, slots: int, limit: int | None, say: Announce
) -> SearchSpace:
    """limit: of the sampler. Raises InputError."""
    most = space.trials if request.trials is not None else limit
    found = fit_to_budget(space, rule, requested_budget(request), slots, most)
    _check_number_of_tries(len(request.tries), found, space.trials, request.max_fold_epochs)
    if found.trials != space.trials:
        line = f"trials: {found.trials} instead of {space.trials}: what --max-fold-epochs is enough for"
        far = found.trials > FAR_MORE * space.trials
        say(f"{line}; far more than the space asks for: --trials keeps it to a number" if far else line)
    return found


def _with_room_for_tries(space: SearchSpace, request: Request) -> SearchSpace:
    """With a trial for each --try where a budget is still to say how many there are."""
    if request.max_fold_epochs is None or request.trials is not None:
        return space
    return replace(space, trials=max(space.trials, len(request.tries)))


def _check_number_of_tries(tries: int, found: SearchSpace, own: int, limit: int | None) -> None:
    """own: trials before the budget. Raises InputError."""
    if tries <= found.trials:
        return
    if found.trials < own:
        raise InputError(
            f"--max-fold-epochs {limit}: it is enough for {counted(found.trials, 'trial')} and "
            f"{tries} --try were given; raise it, or try fewer"
        )
    raise InputError(
        f"--try is given {counted(tries, 'time')} and the study has {counted(found.trials, 'trial')}; "
        "raise --trials, or leave some out"
    )


def check(space: SearchSpace, backend: Backend) -> Mapping[str, Parameter]:
    """The parameters the trainable accepts. Raises SearchSpaceError where the space has others."""
    with progress_bar("importing the trainable and its libraries"):
        accepted = backend.describe(space.trainable)
    space.check_parameters(accepted)
    return accepted


def prepare(
    space: SearchSpace,
    accepted: Mapping[str, Parameter],
    backend: Backend,
    dataset: Dataset,
    store: CheckpointStore,
    say: Announce,
) -> None:
    """Lets every node make ready for what the space can ask of it, and says what they have to tell."""
    with progress_bar("preparing images") as progress:
        told = backend.prepare(space.trainable, dataset, values_of(space, accepted), store, progress)
    for line in told:
        say(line)
    lines: list[str] = []
    with progress_bar("measuring what a fold run needs") as progress:
        backend.measure(progress, lines.append)
    for line in lines:
        say(line)
