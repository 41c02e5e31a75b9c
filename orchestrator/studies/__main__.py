"""Studies listed, shown, compared, removed and exported; what their users say of them.

python -m orchestrator.studies list
python -m orchestrator.studies compare age age_b
python -m orchestrator.studies score age --public 0.713
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from orchestrator.cli.arguments import int_at_least
from orchestrator.cli.exit_codes import exit_code
from orchestrator.cli.options import add_shared
from orchestrator.cli.parser import CommandParser, command_parser

STATES = ("finished", "interrupted", "stopped", "open", "running", "damaged")
SORTS = ("begun", "changed", "name", "best", "size", "trials", "state")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 not done, 2 the input is wrong, 130 interrupted."""
    arguments = parser().parse_args(argv)
    from orchestrator.studies.command import run  # not for --help: it loads pandas

    removes = arguments.command in ("rm", "clean")
    left = (
        "each study is whole or gone, and clean ends a removal" if removes else "nothing half-written is left"
    )
    return exit_code(lambda: run(arguments), f"interrupted; {left}")


def _score(text: str) -> float:
    import math

    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number")
    return value


def parser() -> CommandParser:
    made = command_parser(
        "studies",
        "COMMAND [options]",
        [
            "list",
            "show age",
            "compare age age_b",
            "rm age_b",
            'note age "flip hurts"',
            "score age --public 0.713",
        ],
        more="Each command explains itself: rm --help.",
    )
    commands = made.add_subparsers(
        dest="command", required=True, title="commands", metavar="COMMAND", prog=made.prog
    )
    for name, add in ADD.items():
        sub = _sub(commands, name)
        add(sub)
        add_shared(sub.add_argument_group("where"), "--runs")
    return made


# command -> what it does in a line, what more there is to know, examples
DESCRIBED = {
    "list": (
        "List all studies of a folder.",
        "A study that is damaged is a line. Names may be patterns, such as 'age*'.",
        ["list", "list 'age*' --sort best", "list --state finished --json"],
    ),
    "show": (
        "Show one study: settings, scores, notes, the next command.",
        "",
        ["show age", "show age --json"],
    ),
    "compare": (
        "Say what differs between studies, and by how much they do.",
        "Settings, ranges, data, folds, seed, rule and code are compared; of studies on the same rows the "
        "best trials, too, paired by fold and by row, each with the first.",
        ["compare age age_b"],
    ),
    "rm": (
        "Remove studies, and what they have in a store.",
        "It says first what goes, what stays and what else uses it, and asks. A study that is being driven "
        "or read is refused, no link is followed, and what in a store is not certainly its own stays.",
        ["rm age_b", "rm age_b age_c --yes"],
    ),
    "clean": (
        "Remove what searches keep to be quicker next time.",
        "Below RUNS/.cache: decoded images, measures, features, demo faces; folds and the copies that check "
        "found stay. It says first what goes and what its loss costs, and asks; without a terminal it only "
        "says. Rests of removals that were interrupted go too.",
        ["clean", "clean --older 7d", "clean --max-size 5GB --yes"],
    ),
    "export": (
        "Write all trials of all studies as one table.",
        "A row per trial: study, space, metric, each fold's score, parameters. In CSV no cell is a formula.",
        ["export --out trials.parquet", "export 'age*' --out trials.csv"],
    ),
    "note": (
        "Write a note on a study down, or show its notes.",
        "Notes are kept in its folder, only ever appended to, and shown by list, show and the report.",
        ['note age "label smoothing 0.1 next"', "note age"],
    ),
    "score": (
        "Write a leaderboard's score of a study down, or show them.",
        "The out-of-fold score of its newest ensemble (or of --ensemble, or else of its best trial) is kept "
        "beside it; from four scores on, how well one order foretells the other.",
        ["score age --public 0.713", "score age --private 0.70 --ensemble ensemble-1", "score age"],
    ),
}


USAGE = {
    "list": "[NAME ...]",
    "show": "NAME",
    "compare": "NAME OTHER ...",
    "rm": "NAME ...",
    "clean": "",
    "export": "[NAME ...]",
    "note": "NAME [TEXT]",
    "score": "NAME [--public SCORE]",
}


def _sub(commands: Any, name: str) -> CommandParser:
    line, more, examples = DESCRIBED[name]
    typed = [f"python -m orchestrator.studies {example}" for example in examples]
    epilog = "\n".join(["examples:", *(f"  {example}" for example in typed)])
    made: CommandParser = commands.add_parser(
        name,
        usage=" ".join(("%(prog)s", USAGE[name], "[options]")).replace("  ", " "),
        help=line,
        description=f"{line} {more}".rstrip(),
        epilog=epilog,
    )
    made.examples = typed
    return made


def _patterns(made: CommandParser) -> None:
    made.add_argument("names", nargs="*", metavar="NAME", help="names or patterns (default: all studies)")


def _list(made: CommandParser) -> None:
    _patterns(made)
    add = made.add_argument_group("what and how").add_argument
    add(
        "--sort",
        choices=SORTS,
        default="begun",
        help="order, the newest, best or largest first (default: begun)",
    )
    add("--state", choices=STATES, help="studies in this state alone")
    for name in ("space", "data", "metric"):
        add(f"--with-{name}", metavar="PATTERN", help=f"studies whose {name} matches this alone")
    add("--json", action="store_true", help="print all that is known of each as JSON")


def _show(made: CommandParser) -> None:
    made.add_argument("name", metavar="NAME", help="name or folder of a study")
    add = made.add_argument_group("how").add_argument
    add("--json", action="store_true", help="print it as JSON")


def _compare(made: CommandParser) -> None:
    made.add_argument(
        "name", metavar="NAME", help="name or folder of the study that others are compared with"
    )
    made.add_argument("others", nargs="+", metavar="OTHER", help="names or folders of the others")
    group = made.add_argument_group("how")
    add_shared(group, "--seed", default=0, help="seed of the resamples (default: 0)")
    group.add_argument(
        "--repeats",
        type=int_at_least(100),
        default=2000,
        metavar="N",
        help="resamples of the groups (default: 2000)",
    )
    add_shared(group, "--trust")


def _rm(made: CommandParser) -> None:
    made.add_argument("names", nargs="+", metavar="NAME", help="names or folders of studies")
    add = made.add_argument_group("how").add_argument
    add("--yes", action="store_true", help="remove without asking")
    add("--keep-storage", action="store_true", help="leave what lies in a store given with --storage")


def _clean(made: CommandParser) -> None:
    add = made.add_argument_group("what and how").add_argument
    add(
        "--older",
        metavar="TIME",
        help="remove what was last used so long ago, such as 7d or 12h (default: 30d)",
    )
    add(
        "--max-size",
        metavar="SIZE",
        help="and the longest unused until so much is left, such as 5GB or 500MB",
    )
    add("--yes", action="store_true", help="remove without asking")


def _export(made: CommandParser) -> None:
    _patterns(made)
    add = made.add_argument_group("where to").add_argument
    add("--out", type=Path, default=Path("trials.parquet"), metavar="FILE",
        help="new .parquet or .csv file (default: trials.parquet)")  # fmt: skip


def _note(made: CommandParser) -> None:
    made.add_argument("name", metavar="NAME", help="name or folder of a study")
    made.add_argument("text", nargs="?", metavar="TEXT", help="what to write down (default: show the notes)")


def _score_options(made: CommandParser) -> None:
    made.add_argument("name", metavar="NAME", help="name or folder of a study")
    add = made.add_argument_group("what").add_argument
    add("--public", type=_score, metavar="SCORE", help="score of the public leaderboard")
    add("--private", type=_score, metavar="SCORE", help="score of the private leaderboard")
    add("--ensemble", type=Path, metavar="DIR",
        help="ensemble that was submitted (default: the study's newest, or else its best trial)")  # fmt: skip
    add("--note", default="", metavar="TEXT", help="what to remember of the submission")


ADD: dict[str, Callable[[CommandParser], None]] = {
    "list": _list,
    "show": _show,
    "compare": _compare,
    "rm": _rm,
    "clean": _clean,
    "export": _export,
    "note": _note,
    "score": _score_options,
}

if __name__ == "__main__":
    sys.exit(main())
