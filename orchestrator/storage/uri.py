"""Checkpoints in S3 and whatever else pyarrow.fs reaches.

Credentials come from the environment or ~/.aws, never from the URI: a study's record keeps the URI.
"""

from __future__ import annotations

import contextlib
import functools
import re
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pyarrow as pa
from pyarrow import fs

from orchestrator.core.errors import InputError, StorageError
from orchestrator.storage import s3_deletion
from orchestrator.storage.connecting import connect
from orchestrator.storage.contract import MOST_FAULTS, CheckpointStore, not_deleted
from orchestrator.storage.refusals import refused

OPTIONS = {
    "s3": {"region", "endpoint_override", "scheme"},
    "gs": {"endpoint_override", "scheme", "retry_limit_seconds", "project_id"},
    "hdfs": {"replication", "buffer_size", "default_block_size"},
    "file": set(),
}
WHOLE_AT_CLOSE = {"s3", "gs"}
"""An object appears when its upload is closed; elsewhere a file is written beside, as PART, and moved."""
PART = ".part"
AT_ONCE = 16
"""Requests under way to delete several files, where no request deletes more than one."""
_PARTIAL_NAME = re.compile(r".+\.[0-9a-f]+\.part")


@dataclass(frozen=True)
class UriStore(CheckpointStore):
    """Objects below a URI."""

    uri: str
    patient: bool = True  # rides out some tens of seconds without an answer; False: gives up in a few seconds

    def __post_init__(self) -> None:
        check_uri(self.uri)

    def __str__(self) -> str:
        return self.uri

    def put(self, name: str, data: bytes | memoryview) -> None:
        """Raises StorageError."""
        with self._asking("write", name):
            files, root = self._open()
            if self._scheme in WHOLE_AT_CLOSE:
                _write(files, f"{root}/{name}", data)
                return
            path = f"{root}/{name}"
            part = f"{path}.{uuid.uuid4().hex}{PART}"
            # An object store needs no folders, a file system does.
            files.create_dir(path.rpartition("/")[0], recursive=True)
            try:
                _write(files, part, data)
                files.move(part, path)
            except BaseException:
                with contextlib.suppress(OSError):  # what went wrong is what to tell
                    files.delete_file(part)
                raise

    def get(self, name: str) -> bytes:
        """Raises KeyError; StorageError when the bucket itself is gone."""
        with self._asking("read", name):
            files, root = self._open()
            try:
                with files.open_input_file(f"{root}/{name}") as file:
                    data: bytes = file.read(file.size())
                    return data
            except FileNotFoundError:
                self._check_bucket(files, root)
        raise KeyError(name)

    def names(self, prefix: str = "") -> list[str]:
        """Sorted. Lists only the folder that `prefix` names."""
        with self._asking("list", prefix):
            _, root = self._open()
            paths = self._paths(prefix.rpartition("/")[0])
        names = (path.removeprefix(f"{root}/") for path in paths if not path.endswith(PART))
        return sorted(name for name in names if name.startswith(prefix))

    def delete(self, name: str) -> None:
        """Raises StorageError."""
        with self._asking("delete", name), contextlib.suppress(FileNotFoundError):
            files, root = self._open()
            files.delete_file(f"{root}/{name}")

    def delete_many(self, names: Sequence[str]) -> None:
        """A thousand to a request on S3 where the extra `s3` is installed, else several at a time."""
        left = self._delete_objects(names) if self._scheme == "s3" and len(names) > 1 else names
        faults: dict[str, str] = {}
        untried: list[str] = []

        def delete(name: str) -> None:
            if len(faults) >= MOST_FAULTS:
                untried.append(name)
                return
            try:
                self.delete(name)
            except StorageError as error:
                faults[name] = str(error)

        with ThreadPoolExecutor(max(1, min(AT_ONCE, len(left)))) as pool:
            list(pool.map(delete, left))
        if faults:
            raise not_deleted(faults, len(names), len(untried))

    def _delete_objects(self, names: Sequence[str]) -> Sequence[str]:
        """The names that could not be deleted together."""
        with self._asking("delete", names[0]):
            files, root = self._open()
            client = _deleting(self.uri, files.region, self.patient)
        if client is None:
            return names
        bucket, _, prefix = root.partition("/")
        below = f"{prefix}/" if prefix else ""
        keys = s3_deletion.delete_objects(client, bucket, [f"{below}{name}" for name in names])
        return [key.removeprefix(below) for key in keys]

    def with_short_timeouts(self) -> UriStore:
        return replace(self, patient=False)

    def remove_partial_files(self) -> None:
        """Nothing where an object appears when its upload is closed. Raises StorageError."""
        if self._scheme in WHOLE_AT_CLOSE:
            return
        with self._asking("delete", "partial files"):
            files, _ = self._open()
            for path in self._paths(""):
                if _PARTIAL_NAME.fullmatch(path.rpartition("/")[2]):
                    files.delete_file(path)

    @property
    def _scheme(self) -> str:
        return urlsplit(self.uri).scheme

    def _open(self) -> tuple[Any, str]:
        return _opened(self.uri, self.patient)

    def _paths(self, folder: str) -> list[str]:
        """The paths of all files below a folder, half-written ones too."""
        files, root = self._open()
        # Where nothing was stored yet there is no folder either: an empty list, no error.
        below = fs.FileSelector(f"{root}/{folder}".rstrip("/"), recursive=True, allow_not_found=True)
        return [info.path for info in files.get_file_info(below) if info.type == fs.FileType.File]

    def _check_bucket(self, files: Any, root: str) -> None:
        bucket = root.split("/")[0]
        if self._scheme == "s3" and files.get_file_info(bucket).type == fs.FileType.NotFound:
            raise OSError("NO_SUCH_BUCKET")

    @contextlib.contextmanager
    def _asking(self, what: str, name: str) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            raise refused(self.uri, what, name, error) from error


def _write(files: Any, path: str, data: bytes | memoryview) -> None:
    stream = files.open_output_stream(path)
    stream.write(data)  # what of an upload failed makes `close` fail too, so nothing half appears
    stream.close()


@functools.cache
def _opened(uri: str, patient: bool) -> tuple[Any, str]:
    """The file system, connected once in a process, and the root without a slash at its end."""
    parts = urlsplit(uri)
    root = unquote(parts.path if parts.scheme in ("hdfs", "file") else f"{parts.netloc}{parts.path}")
    return connect(uri, parts.scheme, parts.netloc, dict(parse_qsl(parts.query)), patient), root.rstrip("/")


@functools.cache
def _deleting(uri: str, region: str, patient: bool) -> Any | None:
    return s3_deletion.connect(dict(parse_qsl(urlsplit(uri).query)), region, patient)


def without_secrets(uri: str) -> str:
    """The URI as it may be shown: without a name and password, and without what follows `?`."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def check_uri(uri: str) -> None:
    """Raises InputError for one that cannot be used, without repeating a secret in it."""
    parts, shown = urlsplit(uri), without_secrets(uri)
    try:
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise InputError(f"--storage {shown}?...: what follows ? is not key=value&key=value") from None
    if "@" in parts.netloc or "@" in options.get("endpoint_override", ""):
        raise InputError(
            f"--storage {shown}: a name, key or password in the URI would be kept in the study's journal;\n"
            "leave it out and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws/credentials"
        )
    if parts.scheme not in OPTIONS:
        raise InputError(f"--storage {shown}: use a path, or a URI of {', '.join(OPTIONS)}")
    unknown = sorted(set(options) - OPTIONS[parts.scheme])
    if unknown:
        known = ", ".join(sorted(OPTIONS[parts.scheme])) or "no option"
        raise InputError(
            f"--storage {shown}: {', '.join(unknown)} is no option of {parts.scheme} (it has {known}); keys "
            "belong into the environment or ~/.aws, never into the URI"
        )
    if (parts.scheme != "file" and not parts.netloc) or parts.fragment or ".." in parts.path.split("/"):
        raise InputError(f"--storage {shown}: write {parts.scheme}://bucket/folder, without # and ..")
