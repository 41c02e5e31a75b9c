"""The tokens that let into a Ray: that of one's own Ray, and that of one started from cluster.yaml."""

from __future__ import annotations

import logging
import os
import secrets
from pathlib import Path

from orchestrator.core.errors import InputError
from orchestrator.execution.on_ray.compat import read_auth_settings_again

log = logging.getLogger(__name__)

OWN_TOKEN = Path("~/.ray/auth_token")  # where Ray looks for the token of a Ray of one's own
TOKEN = Path("~/.fold-orchestrator/token")  # made on the head by `ray up cluster.yaml`, given to its workers
CHOSEN = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


def use_ray_token() -> None:
    """Before connecting to a Ray that runs: shows it our token, if there is one and nothing else was chosen.

    A Ray that asks for none does not mind. With an address Ray itself looks for no token.
    """
    path = TOKEN.expanduser()
    if path.is_file():
        keep_to_owner(path, folder=True)
    if path.is_file() and not any(name in os.environ for name in CHOSEN):
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(path))
        read_auth_settings_again()


def prepare_own_token() -> None:
    """Before a Ray of our own starts: its token can be read by its owner alone. Ray would make it as the
    umask says, and whoever can read it can run code as its owner. Raises InputError."""
    if os.environ.get("RAY_AUTH_MODE", "token") != "token" or "RAY_AUTH_TOKEN" in os.environ:
        return
    given = os.environ.get("RAY_AUTH_TOKEN_PATH")
    path = Path(given) if given else OWN_TOKEN.expanduser()
    try:
        if not given and not path.exists():
            _make(path)
        if path.exists():
            keep_to_owner(path, folder=not given)
    except OSError as error:
        raise InputError(
            f"{path}: the token of Ray cannot be kept from others: {error.strerror}; name another file with "
            "RAY_AUTH_TOKEN_PATH"
        ) from error


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "w") as opened:
        opened.write(secrets.token_hex(32))


def keep_to_owner(path: Path, folder: bool = False) -> None:
    """The file 0600; with `folder`, its folder 0700. Raises InputError for what is another account's: who
    owns it knows the token, or can put in another."""
    for item, mode in ((path.parent, 0o700), (path, 0o600)) if folder else ((path, 0o600),):
        found = item.stat()
        if found.st_uid != os.getuid():
            raise InputError(
                f"{item} belongs to another account (number {found.st_uid}), which can let itself into your "
                "Ray with the token; name a file of your own with RAY_AUTH_TOKEN_PATH"
            )
        if found.st_mode & 0o077:
            item.chmod(mode)
            if found.st_mode & 0o044 and item is path:
                log.warning(
                    "%s could be read by other accounts until now; remove it when no Ray of yours runs, and "
                    "a new one is made",
                    path,
                )
