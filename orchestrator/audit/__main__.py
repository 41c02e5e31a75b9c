"""Labels that models contradict which never saw them, for a person to look at.

python -m orchestrator.audit --study age --out fixes.csv
    suspects in the terminal and in audit.html; look at each, write yes or no in the draft's column confirmed
python -m orchestrator.tune --space search_spaces/age.py --data faces --label-fixes fixes.csv --study fixed
python -m orchestrator.audit --compare age fixed
    whether the fixes helped, on rows whose label both studies agree on
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator.cli.arguments import absolute, int_at_least
from orchestrator.cli.exit_codes import exit_code
from orchestrator.cli.options import add_shared
from orchestrator.cli.parser import CommandParser, command_parser
from orchestrator.core.private_files import private_files


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 no complete trial, 2 the input is wrong or the disk full, 130 interrupted."""
    arguments = parser().parse_args(argv)
    from orchestrator.audit.command import run  # not for --help: it loads pandas

    with private_files(arguments.private):
        return exit_code(lambda: run(arguments), "interrupted; nothing half-written is left")


def _csv(text: str) -> Path:
    if not text.lower().endswith(".csv"):
        raise argparse.ArgumentTypeError(f"{text!r} must be a file name that ends in .csv")
    return Path(text)


def parser() -> CommandParser:
    made = command_parser(
        "audit",
        "[--study STUDY ...] [options]",
        [
            "--study age --out fixes.csv",
            "--study age gender mask --top 100",
            "--compare age age-fixed",
        ],
        more="It reads stored predictions; nothing is trained and no label is changed.",
    )
    studies = made.add_argument_group("studies")
    add = studies.add_argument
    add_shared(studies, "--study", nargs="+", action="extend",
        help="studies, by name or folder: one, or several of one data set (default: the newest)")  # fmt: skip
    add("--ensemble", type=Path, metavar="DIR",
        help="ask this ensemble of the studies' rows in place of their complete trials")  # fmt: skip
    add("--compare", nargs=2, metavar=("BEFORE", "AFTER"),
        help="instead: compare a study with one that was run with corrected labels")  # fmt: skip
    add_shared(studies, "--seed", default=0, help="seed of the resampling behind --compare (default: 0)")
    add_shared(studies, "--runs", "--trust")
    images = made.add_argument_group("images")
    add = images.add_argument
    add("--data-root", type=absolute, metavar="DIR",
        help="folder of the images, where they no longer lie where the study found them")  # fmt: skip
    output = made.add_argument_group("output")
    add = output.add_argument
    add("--top", type=int_at_least(1), default=50, metavar="N",
        help="suspects to show and to draft fixes for (default: 50)")  # fmt: skip
    add("--out", type=_csv, metavar="FILE.csv",
        help="draft of label fixes to write, for a person to confirm and for tune --label-fixes")  # fmt: skip
    add("--folder", type=Path, metavar="DIR",
        help="folder for audit.html and audit.json (default: in the study, with the time)")  # fmt: skip
    add_shared(output, "--private")
    return made


if __name__ == "__main__":
    sys.exit(main())
