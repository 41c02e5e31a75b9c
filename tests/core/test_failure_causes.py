"""Recorded reasons begin with the cause: what Ray and torch write around it is left out."""

from __future__ import annotations

import pytest

from orchestrator.core.failure_causes import (
    cause,
    gpu_in_use,
    gpu_wanted,
    is_for_memory,
    is_gpu_memory,
    own_resident,
)

BY_MONITOR = (
    "ray.exceptions.RayActorError: Task was killed due to the node running low on memory.\n"
    "Memory on the node (IP: 127.0.0.1, ID: 5c) was 22.91GB used / 24.00GB limit (0.954), which exceeds the "
    "memory usage threshold of 0.95. Ray killed this worker (ID: 77) because it was the most recently "
    "scheduled task; to see more information about memory usage on this node, use `ray logs raylet.out`.\n"
    "Killed: ray::_LegTrainable pid=812, actual memory used=0.13GB, worker ID=77)\n"
    "Refer to the documentation on how to address the out of memory issue: https://docs.ray.io/..."
)
DIED = (
    "ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this task.\n"
    "\tclass_name: _LegTrainable\n\tactor_id: 01\n\tpid: 812\n"
    "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit "
    "detail: Worker unexpectedly exits with a connection error code 2. End of file. There are some potential "
    "root causes. (1) The process is killed by SIGKILL by OOM killer due to high memory usage. (2) ray stop "
    "--force is called. (3) The worker is crashed unexpectedly due to SIGSEGV or other unexpected errors."
)
NODE = (
    "ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this task.\n"
    "The actor died because its node has died. Node Id: 5c"
)
TORCH = (
    "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 15.77 "
    "GiB of which 1.50 GiB is free. Process 99 has 8.00 GiB memory in use. Including non-PyTorch memory, "
    "this process has 6.20 GiB memory in use. Of the allocated memory 5.9 GiB is allocated by PyTorch. If "
    "reserved but unallocated memory is large try setting PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            BY_MONITOR,
            "the node's memory ran short: 22.91 of 24.00 GB were in use, 0.13 GB of that by the fold run "
            "that was ended",
        ),
        (DIED, "its process was ended from outside or crashed"),
        (NODE, "its node is gone"),
        (TORCH, "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"),
        ("KeyError: 'lr'\nmore", "KeyError: 'lr'"),
        ("ray.exceptions.RayTaskError(KeyError): ray::f() KeyError: 'lr'", "KeyError: 'lr'"),
        ("", ""),
        ("x" * 400, "x" * 157 + "..."),
    ],
)
def test_the_first_words_say_why(text: str, expected: str) -> None:
    assert cause(text) == expected
    assert cause(expected) == expected  # as the journal has it


def test_only_rays_own_word_speaks_of_memory() -> None:
    """The three guesses that it lists of any death name the kernel's killer too."""
    assert is_for_memory(BY_MONITOR) and not is_for_memory(DIED) and not is_for_memory(TORCH)
    assert own_resident(BY_MONITOR) == round(0.13 * 2**30) and own_resident(DIED) is None


def test_what_torch_says_of_a_gpu_in_bytes() -> None:
    assert gpu_in_use(TORCH) == (round(6.2 * 2**30), round(15.77 * 2**30), round(1.5 * 2**30))
    assert gpu_in_use("OutOfMemoryError: told to need a whole GPU") is None


def test_in_a_container_where_torch_does_not_find_itself_its_allocator_says_what_it_held() -> None:
    said = (
        "OutOfMemoryError: CUDA out of memory. Tried to allocate 1.25 GiB. GPU 0 has a total capacity of "
        "93.02 GiB of which 1.18 GiB is free. Process 2752205 has 91.82 GiB memory in use. Of the allocated "
        "memory 4.50 GiB is allocated by PyTorch, with 1.00 GiB allocated in private pools (e.g., CUDA "
        "Graphs), and 512.00 MiB is reserved by PyTorch but unallocated. If reserved but unallocated is"
    )
    assert gpu_in_use(said) == (5 * 2**30, round(93.02 * 2**30), round(1.18 * 2**30))
    assert gpu_wanted(said) == round(6.25 * 2**30)
    without = said.replace("with 1.00 GiB allocated in private pools (e.g., CUDA Graphs), ", "")
    assert gpu_in_use(without) == gpu_in_use(said)


def test_only_words_for_memory_speak_of_a_gpu_that_was_too_small() -> None:
    assert is_gpu_memory(TORCH) and is_gpu_memory("CUDA error: out of memory")
    assert not is_gpu_memory("CUDA error: an illegal memory access was encountered")
    assert not is_gpu_memory(BY_MONITOR) and not is_gpu_memory("CUDNN_STATUS_EXECUTION_FAILED")
