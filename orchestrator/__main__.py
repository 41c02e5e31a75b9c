"""Every command by its name: `python -m orchestrator tune ...`, and the console script fold-orchestrator."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from orchestrator.cli.commands import COMMANDS
from orchestrator.cli.parser import CommandParser, add_version
from orchestrator.core.text import suggestion


def main(argv: Sequence[str] | None = None) -> int:
    """Lists the commands, or runs one; its exit code. 2 for a command that there is not."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words and words[0] in COMMANDS:
        return int(importlib.import_module(f"orchestrator.{words[0]}.__main__").main(words[1:]))
    made = parser()
    if words and not words[0].startswith("-"):
        made.error(f"{words[0]!r} is no command{suggestion(words[0], COMMANDS)}")
    made.parse_args(words)
    made.print_help()
    return 0


def parser() -> CommandParser:
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:{width}}  {line}" for name, line in COMMANDS.items())
    made = CommandParser(
        prog="python -m orchestrator",
        usage="%(prog)s COMMAND [options]",
        description=f"Cross-validated search for image classification.\n\ncommands:\n{listed}",
        epilog="Each command explains its options, for example:\n  python -m orchestrator.tune --help\n\n"
        "Exit codes: 0 done, 1 not done, 2 the input is wrong, 130 interrupted.",
    )
    add_version(made)
    return made


if __name__ == "__main__":
    sys.exit(main())
