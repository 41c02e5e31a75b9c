"""What the command `tune` does once its options are read; its parser needs none of this."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from orchestrator.budget import parse_duration
from orchestrator.cli.terminal import log_warnings
from orchestrator.progress import hidden_bars
from orchestrator.sampling.configs_to_try import parse_try
from orchestrator.space.loading import parse_settings
from orchestrator.tune.coercion import as_pause
from orchestrator.tune.first_space.options import OF_INIT, refuse_without_init
from orchestrator.tune.output import output_of
from orchestrator.tune.request import Interrupted, NothingCompleteError, Request, repeated_options

if TYPE_CHECKING:
    from orchestrator.report.ending import Ending


def run(arguments: argparse.Namespace) -> int:
    """Searches and prints what came of it; the exit code."""
    log_warnings()
    request = _request(arguments)
    with contextlib.ExitStack() as trackers:  # which get what is made of the study at last, too
        if request.quiet or request.json:
            trackers.enter_context(hidden_bars())
        return _run(request, arguments, trackers)


def _run(request: Request, arguments: argparse.Namespace, trackers: contextlib.ExitStack) -> int:
    output = output_of(request)
    try:
        result = output.search(request, trackers)
    except Interrupted as stop:
        output.interrupted(_resume(stop, arguments))
        return 130
    except NothingCompleteError as error:
        _look_back(error.study, request, output.console)
        raise
    output.result(result)
    output.next_step(result, _look_back(result.study, request, output.console))
    return 0


def _look_back(study: Path, request: Request, console: Console) -> Ending:
    from orchestrator.report.ending import look_back  # after the search: its pages take a second to load

    return look_back(study, console, report=not request.no_report, trust=True)  # it was just driven here


def _resume(stop: Interrupted, arguments: argparse.Namespace) -> str:
    """The command that continues where this one stopped, ready to paste."""
    from orchestrator.study.failures import resume_command  # not for --help

    more = repeated_options(vars(arguments), stop.budget_spent)
    return resume_command(stop.study, stop.space_file, more)


def _request(arguments: argparse.Namespace) -> Request:
    refuse_without_init(arguments)
    fields = {name: value for name, value in vars(arguments).items() if name not in OF_INIT}
    fields["settings"] = parse_settings(fields.pop("set"))
    fields["tries"] = [parse_try(text) for text in fields["tries"]]
    if fields["time_budget"] is not None:
        fields["time_budget"] = parse_duration(fields["time_budget"])
    if fields["checkpoint_every"] is not None:
        fields["checkpoint_every"] = as_pause("--checkpoint-every", fields["checkpoint_every"])
    fields["scale"] = "smoke" if fields.pop("smoke") else fields["scale"]
    return Request(**fields)
