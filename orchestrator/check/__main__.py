"""Looks at a search without running it: is the space right, what varies, what do its images look like.

python -m orchestrator.check --space age --data faces/train --augmentations sheet.png
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator.cli.arguments import int_at_least
from orchestrator.cli.exit_codes import exit_code
from orchestrator.cli.options import READING, add_shared
from orchestrator.cli.parser import CommandParser, command_parser
from orchestrator.core.private_files import private_files


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 the space is right, 2 the input is wrong or the disk full, 130 interrupted."""
    arguments = parser().parse_args(argv)
    from orchestrator.check.command import run  # not for --help: it loads pandas and cv2

    with private_files(arguments.private):
        return exit_code(lambda: run(arguments), "interrupted")


def _png(text: str) -> Path:
    if not text.lower().endswith(".png"):
        raise argparse.ArgumentTypeError(f"{text!r} must be a file name that ends in .png")
    return Path(text)


def parser() -> CommandParser:
    made = command_parser(
        "check",
        "--space SPACE [options]",
        ["--space age", "--space age --augmentations sheet.png"],
        more="Nothing is trained or downloaded.",
    )
    space = made.add_argument_group("space")
    add_shared(space, "--space", required=True)
    add_shared(space, "--scale", default="full")
    add_shared(space, "--set")
    add_shared(space, "--seed", default=0, help="seed of folds, settings and images (default: 0)")
    data = made.add_argument_group("data")
    add_shared(
        data, "--data", *READING, "--data-root", "--label-fixes", "--drop-rare", "--rare-as", "--extra"
    )
    output = made.add_argument_group("output")
    add = output.add_argument
    add("--augmentations", type=_png, metavar="FILE.png",
        help="picture to draw: what training and validation see")  # fmt: skip
    add("--rows", type=int_at_least(1), default=4, metavar="N",
        help="images of each setting in that picture (default: 4)")  # fmt: skip
    add_shared(output, "--runs", "--private")
    return made


if __name__ == "__main__":
    sys.exit(main())
