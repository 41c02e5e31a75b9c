"""Elements as text. Every text and attribute is cleaned and escaped here, wherever it came from."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

from orchestrator.core.text import shown
from orchestrator.pages.figures import Trial

Attribute = str | int | float | None


def text(value: str) -> Markup:
    return value if isinstance(value, Markup) else escape(shown(value))


def element(name: str, *children: str, **attributes: Attribute) -> Markup:
    """Children that are no Markup are escaped. class_ is class, view_box is viewBox, others get a hyphen; an
    attribute of None is left out."""
    written = "".join(
        f' {_NAMES.get(key) or key.replace("_", "-")}="{_attribute(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{written}>{''.join(map(text, children))}</{name}>")  # of escaped parts


_NAMES = {"class_": "class", "view_box": "viewBox", "preserve_aspect_ratio": "preserveAspectRatio"}


def _attribute(value: str | int | float) -> str:
    return short(value) if isinstance(value, float) else str(text(str(value)))


def join(parts: Iterable[str]) -> Markup:
    return Markup("").join(parts)


def short(value: float) -> str:
    """Of a place on the screen, to a tenth: 12, 12.3."""
    return f"{value:.1f}".removesuffix(".0")


def percent(share: float) -> str:
    """Of a place between 0 and 1, to a hundredth of a percent, which is less than a pixel at 4K."""
    return f"{100 * share:.2f}".rstrip("0").rstrip(".") + "%"


def trial_attribute(trial: Trial) -> str | None:
    """Value of data-trial, by which the script finds everything of one trial."""
    return None if trial is None else str(trial)


def clipped(value: str, most: int) -> str:
    """As much of a name as there is room for."""
    return value if len(value) <= most else f"{value[: most - 1]}…"
