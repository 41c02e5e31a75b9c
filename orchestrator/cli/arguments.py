"""Types of command-line arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path


def absolute(text: str) -> Path:
    """A path that means the same wherever it is used."""
    return Path(text).expanduser().absolute()


def int_at_least(least: int) -> Callable[[str], int]:
    """A whole number of at least `least`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
        return value

    return parse
