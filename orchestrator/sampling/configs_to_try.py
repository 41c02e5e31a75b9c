"""Configurations a user wants tried first: `--try lr=0.001,loss=focal`, or the same as a JSON object."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.core.errors import SearchSpaceError
from orchestrator.core.text import counted
from orchestrator.space.domains import Domain
from orchestrator.space.loading import parse_settings
from orchestrator.space.search_space import SearchSpace, ordered

Tried = dict[str, Any]
_CLOSES = {"[": "]", "{": "}", "(": ")"}


def parse_try(text: str) -> Tried:
    """One `--try`: key=value pairs between commas, or a JSON object. Raises SearchSpaceError."""
    if text.lstrip().startswith("{"):
        try:  # of two equal keys json.loads would keep the last without a word
            return _stated(text, json.loads(text, object_pairs_hook=lambda pairs: _once(text, pairs)))
        except ValueError as error:
            raise SearchSpaceError(
                f"--try {text}: begins like JSON and is none ({error}); correct it, or write key=value,..."
            ) from None
    tried: Tried = {}
    for pair in _pieces(text):
        name, equals, _ = pair.partition("=")
        if not equals or not name.strip():
            raise SearchSpaceError(
                f"--try {text}: {pair.strip()!r} must read key=value; "
                "put a value that has commas into quotes, or give a JSON object"
            )
        if name.strip() in tried:
            raise SearchSpaceError(f"--try {text}: {name.strip()} is given twice; keep one")
        tried.update(parse_settings([pair]))
    return _stated(text, tried)


def _once(text: str, pairs: Sequence[tuple[str, Any]]) -> Tried:
    names = [name for name, _ in pairs]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise SearchSpaceError(f"--try {text}: {twice[0]} is given twice; keep one")
    return dict(pairs)


def _stated(text: str, tried: Tried) -> Tried:
    if not tried:
        raise SearchSpaceError(f"--try {text}: says no value; write key=value,... or leave it out")
    return tried


def _pieces(text: str) -> list[str]:
    """Split at the commas outside of quotes and brackets."""
    pieces, start, waiting = [], 0, ""  # waiting: what closes what is open, the innermost last
    for index, letter in enumerate(text):
        if waiting.endswith(letter):
            waiting = waiting[:-1]
        elif waiting.endswith('"'):
            continue  # brackets inside quotes are letters
        elif letter == '"':
            waiting += letter
        elif letter in _CLOSES:
            waiting += _CLOSES[letter]
        elif letter == "," and not waiting:
            pieces.append(text[start:index])
            start = index + 1
    return [*pieces, text[start:]]


def checked_tries(space: SearchSpace, tries: Sequence[Mapping[str, Any]]) -> list[Tried]:
    """Each with the values as the space has them. Raises SearchSpaceError naming value, rule and way out."""
    if len(tries) > space.trials:
        raise SearchSpaceError(
            f"--try is given {counted(len(tries), 'time')} and the study has "
            f"{counted(space.trials, 'trial')}; raise --trials, or leave some out"
        )
    checked: list[Tried] = []
    for tried in tries:
        own = {name: _value(space, name, value) for name, value in tried.items()}
        _check_active(space, own)
        if own in checked:
            raise SearchSpaceError(f"--try {_as_option(own)}: is given twice; leave one out")
        checked.append(own)
    return checked


def _value(space: SearchSpace, name: str, value: Any) -> Any:
    """The domain's own value where it is equal: 3 for 3.0, a list for a tuple."""
    if name not in space.domains:
        raise SearchSpaceError(f"--try {name}={value}: {_unknown(name, space.domains)}")
    domain = space.domains[name]
    finite = domain.finite()
    if finite is not None:
        same = [own for own in finite if _plain(own) == _plain(value)]
        if same:
            return same[0]
    elif not isinstance(value, bool) and domain.contains(value):
        return float(value)
    raise SearchSpaceError(
        f"--try {name}={json.dumps(value)}: the space has {name} = {domain}; "
        "give a value of it, or change the space's file"
    )


def _plain(value: Any) -> tuple[bool, Any]:
    """Comparable as JSON holds it, True apart from 1."""
    return isinstance(value, bool), list(value) if isinstance(value, tuple) else value


def _unknown(name: str, domains: Mapping[str, Domain]) -> str:
    close = difflib.get_close_matches(name, domains, n=1)
    hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(sorted(domains))}"
    return f"the space has no parameter {name}; {hint}"


def _check_active(space: SearchSpace, tried: Tried) -> None:
    """What a parameter depends on must be said too, where it is not fixed and active itself."""
    known: Tried = {}
    for name in ordered(space.domains):  # what others depend on comes first
        domain = space.domains[name]
        active, finite = domain.is_active(known), domain.finite()
        if name in tried and not active:
            needs = " and ".join(f"{other} in {list(values)}" for other, values in domain.conditions.items())
            raise SearchSpaceError(
                f"--try {name}={json.dumps(tried[name])}: {name} exists only for {needs}, which this --try "
                f"does not say; add that or leave {name} out"
            )
        if name in tried:
            known[name] = tried[name]
        elif active and finite is not None and len(finite) == 1:
            known[name] = finite[0]  # a constant need not be said


def _as_option(tried: Mapping[str, Any]) -> str:
    return ",".join(f"{name}={value}" for name, value in tried.items())
