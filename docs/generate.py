"""Writes the reference pages that are made from the code: commands, spaces, parameters.

python -m docs.generate     # after a change of an option, a field or a parameter
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import orchestrator.space as spaces
from orchestrator.cli.commands import COMMANDS
from orchestrator.cli.exit_codes import EXIT_CODES
from orchestrator.core.trainable import Parameter
from trainables.parameters import PARAMETERS

FOLDER = Path(__file__).parent / "reference"
NOTE = "<!-- made by python -m docs.generate; change the code and make it again -->\n"
SHAPE = "<!-- not run: the shape of the command -->"
DOMAINS = ("choice", "uniform", "loguniform", "quniform", "randint")
TARGETS = ("categorical", "binary", "one_hot", "multi_label", "age_bins", "joint")
_IMPORT = """<!-- run -->
```python
from orchestrator.space import Scale, SearchSpace, choice, loguniform, uniform
```"""
_DEFAULT = re.compile(r"\s*\(default: ((?:[^()]|\([^()]*\))+)\)")
_FIELD = re.compile(r"^    (\w+): ([^=#\n]+?)(?: = ([^#\n]+?))?(?:  # (.+))?$", re.MULTILINE)


def pages() -> dict[Path, str]:
    """Every generated page below docs/reference, with its text."""
    made = {Path("commands/index.md"): commands_page()}
    made |= {Path(f"commands/{command}.md"): command_page(command) for command in COMMANDS}
    return made | {Path("space.md"): space_page(), Path("parameters.md"): parameters_page()}


def commands_page() -> str:
    rows = [(f"[{command}]({command}.md)", _plain(line)) for command, line in COMMANDS.items()]
    codes = [(str(code), _plain(meaning)) for code, meaning in EXIT_CODES.items()]
    return _page(
        "# Commands",
        "Each is `python -m orchestrator.COMMAND`, or `fold-orchestrator COMMAND`; `--help` says what stands "
        "here, `--version` which version runs.",
        _table(("command", "what it does"), rows),
        "## Exit codes",
        _table(("exit code", "meaning"), codes),
    )


def command_page(command: str) -> str:
    parser = importlib.import_module(f"orchestrator.{command}.__main__").parser()
    return _page(f"# {command}", *_parser(parser))


def _parser(parser: argparse.ArgumentParser) -> Iterator[str]:
    usage = _usage(parser)
    yield _plain(" ".join((parser.description or "").split()))
    yield SHAPE
    yield f"    {usage}"
    for group in parser._action_groups:
        shown = [action for action in group._group_actions if _is_told(action)]
        if shown:
            yield f"## {(group.title or '').capitalize()}"
            yield _table(("option", "what it is", "default"), map(_option, shown))
    examples = getattr(parser, "examples", ())
    if examples:
        yield "## Examples"
        yield "\n".join(f"    {line}" for line in examples)
    yield from _sub_commands(parser)


def _sub_commands(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            told = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, sub in action.choices.items():
                yield f"## {name}"
                yield _plain(told.get(name, ""))
                yield SHAPE
                yield f"    {_usage(sub)}"
                options = [item for item in sub._actions if _is_told(item)]
                if options:
                    yield _table(("option", "what it is", "default"), map(_option, options))


def _usage(parser: argparse.ArgumentParser) -> str:
    """The parser's own words; argparse's would be wrapped to the width of the terminal."""
    if parser.usage:
        return parser.usage.replace("%(prog)s", parser.prog)
    places = [item.metavar or item.dest.upper() for item in parser._actions if not item.option_strings]
    return " ".join([parser.prog, *(str(place) for place in places), "[options]"])


def _is_told(action: argparse.Action) -> bool:
    general = {"help", "version"}
    return (
        action.help is not argparse.SUPPRESS
        and not isinstance(action, argparse._SubParsersAction)
        and not general & {name.strip("-") for name in action.option_strings}
    )


def _option(action: argparse.Action) -> tuple[str, str, str]:
    names = ", ".join([f"`{_with_value(action)}`", *(f"`{name}`" for name in action.option_strings[1:])])
    told = " ".join((action.help or "").replace("%%", "%").split())
    written = _DEFAULT.search(told)
    default = written[1] if written else _default(action)
    return names, _plain(_DEFAULT.sub("", told, count=1)), _plain(default)


def _with_value(action: argparse.Action) -> str:
    name = action.option_strings[0] if action.option_strings else ""
    if action.nargs == 0:
        return name
    choices = "{" + ",".join(map(str, action.choices)) + "}" if action.choices else None
    metavar = action.metavar or choices
    value = metavar if isinstance(metavar, str) else " ".join(metavar or (action.dest.upper(),))
    shape = {"?": f"[{value}]", "*": f"[{value} ...]", "+": f"{value} [...]"}
    return f"{name} {shape.get(str(action.nargs), value)}".strip()


def _default(action: argparse.Action) -> str:
    if action.required or (not action.option_strings and action.nargs not in ("?", "*")):
        return "must be given"
    empty: tuple[Any, ...] = (None, False, argparse.SUPPRESS)
    return "" if action.default in empty or action.default in ([], ()) else str(action.default)


def space_page() -> str:
    return _page(
        "# Spaces",
        "A space is a page of Python that makes one `SearchSpace` called `space`. "
        "`python -m orchestrator.tune --init my_space.py --data train.csv` writes one for your data.",
        _IMPORT,
        "## Fields of SearchSpace",
        _fields(spaces.SearchSpace),
        "## What a parameter may be",
        "A plain value is a constant. Every domain has `.when(other=value)`: the parameter exists only in "
        "configurations in which `other` has that value, or one of a list of values.",
        _table(("domain", "what it gives"), [_function(name) for name in DOMAINS]),
        "## Targets",
        "The name of a column is `categorical(name)`. Each with a table of its own: [targets](targets.md).",
        _table(("target", "what is predicted"), [_function(name) for name in TARGETS]),
        "## Scales",
        "`scales` may declare `small`, taken where there is no GPU, and `smoke`, a minute to see that all "
        "of it runs. A `Scale` has these fields; None leaves the space's own, `params` override single ones:",
        ", ".join(f"`{item.name}`" for item in fields(spaces.Scale)),
    )


def _fields(of: type) -> str:
    rows = []
    for name, kind, default, comment in _FIELD.findall(inspect.getsource(of).split("\n    def ")[0]):
        value = default.replace("field(default_factory=dict)", "{}")
        rows.append((f"`{name}`", f"`{kind}`", f"`{value}`" if value else "must be given", _plain(comment)))
    return _table(("field", "type", "default", "what it is"), rows)


def _function(name: str) -> tuple[str, str]:
    made = getattr(spaces, name)
    signature = inspect.signature(made)
    bare = signature.replace(
        parameters=[item.replace(annotation=item.empty) for item in signature.parameters.values()],
        return_annotation=signature.empty,
    )
    return f"`{name}{bare}`", _plain((inspect.getdoc(made) or "").split("\n\n")[0].replace("\n", " "))


def parameters_page() -> str:
    return _page(
        "# Parameters",
        "All that `trainables.image_classifier:ImageClassifier` takes, with the default that holds where a "
        "space does not name it; on the command line: `--set lr=0.001`. By subject and with their sources: "
        "[techniques](techniques.md).",
        _table(("parameter", "default", "values", "what it is"), _parameters(PARAMETERS)),
    )


def _parameters(table: Mapping[str, Parameter]) -> Iterator[tuple[str, str, str, str]]:
    for name, item in table.items():
        yield f"`{name}`", f"`{item.default!r}`", _values(item), _plain(item.doc)


def _values(item: Parameter) -> str:
    if item.choices is not None:
        return ", ".join(f"`{choice!r}`" for choice in item.choices)
    low, high = item.minimum, item.maximum
    limits = "" if low is None and high is None else f" {_limits(low, high)}"
    return " or ".join(item.types) + limits


def _limits(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return f"at least {low:g}" if low is not None else f"at most {high:g}"
    return f"{low:g} to {high:g}"


def _plain(text: str) -> str:
    """Text as it stands, also where Markdown would read a sign of its own in it; `code` stays code."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(part if number % 2 else _escaped(part) for number, part in enumerate(parts))


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*<>\[\]|]|(?<!\w)_|_(?!\w))", r"\\\1", text)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join([_row(head), f"|{'---|' * len(head)}", *map(_row, rows)])


def _row(cells: Sequence[str]) -> str:
    """GitHub ends a cell at every bar, also between backticks."""
    safe = [re.sub(r"(?<!\\)\|", r"\\|", cell) for cell in cells]
    return f"| {' | '.join(safe)} |"


def _page(title: str, *parts: str) -> str:
    return "\n\n".join([title, NOTE.strip(), *(part for part in parts if part)]) + "\n"


def stale(folder: Path = FOLDER) -> list[str]:
    """Pages that are not what the code says now, those of commands that are gone included."""
    made = pages()
    found = {path.relative_to(folder) for path in (folder / "commands").glob("*.md")}
    wrong = {path for path, text in made.items() if _text_of(folder / path) != text}
    return sorted(map(str, wrong | (found - made.keys())))


def _text_of(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def write(folder: Path = FOLDER) -> None:
    for name in stale(folder):
        (folder / name).unlink(missing_ok=True)
    for path, text in pages().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


if __name__ == "__main__":
    write()
