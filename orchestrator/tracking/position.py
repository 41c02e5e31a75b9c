"""Where a study is sent and how much has arrived there, in a small JSON file of its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.core.atomic_file import atomic_write
from orchestrator.core.errors import StudyError
from orchestrator.core.events import FoldRunKey
from orchestrator.core.json_text import parse_json

FILE = "tracking.json"


@dataclass(frozen=True)
class Sent:
    """How much of something has arrived, and which state of it: epochs of a fold run and its state, or the
    version of a file."""

    epoch: int
    state: str


class Position:
    """What has arrived at one destination (a server's project, offline files, a folder)."""

    def __init__(self, study: Path, project: str, destination: str, *, forget: bool = False) -> None:
        """project: of W&B, else "". forget: the destination is empty, whatever was noted before."""
        self._path = study / FILE
        self._project = project
        self._destination = f"{destination}/{project}" if project else destination
        arrived = {} if forget else _read(self._path).get("sent", {}).get(self._destination, {})
        self.sent = {key: Sent(epoch, state) for key, (epoch, state) in arrived.items()}

    def note(self, key: FoldRunKey, sent: Sent) -> None:
        """On disk when it returns. Raises OSError."""
        self.note_all({str(key): sent})

    def note_all(self, new: Mapping[str, Sent]) -> None:
        """As `note`. What other destinations noted meanwhile stays."""
        if not new:
            return
        self.sent |= new
        record = _read(self._path)
        if self._project:
            record["project"] = self._project
        arrived = {key: [item.epoch, item.state] for key, item in self.sent.items()}
        _write(self._path, {**record, "sent": {**record.get("sent", {}), self._destination: arrived}})


def remember(study: Path, trackers: Mapping[str, Any]) -> None:
    """What the study is sent to, for commands to come. Raises OSError."""
    record = _read(study / FILE)
    if record.get("trackers") != trackers:
        _write(study / FILE, {**record, "trackers": dict(trackers)})


def remembered(study: Path) -> dict[str, Any] | None:
    """What `remember` was given last; None where nothing was."""
    trackers = _read(study / FILE).get("trackers")
    return trackers if isinstance(trackers, dict) else None


def last_project(study: Path) -> str | None:
    """The project of the last mirror of this study that sent something."""
    project = _read(study / FILE).get("project")
    return project if isinstance(project, str) else None


def _write(path: Path, record: Mapping[str, Any]) -> None:
    with atomic_write(path) as file:
        file.write(json.dumps(record, indent=1).encode())


def _read(path: Path) -> dict[str, Any]:
    try:
        record = parse_json(path.read_bytes())
        sent = record.get("sent", {})
        return {**record, "sent": {str(to): _arrived(runs) for to, runs in sent.items()}}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        raise StudyError(
            f"{path} is not what was written there ({error}); delete it, then everything is sent again"
        ) from error


def _arrived(runs: Any) -> dict[str, list[Any]]:
    """Raises TypeError, ValueError, AttributeError."""
    return {str(key): [int(epoch), str(state)] for key, (epoch, state) in runs.items()}
