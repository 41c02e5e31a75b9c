"""One search from request to result: space, manifest, folds, study, race, execution. What `tune` calls."""

from __future__ import annotations

import contextlib
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.demo_faces import demo_faces
from orchestrator.errors import InputError, ManifestError, NoCompleteTrialError, StudyError
from orchestrator.execution.backends import Backend, open_backend
from orchestrator.execution.driver import Driver
from orchestrator.folds import FoldPlan, load_or_build
from orchestrator.manifest import Manifest, load_manifest
from orchestrator.progress import StudyView, progress_bar
from orchestrator.race import make_race
from orchestrator.sampling import Sampler, make_sampler
from orchestrator.space import SearchSpace
from orchestrator.space_file import load_space, resolve_space
from orchestrator.study import CompleteTrial, Study, newest_study
from orchestrator.trial import Dataset, Extended, Opened, Parameter, Race, Resumed

if TYPE_CHECKING:
    from orchestrator.tracking import Tracker

Say = Callable[[str], None]
DEMO = "the embedded demo faces (drawn by the program; give your own with --data)"


@dataclass(frozen=True)
class Request:
    """What a user asked for; None: not said."""

    space: str | None = None
    data: str | None = None
    study: str | None = None
    runs: Path = Path("runs")
    scale: str | None = None
    trials: int | None = None
    max_epochs: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    rule: str = "fold_asha"
    sampler: str = "random"
    resume: bool = False
    inline: bool = False
    address: str | None = None
    gpus_per_fold_run: float | None = None
    cpus_per_fold_run: int | None = None
    wandb: str | None = None


@dataclass(frozen=True)
class Result:
    study: Path
    complete: list[CompleteTrial]
    seconds: float


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM, after everything was saved; `study` is what to resume."""

    def __init__(self, study: Path) -> None:
        super().__init__(str(study))
        self.study = study


def run_search(request: Request, say: Say = print) -> Result:
    """Runs or continues a study. Raises InputError, StorageError, NoCompleteTrialError, Interrupted."""
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        study, space, manifest, plan, backend = (
            _continue(request, stack, say) if request.resume else _begin(request, stack, say)
        )
        stack.callback(study.close)
        dataset = _dataset(study, space, manifest, plan, request.runs)
        sampler = make_sampler(study.header["sampler"], space, study.header["seed"])
        race = _rebuild_race(study, space)
        if request.resume:
            _resume(request, study, race, sampler, say)
        _drive(request, study, space, race, sampler, dataset, backend, say)
        complete = study.complete_trials()
    if not complete:
        raise NoCompleteTrialError(
            f"study {study.path} ended without a complete trial; the reasons are in {study.journal_path}"
        )
    return Result(study.path, complete, time.monotonic() - started)


# ---- beginning ------------------------------------------------------------------------------------


def _begin(request: Request, stack: contextlib.ExitStack, say: Say) -> tuple[Any, ...]:
    if request.space is None:
        raise InputError("--space is missing; name a space file, for example --space search_spaces/age.py")
    path = resolve_space(request.space)
    full = load_space(path)
    say(f"space: {path}")
    name = request.study or f"{path.stem}-{time.strftime('%Y%m%d-%H%M%S')}"
    folder = request.runs / name
    if (folder / "journal.jsonl").exists():
        raise StudyError(f"study {folder} exists; continue it with --resume, or name another with --study")
    backend = stack.enter_context(_open(request))
    space, scale = _sized(full, request, backend.gpus, say)
    manifest, source = _manifest(request, space, say)
    labels = space.target.encode(manifest.frame)
    plan = load_or_build(
        request.runs / ".cache" / "folds",
        manifest,
        space.folds,
        request.seed,
        space.stratify,
        space.fold_column,
    )
    _say_rows(manifest, labels, space, say)
    sampler = make_sampler(request.sampler, space, request.seed)
    trials = space.trials if sampler.limit is None else min(space.trials, sampler.limit)
    space = replace(space, trials=trials)
    accepted = _check(space, backend)
    header = {
        "name": name,
        "space_name": path.stem,
        "space_file": str(path),
        "space": space.to_json(),
        # A later version's defaults must not change what this study's models are.
        "defaults": {name: item.default for name, item in accepted.items()},
        "scale": scale,
        "seed": request.seed,
        "rule": request.rule,
        "sampler": request.sampler,
        "fold_order": np.random.default_rng([request.seed, space.folds]).permutation(space.folds).tolist(),
        "manifest": {"source": source, "root": str(manifest.root), "fingerprint": manifest.fingerprint},
        "fold_plan": plan.fingerprint,
        "classes": list(space.target.classes),
        "versions": {"python": platform.python_version()},
    }
    draft = Study(folder, [Opened(header)], 0.0)
    dataset = _dataset(draft, space, manifest, plan, request.runs)
    _prepare(space, accepted, backend, dataset)
    return Study.create(folder, header, manifest, plan), space, manifest, plan, backend


def _open(request: Request) -> contextlib.AbstractContextManager[Backend]:
    return open_backend(request.inline, request.address, request.gpus_per_fold_run, request.cpus_per_fold_run)


def _sized(full: SearchSpace, request: Request, gpus: float, say: Say) -> tuple[SearchSpace, str]:
    scale = request.scale or ("full" if gpus or "small" not in full.scales else "small")
    space = full.at_scale(scale).narrowed(request.settings)
    if request.trials is not None:
        space = replace(space, trials=request.trials, ladder=None)
    if request.max_epochs is not None:
        grace = min(space.grace_period, request.max_epochs)
        space = replace(space, max_t=request.max_epochs, grace_period=grace, ladder=None)
    why = "asked for" if request.scale else ("a GPU is there" if gpus else "no GPU here")
    line = f"scale: {scale} ({why}): {_size(space)}"
    say(line if scale == "full" else f"{line}; full would be {_size(full)}")
    return space, scale


def _size(space: SearchSpace) -> str:
    return f"{space.trials} trials x {space.folds} folds x {space.max_t} epochs"


def _manifest(request: Request, space: SearchSpace, say: Say) -> tuple[Manifest, str]:
    if request.data is None:
        with progress_bar("drawing demo faces") as progress:
            source = demo_faces(request.runs / ".cache", progress=progress) / "train"
        say(f"data: {DEMO}")
    else:
        source = Path(request.data)
    manifest = load_manifest(source, group_column=space.group)
    for note in manifest.notes:
        say(f"note: {note}")
    kept = manifest.frame[manifest.frame["role"] != "test"].reset_index(drop=True)
    if kept.empty:
        raise ManifestError(f"{source}: every row has role test; a search needs rows with role train")
    return replace(manifest, frame=kept), str(source)


def _say_rows(manifest: Manifest, labels: Any, space: SearchSpace, say: Say) -> None:
    counts = np.bincount(labels, minlength=len(space.target.classes))
    per_class = ", ".join(f"{name} {count}" for name, count in zip(space.target.classes, counts, strict=True))
    groups = manifest.frame["group"].nunique()
    say(f"rows: {len(labels)} images of {groups} groups; {space.target.name}: {per_class}")


def _check(space: SearchSpace, backend: Backend) -> Mapping[str, Parameter]:
    accepted = backend.describe(space.trainable)
    space.check_parameters(accepted)
    return accepted


def _prepare(
    space: SearchSpace, accepted: Mapping[str, Parameter], backend: Backend, dataset: Dataset
) -> None:
    values: dict[str, Sequence[Any]] = {name: (item.default,) for name, item in accepted.items()}
    values.update({name: domain.finite() or domain.values for name, domain in space.domains.items()})
    with progress_bar("preparing images") as progress:
        backend.prepare(space.trainable, dataset, values, progress)


# ---- continuing -----------------------------------------------------------------------------------


def _continue(request: Request, stack: contextlib.ExitStack, say: Say) -> tuple[Any, ...]:
    folder = _study_to_resume(request)
    _refuse_changes(request, folder)
    study = Study.open(folder)
    stack.callback(study.close)
    space = study.space
    say(f"study: {folder} (space {study.header['space_name']}, {_size(space)})")
    if study.cut_bytes:
        say(f"note: the journal's torn last line ({study.cut_bytes} bytes) was cut off")
    if request.space is not None:
        _same_space(request, study)
    backend = stack.enter_context(_open(request))
    manifest, plan = study.manifest(), study.fold_plan()
    accepted = _check(space, backend)
    _prepare(space, accepted, backend, _dataset(study, space, manifest, plan, request.runs))
    return study, space, manifest, plan, backend


def _study_to_resume(request: Request) -> Path:
    if request.study is None:
        return newest_study(request.runs)
    folder = request.runs / request.study
    return folder if folder.exists() or not Path(request.study).exists() else Path(request.study)


def _refuse_changes(request: Request, folder: Path) -> None:
    given = {
        "--scale": request.scale,
        "--max-epochs": request.max_epochs,
        "--set": request.settings or None,
        "--data": request.data,
    }
    for option, value in given.items():
        if value is not None:
            raise StudyError(
                f"{option} cannot change study {folder}: its numbers are fixed; leave it out, "
                "or begin another study without --resume"
            )


def _same_space(request: Request, study: Study) -> None:
    path = resolve_space(request.space or "")
    if path.stem != study.header["space_name"]:
        raise StudyError(
            f"--space {path} is not the space of study {study.path} ({study.header['space_name']}); "
            "leave --space out, or name the study of that space with --study"
        )


def _resume(request: Request, study: Study, race: Race, sampler: Sampler, say: Say) -> None:
    study.append(Resumed())
    race.observe(Resumed())
    if request.trials is None:
        return
    now = max(
        (event.trials for event in study.events if isinstance(event, Extended)), default=study.space.trials
    )
    if request.trials < now:
        raise StudyError(
            f"--trials {request.trials}: study {study.path} has {now} already; give a larger number"
        )
    if sampler.limit is not None and request.trials > sampler.limit:
        raise StudyError(f"--trials {request.trials}: the grid has {sampler.limit} configurations in all")
    if request.trials > now:
        study.append(Extended(request.trials))
        race.observe(Extended(request.trials))
        say(f"extended from {now} to {request.trials} trials")


# ---- running --------------------------------------------------------------------------------------


def _dataset(study: Study, space: SearchSpace, manifest: Manifest, plan: FoldPlan, runs: Path) -> Dataset:
    return Dataset(
        root=str(manifest.root),
        paths=tuple(manifest.frame["path"]),
        labels=space.target.encode(manifest.frame),
        folds=plan.folds,
        classes=tuple(space.target.classes),
        metric=space.metric,
        mode=space.mode,
        fingerprint=manifest.fingerprint,
        cache_dir=str((runs / ".cache" / "images").resolve()),
    )


def _rebuild_race(study: Study, space: SearchSpace) -> Race:
    race = make_race(
        study.header["rule"],
        trials=space.trials,
        folds=space.folds,
        max_t=space.max_t,
        grace_period=space.grace_period,
        reduction_factor=space.reduction_factor,
        finalists=space.finalists,
        mode=space.mode,
        fold_order=tuple(study.header["fold_order"]),
        ladder=space.ladder,
    )
    replay(race, study)
    return race


def replay(race: Race, study: Study) -> None:
    """Shows the race every event of the journal that was meant for it."""
    for event in study.events:
        if event.kind not in ("opened", "decided", "closed"):
            race.observe(event)  # type: ignore[arg-type]


def _drive(
    request: Request, study: Study, space: SearchSpace, race: Race, sampler: Sampler, dataset: Dataset,
    backend: Backend, say: Say,
) -> None:  # fmt: skip
    tracker = _tracker(study.path, request.wandb) if request.wandb else None
    view = StudyView(
        race,
        study_name=study.header["name"],
        metric=space.metric,
        mode=space.mode,
        slots=backend.slots,
        max_t=space.max_t,
        configs=study.configs,
        resumed=request.resume,
    )
    outcome = "stopped"
    try:
        with view:
            driver = Driver(race, study, sampler, dataset, view)
            driver.settle()
            try:
                backend.run(driver, dataset, space.trainable)
                outcome = "finished"
            except KeyboardInterrupt:
                outcome = "interrupted"
                raise Interrupted(study.path) from None
            finally:
                driver.close(outcome)
    finally:
        if tracker is not None and (left := tracker.stop()):
            say(left)


def _tracker(study: Path, project: str) -> Tracker:
    from orchestrator.tracking import Tracker  # an extra: only when asked for

    return Tracker.start(study, project)
