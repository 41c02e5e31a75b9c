"""Search a space: every configuration x fold is a trial; a fold-aware race stops weak configurations early.

python -m orchestrator.tune --space search_spaces/age.py
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from orchestrator.cli.arguments import int_at_least
from orchestrator.cli.exit_codes import exit_code
from orchestrator.cli.options import READING, add_shared
from orchestrator.cli.parser import CommandParser, command_parser
from orchestrator.core.private_files import private_files


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 no complete trial, 2 the input is wrong or the disk full, 130 interrupted."""
    arguments = parser().parse_args(argv)
    # Not before: --help and a misspelt option are answered at once, without pandas.
    run = _load(arguments)

    with private_files(arguments.private):
        return exit_code(lambda: run(arguments), "interrupted before anything of the study was changed")


def _load(arguments: argparse.Namespace) -> Callable[[argparse.Namespace], int]:
    """What runs; reading pandas and the rest takes a second, or several on a busy disk."""
    if arguments.init is not None:
        from orchestrator.tune.first_space.command import run as run_init

        return run_init
    from orchestrator.progress import hidden_bars, progress_bar

    hidden = hidden_bars() if arguments.json or arguments.quiet else contextlib.nullcontext()
    with hidden, progress_bar("loading the program"):
        from orchestrator.tune.command import run
    return run


def parser() -> CommandParser:
    made = command_parser(
        "tune",
        "--space SPACE [options]",
        [
            "--space age",
            "--init my_space.py --data train.csv",
            "--space my_space.py --data train.csv --smoke",
            "--resume --study age --trials 80",
            "--resume --study age --retry-failed",
        ],
        more="Every configuration x fold is a trial of Ray Tune; finalists complete all their folds.",
    )
    _add_init(made)
    _add_search(made)
    data = made.add_argument_group("data")
    add_shared(
        data,
        "--data",
        *READING,
        "--data-root",
        "--label-fixes",
        "--drop-rare",
        "--rare-as",
        "--on-conflict",
        "--torn-clusters",
        "--extra",
    )
    _add_budget(made)
    _add_study(made)
    _add_machines(made)
    return made


def _add_init(made: CommandParser) -> None:
    add = made.add_argument_group("a space for your data").add_argument
    add("--init", metavar="FILE",
        help="write a commented space for --data into this new file, and search nothing")  # fmt: skip
    add("--target", metavar="COLUMN,...",
        help="with --init: column that is predicted, or columns of labels (default: as found)")  # fmt: skip
    add("--metric", metavar="NAME",
        help="with --init: how it is judged, such as roc_auc (default: as the data suggest)")  # fmt: skip
    add("--template", type=Path, metavar="FILE",
        help="with --init: the sample submission (default: the one beside the data)")  # fmt: skip


def _add_search(made: CommandParser) -> None:
    group = made.add_argument_group("what is searched, and how")
    add = group.add_argument
    add_shared(group, "--space")
    add_shared(group, "--scale", help="size of the search (default: full with a GPU, small without)")
    add("--smoke", action="store_true", help="short for --scale smoke: a minute, to see that all of it runs")
    add("--max-epochs", type=int, metavar="N", help="epochs of a complete fold run (default: the space's)")
    add_shared(group, "--set")
    add("--sampler", metavar="NAME",
        help="random, grid or tpe: how configurations are proposed (default: random)")  # fmt: skip
    add("--try", action="append", default=[], dest="tries", metavar="KEY=VALUE,...",
        help="configuration to try first, or a part of one; may be given again")  # fmt: skip
    add("--rule", metavar="NAME",
        help="rule that stops configurations: fold_asha, or one to compare it with, such as exhaustive or "
        "top_k (default: fold_asha)")  # fmt: skip
    add_shared(group, "--seed", help="seed of proposals, folds and training (default: 0)")


def _add_budget(made: CommandParser) -> None:
    add = made.add_argument_group("budget").add_argument
    add("--trials", type=int, metavar="N",
        help="number of configurations; with --resume: extend the study to this many")  # fmt: skip
    add("--time-budget", metavar="TIME",
        help="time for this command, such as 2h or 1h30m: finalists, then trials, become fewer to keep it; "
        "one trial is completed in any case")  # fmt: skip
    add("--max-fold-epochs", type=int_at_least(1), metavar="N",
        help="most fold-epochs that the whole study may spend; without --trials, it tries as many "
        "configurations as they pay for")  # fmt: skip


def _add_study(made: CommandParser) -> None:
    group = made.add_argument_group("study and output")
    add = group.add_argument
    add_shared(group, "--study", help="name of the study (default: the space's name and the time)")
    add("--resume", action="store_true", help="continue the study of --study (default: the newest)")
    add("--retry-failed", type=int_at_least(0), nargs="*", metavar="TRIAL",
        help="with --resume: run failed trials again, those named or all")  # fmt: skip
    add("--keep-oof", metavar="WHOSE",
        help="whose validation probabilities of every epoch stay on disk: all trials', or those of complete "
        "ones alone (default: all)")  # fmt: skip
    add_shared(group, "--trust")
    add_shared(group, "--runs", "--storage")
    add("--no-report", action="store_true",
        help="write no report.html into the study at the end")  # fmt: skip
    add("--wandb", metavar="PROJECT", help="project of Weights & Biases that gets a run for the study")
    add("--wandb-fold-runs", action="store_true", help="with --wandb: a run for every fold run besides")
    add("--tensorboard", nargs="?", const=True, metavar="DIR",
        help="write event files of TensorBoard below this folder (default: the study's)")  # fmt: skip
    add("--mlflow", nargs="?", const=True, metavar="URI",
        help="server, database or folder of MLflow that gets the study (without URI: "
        "MLFLOW_TRACKING_URI)")  # fmt: skip
    add_shared(group, "--private")
    add("--json", action="store_true",
        help="print events alone, a line of JSON each, for a program")  # fmt: skip
    add("--quiet", action="store_true", help="print errors, and in the end what came of it")


def _add_machines(made: CommandParser) -> None:
    group = made.add_argument_group("machines")
    add = group.add_argument
    add_shared(group, "--address")
    add("--gpus-per-fold-run", default="auto", metavar="GPUS",
        help="GPUs of a fold run: auto (as many share a GPU as fit and train faster together, as measured), "
        "a number such as 0.5, or one for each type of GPU: A100=0.25,T4=1 (default: auto)")  # fmt: skip
    add("--cpus-per-fold-run", type=int_at_least(1), metavar="N",
        help="CPUs of a fold run (default: 1; on a server with GPUs, its share of the CPUs)")  # fmt: skip
    add("--checkpoint-every", metavar="TIME",
        help="most that the death of a process costs a fold run, in time of epochs that it had finished; 0: "
        "nothing, its state is stored after every epoch (default: 30s)")  # fmt: skip
    add("--inline", action="store_true", help="run in this process, one fold run at a time, without Ray")


if __name__ == "__main__":
    sys.exit(main())
