"""What --storage takes: a path that every node mounts, or a URI. A study's own files lie below its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from orchestrator.core.errors import InputError
from orchestrator.storage.contract import CheckpointStore
from orchestrator.storage.directory import open_file_uri, open_path
from orchestrator.storage.uri import UriStore, without_secrets

STORES: dict[str, Callable[[str], CheckpointStore]] = {
    # scheme of the location ("": a path) -> what opens it; raises InputError for a location that cannot be
    "": open_path,
    "file": open_file_uri,
    "s3": UriStore,
    "gs": UriStore,
    "hdfs": UriStore,
}


def open_store(location: str) -> CheckpointStore:
    """The store of a path or a URI; nothing is asked of it yet. Raises InputError.

    It is refused for a scheme that STORES lacks, for a form that cannot be, and for a key or password in it.
    """
    if not location.strip():
        raise InputError(
            "--storage is empty; give a path that every server mounts, or a URI such as s3://bucket"
        )
    scheme = location.partition("://")[0] if "://" in location else ""
    if scheme not in STORES:
        schemes = ", ".join(filter(None, STORES))
        raise InputError(f"--storage {without_secrets(location)}: use a path, or a URI of {schemes}")
    return STORES[scheme](location)


def normalised(location: str) -> str:
    """The location as a study's record keeps it: paths absolute, so that it can be continued from anywhere.

    Raises InputError as `open_store` does.
    """
    return str(open_store(location))


def join(location: str, name: str) -> str:
    """The location of a folder `name` inside `location`."""
    if "://" not in location:
        return str(Path(location) / name)
    parts = urlsplit(location)
    query = f"?{parts.query}" if parts.query else ""
    # urlunsplit would drop the // of a scheme that it does not know where no host follows.
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/{name}{query}"
