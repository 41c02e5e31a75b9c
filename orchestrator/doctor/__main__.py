"""Is everything there that a search needs, on this machine and on the servers of a cluster file?

    python -m orchestrator.doctor --cluster cluster.yaml --data faces/train

Every line says what was found and the way out. Nothing is changed; on a server nothing is even installed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator.cli.exit_codes import exit_code
from orchestrator.cli.options import READING, add_shared
from orchestrator.cli.parser import CommandParser, command_parser


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 nothing blocks, 1 something does, 2 the input is wrong, 130 interrupted."""
    arguments = parser().parse_args(argv)
    from orchestrator.doctor.command import run  # not for --help: it loads pandas

    return exit_code(lambda: run(arguments), "interrupted")


def parser() -> CommandParser:
    made = command_parser(
        "doctor",
        "[options]",
        ["", "--cluster cluster.yaml --data faces/train"],
        more="Every line says what was found and the way out; nothing is changed.",
    )
    group = made.add_argument_group("what is looked at")
    add = group.add_argument
    add("--cluster", type=Path, metavar="FILE", help="cluster.yaml, whose servers are asked too, over SSH")
    add_shared(group, "--data", help="images and labels as for tune: are the images here and on the servers?")
    add_shared(group, *READING)
    add_shared(group, "--data-root", help="folder of the images on servers that have them elsewhere")
    add_shared(group, "--runs")
    add_shared(group, "--storage", help="location of checkpoints as for tune: can it be written?")
    add_shared(group, "--address", help="address of a Ray that runs: does it answer?")
    return made


if __name__ == "__main__":
    sys.exit(main())
