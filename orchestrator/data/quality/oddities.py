"""Images unlike what a picture usually is, or unlike the rest of their set. Pure.

The kinds, and most bounds, are those of cleanvision (Apache-2.0, cleanlab/cleanvision, defaults of 0.3.6).
What more than half of a set has is how the set is, not an oddity: cleanvision's max_prevalence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded
from orchestrator.core.image_measures import ImageMeasures
from orchestrator.core.text import shortened
from orchestrator.data.quality.concentration import concentrated
from orchestrator.data.quality.task_labels import TaskLabels

DARK, BRIGHT = 0.32, 0.95
"""Of white: the brightest hundredth below the first, or the darkest twentieth above the second."""
LEAST_BITS = 1.5  # entropy of grey levels; cleanvision's bound as Datalab uses it
BLURRED = 0.25  # of the edges of the median image; of an image blurred by 2% of its side it is 0.1 to 0.25
ODD_SHAPE = 0.35  # shorter side by longer
ODD_SIZE = 3.0  # times the median side, up or down; and as many interquartile ranges outside the quartiles
NO_COLOUR = 1.0  # of 255, between the channels of a pixel; what JPEG leaves of grey is less
PREVALENT = 0.5

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Oddity:
    """One kind: which rows have it, and the order in which they show it, the clearest first."""

    code: str
    what: str  # the end of "12 of 800 images ..."; {is} and {has} agree with the number
    way_out: str
    find: Callable[[ImageMeasures], tuple[Mask, NDArray[np.float64]]]  # (n,) each; the smallest is clearest


def odd_images(
    measures: ImageMeasures, paths: Sequence[str], tasks: Sequence[TaskLabels] = ()
) -> list[Finding]:
    """At most one finding a kind. paths (n,): names of the images; tasks: to say which class has them."""
    readable = measures.readable
    found = (_finding(kind, measures, readable, paths, tasks) for kind in ODDITIES)
    return [finding for finding in found if finding is not None]


def _finding(
    kind: Oddity, measures: ImageMeasures, readable: Mask, paths: Sequence[str], tasks: Sequence[TaskLabels]
) -> Finding | None:
    has, order = kind.find(measures)
    has = has & readable
    rows = np.flatnonzero(has)
    total = int(readable.sum())
    if not len(rows) or len(rows) > PREVALENT * total:
        return None
    rows = rows[np.argsort(order[rows], kind="stable")]
    named = shortened([paths[row] for row in rows.tolist()])
    verbs = {"is": "is", "has": "has"} if len(rows) == 1 else {"is": "are", "has": "have"}
    said = f"{len(rows)} of {total} images {kind.what.format(**verbs)}: {named}"
    of_one_class = concentrated(rows, tasks)
    if of_one_class:
        said += f"; {of_one_class}: a model may learn this instead of the content"
    return coded(kind.code, Level.WARNING, said, kind.way_out, rows=rows)


# ---- the kinds ------------------------------------------------------------------------------------


def _statistic(measures: ImageMeasures, name: str) -> NDArray[np.float64]:
    return np.asarray(measures.statistics[name], np.float64)


def _dark(measures: ImageMeasures) -> tuple[Mask, NDArray[np.float64]]:
    brightest = _statistic(measures, "brightness_p99")
    return brightest < DARK, brightest


def _bright(measures: ImageMeasures) -> tuple[Mask, NDArray[np.float64]]:
    darkest = _statistic(measures, "brightness_p05")
    return darkest > BRIGHT, -darkest


def _says_little(measures: ImageMeasures) -> tuple[Mask, NDArray[np.float64]]:
    bits = _statistic(measures, "entropy")
    return bits < LEAST_BITS, bits


def _blurred(measures: ImageMeasures) -> tuple[Mask, NDArray[np.float64]]:
    """Far fewer edges than the set's images usually have, at 512 pixels and still at 64.

    cleanvision compares edges at 64 pixels with a bound for all sets, 0.29 of its score: 30% of the photos of
    one set of faces and 12% of another are below it.
    """
    fine, coarse = (_by_median(measures, name) for name in ("fine_edge_std", "edge_std"))
    told = _says_little(measures)[0] | _dark(measures)[0] | _bright(measures)[0]  # and why they lack edges
    return (fine < BLURRED) & (coarse < 2 * BLURRED) & ~told, fine


def _by_median(measures: ImageMeasures, name: str) -> NDArray[np.float64]:
    values = _statistic(measures, name)
    own = values[measures.readable]
    return values / max(float(np.median(own)), 1e-9) if len(own) else values


def _odd_size(measures: ImageMeasures) -> tuple[Mask, NDArray[np.float64]]:
    side = np.sqrt(measures.height.astype(np.float64) * measures.width)
    readable = measures.readable
    if not readable.any():
        return np.zeros(len(side), np.bool_), side
    low, middle, high = np.quantile(side[readable], (0.25, 0.5, 0.75))
    outside = np.maximum(low - side, side - high) > ODD_SIZE * (high - low)
    ratio = np.maximum(side, middle) / np.maximum(np.minimum(side, middle), 1.0)
    return outside & (ratio > ODD_SIZE), -ratio


def _odd_shape(measures: ImageMeasures) -> tuple[Mask, NDArray[np.float64]]:
    height, width = measures.height.astype(np.float64), measures.width.astype(np.float64)
    shape = np.minimum(height, width) / np.maximum(np.maximum(height, width), 1.0)
    return shape < ODD_SHAPE, shape


def _grey(measures: ImageMeasures) -> tuple[Mask, NDArray[np.float64]]:
    colour = _statistic(measures, "colour")
    return (colour < NO_COLOUR) & ~_says_little(measures)[0], colour


_LOOK = "look at them; take their rows out if they show nothing"

ODDITIES = (
    Oddity("FO111", "{is} dark throughout", _LOOK, _dark),
    Oddity("FO112", "{is} nearly white throughout", _LOOK, _bright),
    Oddity("FO113", "{is} blurred, with a quarter of the usual edges or less", _LOOK, _blurred),
    Oddity("FO114", "{has} next to no information", _LOOK, _says_little),
    Oddity(
        "FO115",
        f"{{has}} sides more than {ODD_SIZE:g} times as long, or as short, as the others",
        "look whether they are previews, whole pages or another camera's; all images are brought to one size",
        _odd_size,
    ),
    Oddity(
        "FO116",
        f"{{has}} a side of less than {ODD_SHAPE:g} of the other",
        "look at them: brought to one size they are squeezed; cut them first, or take them out",
        _odd_shape,
    ),
    Oddity(
        "FO117",
        "{has} no colour, while most have",
        "look whether they are of one class: a model would learn the colour instead of the content; "
        "a `grayscale` augmentation, or all images in grey, prevents it",
        _grey,
    ),
)
