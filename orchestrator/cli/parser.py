"""What the parser of every command gives: examples, --version, a suggestion for a misspelt option.

made = command_parser("tune", "--space SPACE [options]", ["--space age"])
group = made.add_argument_group("data")
add_shared(group, "--data", "--runs")
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from orchestrator.cli.commands import COMMANDS
from orchestrator.core.text import suggestion

_FIRST_PACKAGES = ("numpy", "pandas", "rich", "sortedcontainers")
"""What commands import before anything else; whether all packages are as they must be, `doctor` looks."""
_OPTION = re.compile(r"--?[A-Za-z]\S+")  # as argparse sees one: a negative number and a sentence are none


class _Format(argparse.HelpFormatter):
    """Wraps sentences; a line that begins with spaces stays as it is."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = text.splitlines()
        return "\n".join(
            line if line.startswith(" ") else super(_Format, self)._fill_text(line, width, indent)
            for line in lines
        )


class _Version(argparse.Action):
    """Asks for the version when it is wanted: looking it up takes longer than everything else here."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> NoReturn:
        print(f"fold-orchestrator {version()}")
        parser.exit()


class CommandParser(argparse.ArgumentParser):
    """A parser that refuses in one or two lines, knows no abbreviations, and suggests what may be meant."""

    examples: Sequence[str] = ()  # whole commands, as --help shows them
    needs_packages = False  # whether what comes after the options is nothing without `make setup`

    def __init__(self, **options: Any) -> None:
        # An abbreviation is a misspelling that silently means something; another option can change what.
        super().__init__(**{"allow_abbrev": False, "formatter_class": _Format, **options})
        self._optionals.title = "general"

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Looks for misspelt options first: otherwise a required option would be missed in their place."""
        words = sys.argv[1:] if args is None else list(args)
        self._refuse_unknown(words)
        return super().parse_known_args(words, namespace)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """--help and --version need no package, nor does the refusal of an option."""
        found = super().parse_args(args, namespace)
        if self.needs_packages:
            self._refuse_before_setup()
        return found

    def _refuse_before_setup(self) -> None:
        missing = [name for name in _FIRST_PACKAGES if importlib.util.find_spec(name) is None]
        if missing:
            self.exit(
                2,
                f"error: this Python, {sys.executable}, has no package {', '.join(missing)}: `make setup` "
                "installs all\ninto .venv, and after `source .venv/bin/activate` the same command runs\n",
            )

    def _refuse_unknown(self, words: Iterable[str]) -> None:
        for word in words:
            own = self._subparsers is None or word.startswith("-")  # a sub-command looks at its own options
            if word == "--" or not own:
                return
            name = word.split("=")[0]
            if _OPTION.fullmatch(name) and name not in self._option_string_actions:
                self.error(f"{name} is no option of this command{self._hint(name)}")

    def _hint(self, name: str) -> str:
        known, name = self._long_options(), f"--{name.lstrip('-')}"
        begun = [option for option in known if option.startswith(name)]
        return f"; did you mean {' or '.join(begun)}?" if begun else suggestion(name, known)

    def _long_options(self) -> list[str]:
        shown = [item for item in self._actions if item.help is not argparse.SUPPRESS]
        return [name for item in shown for name in item.option_strings if name.startswith("--")]

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message.removeprefix('argument ')}\nsee {self.prog} --help\n")


def command_parser(
    command: str,
    usage: str,
    examples: Sequence[str],
    more: str = "",
    needs_packages: bool = True,
    **options: Any,
) -> CommandParser:
    """The parser of `python -m orchestrator.<command>`. KeyError where COMMANDS has no line for it.

    usage, examples: without that beginning; more: sentences below the command's one line.
    needs_packages: False where it does something before `make setup`, too.
    """
    prog = f"python -m orchestrator.{command}"
    whole = [f"{prog} {example}".rstrip() for example in examples]
    made = CommandParser(
        prog=prog,
        usage=f"%(prog)s {usage}".rstrip(),
        description=f"{COMMANDS[command]} {more}".rstrip(),
        epilog="\n".join(["examples:", *(f"  {line}" for line in whole)]),
        **options,
    )
    made.examples = whole
    made.needs_packages = needs_packages
    add_version(made)
    return made


def add_version(parser: CommandParser) -> None:
    # SUPPRESS: it leaves nothing behind among the values of a command's options.
    parser.add_argument(
        "--version", action=_Version, nargs=0, default=argparse.SUPPRESS, help="show the version and exit"
    )


def version() -> str:
    """Of the installed distribution; a copied tree that was never installed has none."""
    import importlib.metadata

    try:
        return importlib.metadata.version("fold-orchestrator")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed; this is a copy of its source)"
