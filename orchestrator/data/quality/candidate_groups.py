"""Groupings that names, folders, columns and times could mean; whether they do is for evidence to say."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from orchestrator.data.group_words import says_group
from orchestrator.data.identical_files import codes_of
from orchestrator.data.scalars import Scalar, to_text

WORDS = (
    "patient|subject|subj|person|participant|case|animal|plant|plate|slide|wsi|specimen|donor|mouse|lesion|site|"
    "individual|scene|video|vid|clip|session|sequence|seq|series|burst|camera|cam|pid"
)
"""Words in file and folder names after which a number says whose image it is."""
_NAMED = re.compile(rf"(?<![A-Za-z])({WORDS})[ _.-]?[A-Za-z]?\d+", re.IGNORECASE)
_TOKEN = re.compile(r"[^\W\d_]+|\d+|[\W_]+")
_MATCHED = 0.9
"""Share of the names that a pattern has to fit; each of the others is then a group of its own."""
_MOST_TOKENS = 12  # of a name that are looked at
SESSION_S = 1800
"""Seconds without a picture that end a session of one camera."""


@dataclass(frozen=True)
class Candidate:
    """A grouping of n rows."""

    found: str  # where it was found, in words
    option: str  # what applies it; "" where only a written table can
    names: tuple[str, ...]  # (n,) of the group of each row
    named: bool = False  # whether a word such as patient says what it is
    parts: tuple[tuple[str, ...], ...] = ()  # (n,) each: what the names are put together of

    @property
    def codes(self) -> NDArray[np.int64]:
        return codes_of(self.names)


# ---- file names -----------------------------------------------------------------------------------


def from_names(paths: Sequence[str]) -> list[Candidate]:
    """What stands behind a word such as patient; then the beginnings of the names, the shortest first; then
    each part of them by itself."""
    names = [path.rpartition("/")[2] for path in paths]
    found = _with_word(names, "the file names")
    form = _form(names)
    matches = [re.match("".join(f"({piece})" for piece in form), name) for name in names]
    parts = [
        tuple(name if match is None else match[at] for name, match in zip(names, matches, strict=True))
        for at in range(1, len(form) + 1)
    ]
    for length in range(1, len(form)):
        pattern = f"^({''.join(form[:length])}|.+)"
        found += _by_pattern(names, pattern, "how the file names begin", parts=parts[:length])
    for at in range(1, len(form)):
        inner = f"^{''.join(form[:at])}({form[at]})"
        found += _by_pattern(names, inner, f"part {at + 1} of the file names")
    return found


def _form(names: Sequence[str]) -> list[str]:
    """What the names have in common, part by part, as pieces of a pattern: letters, digits, and between."""
    tokens = [_TOKEN.findall(name.rpartition(".")[0] or name)[:_MOST_TOKENS] for name in names]
    form: list[str] = []
    for at in range(_MOST_TOKENS):
        piece = _piece([parts[at] for parts in tokens if len(parts) > at], len(names))
        if piece is None:
            break
        form.append(piece)
    return form


def _piece(texts: Sequence[str], total: int) -> str | None:
    """What nearly all of the total names have at one place; None where that differs."""
    if not texts:
        return None
    literal, times = Counter(texts).most_common(1)[0]
    if times >= _MATCHED * total:
        return re.escape(literal)
    for piece in (r"\d+", "[A-Za-z]+", r"[^\W\d_]+"):
        if sum(re.fullmatch(piece, text) is not None for text in texts) >= _MATCHED * total:
            return piece
    return None


def _by_pattern(
    texts: Sequence[str],
    pattern: str,
    found: str,
    named: bool = False,
    parts: Sequence[tuple[str, ...]] = (),
) -> list[Candidate]:
    """One where the pattern fits every text; as --group-pattern reads it."""
    matches = [re.search(pattern, text) for text in texts]
    names = [match[1] for match in matches if match is not None and match[1]]
    if len(names) < len(texts) or sum(name != text for name, text in zip(names, texts, strict=True)) < (
        _MATCHED * len(texts)
    ):
        return []
    return [Candidate(found, f"--group-pattern {shlex.quote(pattern)}", tuple(names), named, tuple(parts))]


def _with_word(texts: Sequence[str], where: str) -> list[Candidate]:
    """Of the most frequent word alone."""
    words = Counter(match[1].lower() for text in texts if (match := _NAMED.search(text)) is not None)
    if not words:
        return []
    word = words.most_common(1)[0][0]
    pattern = rf"((?<![A-Za-z])(?i:{word})[ _.-]?[A-Za-z]?\d+)"
    return _by_pattern(texts, pattern, f"{where} say {word}", named=True)


# ---- folders --------------------------------------------------------------------------------------


def from_folders(paths: Sequence[str]) -> list[Candidate]:
    """The name of each level of the folders, and the way down to it."""
    depth = min((path.count("/") for path in paths), default=0)
    found: list[Candidate] = []
    levels = [tuple(path.split("/")[level] for path in paths) for level in range(depth)]
    for level, names in enumerate(levels):
        above = rf"^(?:[^/]+/){{{level}}}" if level else "^"
        share = sum(_NAMED.match(name) is not None for name in names) / len(names)
        named = share >= _MATCHED
        found += _by_pattern(paths, f"{above}([^/]+)/", f"the folders of level {level + 1}", named)
        if level:
            way = rf"^((?:[^/]+/){{{level}}}[^/]+)/"
            found += _by_pattern(
                paths, way, f"the folders down to level {level + 1}", named, levels[: level + 1]
            )
    return found


# ---- columns --------------------------------------------------------------------------------------


def from_columns(columns: Mapping[str, Sequence[Scalar]]) -> list[Candidate]:
    """Columns without a missing value whose values repeat; measurements (with a fraction) are none."""
    found = []
    for name, cells in columns.items():
        texts = [to_text(cell) for cell in cells]
        names = tuple(text for text in texts if text is not None)
        measured = any(isinstance(cell, float) for cell in cells)
        if len(names) == len(texts) and not measured:
            found.append(
                Candidate(
                    f"the column {name}",
                    f"group={json.dumps(name, ensure_ascii=False)}",
                    names,
                    says_group(name),
                )
            )
    return found


# ---- times ----------------------------------------------------------------------------------------


def from_times(camera: Sequence[str], taken: Sequence[str], paths: Sequence[str]) -> list[Candidate]:
    """Sessions of one camera: pictures with less than half an hour between them, by EXIF. Half of the images
    at least must have a time; each of the others is alone."""
    times = [_seconds(text) for text in taken]
    if sum(time is not None for time in times) * 2 < len(times):
        return []
    known = [row for row, time in enumerate(times) if time is not None]
    order = sorted(known, key=lambda row: (camera[row], times[row]))
    names, session = list(paths), ""
    for before, row in zip([None, *order], order, strict=False):
        if before is None or _begins(camera, times, before, row):
            session = f"{camera[row]} {taken[row]}".strip()
        names[row] = session
    return [Candidate("sessions of one camera, by EXIF", "", tuple(names))]


def _begins(camera: Sequence[str], times: Sequence[float | None], before: int, row: int) -> bool:
    """Whether a session begins with a row; both have a time."""
    one, other = times[before], times[row]
    assert one is not None and other is not None
    return camera[before] != camera[row] or other - one > SESSION_S


def _seconds(taken: str) -> float | None:
    """Of 2015-06-19 11:47:56, as `trainables.images.exif` gives it; as of a clock that no summer shifts."""
    try:
        return datetime.strptime(taken, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


# ---- near duplicates --------------------------------------------------------------------------------


def from_chains(near_pairs: NDArray[np.int64], paths: Sequence[str]) -> list[Candidate]:
    """Rows that a chain of near duplicates leads from one to the other, as through the frames of a film."""
    if not len(near_pairs):
        return []
    ends = (np.ones(len(near_pairs), np.int8), (near_pairs[:, 0], near_pairs[:, 1]))
    graph = coo_matrix(ends, shape=(len(paths), len(paths)))
    _, chain = connected_components(graph, directed=False)
    first = np.unique(chain, return_index=True)[1]
    names = tuple(paths[row] for row in first[chain].tolist())
    return [Candidate("chains of near duplicates", "", names)]
