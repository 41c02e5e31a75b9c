"""What --storage takes: a path that every node mounts, or a URI. A study's own files lie below its name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from orchestrator.core.errors import InputError
from orchestrator.storage.contract import CheckpointStore
from orchestrator.storage.directory import DirectoryStore
from orchestrator.storage.uri import UriStore, check_uri


def open_store(place: str) -> CheckpointStore:
    """The store of a path, file:// or another URI; nothing is asked of it yet. Raises InputError."""
    path = _path(place)
    return UriStore(place) if path is None else DirectoryStore(path, mounted=True)


def normalised(place: str) -> str:
    """As a study's record keeps it: paths absolute, so that it can be continued from anywhere.

    Raises InputError for a URI that cannot be used, and for one with a key or password in it.
    """
    path = _path(place)
    if path is not None:
        return str(path)
    check_uri(place)
    return place


def join(place: str, name: str) -> str:
    """The place of a folder `name` inside `place`."""
    if "://" not in place:
        return str(Path(place) / name)
    parts = urlsplit(place)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{name}"))


def with_short_timeouts(store: CheckpointStore) -> CheckpointStore:
    """The same store, giving up within seconds where nobody answers: for asking whether it can be used."""
    return replace(store, patient=False) if isinstance(store, UriStore) else store


def _path(place: str) -> Path | None:
    """None: it is a URI of something else than files."""
    if not place.strip():
        raise InputError(
            "--storage is empty; give a path that every server mounts, or a URI such as s3://bucket"
        )
    if "://" not in place:
        return Path(place).expanduser().absolute()
    if not place.startswith("file://"):
        return None
    parts = urlsplit(place)
    if parts.netloc not in ("", "localhost") or not parts.path or parts.query or parts.fragment:
        raise InputError(f"--storage {place}: write file:///absolute/path, or just the path")
    return Path(unquote(parts.path))
