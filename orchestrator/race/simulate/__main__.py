"""Races every rule on a table of learning curves, in virtual time.

python -m orchestrator.race.simulate benchmarks/tables/fashion --slots 4 --draws 200

TABLE is a folder with epochs.parquet (trial, fold, epoch from 1, score, seconds; higher scores are better)
and, if there is a test set, trials.parquet (trial, test_score). Each draw takes the configurations
(--subset: some of them) in random order, the folds permuted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator.cli.arguments import int_at_least
from orchestrator.cli.exit_codes import exit_code
from orchestrator.cli.options import add_shared
from orchestrator.cli.parser import CommandParser, command_parser
from orchestrator.race.config import NUMERIC_KNOBS


def parser() -> CommandParser:
    made = command_parser(
        "race.simulate",
        "TABLE [options]",
        ["benchmarks/tables/fashion --draws 20"],
        more="Every rule races in virtual time.",
    )
    made.add_argument_group("learning curves").add_argument(
        "table",
        type=Path,
        metavar="TABLE",
        help="folder with epochs.parquet (trial, fold, epoch from 1, score, seconds; higher scores are "
        "better) and, where there is a test set, trials.parquet (trial, test_score)",
    )
    _add_rules(made)
    _add_draws(made)
    made.add_argument_group("output").add_argument(
        "--json", action="store_true", help="print a JSON list, a row per rule"
    )
    return made


def _add_rules(made: CommandParser) -> None:
    add = made.add_argument_group("rules").add_argument
    add("--rules", nargs="+", metavar="RULE",
        help="rules to compare, such as fold_asha or top_k:finalists=5,grace_period=4 "
        "(default: all)")  # fmt: skip
    for name, knob in NUMERIC_KNOBS.items():
        about = f"{knob.metadata['meaning']} (default: {knob.default})"
        add(f"--{name.replace('_', '-')}", type=int_at_least(knob.metadata["least"]), metavar="N", help=about)


def _add_draws(made: CommandParser) -> None:
    group = made.add_argument_group("draws and machine")
    add = group.add_argument
    add("--draws", type=int_at_least(1), default=200, metavar="N",
        help="random orders of trials and folds (default: 200)")  # fmt: skip
    add("--subset", type=int, metavar="N", help="configurations in each draw (default: all)")
    add_shared(group, "--seed", default=0, help="seed of the draws (default: 0)")
    add("--slots", type=int_at_least(1), default=4, metavar="N", help="fold runs at a time (default: 4)")
    add("--failures", type=float, default=0.0, metavar="SHARE",
        help="share of legs that fail, once each (default: 0)")  # fmt: skip
    add("--startup", type=float, default=0.0, metavar="SECONDS", help="cost of each leg's start (default: 0)")
    add("--workers", type=int_at_least(1), default=os.cpu_count() or 1, metavar="N",
        help="processes that simulate (default: one for each core)")  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 2 the input is wrong, 130 interrupted."""
    options = parser().parse_args(argv)
    from orchestrator.race.simulate.command import run  # not for --help: it loads pandas

    return exit_code(lambda: run(options), "interrupted; nothing was written")


if __name__ == "__main__":
    sys.exit(main())
