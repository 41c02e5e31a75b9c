"""What the command `ensemble` does once its options are read."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from orchestrator.cli.terminal import Terminal, log_warnings
from orchestrator.core.errors import InputError
from orchestrator.core.text import counted
from orchestrator.ensemble.building import default_out
from orchestrator.ensemble.composing import AUTO, Options
from orchestrator.ensemble.folder import Ensemble
from orchestrator.ensemble.members import EnsembleInputs, gather
from orchestrator.ensemble.onnx import check_exporter, export_ensemble
from orchestrator.ensemble.predicting import find_rows, planned, predict
from orchestrator.ensemble.printing import formulas, print_scores, print_untouched
from orchestrator.ensemble.recording import write_ensemble
from orchestrator.ensemble.scoring import score_parts
from orchestrator.ensemble.stored_votes import store_votes
from orchestrator.ensemble.submission.planning import asked_for
from orchestrator.ensemble.submitting import asked_of
from orchestrator.ensemble.untouched import find_untouched, score_untouched
from orchestrator.ensemble.writing import check_out, spellings_of
from orchestrator.ensemble_record.chain_rule import uncovered_images
from orchestrator.ensemble_record.finding import find_ensemble
from orchestrator.progress import JsonLines, progress_bar
from orchestrator.progress.for_programs import message_terminal, telling_steps_and_errors
from orchestrator.report.ending import Ending, look_back
from orchestrator.study.being_read import being_read
from orchestrator.study.failures import ahead_lines
from orchestrator.study.finding import find_study
from orchestrator.study.study import CompleteTrial
from orchestrator.tracking import mirrored_as_before


def run(arguments: argparse.Namespace) -> None:
    """Raises InputError, StorageError, NoCompleteTrialError."""
    log_warnings()
    lines = JsonLines() if arguments.json else None
    with contextlib.ExitStack() as held:  # trackers, which get what is made of the study at last, too
        if lines is not None:
            held.enter_context(telling_steps_and_errors(lines))
        made = _run(arguments, held, _console(lines))
        if lines is not None:
            lines.write("ensemble", **made)


def _console(lines: JsonLines | None) -> Console:
    if lines is not None:
        return message_terminal(lines)
    return Terminal(highlight=False, width=None if sys.stdout.isatty() else 120)  # a log has no edge


def _run(arguments: argparse.Namespace, held: contextlib.ExitStack, console: Console) -> dict[str, Any]:
    """What it made, for a program: the fields of the event `ensemble`."""
    _check_arguments(arguments)
    if arguments.export is not None:
        check_exporter()  # before minutes of work
    say = partial(_say, console)
    studies = None if arguments.ensemble is not None else _studies(arguments, console)
    rows = find_rows(arguments, say)
    ending = Ending()
    if studies is None:
        found = find_ensemble(arguments.ensemble, arguments.runs)
        ensemble, plan = _load(found, arguments, console), None
    else:
        for study in studies:
            held.enter_context(being_read(study))
        out = arguments.out or default_out(studies)
        check_out(out)
        inputs = gather(studies, arguments.top, arguments.trust)  # refuses links, which a log would follow
        if out.parent == studies[0]:
            held.enter_context(mirrored_as_before(studies[0], say, trust=arguments.trust))
        asked = asked_for(inputs.target, inputs.metric, arguments.answer, spellings_of(inputs))
        plan = None if rows is None else planned(arguments, rows, asked, say)
        ensemble = _load(_build(out, inputs, arguments, console), arguments, console)
        ensemble = _untouched(ensemble, inputs, arguments, console)
        if arguments.test_votes:
            _store_votes(inputs, say)
        ending = look_back(
            studies[0], console, report=not arguments.no_report, ensemble=ensemble.path, trust=arguments.trust
        )
    made = _made(ensemble)
    if arguments.export is not None:
        with progress_bar("exporting models") as progress:
            made["exported"] = export_ensemble(ensemble, progress=progress)
        say(f"exported: {made['exported']}")
    if rows is None:
        say(
            ending.next_line(f"python -m orchestrator.ensemble --ensemble {ensemble.path} --predict MANIFEST")
        )
        return made
    plan = plan or planned(arguments, rows, asked_of(ensemble, arguments.answer), say)
    made["probabilities"] = predict(ensemble, plan, arguments.tta, arguments.runs, arguments.seed, say)
    made["submission"] = None if plan.submission is None else plan.submission.path
    return made


def _made(ensemble: Ensemble) -> dict[str, Any]:
    record = ensemble.record.to_json()
    known = {name: record[name] for name in ("metric", "mode", "estimates", "studies")}
    return {"ensemble": ensemble.path, **known, "exported": None, "probabilities": None, "submission": None}


def _load(folder: Path, arguments: argparse.Namespace, console: Console) -> Ensemble:
    ensemble = Ensemble.load(folder, trust=arguments.trust)
    if arguments.ensemble is not None:
        _say(console, f"ensemble: {folder}")
    if ensemble.tta_differs(arguments.tta):
        _say(console, _other_views(ensemble, arguments.tta))
    lone = uncovered_images(ensemble.target, [component.term for component in ensemble.components])
    if lone is not None:
        _say(console, f"note: {lone}")
    return ensemble


def _check_arguments(arguments: argparse.Namespace) -> None:
    if arguments.ensemble is not None:
        names = ("study", "top", "vote", "calibrate", "decide", "repeats", "out")
        given = [name for name in names if getattr(arguments, name) is not None]
        if given:
            raise InputError(
                f"--{given[0]}: an ensemble that exists (--ensemble) is used as it is; leave it out"
            )
        if arguments.predict is None and arguments.template is None and arguments.export is None:
            raise InputError("--ensemble needs --predict MANIFEST; it says what to predict")
    if arguments.submission is None:
        lone = "--template" if arguments.template is not None else "--as"
        if arguments.template is not None or arguments.answer is not None:
            raise InputError(f"{lone} needs --submission FILE; it says how that is filled in")
    elif arguments.predict is None and arguments.template is None:
        raise InputError("--submission needs --predict, the images, or --template with their ids")


# ---- building -------------------------------------------------------------------------------------


def _build(out: Path, inputs: EnsembleInputs, arguments: argparse.Namespace, console: Console) -> Path:
    options = Options(
        arguments.vote or AUTO, arguments.calibrate or AUTO, arguments.decide or AUTO, arguments.seed
    )
    _say(console, _candidates_line(inputs, options))
    for source in inputs.studies:
        for line in ahead_lines(source.study):
            _say(console, line)
    if inputs.combined or inputs.studies[0].space.given:
        _say(console, f"predicts: {formulas(inputs)}")
    with progress_bar("resampling groups") as progress:
        scores = score_parts(
            inputs, options, np.random.default_rng(arguments.seed), progress, arguments.repeats
        )
    print_scores(console, inputs, scores, options)
    with progress_bar("copying weights") as progress:
        write_ensemble(out, inputs, scores, options, arguments.tta, progress)
    _say(console, f"ensemble: {out}")
    return Path(out)


def _untouched(
    ensemble: Ensemble, inputs: EnsembleInputs, arguments: argparse.Namespace, console: Console
) -> Ensemble:
    """Scored where there are rows with labels that nothing was fitted to, and printed."""
    studies = [item.study for item in inputs.studies]
    found = find_untouched(studies[0], ensemble.target, studies[1:])
    if found.manifest is None:
        if found.note:
            _say(console, f"untouched rows: none scored; {found.note}")
        return ensemble
    trained = [study.manifest() for study in studies]
    with progress_bar("predicting untouched rows") as progress:
        ensemble, estimate = score_untouched(
            ensemble, found.manifest, np.random.default_rng(arguments.seed), progress, trained=trained
        )
    print_untouched(console, ensemble, estimate)
    return ensemble


def _store_votes(inputs: EnsembleInputs, say: Callable[[str], None]) -> None:
    for study in inputs.studies:
        with progress_bar(f"untouched rows by trials of {study.name}") as progress:
            say(f"votes on untouched rows: {store_votes(study.study, progress)}")


def _studies(arguments: argparse.Namespace, console: Console) -> list[Path]:
    if arguments.study is None:
        newest = find_study(None, arguments.runs)
        _say(console, f"study: {newest} (the newest in {arguments.runs})")
        return [newest]
    paths = [find_study(given, arguments.runs) for given in arguments.study]
    for path in paths:
        _say(console, f"study: {path}")
    return paths


def _candidates_line(inputs: EnsembleInputs, options: Options) -> str:
    trials = [trial for study in inputs.studies for trial in study.trials]
    complete, k = sum(isinstance(trial, CompleteTrial) for trial in trials), inputs.plan.k
    vote = "the vote is chosen among them" if options.vote == AUTO else f"{options.vote} vote over trials"
    kinds = {"complete trial": complete, "unfinished trial": len(trials) - complete}
    named = " and ".join(counted(number, kind) for kind, number in kinds.items() if number)
    return f"candidates: {named} x {k} folds = {len(trials) * k} models, {vote}"


def _other_views(ensemble: Ensemble, tta: str | None) -> str:
    validated = sorted({member.tta for component in ensemble.components for member in component.members})
    return (
        f"note: predictions are made with tta {tta or ensemble.tta}; the out-of-fold scores were obtained "
        f"with tta {', '.join(validated)}"
    )


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)
