"""Why a fold run failed, in the words that say so: what libraries write around them is left out. Pure.

What Ray writes when its memory monitor ends a process is a page that begins "Task was killed due to the node
running low on memory"; of a process that died alone it lists three guesses. Neither says more than this.
"""

from __future__ import annotations

import re

LONGEST = 160  # characters
_FOR_MEMORY = re.compile(r"low on memory|memory usage threshold", re.IGNORECASE)
_OWN = re.compile(r"(?:actual )?memory used=([\d.]+)\s*GB")
_NODE = re.compile(r"([\d.]+)\s*GB(?: used)? / ([\d.]+)\s*GB")
_NODE_DIED = re.compile(r"node (?:has )?died|node was (?:terminated|preempted)", re.IGNORECASE)
_DIED = re.compile(r"The actor died|The actor is dead|unexpectedly exits", re.IGNORECASE)
_SIGNAL = re.compile(r"SIG(?:SEGV|ABRT|BUS|FPE|ILL)(?= received| \()")
_CUDA = re.compile(r"CUDA out of memory\. Tried to allocate ([\d.]+) (\w+)")
_BUSY = re.compile(r"CUDA-capable device\(s\) is/are busy or unavailable|CUDA-capable devices are busy")
_GPU_TOTAL = re.compile(r"total capacity of ([\d.]+) (\w+) of which ([\d.]+) (\w+) is free")
_GPU_OWN = re.compile(r"this process has ([\d.]+) (\w+) memory in use")
_GPU_TORCH = re.compile(
    r"Of the allocated memory ([\d.]+) (\w+) is allocated by PyTorch"
    r".*? and ([\d.]+) (\w+) is reserved by PyTorch"
)
_GPU_FAULT = re.compile(r"CUDA error: ")
_GPU_TOO_SMALL = re.compile(
    r"CUDA (?:error: )?out of memory"
    r"|CU(?:BLAS|DNN|SOLVER|SPARSE)_STATUS_(?:ALLOC_FAILED|NOT_INITIALIZED)"
    r"|DEVICE_ALLOCATION_FAILED"
    r"|unable to find an engine to execute this computation"
)
_UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_NOISE = re.compile(r"^(?:ray\.exceptions\.\w+: |[\w.]*RayTaskError\(\w+\): |ray::\S+\s*)+")
GB = 2**30  # what Ray calls one


def is_for_memory(text: str) -> bool:
    """Whether Ray says that it ended the process because the node ran low on memory."""
    return bool(_FOR_MEMORY.search(text))


def own_resident(text: str) -> int | None:
    """Bytes that the process held when Ray ended it, where Ray says so."""
    found = _OWN.search(text)
    return None if found is None else round(float(found[1]) * GB)


def is_gpu_memory(text: str) -> bool:
    """Whether a GPU's memory was too small, in the words of torch's allocator, of CUDA or of its libraries.

    Only what torch's allocator is asked for ends in its OutOfMemoryError. A context, or a handle of cuBLAS,
    that finds no room says so in its own words, and a convolution tries one algorithm of cuDNN after the
    other and says at last that there is none.
    """
    return bool(_GPU_TOO_SMALL.search(text))


def gpu_in_use(text: str) -> tuple[int, int, int] | None:
    """Of torch's words for a GPU that was too small: bytes that the process held, of how many, and how many
    were free; None where they don't say."""
    own, total = _gpu_own(text), _GPU_TOTAL.search(text)
    if own is None or total is None:
        return None
    return own, _bytes(total[1], total[2]), _bytes(total[3], total[4])


def _gpu_own(text: str) -> int | None:
    """In a container the driver names the process by its number outside, and torch doesn't know itself: then
    what its allocator holds, without CUDA's own."""
    if (own := _GPU_OWN.search(text)) is not None:
        return _bytes(own[1], own[2])
    held = _GPU_TORCH.search(text)
    return None if held is None else _bytes(held[1], held[2]) + _bytes(held[3], held[4])


def gpu_is_busy(text: str) -> bool:
    """Whether CUDA says that another program has the GPU to itself (its compute mode lets one at a time)."""
    return bool(_BUSY.search(text))


def is_gpu_fault(text: str) -> bool:
    """Whether torch says that the GPU stopped at a fault, after which its process can use it no more."""
    return bool(_GPU_FAULT.search(text)) and not gpu_is_busy(text)


def gpu_wanted(text: str) -> int | None:
    """Bytes of a GPU that the process held and asked for, in torch's words; None where they don't say."""
    own, tried = _gpu_own(text), _CUDA.search(text)
    return None if own is None or tried is None else own + _bytes(tried[1], tried[2])


def _bytes(number: str, unit: str) -> int:
    return round(float(number) * _UNITS[unit])


def cause(text: str) -> str:
    """The first words that say why, on one line."""
    if is_for_memory(text):
        return _memory(text)
    if (cuda := _CUDA.search(text)) is not None:
        return f"OutOfMemoryError: {cuda[0]}"
    if _DIED.search(text) and _NODE_DIED.search(text):
        return "its node is gone"
    if _DIED.search(text):
        signal = _SIGNAL.search(text)
        crash = "" if signal is None else f" by {signal[0]}"
        return f"its process was ended from outside or crashed{crash}"
    lines = [_NOISE.sub("", line.strip()) for line in text.splitlines()]
    return _cut(next((line for line in lines if line), ""))


def _memory(text: str) -> str:
    own, node = own_resident(text), _NODE.search(text)
    words = "the node's memory ran short"
    if node is not None:
        words += f": {node[1]} of {node[2]} GB were in use"
    return words if own is None else f"{words}, {own / GB:.2g} GB of that by the fold run that was ended"


def _cut(line: str) -> str:
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."
