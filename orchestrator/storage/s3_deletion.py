"""Many objects of S3 deleted by one request, which pyarrow cannot: it asks three times for each.

boto3 is the extra `s3`; where it is missing, `UriStore` goes the way of pyarrow.
"""

from __future__ import annotations

import importlib
import importlib.util
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.storage.connecting import PATIENT, QUICK

_FAILED: weakref.WeakSet[Any] = weakref.WeakSet()
MOST = 1000
"""Names in a request. Source: Amazon S3 API Reference, DeleteObjects."""


def connect(options: Mapping[str, str], region: str, patient: bool) -> Any | None:
    """A client of boto3 for what pyarrow is connected to; None where boto3 is not installed.

    options: of the URI; region: as pyarrow found it. Keys come from the environment or ~/.aws as there.
    """
    if importlib.util.find_spec("boto3") is None:
        return None
    limits = PATIENT if patient else QUICK
    endpoint = options.get("endpoint_override", "")
    scheme, _, address = endpoint.rpartition("://")
    config = importlib.import_module("botocore.config").Config(
        connect_timeout=limits["connect_timeout"],
        read_timeout=limits["request_timeout"],
        retries={"total_max_attempts": limits["max_attempts"], "mode": "standard"},
        # As pyarrow: http://minio:9000/bucket, not http://bucket.minio:9000.
        s3={"addressing_style": "path" if endpoint else "auto"},
    )
    return importlib.import_module("boto3").client(
        "s3",
        region_name=region or None,
        endpoint_url=f"{options.get('scheme') or scheme or 'https'}://{address}" if endpoint else None,
        config=config,
    )


def delete_objects(client: Any, bucket: str, keys: Sequence[str]) -> list[str]:
    """The keys that are still there, because the server refused them or does not know the request.

    A client whose request failed as a whole is asked no more: with all its tries that takes seconds, and
    boto3 may refuse for good what pyarrow does, such as a server whose certificate only the system trusts.
    """
    if client in _FAILED:
        return list(keys)
    errors = importlib.import_module("botocore.exceptions")
    left: list[str] = []
    for start in range(0, len(keys), MOST):
        some = keys[start : start + MOST]
        objects = {"Objects": [{"Key": key} for key in some], "Quiet": True}
        try:
            answer = client.delete_objects(Bucket=bucket, Delete=objects)
            left += [item["Key"] for item in answer.get("Errors", ())]
        except (errors.ClientError, errors.BotoCoreError):  # asked again one by one, each says what is wrong
            _FAILED.add(client)
            return left + list(keys[start:])
    return left
