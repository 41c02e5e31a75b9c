"""A search from a notebook or a program: `orchestrator.search`, `orchestrator.resume`."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from orchestrator.budget import Budget
from orchestrator.cli.signals import restored_signals
from orchestrator.core.callbacks import Announce
from orchestrator.core.errors import InputError, OrchestratorError
from orchestrator.core.events import Event
from orchestrator.core.private_files import private_files
from orchestrator.data.manifest import DataSource
from orchestrator.progress import EventListener, hidden_bars
from orchestrator.space import SearchSpace
from orchestrator.study.finding import find_study
from orchestrator.study.study import Study
from orchestrator.tune.coercion import as_budget, as_path
from orchestrator.tune.request import Interrupted, Request
from orchestrator.tune.run import run_search

log = logging.getLogger("orchestrator")

AnyPath = str | Path
AnyBudget = Budget | str | int | None
Progress = Literal["bar"] | Callable[[Event], object] | None


@dataclass(frozen=True)
class Ray:
    """Fold runs on a Ray cluster. The defaults are those of `backend="ray"`: a Ray of its own, here."""

    address: str | None = None  # of a running cluster, such as "auto"
    gpus_per_fold_run: str | float | Mapping[str, float] = "auto"  # a number, or one by type of GPU
    cpus_per_fold_run: int | None = None


Backend = Literal["ray", "inline"] | Ray


def search(
    space: SearchSpace | AnyPath,
    *,
    data: DataSource | None = None,
    study: str | None = None,
    budget: AnyBudget = None,
    backend: Backend = "ray",
    progress: Progress = "bar",
    runs: AnyPath = "runs",
    trials: int | None = None,
    max_epochs: int | None = None,
    scale: str | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int | None = None,
    rule: str | None = None,
    sampler: str | None = None,
    tries: Sequence[Mapping[str, Any]] = (),
    path_column: str | None = None,
    images: AnyPath | Sequence[AnyPath] = (),
    suffix: str | None = None,
    labels: AnyPath | None = None,
    class_pattern: str | None = None,
    group_pattern: str | None = None,
    data_root: AnyPath | None = None,
    label_fixes: AnyPath | None = None,
    drop_rare: int | None = None,
    rare_as: str | None = None,
    on_conflict: Literal["error", "drop", "keep"] | None = None,
    torn_clusters: Literal["refuse", "warn"] | None = None,
    extra: AnyPath | Sequence[AnyPath] = (),
    keep_oof: Literal["all", "complete"] | None = None,
    storage: AnyPath | None = None,
    checkpoint_every: float | str | None = None,
    wandb: str | None = None,
    wandb_fold_runs: bool = False,
    tensorboard: bool | AnyPath | None = None,
    mlflow: bool | str | None = None,
    private: bool = False,
    say: Announce | None = None,
) -> Study:
    """Searches a space and returns its study, which lies in `runs` and can be resumed, read and ensembled.

    space: itself, or the path of its file. data: the path of a table or folder, a DataFrame with a row per
    image and a column that names it, or a Manifest; None: drawn demo faces. study: its name (None: the
    space's, with the time). budget: fold-epochs of the whole study (500), time of this call ("2h"), or a
    Budget of both. backend: "ray" (this machine's GPUs and cores), "inline" (this process), or
    Ray(address="auto", ...). progress: "bar", None, or what is called with every event. say: takes lines
    about what was found and planned (None: the log of "orchestrator"). The others are the options of
    `python -m orchestrator.tune`.

    Raises InputError for what is wrong with any of them, before a study exists; StorageError;
    NoCompleteTrialError; Interrupted (a KeyboardInterrupt) after Ctrl-C, with everything finished saved.
    """
    asked: dict[str, Any] = {
        "space": space, "data": data, "study": study, "runs": runs, "trials": trials,
        "max_epochs": max_epochs, "scale": scale, "settings": settings or {}, "seed": seed, "rule": rule,
        "sampler": sampler, "tries": tries, "path_column": path_column, "images": images, "suffix": suffix,
        "labels": labels, "class_pattern": class_pattern, "group_pattern": group_pattern,
        "data_root": data_root, "label_fixes": label_fixes, "drop_rare": drop_rare, "rare_as": rare_as,
        "on_conflict": on_conflict, "torn_clusters": torn_clusters, "extra": extra, "keep_oof": keep_oof,
        "storage": storage, "checkpoint_every": checkpoint_every, "wandb": wandb,
        "wandb_fold_runs": wandb_fold_runs, "tensorboard": tensorboard, "mlflow": mlflow, "private": private,
    }  # fmt: skip
    return _run({**asked, **_budget(budget), **_machines(backend)}, progress, say)


def resume(
    study: Study | AnyPath,
    *,
    trials: int | None = None,
    retry_failed: bool | int | Sequence[int] = False,
    budget: AnyBudget = None,
    backend: Backend = "ray",
    progress: Progress = "bar",
    runs: AnyPath = "runs",
    space: AnyPath | None = None,
    trust: bool = False,
    data_root: AnyPath | None = None,
    checkpoint_every: float | str | None = None,
    wandb: str | None = None,
    wandb_fold_runs: bool = False,
    tensorboard: bool | AnyPath | None = None,
    mlflow: bool | str | None = None,
    private: bool = False,
    say: Announce | None = None,
) -> Study:
    """Continues a study where it stopped, or extends it to `trials`; returns it.

    study: its folder, or its name in `runs`. retry_failed: True runs all failed trials again from what they
    have stored, numbers those trials. space: its space file, named again where the trainable lies
    beside it. trust: a study from elsewhere may import the code that it names. The other arguments are those
    of `search`, for this call; everything else about a study is fixed. Raises what `search` raises.
    """
    with _words_of_python():
        folder = study.path if isinstance(study, Study) else find_study(study, as_path("runs", runs))
    asked: dict[str, Any] = {
        "resume": True, "study": folder.name, "runs": folder.parent, "trials": trials, "space": space,
        "retry_failed": retry_failed, "checkpoint_every": checkpoint_every,
        "trust": trust, "data_root": data_root, "wandb": wandb, "wandb_fold_runs": wandb_fold_runs,
        "tensorboard": tensorboard, "mlflow": mlflow, "private": private,
    }  # fmt: skip
    return _run({**asked, **_budget(budget), **_machines(backend)}, progress, say)


def _run(asked: Mapping[str, Any], progress: Progress, say: Announce | None) -> Study:
    """asked: fields of a request, as the user gave them."""
    if progress != "bar" and progress is not None and not callable(progress):
        raise InputError(f"progress={progress!r}: give 'bar', None, or what is called with every event")
    tell = say or _log
    with contextlib.ExitStack() as stack:
        stack.enter_context(_words_of_python())
        request = Request(**asked)
        stack.enter_context(private_files(request.private))
        stack.enter_context(restored_signals())
        if progress != "bar":
            stack.enter_context(hidden_bars())
        listener = None if progress == "bar" else EventListener(progress)
        try:
            result = run_search(request, lambda text: tell(_in_python(text)), listener=listener)
        except Interrupted as stop:
            again = "" if stop.space_file is None else f", space={stop.space_file!r}"
            stop.add_note(f"continue with orchestrator.resume({str(stop.study)!r}{again})")
            raise
    return Study(result.study, trust=True)  # it was told to drive it


def _budget(given: AnyBudget) -> dict[str, Any]:
    budget = as_budget(given)
    return {"max_fold_epochs": budget.fold_epochs, "time_budget": budget.seconds}


def _machines(backend: Backend) -> dict[str, Any]:
    if backend == "inline":
        return {"inline": True}
    if backend == "ray":
        return {}
    if isinstance(backend, Ray):
        return dict(vars(backend))
    raise InputError(f"backend={backend!r}: give 'ray', 'inline', or Ray(address=..., gpus_per_fold_run=...)")


def _log(text: str) -> None:
    """Notes are worth a look wherever a program logs to; the rest is there for who asks for it."""
    log.log(logging.WARNING if text.startswith("note:") else logging.INFO, "%s", text)


# ---- refusals -------------------------------------------------------------------------------------

_ARGUMENTS = {
    "--max-fold-epochs": "budget",
    "--time-budget": "budget",
    "--set": "settings",
    "--try": "tries",
    "--smoke": "scale='smoke'",
    "--inline": "backend='inline'",
    "--address": "Ray(address=...)",
    "--resume": "orchestrator.resume()",
}
"""Options whose argument has another name than the option."""


@contextlib.contextmanager
def _words_of_python() -> Iterator[None]:
    """Refusals name arguments where the command would name options."""
    try:
        yield
    except OrchestratorError as error:
        error.args = (_in_python(str(error)),)
        raise


def _in_python(text: str) -> str:
    """Whole commands stay as they are."""
    return text if "python -m" in text else re.sub(r"--[a-z]+(?:-[a-z]+)*", _argument, text)


def _argument(option: re.Match[str]) -> str:
    return _ARGUMENTS.get(option[0], option[0].removeprefix("--").replace("-", "_"))
