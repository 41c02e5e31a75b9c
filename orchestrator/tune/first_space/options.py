"""The options of `tune` that a new space file alone takes."""

from __future__ import annotations

import argparse

from orchestrator.core.errors import InputError

OF_INIT = {
    # option: where the same is said of a search
    "init": "--space FILE",
    "target": "target=... in the space",
    "metric": "metric=... in the space",
    "template": "--template of the command orchestrator.ensemble",
}


def refuse_without_init(arguments: argparse.Namespace) -> None:
    """Raises InputError where one of them is given to a search."""
    for option, instead in OF_INIT.items():
        if getattr(arguments, option) is not None:
            raise InputError(
                f"--{option} {getattr(arguments, option)} belongs to --init FILE, which writes a space and "
                f"searches nothing; for a search, use {instead}"
            )
