"""What a remote store answers, in one line: what was asked, what is wrong, the way out."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from orchestrator.core.errors import StorageError

# Parts of the names that AWS gives its errors: all that pyarrow hands on of them is text.
NO_KEYS = (
    "ACCESS_DENIED",
    "INVALID_ACCESS_KEY_ID",
    "INVALID_CLIENT_TOKEN_ID",
    "SIGNATURE_DOES_NOT_MATCH",
    "MISSING_AUTHENTICATION_TOKEN",
    "INVALID_SIGNATURE",
    "UNRECOGNIZED_CLIENT",
    "EXPIRED",
    "Anonymous",
)
NO_ANSWER = ("NETWORK_CONNECTION", "curlCode", "REQUEST_TIMEOUT", "SERVICE_UNAVAILABLE", "SLOW_DOWN")


def refused(uri: str, what: str, name: str, error: Exception) -> StorageError:
    """what: write, read, list or delete; error: as pyarrow raised it."""
    text = " ".join(str(error).split())
    failed = f"cannot {what} {name or 'anything'} in {uri}"
    return StorageError(f"{failed}: {_reason(uri, text)}, then run it again (--resume continues a study)")


def _reason(uri: str, text: str) -> str:
    parts = urlsplit(uri)
    if "NO_SUCH_BUCKET" in text:
        return f"there is no bucket {parts.netloc}; make it, or correct --storage"
    if any(sign in text for sign in NO_KEYS):
        return (
            "the keys were refused or there are none; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            "~/.aws/credentials, on every server"
        )
    if any(sign in text for sign in NO_ANSWER):
        at = parse_qs(parts.query).get("endpoint_override", [parts.netloc])[0]
        return f"no answer from {at} ({_short(text)}); start it, or correct --storage"
    return f"{_short(text)}; correct that"


def _short(text: str) -> str:
    """The end of the error, where the reason stands."""
    last = text.rpartition("Details: ")[2]
    return last if len(last) <= 200 else f"{last[:200]}..."
