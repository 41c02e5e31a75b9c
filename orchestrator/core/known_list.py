"""A list in the user's own folder of what commands of theirs named, where no study or ensemble can write.

What a record on disk names is believed where it is on such a list: the record may come from somebody else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from orchestrator.core.json_text import parse_json


def known_list_file(name: str) -> Path:
    """Where the user's list of that name lies."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "fold-orchestrator" / name


def is_listed(path: Path, record: Mapping[str, str]) -> bool:
    """Whether it is on the list, and the list is one that others cannot have written."""
    try:
        about = path.stat()
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    if about.st_uid != os.getuid() or about.st_mode & 0o022:
        return False
    return dict(record) in map(_parsed, lines)


def add_to_list(path: Path, record: Mapping[str, str]) -> None:
    """Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    line = json.dumps(record) + "\n"
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())  # one write: commands that run at once don't mix their lines
    finally:
        os.close(file)


def _parsed(line: str) -> object:
    try:
        return parse_json(line)
    except ValueError:  # a line of a process that was killed
        return None
