"""The token that a Ray started from cluster.yaml asks for."""

from __future__ import annotations

import os
from pathlib import Path

from orchestrator.execution.on_ray.compat import read_auth_settings_again

TOKEN = Path("~/.fold-orchestrator/token")  # made on the head by `ray up cluster.yaml`, given to its workers
CHOSEN = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


def use_ray_token() -> None:
    """Before connecting to a Ray that runs: shows it our token, if there is one and nothing else was chosen.

    A Ray that asks for none does not mind. With an address Ray itself looks for no token.
    """
    path = TOKEN.expanduser()
    if path.is_file() and not any(name in os.environ for name in CHOSEN):
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(path))
        read_auth_settings_again()
