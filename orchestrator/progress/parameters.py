"""Parameters as short text that still tells trials apart."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.progress.text import clean

Config = Mapping[str, Any]
LONGEST = 24  # characters of a value
_END_OF_WORD = re.compile(r".*[_.\-/]")  # where a common beginning may end


class Varied:
    """The parameters that differ between the configurations so far, absent ones included."""

    def __init__(self, configs: Iterable[Config] = ()) -> None:
        self._first: dict[str, str] = {}  # name -> the value it came with
        self._varied: set[str] = set()
        self._configs = 0
        for config in configs:
            self.add(config)

    def add(self, config: Config) -> None:
        for name, value in config.items():
            is_new = name not in self._first
            if self._first.setdefault(name, repr(value)) != repr(value) or (is_new and self._configs):
                self._varied.add(name)
        self._varied.update(self._first.keys() - config.keys())
        self._configs += 1

    @property
    def names(self) -> tuple[str, ...]:
        """In the order in which configurations have them; none as long as there is one."""
        return tuple(name for name in self._first if name in self._varied)


def varied(configs: Mapping[int, Config]) -> list[str]:
    """Parameters that differ between configurations, absent ones included; none as long as there is one."""
    return list(Varied(configs.values()).names)


def parameters(config: Config, names: Collection[str]) -> str:
    """lr=3e-4 optimizer=sgd: those of `names` that this configuration has."""
    return " ".join(f"{clean(name)}={value(config[name])}" for name in names if name in config)


def value(item: Any, digits: int = 3) -> str:
    """The shortest form: 3e-4 for 0.0003, 0.01 as it is."""
    if isinstance(item, float):
        return number(item, digits)
    text = clean(item)
    return text if text else '""'


def number(item: float, digits: int = 3) -> str:
    """With so many digits that count, written out or with a power of ten, whichever is shorter."""
    plain = f"{item:.{digits}g}"
    if "n" in plain:  # inf, nan
        return plain
    mantissa, _, exponent = f"{item:.{digits - 1}e}".partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    scientific = f"{mantissa}e{int(exponent)}"
    if "e" in plain:
        return scientific
    return scientific if len(scientific) < len(plain) else plain


@dataclass(frozen=True)
class ParameterColumn:
    """One parameter of the shown trials."""

    title: str
    cells: tuple[str, ...]  # in the order of the trials; empty for one without this parameter


def parameter_columns(configs: Sequence[Config], names: Sequence[str]) -> list[ParameterColumn]:
    """A column for each of `names` that tells some of these trials apart, those that tell the most first."""
    if len(configs) == 1:
        told = list(names)
    else:
        kinds = {name: len({repr(config.get(name, _Absent)) for config in configs}) for name in names}
        told = [name for name in names if kinds[name] > 1]
        told.sort(key=lambda name: -min(kinds[name], 4))  # stable: columns should not change places often
    titles = _without_common_beginning([clean(name) for name in told])
    return [
        ParameterColumn(title, _cells([config.get(name, _Absent) for config in configs]))
        for title, name in zip(titles, told, strict=True)
    ]


class _Absent:
    """In place of a value: None is one."""


def _cells(values: Sequence[Any]) -> tuple[str, ...]:
    """Never the same text for two values that differ."""
    for digits in (3, 4, 6, 9, 17):
        texts = ["" if item is _Absent else value(item, digits) for item in values]
        if len(set(texts)) == len({repr(item) for item in values}):
            break
    words = [text for item, text in zip(values, texts, strict=True) if isinstance(item, str) and item]
    if len(words) == sum(item is not _Absent for item in values):
        short = dict(zip(words, _without_common_beginning(words), strict=True))
        texts = [short.get(text, text) for text in texts]
    cut = [_in_the_middle(text) for text in texts]
    return tuple(cut if len(set(cut)) == len(set(texts)) else texts)


def _without_common_beginning(words: Sequence[str]) -> list[str]:
    """tf_net_b0, tf_net_b4 -> b0, b4: whole parts of names alone."""
    if len(set(words)) < 2:
        return list(words)
    found = _END_OF_WORD.match(os.path.commonprefix(list(words)))  # noqa: RUF071  they are no paths
    length = 0 if found is None else found.end()
    short = [word[length:] for word in words]
    # A number alone would look like a value of its own.
    return short if all(word and not word[0].isdigit() for word in short) else list(words)


def _in_the_middle(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}…{text[-LONGEST // 2 + 1 :]}"
