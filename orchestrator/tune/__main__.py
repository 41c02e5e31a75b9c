"""Search a space: every configuration x fold is a trial, a fold-aware race stops weak ones early.

python -m orchestrator.tune --space spaces/age.py
"""

from __future__ import annotations

import argparse
import logging
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from orchestrator.budget import parse_duration
from orchestrator.cli.arguments import absolute, whole
from orchestrator.cli.exit_codes import exit_code
from orchestrator.core.private_files import private_files
from orchestrator.sampling.configs_to_try import parse_try
from orchestrator.space import SCALES
from orchestrator.space.loading import parse_settings
from orchestrator.tune import Interrupted, Request, Result, run_search
from orchestrator.tune.request import repeated_options


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 no complete trial, 2 the input is wrong or the disk full, 130 interrupted."""
    arguments = parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    with private_files(arguments.private):
        return exit_code(lambda: _run(arguments), "interrupted before anything of the study was changed")


def _run(arguments: argparse.Namespace) -> int:
    console = Console(highlight=False, soft_wrap=True)
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
        f"{len(result.complete)} complete trials "
        f"in {result.seconds / 60:.1f} min",
        markup=False,
    )
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
    fields = dict(vars(arguments))
    fields["settings"] = parse_settings(fields.pop("set"))
    fields["tries"] = [parse_try(text) for text in fields["tries"]]
    if fields["time_budget"] is not None:
        fields["time_budget"] = parse_duration(fields["time_budget"])
    fields["scale"] = "smoke" if fields.pop("smoke") else fields["scale"]
    return Request(**fields)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m orchestrator.tune", description=__doc__.split("\n")[0])
    add = made.add_argument
    add("--space", help="space file; looked up in search_spaces/ where the path does not exist")
    add("--data", help="manifest: CSV, Parquet, or a folder in a known layout (default: drawn demo faces)")
    add("--data-root", type=absolute, metavar="DIR",
        help="where the manifest's images lie on servers that have them elsewhere")  # fmt: skip
    add("--label-fixes", type=Path, metavar="FILE", help="CSV of corrections: path, column, old, new, reason")
    add("--extra", type=Path, action="append", default=[], metavar="MANIFEST",
        help="rows that are trained on and never validated; may be given again")  # fmt: skip
    add("--study", help="name of the study (default: the space's name and the time)")
    add("--runs", type=Path, default=Path("runs"), help="where studies lie (default: runs)")
    add("--storage", metavar="PLACE",
        help="of checkpoints: a path all servers mount or s3://... (default: the study's)")  # fmt: skip
    add("--scale", choices=SCALES, help="size of the search (default: full with a GPU, small without)")
    add("--smoke", action="store_true", help="the same as --scale smoke")
    add("--trials", type=int, help="number of configurations; with --resume: extend to this many")
    add("--max-epochs", type=int, help="epochs of a finalist's fold run")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="fix a parameter to one value")
    add("--seed", type=whole(0), help="of proposals, folds and fold runs (default: 0)")
    add(
        "--rule",
        help="fold_asha, or what it is compared with: exhaustive, top_k, ... (default: fold_asha)",
    )
    add("--sampler", help="random, grid or tpe (default: random)")
    add("--try", action="append", default=[], dest="tries", metavar="KEY=VALUE,...",
        help="a configuration to try first, or parts of one; may be given again")  # fmt: skip
    add("--time-budget", metavar="TIME",
        help="of this command, such as 2h or 1h30m: ends in time to complete the finalists")  # fmt: skip
    add("--max-fold-epochs", type=whole(1), metavar="N",
        help="of the whole study, never more; without --trials: as many as it affords")  # fmt: skip
    add("--resume", action="store_true", help="continue a study (default: the newest)")
    add("--inline", action="store_true", help="run in this process, without Ray")
    add("--address", help="of a running Ray cluster, for example auto (default: Ray on this machine)")
    add(
        "--gpus-per-fold-run",
        default="auto",
        metavar="auto|F|TYPE=F,...",
        help="GPUs a fold run uses, may be a fraction, and another for each type of GPU: A100=0.25,T4=1",
    )
    add(
        "--cpus-per-fold-run", type=whole(1), help="CPUs a fold run uses (default: 1, or its share with GPUs)"
    )
    add("--wandb", metavar="PROJECT", help="mirror the study to Weights & Biases")
    add("--private", action="store_true", help="files that nobody but you can read (umask 077)")
    return made


if __name__ == "__main__":
    sys.exit(main())
