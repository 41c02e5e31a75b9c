"""Whether Weights & Biases would receive anything. It never blocks: a study runs without it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from orchestrator.core.errors import InputError
from orchestrator.core.finding import Finding, ok, warning
from orchestrator.tracking.settings import choose_mode, installed, project_asked_for, server

CONNECT_S = 3.0  # nobody should wait longer for what blocks nothing


def check_wandb(
    environ: Mapping[str, str] = os.environ,
    is_installed: Callable[[], bool] = installed,
    connect: Callable[[str], str] | None = None,
) -> Finding:
    """connect: URL -> what kept it from being reached, "" when it was."""
    asked = project_asked_for(None, environ) is not None
    if not is_installed():
        found, way_out = "not installed: off", "python -m pip install -e '.[wandb]'"
        return (
            warning("wandb", f"{found}, but WANDB_MODE asks for it", way_out) if asked else ok("wandb", found)
        )
    try:
        mode, note = choose_mode(None, environ)
    except InputError as error:
        return warning("wandb", str(error), "`unset WANDB_MODE`")
    if note is not None:  # there is no key: `choose_mode` fell back to offline
        found = f"not logged in to {server(environ)}: --wandb would write offline"
        return warning("wandb", found, "`wandb login`") if asked else ok("wandb", found)
    if mode != "online":
        return ok("wandb", f"WANDB_MODE={mode}: nothing is sent")
    problem = (connect or _connect)(server(environ))
    if problem:
        way_out = "studies run without it; send later with `python -m orchestrator.tracking STUDY`"
        return warning("wandb", f"{server(environ)} is not reached: {problem}", way_out)
    return ok("wandb", f"{server(environ)} is reached{'' if asked else '; --wandb PROJECT uses it'}")


def _connect(url: str) -> str:
    """A connection to the server, or to the proxy that the environment names for it; nothing is sent."""
    proxy = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy")
    parts = urlsplit(proxy or url)
    try:
        address = (parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443))
        socket.create_connection(address, timeout=CONNECT_S).close()
    except (OSError, ValueError) as error:
        return str(error)
    return ""
