"""Groups of a figure: each has a colour, and a dash or shape too, for who does not tell colours apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from markupsafe import Markup

from orchestrator.pages.svg.element import element, join

SERIES = 7
"""Colours of the page's palette (Okabe and Ito, "Color universal design", 2008), darker ones on white."""

SHAPES = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",  # circle
    "M-3.6-3.6h7.2v7.2h-7.2z",  # square
    "M0-4.8l4.6 8h-9.2z",  # triangle
    "M0-5.2l4.6 5.2l-4.6 5.2l-4.6-5.2z",  # diamond
    "M-1.6-4.6h3.2v3h3v3.2h-3v3h-3.2v-3h-3v-3.2h3z",  # plus
    "M0 4.8l4.6-8h-9.2z",  # triangle upside down
    "M-4.4-2.2l2.2-2.2l2.2 2.2l2.2-2.2l2.2 2.2l-2.2 2.2l2.2 2.2l-2.2 2.2l-2.2-2.2l-2.2 2.2l-2.2-2.2l2.2-2.2z",
)


def series_of(groups: Iterable[str]) -> dict[str, int]:
    """Number of each group, in the order in which they are met."""
    return {group: index for index, group in enumerate(dict.fromkeys(groups))}


def series_class(index: int) -> str:
    """Colour and dash; from the second round on the dash differs."""
    return f"s{index % SERIES}" + (" again" if index // SERIES % 2 else "")


def shape(index: int) -> Markup:
    return element("path", d=SHAPES[index % SERIES])


def line_legend(series: Mapping[str, int]) -> Markup:
    sample = element("path", class_="line", d="M1 5h26")
    return _legend({name: (index, sample) for name, index in series.items()}, "0 0 28 10", 28)


def shape_legend(series: Mapping[str, int]) -> Markup:
    samples = {name: (index, element("g", shape(index), class_="dot")) for name, index in series.items()}
    return _legend(samples, "-6 -6 12 12", 12)


def _legend(samples: Mapping[str, tuple[int, Markup]], view_box: str, width: int) -> Markup:
    """Empty where there is nothing to tell apart."""
    if not any(samples):
        return Markup("")
    keys = (
        element("li", _sample(index, sample, view_box, width), name or "others")
        for name, (index, sample) in samples.items()
    )
    return element("ul", join(keys), class_="legend")


def _sample(index: int, sample: Markup, view_box: str, width: int) -> Markup:
    height = int(view_box.split()[-1])
    return element(
        "svg",
        sample,
        class_=series_class(index),
        view_box=view_box,
        width=width,
        height=height,
        aria_hidden="true",
    )
