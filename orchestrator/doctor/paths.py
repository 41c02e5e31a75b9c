"""Where a search reads and writes, as seen from this machine: the data, the runs folder, the storage."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.errors import InputError, ManifestError, StorageError
from orchestrator.core.finding import Finding, blocks, ok, warning
from orchestrator.data.importers.contract import AS_FOUND, Reading
from orchestrator.data.importers.detect import detect
from orchestrator.data.manifest import load_manifest
from orchestrator.machine.node_facts import existing
from orchestrator.storage import open_store, probe

STORAGE_S = 30.0


@dataclass(frozen=True)
class Data:
    """What --data lists."""

    root: Path | None  # None where --data could not be read or was not given
    paths: tuple[str, ...]  # of images below the root
    findings: tuple[Finding, ...]


def check_data(
    source: str | None, root: Path | None, on_servers: bool = False, reading: Reading = AS_FOUND
) -> Data:
    """Whether the manifest loads and its images are here. on_servers: they may be there alone."""
    level = warning if on_servers else blocks
    if source is None:
        if root is None or root.is_dir():
            return Data(root, (), (ok("data", f"{root} is there"),) if root else ())
        return Data(root, (), (level("data", f"{root} is no folder here", "correct --data-root"),))
    try:
        manifest = load_manifest(source, reading=reading, data_root=root)
    except (ManifestError, OSError) as error:
        listed = _listed_alone(Path(source), reading)
        if listed is None or not on_servers:
            way_out = f"correct {source}, or give --data-root"
            return Data(root, (), (blocks("data", str(error), way_out),))
        way_out = "nothing, if tune runs on a server that has them"
        return Data(*listed, (warning("data", f"not on this machine: {error}", way_out),))
    paths = tuple(map(str, manifest.frame["path"]))
    found = f"{len(paths)} images of {manifest.name} under {manifest.root}"
    return Data(manifest.root, paths, (ok("data", found),))


def _listed_alone(source: Path, reading: Reading) -> tuple[Path, tuple[str, ...]] | None:
    """Root and paths of a table whose images are not here; None where it lists none or all are here."""
    try:
        rows = detect(source, reading)
    except (ManifestError, OSError):
        return None
    root, paths = rows.root.absolute(), tuple(str(path) for path in rows.frame["path"])
    return (root, paths) if any(not (root / path).exists() for path in paths) else None


def check_runs(runs: Path) -> Finding:
    """Writes and deletes a file beside the studies; where the folder isn't there yet, where it would be."""
    folder = existing(runs.absolute())
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-", suffix=".part") as file:
            file.write(b"0" * 4096)  # a full disk may still take a name
            file.flush()
    except OSError as error:
        return blocks(
            "write", f"{folder} cannot be written: {error.strerror}", "give another folder with --runs"
        )
    return ok("write", f"{folder} can be written")


def check_storage(location: str, timeout_s: float = STORAGE_S) -> Finding:
    """Writes, reads and deletes a small file there. Raises InputError for a location that cannot be."""
    store = open_store(location).with_short_timeouts().at_existing_folder()  # no study has made its own yet
    failed: list[Exception] = []

    def attempt() -> None:
        try:
            probe(store)
        except (StorageError, InputError) as error:
            failed.append(error)

    # A network file system that hangs can't be interrupted: it is left behind, and ends with this process.
    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(timeout_s)
    if thread.is_alive():
        return blocks(
            "storage", f"{location}: no answer within {timeout_s:.0f} s", "is it mounted, is its server up?"
        )
    if failed:
        return blocks("storage", f"{location}: {failed[0]}", "correct the location, or its credentials")
    return ok("storage", f"{store} can be written and read")
