"""Where studies may be sent unasked: to places that a command of the user's own named before.

A study that comes from somebody else says where it is sent, too. Believed, it would have the next command
send everything there, with the user's own keys, or write below any folder.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from orchestrator.core.known_list import add_to_list, is_listed, known_list_file
from orchestrator.core.text import on_one_line
from orchestrator.tracking.destinations import Destinations
from orchestrator.tracking.position import FILE

LIST = "known_destinations.jsonl"


def known_destinations_file() -> Path:
    """Where the user's list lies."""
    return known_list_file(LIST)


def remember_destinations(to: Destinations) -> None:
    """The user has named them: from now on a study's record may name them too. Raises OSError."""
    for name in to.asked():
        if not _is_known(to, name):
            add_to_list(known_destinations_file(), _record(to, name))


def unknown_in(to: Destinations) -> Destinations:
    """Those of `to` that no command of this user named."""
    return _without(to, [name for name in to.asked() if _is_known(to, name)])


def known_in(to: Destinations) -> Destinations:
    """The others."""
    return _without(to, list(unknown_in(to).asked()))


def refusal(study: Path, strange: Destinations) -> str:
    """What to tell of places that a study's record alone names."""
    command = shlex.join(["python", "-m", "orchestrator.tracking", str(study), *strange.words()])
    return (
        f"not sent to {on_one_line(strange.described())}: {study / FILE} alone says so, no command of yours "
        f"named it; `{on_one_line(command)}` sends the study there"
    )


def _without(to: Destinations, names: list[str]) -> Destinations:
    for name in names:
        to = to.without(name)
    return to


def _is_known(to: Destinations, name: str) -> bool:
    return is_listed(known_destinations_file(), _record(to, name))


def _record(to: Destinations, name: str) -> dict[str, str]:
    return {"tracker": name, "place": str(getattr(to, name))}
