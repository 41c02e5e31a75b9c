"""Send a study to Weights & Biases, TensorBoard or MLflow, or go on sending while it runs.

python -m orchestrator.tracking runs/age --project faces
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from orchestrator.cli.exit_codes import exit_code
from orchestrator.cli.options import add_shared
from orchestrator.cli.parser import CommandParser, command_parser


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 everything is sent, 1 something is left, 2 the input is wrong."""
    arguments = parser().parse_args(argv)
    from orchestrator.tracking.command import run  # not for --help: it loads rich

    return exit_code(lambda: run(arguments), "interrupted; the same command sends the rest")


def parser() -> CommandParser:
    made = command_parser(
        "tracking",
        "STUDY [options]",
        ["runs/age --project faces", "runs/age --tensorboard", "runs/age --mode offline --follow"],
        more="Without --project, --tensorboard and --mlflow, a study goes where it went before, else to W&B.",
    )
    study = made.add_argument_group("study")
    study.add_argument("study", metavar="STUDY", help="study to send, by name or folder")
    add_shared(study, "--trust",
        help="use a study from elsewhere: follow its links, send it where it says")  # fmt: skip
    add_shared(study, "--runs")
    add = made.add_argument_group("Weights & Biases").add_argument
    add("--project", metavar="NAME",
        help="project (default: the one used before, WANDB_PROJECT, or fold-orchestrator)")  # fmt: skip
    add("--mode", choices=("online", "offline"), help="way of sending (default: WANDB_MODE, else online)")
    add("--fold-runs", action="store_true", help="a run for every fold run, besides the one of the study")
    add = made.add_argument_group("other trackers").add_argument
    add("--tensorboard", nargs="?", const="", metavar="DIR",
        help="event files below this folder (without DIR: in the study's folder)")  # fmt: skip
    add("--mlflow", nargs="?", const="", metavar="URI",
        help="server, database or folder of MLflow (without URI: MLFLOW_TRACKING_URI)")  # fmt: skip
    add = made.add_argument_group("how long").add_argument
    add("--follow", action="store_true", help="go on sending until a signal ends it")
    add("--parent", type=int, metavar="PID", help=argparse.SUPPRESS)
    return made


if __name__ == "__main__":
    sys.exit(main())
