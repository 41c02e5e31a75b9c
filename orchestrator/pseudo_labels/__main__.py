"""Labels for unlabelled images, fold by fold, to train another study of the same folds on.

python -m orchestrator.pseudo_labels --study runs/mask --predict more/ --out pseudo.parquet
python -m orchestrator.tune --space search_spaces/mask.py --data faces --extra pseudo.parquet

Fold f's training part gets the labels that the members' models of fold f gave. They trained on every fold
but f; labels from all models would carry what they learnt of a validation row into its training part. What is
left: as in every score of a study, validation scores chose the members and the epoch kept of each.
Method: D.-H. Lee, "Pseudo-Label", ICML 2013 workshop.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator.cli.exit_codes import exit_code
from orchestrator.cli.options import READING, add_shared
from orchestrator.cli.parser import CommandParser, command_parser
from orchestrator.core.private_files import private_files


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 2 the input is wrong or the disk full, 130 interrupted."""
    arguments = parser().parse_args(argv)
    from orchestrator.pseudo_labels.command import run  # not for --help: it loads pandas

    with private_files(arguments.private):
        return exit_code(lambda: run(arguments), "interrupted; nothing half-written is left")


def parser() -> CommandParser:
    made = command_parser(
        "pseudo_labels",
        "--study DIR --predict MANIFEST \\\n           --out FILE [options]",
        ["--study runs/age --predict faces/eval \\\n      --out pseudo.parquet"],
        more="Labels for fold f come from models that never trained on fold f's validation rows.",
    )
    models = made.add_argument_group("models")
    add = models.add_argument
    add("--ensemble", type=Path, metavar="DIR", help="folder of the ensemble whose fold models label")
    add_shared(models, "--study", help="study, by name or folder, whose newest ensemble labels")
    add_shared(models, "--runs", "--trust")
    images = made.add_argument_group("images")
    add_shared(images, "--predict", required=True, help="images to label: a table or a folder")
    add_shared(images, *READING, "--data-root")
    add_shared(images, "--tta", help="views of an image to average (default: the ensemble's)")
    output = made.add_argument_group("output")
    add = output.add_argument
    add("--out", type=Path, required=True, metavar="FILE", help="Parquet to write, for tune --extra")
    add(
        "--threshold",
        type=float,
        default=0.9,
        metavar="P",
        help="least probability of a label (default: 0.9)",
    )
    add_shared(output, "--private")
    return made


if __name__ == "__main__":
    sys.exit(main())
