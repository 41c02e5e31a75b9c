"""What was measured before, so that a second study on the same images need not measure it again.

A file for each case in the data set's cache folder. Its name is a digest of all that its cost follows from:
the trainable's source, the case, the device, the versions of what computes.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from orchestrator.core.atomic_file import atomic_write
from orchestrator.core.code_origin import find_code
from orchestrator.core.fold_run_cost import FoldRunCost, cost_from_json
from orchestrator.machine.nvidia_smi import ask_nvidia_smi

log = logging.getLogger(__name__)

VERSION = 1  # of how a fold run is measured: another number measures again
PACKAGES = ("orchestrator", "torch", "torchvision", "timm", "albumentations", "numpy")
ENVIRONMENT = re.compile(r"(MALLOC|PYTORCH|TORCH|CUDA|CUDNN|OMP|MKL|LD_PRELOAD|GLIBC)")
"""Variables that memory and speed can depend on."""
NOT_OF_IT = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")  # which GPU of those alike; threads are asked for


def digest_of(request: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> str:
    """32 hex digits. request: what the measuring process is asked."""
    told = {
        "version": VERSION,
        "request": request,
        "source": _source(str(request["trainable"]).partition(":")[0]),
        "packages": {name: _version(name) for name in PACKAGES},
        "device": _gpus() if request["resources"]["gpus"] else _cpu(),
        "environment": {
            name: value
            for name, value in sorted(environment.items())
            if ENVIRONMENT.match(name) and name not in NOT_OF_IT
        },
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:32]


@functools.cache
def _source(module: str) -> str:
    """Of the code that this process has imported, or is about to."""
    code = find_code(module)
    return "" if code is None else code.digest


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _gpus() -> list[str]:
    return sorted({f"{gpu.name} {gpu.memory_mib} MiB" for gpu in ask_nvidia_smi().gpus})


def _cpu(info: Path = Path("/proc/cpuinfo")) -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(errors="replace"), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1) if found else platform.machine()


class CostCache:
    """In `folder`, which many processes may use at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, digest: str) -> FoldRunCost | None:
        """None where there is none, or a damaged one, which is measured again."""
        try:
            return cost_from_json(json.loads(self._path(digest).read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.info("%s is damaged (%s); it is measured again", self._path(digest), error)
            return None

    def put(self, digest: str, cost: FoldRunCost) -> None:
        """A folder that takes no files costs the next study a measurement and this one nothing."""
        try:
            with atomic_write(self._path(digest)) as file:
                file.write(json.dumps(asdict(cost)).encode())
        except OSError as error:
            log.info("%s cannot be written: %s", self._path(digest), error)

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}.json"
