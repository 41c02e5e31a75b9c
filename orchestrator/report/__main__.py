"""A study as one HTML file that opens anywhere: what to use, how good it is, and how that came about.

python -m orchestrator.report --study age
    runs/age/report.html; nothing is requested from elsewhere, so it can be sent
python -m orchestrator.report --study age age-fixed --out both.html
    the first one's report, with the others beside it
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator.cli.arguments import absolute
from orchestrator.cli.exit_codes import exit_code
from orchestrator.cli.options import add_shared
from orchestrator.cli.parser import CommandParser, command_parser
from orchestrator.core.private_files import private_files


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done (also of a study without a complete trial), 2 the input is wrong or the disk full,
    130 interrupted."""
    arguments = parser().parse_args(argv)
    from orchestrator.report.command import run  # not for --help: it loads pandas

    with private_files(arguments.private):
        return exit_code(lambda: run(arguments), "interrupted; nothing half-written is left")


def parser() -> CommandParser:
    made = command_parser(
        "report",
        "[--study STUDY ...] [options]",
        ["", "--study age --out age.html", "--study age age-fixed --out both.html"],
        more="It looks at a study at any time, also while it runs, and changes nothing in it.",
    )
    studies = made.add_argument_group("studies")
    add_shared(studies, "--study", nargs="+", action="extend",
        help="studies, by name or folder: the report is about the first, with the others beside it "
        "(default: the newest)")  # fmt: skip
    studies.add_argument("--baseline", action="store_true",
        help="fit the simple baseline that the best trial is compared with, also of many images (default: of "
        "few, where it takes seconds)")  # fmt: skip
    add_shared(studies, "--seed", default=0, help="seed of resampled intervals (default: 0)")
    add_shared(studies, "--runs", "--trust")
    images = made.add_argument_group("images")
    images.add_argument("--data-root", type=absolute, metavar="DIR",
        help="folder of the images, where they no longer lie where the study found them")  # fmt: skip
    output = made.add_argument_group("output")
    output.add_argument("--out", type=Path, metavar="FILE",
        help="the report; one that is there is replaced (default: report.html in the study)")  # fmt: skip
    add_shared(output, "--private")
    return made


if __name__ == "__main__":
    sys.exit(main())
