"""Where a mirror sends to: project, mode, server, from arguments and W&B's own environment variables."""

from __future__ import annotations

import importlib.util
import netrc
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from orchestrator.core.errors import InputError

SERVER = "https://api.wandb.ai"
Mode = Literal["online", "offline", "disabled"]
MODES: dict[str, Mode] = {
    "online": "online",
    "offline": "offline",
    "dryrun": "offline",  # W&B's old name for it
    "disabled": "disabled",
}
DEFAULT_PROJECT = "fold-orchestrator"


def installed() -> bool:
    return importlib.util.find_spec("wandb") is not None


def project_asked_for(option: str | None, environ: Mapping[str, str] = os.environ) -> str | None:
    """The project to mirror to: --wandb PROJECT, or WANDB_PROJECT where WANDB_MODE asks for a mirror; None
    where nobody asked for one."""
    if option is not None or environ.get("WANDB_MODE") not in ("online", "offline"):
        return option
    return environ.get("WANDB_PROJECT") or DEFAULT_PROJECT


def choose_mode(mode: str | None, environ: Mapping[str, str] = os.environ) -> tuple[Mode, str | None]:
    """The mode (argument, WANDB_MODE, else online) and, where it is not what was asked for, a line that
    says why. Raises InputError."""
    asked = mode or environ.get("WANDB_MODE") or "online"
    if asked not in MODES:
        raise InputError(f"WANDB_MODE={asked!r} is none of online, offline, disabled; correct or unset it")
    if asked == "online" and not has_key(environ):
        return "offline", (
            f"wandb: no API key for {server(environ)}, so runs are written offline; "
            "set WANDB_API_KEY or use `wandb login`"
        )
    return MODES[asked], None


def server(environ: Mapping[str, str] = os.environ) -> str:
    return environ.get("WANDB_BASE_URL") or SERVER


def has_key(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether W&B will find credentials: in the environment or in the netrc file."""
    if environ.get("WANDB_API_KEY") or environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    home = Path(environ.get("HOME") or Path.home())
    path = Path(environ.get("NETRC") or home / ".netrc")
    try:
        login = netrc.netrc(path).authenticators(urlsplit(server(environ)).netloc)
    except (OSError, netrc.NetrcParseError):
        return False  # W&B could not read it either
    return bool(login and login[2])
