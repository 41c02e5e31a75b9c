"""pyarrow file systems with time limits: a host that doesn't answer may not hold up a study for minutes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pyarrow import fs

# Seconds, and tries of a request: a store that is away for ten seconds or so does not end a study.
PATIENT = {"connect_timeout": 5, "request_timeout": 20, "max_attempts": 6}
# To ask whether a location can be used at all: somebody waits for the answer.
QUICK = {"connect_timeout": 3, "request_timeout": 3, "max_attempts": 2}
GS_RETRY_S = {True: 60, False: 10}  # patient or not -> seconds of trying again


def connect(uri: str, scheme: str, bucket: str, options: Mapping[str, str], patient: bool) -> Any:
    """The pyarrow file system of a URI that `check_uri` has passed. Raises OSError."""
    if scheme == "s3":
        return _s3(bucket, options, PATIENT if patient else QUICK)
    if scheme == "gs" and "retry_limit_seconds" not in options:
        uri = f"{uri}{'&' if options else '?'}retry_limit_seconds={GS_RETRY_S[patient]}"
    return fs.FileSystem.from_uri(uri)[0]


def _s3(bucket: str, options: Mapping[str, str], limits: Mapping[str, int]) -> Any:
    endpoint = options.get("endpoint_override", "")
    scheme, _, address = endpoint.rpartition("://")
    return fs.S3FileSystem(
        region=options.get("region") or _region(bucket, endpoint),
        endpoint_override=address or None,
        scheme=options.get("scheme") or scheme or "https",
        connect_timeout=limits["connect_timeout"],
        request_timeout=limits["request_timeout"],
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=limits["max_attempts"]),
        allow_delayed_open=True,  # a small file is one request instead of three
    )


def _region(bucket: str, endpoint: str) -> str | None:
    """None where the SDK finds it in the environment or ~/.aws, or the endpoint has no regions."""
    named = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
    if endpoint or any(os.environ.get(name) for name in named):
        return None
    region: str = fs.resolve_s3_region(bucket)
    return region
