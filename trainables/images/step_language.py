"""The little language of steps: `flip(0.5) + one_of(noise(0.1), clahe(), p=0.7)`, read, never evaluated.

A specification is steps joined by + or commas. A step is a name, or a call whose arguments are numbers, text,
sizes such as 300x240, tuples of these, or steps again. What a step takes is a table of `Argument`s.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.errors import TrainableError
from orchestrator.core.text import suggestion

LONGEST = 2000  # characters; deeper nesting than these allow is a mistake
REQUIRED = object()
_SIZE = re.compile(r"(?<!['\"\w.])(\d+x\d+)(?!['\"\w])")  # 300x240 is no Python; as text it is


@dataclass(frozen=True)
class Call:
    """One step as written. text: its canonical spelling, for messages and names of files."""

    name: str
    positional: tuple[Any, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True)
class Argument:
    """A number in [low, high]; whole: an int. default REQUIRED: it has to be given."""

    default: Any = REQUIRED
    low: float = 0.0
    high: float = 1.0
    whole: bool = False

    def checked(self, value: Any) -> Any:
        """The value, as int or float. Raises ValueError with the rule."""
        kind = int if self.whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kind) or not self.low <= value <= self.high:
            what = "a whole number" if self.whole else "a number"
            raise ValueError(f"{what} from {self.low:g} to {self.high:g}")
        return value if self.whole else float(value)


Error = Callable[[str], TrainableError]


def parse_calls(text: str, parameter: str) -> tuple[Call, ...]:
    """The steps of a specification, "" has none. Raises TrainableError that names the parameter and piece."""
    error = error_in(text, parameter)
    if len(text) > LONGEST:
        raise error(f"longer than {LONGEST} characters")
    if not text.strip():
        return ()
    try:
        quoted = _SIZE.sub(r"'\1'", text.strip())
        tree = ast.parse(f"({quoted},)", mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise error("cannot be read; write steps as name(value, ...) joined by +") from None
    assert isinstance(tree, ast.Tuple)  # the comma after it makes one
    return tuple(_call(node, error) for node in _joined(tree.elts))


def error_in(text: str, parameter: str) -> Error:
    """Makes the errors of one specification; each starts with it."""
    shown = text if len(text) <= 200 else f"{text[:200]}..."
    return lambda reason: TrainableError(f"{parameter}={shown!r}: {reason}")


def _joined(nodes: Iterable[ast.expr]) -> list[ast.expr]:
    """The operands of every +, in order."""
    waiting, found = list(nodes)[::-1], []
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            waiting += [node.right, node.left]
        else:
            found.append(node)
    return found


def _call(node: ast.expr, error: Error) -> Call:
    text = ast.unparse(node)
    if isinstance(node, ast.Name):
        return Call(node.id, text=f"{node.id}()")
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise error(f"{text} is no step; write a name with its arguments, such as flip(0.5)")
    named: dict[str, Any] = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise error(f"{text}: ** is not known here; name each argument")
        if keyword.arg in named:
            raise error(f"{text} gives {keyword.arg} twice")
        named[keyword.arg] = _value(keyword.value, error)
    return Call(node.func.id, tuple(_value(item, error) for item in node.args), named, text)


def _value(node: ast.expr, error: Error) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inside = _value(node.operand, error)
        if isinstance(inside, int | float):
            return -inside
    if isinstance(node, ast.Tuple):
        return tuple(_value(item, error) for item in node.elts)
    if isinstance(node, ast.Call | ast.Name):
        return _call(node, error)
    raise error(f"{ast.unparse(node)} is no number, text, size or step")


def known(call: Call, names: Iterable[str], error: Error) -> None:
    """Raises where the step's name is not among `names`."""
    choices = sorted(names)
    if call.name not in choices:
        hint = suggestion(call.name, choices) or f"; known are {', '.join(choices)}"
        raise error(f"{call.name} is not known{hint}")


def bound(call: Call, arguments: Mapping[str, Argument], error: Error) -> dict[str, Any]:
    """Every argument's value, by name. Raises where the call has too many, too few, unknown or bad ones."""
    given = given_by_name(call, tuple(arguments), error)
    values = {}
    for name, argument in arguments.items():
        value = given.get(name, argument.default)
        if value is REQUIRED:
            raise error(f"{call.text} needs {name}")
        try:
            values[name] = argument.checked(value)
        except ValueError as rule:
            shown = value.text if isinstance(value, Call) else repr(value)
            raise error(f"{call.text}: {name}={shown} must be {rule}") from None
    return values


def given_by_name(call: Call, names: tuple[str, ...], error: Error) -> dict[str, Any]:
    """What was written, each value under its argument's name."""
    takes = f"it takes {', '.join(names)}" if names else "it takes none"
    if len(call.positional) > len(names):
        raise error(f"{call.text} has {len(call.positional)} arguments; {takes}")
    given = dict(zip(names, call.positional, strict=False))
    for name, value in call.named.items():
        if name not in names:
            hint = suggestion(name, names) or f"; {takes}"
            raise error(f"{call.text}: argument {name} is not known{hint}")
        if name in given:
            raise error(f"{call.text} gives {name} twice")
        given[name] = value
    return given
