"""What the command `tune` does once its options are read; its parser needs none of this."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from rich.console import Console

from orchestrator.budget import parse_duration
from orchestrator.cli.terminal import Terminal, log_warnings
from orchestrator.core.text import counted
from orchestrator.sampling.configs_to_try import parse_try
from orchestrator.space.loading import parse_settings
from orchestrator.tune.first_space.options import OF_INIT, refuse_without_init
from orchestrator.tune.request import Interrupted, Request, Result, repeated_options
from orchestrator.tune.run import run_search


def run(arguments: argparse.Namespace) -> int:
    """Searches and prints what came of it; the exit code."""
    log_warnings()
    console = Terminal(highlight=False, soft_wrap=True)
    try:
        result = run_search(_request(arguments), say=lambda text: console.print(text, markup=False))
    except Interrupted as stop:
        command = _resume(stop, arguments)
        console.print(f"interrupted; everything finished is saved. Continue with:\n  {command}", markup=False)
        return 130
    _say_result(result, console)
    return 0


def _say_result(result: Result, console: Console) -> None:
    best = result.complete[0]
    folds = ", ".join(f"{item.score:.4f}" for item in best.bests)
    console.print(
        f"best: trial {best.number}, {best.score:.4f} (folds {folds}), "
        f"{counted(len(result.complete), 'complete trial')} in {result.seconds / 60:.1f} min",
        markup=False,
    )
    found = result.confidence_set
    console.print(f"{found.level:.0%} confidence set of the best: {found}", markup=False)
    console.print(f"study: {result.study}", markup=False)
    command = shlex.join(["python", "-m", "orchestrator.ensemble", "--study", str(result.study)])
    console.print(f"next: {command}", markup=False)


def _resume(stop: Interrupted, arguments: argparse.Namespace) -> str:
    """The command that continues where this one stopped, ready to paste."""
    study = stop.study
    words = ["python", "-m", "orchestrator.tune", "--resume", "--study", study.name]
    if study.parent != Path("runs"):
        words += ["--runs", str(study.parent)]
    if stop.space_file is not None:
        words += ["--space", stop.space_file]
    return shlex.join([*words, *repeated_options(vars(arguments), stop.budget_spent)])


def _request(arguments: argparse.Namespace) -> Request:
    refuse_without_init(arguments)
    fields = {name: value for name, value in vars(arguments).items() if name not in OF_INIT}
    fields["settings"] = parse_settings(fields.pop("set"))
    fields["tries"] = [parse_try(text) for text in fields["tries"]]
    if fields["time_budget"] is not None:
        fields["time_budget"] = parse_duration(fields["time_budget"])
    fields["scale"] = "smoke" if fields.pop("smoke") else fields["scale"]
    return Request(**fields)
