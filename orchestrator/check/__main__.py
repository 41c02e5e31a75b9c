"""Looks at data, and at a search of them, before anything is trained: what is there, what is odd or wrong.

python -m orchestrator.check --data faces/train
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
from orchestrator.core.choices import BACKBONE
from orchestrator.core.private_files import private_files


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 nothing must be mended, 1 something must, 2 the input is wrong or the disk full, 130
    interrupted."""
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
        "[--data DATA] [--space SPACE] [options]",
        ["--data faces/train", "--space age", "--space age --augmentations sheet.png"],
        more="No network is trained; --pretrained hub alone downloads something.",
    )
    space = made.add_argument_group("space")
    add_shared(
        space,
        "--space",
        help="path of a space file, or a name in search_spaces/ (default: as tune --init proposes)",
    )
    add_shared(space, "--scale", default="full")
    add_shared(space, "--set")
    add_shared(space, "--seed", default=0, help="seed of folds, settings and images (default: 0)")
    data = made.add_argument_group("data")
    add_shared(
        data,
        "--data",
        help="images and labels: CSV, Parquet, or a known layout of folders (with --space: demo faces)",
    )
    add_shared(data, *READING, "--data-root", "--label-fixes", "--drop-rare", "--rare-as", "--extra")
    data.add_argument("--target", metavar="COLUMNS",
                      help="columns that hold the labels, where there is no space")  # fmt: skip
    add_shared(
        data, "--predict", help="images to predict later: a table or a folder, looked at with the others"
    )
    _add_groups(made)
    features = made.add_argument_group("frozen features")
    features.add_argument("--backbone", default=BACKBONE, metavar="NAME",
                          help=f"timm network that describes the images (default: {BACKBONE})")  # fmt: skip
    features.add_argument("--pretrained", metavar="FILE",
                          help="its weights: a .safetensors file, or hub to download them; without any, "
                          "images are compared by their pixels alone")  # fmt: skip
    output = made.add_argument_group("output")
    add = output.add_argument
    add("--out", type=Path, metavar="DIR",
        help="folder for check.html and check.json (default: check-NAME below --runs)")  # fmt: skip
    add("--augmentations", type=_png, metavar="FILE.png",
        help="picture to draw: what training and validation see")  # fmt: skip
    add("--rows", type=int_at_least(1), default=4, metavar="N",
        help="images of each setting in that picture (default: 4)")  # fmt: skip
    add_shared(output, "--runs", "--private")
    return made


def _add_groups(made: CommandParser) -> None:
    add = made.add_argument_group("groups").add_argument
    add("--suggest-groups", action="store_true",
        help="look for groups in names, folders, columns, times and near duplicates")  # fmt: skip
    add("--write-groups", type=Path, metavar="FILE",
        help="table to write: the rows of --data, with near duplicates in one group")  # fmt: skip
    add("--use-suggestion", type=int_at_least(1), metavar="N",
        help="with --write-groups: join the groups of suggestion N, too")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
