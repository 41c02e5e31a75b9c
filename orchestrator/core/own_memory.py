"""What this process holds of the machine's memory, in bytes, without the files that it maps.

Those files, such as the store of decoded images and the libraries, the kernel keeps once for all processes
and counts as a cache; so `machine.memory` counts others' memory. 0 where there is no /proc.
"""

from __future__ import annotations

import re
from pathlib import Path

STATUS = Path("/proc/self/status")
KIB = 1024


def own_unshared(status: Path = STATUS) -> int:
    """Now."""
    return _sizes(status).get("RssAnon", 0)


def own_peak_unshared(status: Path = STATUS) -> int:
    """The most that it ever held.

    The kernel notes the peak of all pages alone. Mapped files are taken from it as they are now: they only
    grow while a process works, so this is at most too little by what it began to map since the peak.
    """
    sizes = _sizes(status)
    mapped = sizes.get("RssFile", 0) + sizes.get("RssShmem", 0)
    return max(sizes.get("VmHWM", 0) - mapped, sizes.get("RssAnon", 0))


def _sizes(status: Path) -> dict[str, int]:
    try:
        text = status.read_text()
    except OSError:
        return {}
    return {name: int(size) * KIB for name, size in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE)}
