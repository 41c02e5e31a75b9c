"""How far a mirror has come, in a small JSON file of the study's folder."""

from __future__ import annotations

import json
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
    """Of one fold run, once its W&B run was closed without an error: the last epoch and the state."""

    epoch: int
    state: str


class Position:
    """Per destination (a server's project, or offline): what has arrived there."""

    def __init__(self, study: Path, project: str, destination: str) -> None:
        self._path = study / FILE
        self._destination = f"{destination}/{project}"
        record = _read(self._path)
        self._record: dict[str, Any] = {"project": project, "sent": record.get("sent", {})}
        arrived = self._record["sent"].get(self._destination, {})
        self.sent = {key: Sent(epoch, state) for key, (epoch, state) in arrived.items()}

    def note(self, key: FoldRunKey, sent: Sent) -> None:
        """On disk when it returns. Raises OSError."""
        self.sent[str(key)] = sent
        self._record["sent"][self._destination] = {
            name: [item.epoch, item.state] for name, item in self.sent.items()
        }
        with atomic_write(self._path) as file:
            file.write(json.dumps(self._record, indent=1).encode())


def last_project(study: Path) -> str | None:
    """The project of the last mirror of this study that sent something."""
    project = _read(study / FILE).get("project")
    return project if isinstance(project, str) else None


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
