"""Vote over the fold models of the best trials: honest scores, a folder that stands alone, predictions.

python -m orchestrator.ensemble --study runs/age --predict eval --submission submission.csv
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator.cli.exit_codes import exit_code
from orchestrator.cli.options import READING, add_shared
from orchestrator.cli.parser import CommandParser, command_parser
from orchestrator.core.choices import GATED, VOTE_KINDS
from orchestrator.core.private_files import private_files


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 no complete trial, 2 the input is wrong or the disk full, 130 interrupted."""
    arguments = parser().parse_args(argv)
    from orchestrator.ensemble.command import run  # not for --help: it loads pandas

    with private_files(arguments.private):
        return exit_code(lambda: run(arguments), "interrupted; nothing half-written is left")


def parser() -> CommandParser:
    made = command_parser(
        "ensemble",
        "[options]",
        [
            "",
            "--study runs/age --predict demo",
            "--ensemble runs/age/best --predict faces/eval",
        ],
        more="The fold models of the best trials vote; the folder it writes predicts without the studies.",
    )
    members = made.add_argument_group("members")
    add = members.add_argument
    add_shared(members, "--study", nargs="+", action="extend",
        help="studies, by name or folder: one, or several with the same rows and folds: of one target, or of "
        "targets that make up a joint label, or one given another (default: the newest)")  # fmt: skip
    add_shared(members, "--runs")
    add("--top", type=int, metavar="K",
        help="trials of each study in a uniform vote (default: the space's finalists)")  # fmt: skip
    add("--vote", choices=VOTE_KINDS,
        help="vote over trials; auto takes the best trial, a uniform vote or greedy weights, the richer one "
        "only if it pays (default: auto)")  # fmt: skip
    add("--calibrate", choices=GATED, help="fit a temperature where it pays, or none (default: auto)")
    add("--decide", choices=GATED,
        help="fit offsets, cut points or thresholds where they pay, or none (default: auto)")  # fmt: skip
    add("--repeats", type=int, metavar="N",
        help="resamples behind each estimate (default: as many as are quickly done)")  # fmt: skip
    add_shared(members, "--seed", default=0, help="seed of the resampling behind the intervals (default: 0)")
    add(
        "--ensemble",
        type=Path,
        metavar="DIR",
        help="an ensemble to use instead of studies: its folder, or a study whose newest one is meant",
    )
    add_shared(members, "--trust",
        help="use a study or an ensemble from elsewhere: import what it names, follow its links, send it "
        "where it says")  # fmt: skip
    images = made.add_argument_group("prediction")
    add_shared(
        images,
        "--predict",
        help="images to predict: a table, a folder, a submission's template, one image, a pattern such as "
        "'test/*.jpg' in quotes, or demo",
    )
    add_shared(images, *READING, "--data-root")
    add_shared(images, "--tta", help="views of an image to average (default: as each member was validated)")
    output = made.add_argument_group("output")
    add = output.add_argument
    add("--out", type=Path, metavar="DIR", help="folder to write (default: in the study, with the time)")
    add("--submission", type=Path, metavar="FILE",
        help="table of the predictions to write, as the template asks for them")  # fmt: skip
    add_shared(output, "--template")
    add("--export", choices=("onnx",),
        help="also write models for onnxruntime, with a predict.py that needs no torch")  # fmt: skip
    add("--test-votes", action="store_true",
        help="also store what each complete trial says of rows with role test")  # fmt: skip
    add("--as", dest="answer", choices=("labels", "probabilities"),
        help="what the template asks for, where its cells leave it open (default: by metric)")  # fmt: skip
    add("--safe-csv", action="store_true",
        help="write ' before cells of --submission that a spreadsheet would take for formulas")  # fmt: skip
    add("--no-report", action="store_true",
        help="leave the study's report.html as it is")  # fmt: skip
    add_shared(output, "--private")
    add("--json", action="store_true",
        help="print events alone, a line of JSON each, for a program")  # fmt: skip
    return made


if __name__ == "__main__":
    sys.exit(main())
