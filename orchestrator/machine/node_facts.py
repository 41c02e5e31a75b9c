"""What one node has: versions, the project's source, memory, disk, GPUs. Runs on any node; changes nothing.

    python -m orchestrator.machine.node_facts --trainable trainables

prints one line of JSON, so that it can be asked for over SSH. Nothing heavy is imported: versions are those
of the installed distributions, GPUs are what nvidia-smi says.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from orchestrator.machine.gpu_users import mps_daemons, owners_of, user_name
from orchestrator.machine.nvidia_smi import Gpu, ask_nvidia_smi

SHM = Path("/dev/shm")
SAME = ("ray", "torch")
"""What must have the same version on all nodes of a study."""
PACKAGES = (
    *SAME,
    *("torchvision", "timm", "albumentations", "opencv-python-headless", "numpy", "pandas"),
    *("scikit-learn", "pyarrow", "safetensors", "optuna", "wandb"),
)
NOT_FOUND = "not found"
SETTINGS = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "CUDA_MPS_PIPE_DIRECTORY")
"""Of the environment: what CUDA sees, in which order, and which MPS daemon it looks for."""


@dataclass(frozen=True)
class NodeFacts:
    """What one node has. Bytes are None where the system doesn't say."""

    host: str
    python: str  # version
    executable: str  # path of that Python
    versions: Mapping[str, str]  # of the installed ones of PACKAGES
    sources: Mapping[str, str]  # package -> digest of its .py files, or NOT_FOUND
    memory_bytes: int | None
    memory_free_bytes: int | None
    shm_bytes: int | None  # of /dev/shm
    shm_free_bytes: int | None
    temp: str  # folder of temporary files
    temp_free_bytes: int | None
    runs: str  # folder of the studies
    runs_free_bytes: int | None  # of the disk it is on, or would be made on
    gpus: tuple[Gpu, ...]
    driver: str | None  # version of NVIDIA's; None without a GPU
    cuda: str | None  # newest version of CUDA that the driver knows
    gpu_problem: str | None  # why nvidia-smi, which is there, gave no GPUs
    time: float  # of the node's own clock, seconds since 1970 (UTC)
    # Nodes of version 0.3 and before don't tell these.
    user: str = ""  # who asked
    gpu_query: str = ""  # what nvidia-smi says of each card, for `gpu_cards.parse_log`
    gpu_listed: str = ""  # the ids of their slices, for the same
    gpu_owners: Mapping[str, str] = field(default_factory=dict)  # process id on a card -> its user
    mps_daemons: Mapping[str, str] = field(default_factory=dict)  # process id -> whose control daemon it is
    cuda_settings: Mapping[str, str] = field(default_factory=dict)  # those of SETTINGS that are set

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> NodeFacts:
        """Inverse of `to_json`; ignores keys that a later version added. Raises ValueError."""
        try:
            known = {item.name: record[item.name] for item in fields(cls) if item.name in record}
            missing = [item.name for item in fields(cls) if _is_needed(item) and item.name not in record]
            if missing:
                raise KeyError(missing[0])
            known["gpus"] = tuple(Gpu(**gpu) for gpu in known["gpus"])
            facts = cls(**known)
            sound = _sound(facts)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"these are not the facts of a node: {error!r}") from None
        if not sound:
            raise ValueError(f"these are not the facts of a node: {str(record)[:200]}")
        return facts


def _is_needed(item: Field[Any]) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def _sound(facts: NodeFacts) -> bool:
    """Whether everything has its type; what comes from another node is not taken on trust."""
    texts = [facts.host, facts.python, facts.executable, facts.temp, facts.runs]
    texts += [facts.user, facts.gpu_query, facts.gpu_listed]
    for table in (
        *(facts.versions, facts.sources),
        *(facts.gpu_owners, facts.mps_daemons, facts.cuda_settings),
    ):
        texts += [*table.keys(), *table.values()]
    numbers: list[Any] = [facts.time, *(gpu.memory_mib for gpu in facts.gpus)]
    for name, value in asdict(facts).items():
        if name.endswith("_bytes") and value is not None:
            numbers.append(value)
        elif name in ("driver", "cuda", "gpu_problem") and value is not None:
            texts.append(value)
    texts += [gpu.name for gpu in facts.gpus]
    return all(isinstance(text, str) for text in texts) and all(
        isinstance(number, int | float) for number in numbers
    )


def gather(trainable: str | None = None, runs: Path = Path("runs")) -> NodeFacts:
    """Of this node. trainable: "package.module:Class", or its top package alone."""
    packages = ["orchestrator"] + ([top_package(trainable)] if trainable else [])
    memory = _meminfo()
    shm_total, shm_free = _disk(SHM)
    temp, runs = Path(tempfile.gettempdir()), runs.absolute()
    said = ask_nvidia_smi()
    return NodeFacts(
        host=platform.node(),
        python=platform.python_version(),
        executable=sys.executable,
        versions=installed(PACKAGES),
        sources={name: source_digest(name) for name in packages},
        memory_bytes=memory.get("MemTotal"),
        memory_free_bytes=memory.get("MemAvailable"),
        shm_bytes=shm_total,
        shm_free_bytes=shm_free,
        temp=str(temp),
        temp_free_bytes=_disk(temp)[1],
        runs=str(runs),
        runs_free_bytes=_disk(runs)[1],
        gpus=said.gpus,
        driver=said.driver,
        cuda=said.cuda,
        gpu_problem=said.problem,
        time=time.time(),
        user=user_name(os.getuid()),
        gpu_query=said.query,
        gpu_listed=said.listed,
        gpu_owners=owners_of(said.query),
        mps_daemons=mps_daemons(),
        cuda_settings={name: os.environ[name] for name in SETTINGS if name in os.environ},
    )


def reasons_against(reference: NodeFacts, other: NodeFacts) -> list[str]:
    """What keeps `other` from working in a study driven by `reference`, a line each; none: nothing does."""
    reasons = []
    if minor(reference.python) != minor(other.python):
        reasons.append(
            f"{other.host} has Python {other.python}, {reference.host} has {reference.python}; "
            f"install Python {minor(reference.python)} there and make its environment again"
        )
    for package in SAME:
        ours, theirs = reference.versions.get(package), other.versions.get(package)
        if ours is not None and not same_release(ours, theirs):
            found = f"{package} {theirs}" if theirs else f"no {package}"
            reasons.append(
                f"{other.host} has {found}, {reference.host} has {ours}; run `ray up cluster.yaml` again, "
                "which installs what constraints.txt says, or install it there by hand"
            )
    for package, digest in reference.sources.items():
        theirs = other.sources.get(package, NOT_FOUND)
        if theirs != digest or digest == NOT_FOUND:
            reasons.append(
                f"{other.host} has other source files of {package} ({theirs}) than {reference.host} "
                f"({digest}); run `ray up cluster.yaml` again, which copies the project"
            )
    return reasons


def minor(version: str) -> str:
    """3.11 of 3.11.7."""
    return ".".join(version.split(".")[:2])


def same_release(ours: str, theirs: str | None) -> bool:
    """Whether they differ at most in the build (2.13.0+cpu and 2.13.0+cu130)."""
    return theirs is not None and ours.split("+")[0] == theirs.split("+")[0]


def top_package(trainable: str) -> str:
    return trainable.split(":")[0].split(".")[0]


def installed(packages: Sequence[str]) -> dict[str, str]:
    """Name -> version, without those that are not installed."""
    found = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def source_digest(package: str) -> str:
    """12 hex digits over names and bytes of its .py files, which are found without importing it."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    folders = [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []
    files = [(path.relative_to(folder), path) for folder in folders for path in folder.rglob("*.py")]
    if not files and spec is not None and spec.origin is not None and Path(spec.origin).is_file():
        files = [(Path(Path(spec.origin).name), Path(spec.origin))]
    if not files:
        return NOT_FOUND
    digest = hashlib.sha256()
    for name, path in sorted((name.as_posix(), path) for name, path in files):
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


def existing(path: Path) -> Path:
    """The path itself, or the nearest folder above it that is there."""
    return next((folder for folder in (path, *path.parents) if folder.exists()), Path("/"))


def _disk(path: Path) -> tuple[int | None, int | None]:
    """Total and free bytes."""
    try:
        usage = shutil.disk_usage(path if path == SHM else existing(path))
    except OSError:
        return None, None
    return usage.total, usage.free


def _meminfo() -> dict[str, int]:
    """Bytes, by the kernel's names; empty where there is no such file."""
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:
        return {}
    return {name: 1024 * int(kib) for name, kib in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE)}


def main(argv: Sequence[str] | None = None) -> int:
    made = argparse.ArgumentParser(
        "python -m orchestrator.machine.node_facts", description=__doc__.split("\n")[0]
    )
    made.add_argument("--trainable", help='"package.module:Class" or a package, whose source is digested too')
    made.add_argument("--runs", type=Path, default=Path("runs"), help="where studies lie (default: runs)")
    arguments = made.parse_args(argv)
    print(json.dumps(gather(arguments.trainable, arguments.runs).to_json()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
