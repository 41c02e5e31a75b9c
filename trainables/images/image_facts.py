"""What is worth knowing of the decoded images: a person who saw them would see at once that they went wrong.

Facts alone; no fold run sees them. Labels are looked at only to say which equal images have different ones.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import ImageReadError
from orchestrator.core.text import counted, shortened
from trainables.images.pixels import Decoded, Images
from trainables.images.value_range import count_levels

NOTE = np.dtype(
    [
        ("height", np.int32),  # pixels, upright, before preprocessing
        ("width", np.int32),
        ("low", np.uint8),  # smallest and largest value of the stored image
        ("high", np.uint8),
        ("is_constant", np.bool_),  # one colour throughout
        ("turned", np.bool_),
        ("transparent", np.bool_),
        ("reduced", np.bool_),
        ("cut", np.bool_),
        ("top", np.float64),  # as of Decoded
        ("levels", np.int64),
        ("kept", np.int64),  # levels that are left of them
        ("sample", np.int64),  # a hash of some of its stored pixels: equal images have equal ones
    ]
)
_STRIDE = 8  # every eighth pixel of a side is in the sample
_FEW = 64  # grey levels; with fewer, and most of the file's lost, shades are gone
_BITS = {255: "8bit", 1023: "10bit", 4095: "12bit", 16383: "14bit", 65535: "16bit"}


def note(decoded: Decoded, stored: Images) -> tuple[Any, ...]:
    """Of one image, in the order of NOTE. stored: preprocessed and resized."""
    height, width = (decoded.reduced * side for side in decoded.pixels.shape[:2])
    low, high = int(stored.min()), int(stored.max())
    sample = stored[::_STRIDE, ::_STRIDE].tobytes()
    may_be_constant = sample == sample[:3] * (len(sample) // 3)  # quickly false
    is_constant = may_be_constant and bool((stored == stored[0, 0]).all())
    kept = count_levels(decoded.pixels) if decoded.levels else 0
    flags = (is_constant, decoded.turned, decoded.transparent, decoded.reduced > 1, decoded.cut)
    return (height, width, low, high, *flags, decoded.top, decoded.levels, kept, hash(sample))


@dataclass(frozen=True)
class ImageFacts:
    """Of n different files. Lists hold the first row of a file."""

    images: int
    heights: tuple[int, int]  # smallest and largest, pixels
    widths: tuple[int, int]
    values: tuple[int, int]  # smallest and largest of 0 to 255
    turned: int  # how many EXIF said to turn
    transparent: int
    reduced: int  # too large to hold, decoded at a smaller size
    tops: Mapping[str, int]  # of more than 8 bits: the value that became 255 -> how many files
    constant: Sequence[int]  # of one colour throughout
    coarse: Sequence[int]  # of more than 8 bits, with most of their shades lost
    cut: Sequence[int]  # with values beyond the range
    identical: Sequence[Sequence[int]]  # rows whose stored pixels are equal, two or more

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> ImageFacts:
        pairs = {name: tuple(found[name]) for name in ("heights", "widths", "values")}
        return cls(**{**found, **pairs})


def gather_facts(notes: NDArray[np.void], paths: Sequence[str], images: Images) -> ImageFacts:
    """notes (n,) of NOTE and images (n, H, W, 3) as stored, of the rows with these paths."""
    rows = np.array(sorted({path: row for row, path in reversed(list(enumerate(paths)))}.values()), np.int64)
    own = notes[rows]
    deep = own["levels"] > 0
    coarse = deep & (own["kept"] < _FEW) & (own["levels"] >= 2 * own["kept"])
    return ImageFacts(
        images=len(rows),
        heights=_ends(own["height"], own["height"]),
        widths=_ends(own["width"], own["width"]),
        values=_ends(own["low"], own["high"]),
        turned=int(own["turned"].sum()),
        transparent=int(own["transparent"].sum()),
        reduced=int(own["reduced"].sum()),
        tops=dict(sorted(Counter(f"{top:g}" for top in own["top"][deep]).items())),
        constant=rows[own["is_constant"]].tolist(),
        coarse=rows[coarse].tolist(),
        cut=rows[own["cut"]].tolist(),
        identical=_identical(own["sample"], rows, images),
    )


def _ends(low: NDArray[Any], high: NDArray[Any]) -> tuple[int, int]:
    return int(low.min()), int(high.max())


def _identical(samples: NDArray[np.int64], rows: NDArray[np.int64], images: Images) -> list[list[int]]:
    """Groups of rows whose pixels are equal; samples that are equal only make it likely."""
    alike: defaultdict[int, list[int]] = defaultdict(list)
    for sample, row in zip(samples.tolist(), rows.tolist(), strict=True):
        alike[sample].append(row)
    groups: list[list[int]] = []
    for candidates in alike.values():
        if len(candidates) > 1:
            exact: defaultdict[bytes, list[int]] = defaultdict(list)
            for row in candidates:
                exact[images[row].tobytes()].append(row)
            groups += [group for group in exact.values() if len(group) > 1]
    return groups


# ---- what is said of them -------------------------------------------------------------------------


def describe(facts: ImageFacts, dataset: Dataset, background: str) -> list[str]:
    """One line of facts, then a line for each thing that is probably wrong.

    Raises ImageReadError where all images are the same: nothing can be learnt from them.
    """
    _refuse_all_the_same(facts, background)
    warnings = (
        _constant(facts, dataset, background),
        _differently_labelled(facts, dataset),
        _copies_across_folds(facts, dataset),
        _coarse(facts, dataset),
        _unlike_ranges(facts),
        _cut(facts, dataset),
    )
    return [_facts_line(facts, background), *filter(None, warnings)]


def _facts_line(facts: ImageFacts, background: str) -> str:
    low, high = facts.values
    same = sum(len(group) - 1 for group in facts.identical)
    parts = [
        f"images: {facts.images} decoded, {_sizes(facts)} pixels, values {low} to {high}",
        facts.turned and f"{facts.turned} turned upright",
        facts.transparent and f"{facts.transparent} transparent (before {background})",
        facts.tops and _depths(facts),
        facts.reduced and f"{facts.reduced} too large to hold, decoded at a smaller size",
        facts.constant and f"{len(facts.constant)} of one colour throughout",
        same and f"{same} with the pixels of another",
    ]
    return "; ".join(str(part) for part in parts if part)


def _sizes(facts: ImageFacts) -> str:
    (low, high), (narrow, wide) = facts.heights, facts.widths
    one = f"{low} x {narrow}"
    return one if (low, narrow) == (high, wide) else f"{one} to {high} x {wide}"


def _depths(facts: ImageFacts) -> str:
    ranges = ", ".join(f"{count} as 0 to {top}" for top, count in facts.tops.items())
    return f"{sum(facts.tops.values())} of more than 8 bits, read {ranges}"


def _refuse_all_the_same(facts: ImageFacts, background: str) -> None:
    same = len(facts.identical) == 1 and len(facts.identical[0]) == facts.images
    if not same:
        return
    ground = f" (transparent pixels became background={background!r})" if facts.transparent else ""
    way_out = "try another background, look at the files" if facts.transparent else "look at the files"
    raise ImageReadError(
        f"all {facts.images} images have the same pixels once decoded{ground}: nothing can be learnt from "
        f"them; {way_out}, and at `preprocess` if it is set"
    )


def _constant(facts: ImageFacts, dataset: Dataset, background: str) -> str:
    if not facts.constant:
        return ""
    ways = "look at them, or take them out"
    if facts.transparent:
        ways = f"look at them, take them out, or try another background than {background}"
    return (
        f"warning: {len(facts.constant)} of {facts.images} images are of one colour throughout: "
        f"{_named(facts.constant, dataset)}; {ways}"
    )


def _differently_labelled(facts: ImageFacts, dataset: Dataset) -> str:
    """Equal pixels whose labels differ cannot both be right."""
    at_odds = [
        (group[0], row)
        for group in facts.identical
        for row in group[1:]
        if not np.array_equal(dataset.labels[row], dataset.labels[group[0]])
    ]
    if not at_odds:
        return ""
    examples = [f"{_labelled(one, dataset)} = {_labelled(other, dataset)}" for one, other in at_odds]
    return (
        f"warning: {counted(len(at_odds), 'image')} with the pixels of another and another label: "
        f"{shortened(examples)}; correct the labels (--label-fixes) or take them out"
    )


def _copies_across_folds(facts: ImageFacts, dataset: Dataset) -> str:
    """A copy in the training part knows the label of the one that is validated."""
    folds = np.unique(dataset.folds[dataset.folds >= 0]).tolist() if facts.identical else []
    trained = {fold: frozenset(dataset.training_rows(fold).tolist()) for fold in folds}
    constant = frozenset(facts.constant)  # told of already
    pairs = [
        (row, copy)
        for group in _equally_labelled(facts.identical, dataset)
        for row in group
        if row not in constant and dataset.folds[row] >= 0
        if (copy := next((at for at in group if at in trained[int(dataset.folds[row])]), None)) is not None
    ]
    if not pairs:
        return ""
    examples = [f"{dataset.paths[row]} = {dataset.paths[copy]}" for row, copy in pairs]
    return (
        f"warning: {counted(len(pairs), 'image')} validated by models that trained on the same pixels with "
        f"the same label, which flatters the score: {shortened(examples)}; give copies one group (check "
        "--write-groups FILE writes the data so), or keep one"
    )


def _equally_labelled(groups: Sequence[Sequence[int]], dataset: Dataset) -> list[list[int]]:
    found: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
    for number, group in enumerate(groups):
        for row in group:
            found[number, dataset.labels[row].tobytes()].append(row)
    return list(found.values())


def _labelled(row: int, dataset: Dataset) -> str:
    label = np.atleast_1d(dataset.labels[row])
    if dataset.labels.ndim == 1:
        return f"{dataset.paths[row]} ({dataset.classes[int(label[0])]})"
    names = [name for name, given in zip(dataset.classes, label, strict=True) if given]
    return f"{dataset.paths[row]} ({' '.join(names) or 'none'})"


def _coarse(facts: ImageFacts, dataset: Dataset) -> str:
    if not facts.coarse:
        return ""
    return (
        f"warning: few shades are left of {counted(len(facts.coarse), 'image')} of more than 8 bits: "
        f"{_named(facts.coarse, dataset)}; value_range='minmax', or one with fewer bits, keeps more"
    )


def _unlike_ranges(facts: ImageFacts) -> str:
    named = [_BITS[int(float(top))] for top in facts.tops if top in map(str, _BITS)]
    if len(named) < 2:
        return ""
    return (
        f"warning: images of more than 8 bits are read by {len(named)} ranges ({_depths(facts)}): where they "
        f"share a scale, value_range={named[-1]!r} keeps it"
    )


def _cut(facts: ImageFacts, dataset: Dataset) -> str:
    if not facts.cut:
        return ""
    return (
        f"warning: {counted(len(facts.cut), 'image')} with values beyond value_range, which are cut: "
        f"{_named(facts.cut, dataset)}; choose one with more bits, or 'auto'"
    )


def _named(rows: Sequence[int], dataset: Dataset) -> str:
    return shortened([dataset.paths[row] for row in rows])
