"""Prints what a shell reads to complete commands, options and names of studies.

source <(python -m orchestrator completion bash)
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from orchestrator.cli.exit_codes import exit_code
from orchestrator.cli.parser import CommandParser, command_parser

SHELLS = ("bash", "zsh", "fish")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 2 the input is wrong."""
    arguments = parser().parse_args(argv)

    def run() -> None:
        from orchestrator.completion import scripts, words

        print(scripts.SHELLS[arguments.shell](words.all_words()), end="")

    return exit_code(run, "interrupted")


def parser() -> CommandParser:
    made = command_parser(
        "completion",
        "SHELL [options]",
        ["bash", "fish"],
        more="For bash write `source <(python -m orchestrator completion bash)` into ~/.bashrc, for zsh the "
        "same with zsh into ~/.zshrc, for fish `python -m orchestrator completion fish | source` into "
        "config.fish. The script asks Python nothing, so it answers at once.",
    )
    made.add_argument(
        "shell", metavar="SHELL", choices=SHELLS, help=f"shell to complete in: {', '.join(SHELLS)}"
    )
    return made


if __name__ == "__main__":
    sys.exit(main())
