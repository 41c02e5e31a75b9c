"""timm, imported so that a torchvision built for another torch cannot break it.

A CPU build of torch beside the CUDA build of torchvision (what two plain `pip install` lines can give)
fails at `import torchvision` with "operator torchvision::nms does not exist": its extension cannot be
loaded, yet it registers shapes for operators the extension would have declared. timm imports torchvision
for image transforms only. So where the extension cannot be loaded, the schemas of those operators are
declared here, without kernels: importing works, and calling one of them still fails as it should.

timm would also import wandb where it is installed, for a function that nobody here calls: a tenth of what a
worker spends on its imports. It is told that there is none.

    from trainables.network.torchvision_ops import timm
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

__all__ = ["timm"]

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def extension_loads() -> bool:
    """Whether torchvision's compiled operators can be had; True as well where there is no torchvision."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return True
    folder = Path(spec.origin).parent
    for library in sorted([*folder.glob("_C*.so"), *folder.glob("_C*.pyd")]):
        try:
            torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
        except (OSError, RuntimeError):
            return False
        return True
    return False


def declare_missing_ops() -> torch.library.Library | None:
    """The library that holds the declared schemas, which live as long as it does; None: nothing to do."""
    if extension_loads():
        return None
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for schema in _SCHEMAS:
        if not hasattr(torch.ops.torchvision, schema.partition("(")[0]):
            library.define(schema)  # type: ignore[no-untyped-call]
    return library


@contextlib.contextmanager
def without(name: str) -> Iterator[None]:
    """A package that others import where it is there is not there; one that was imported before is."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # importing it raises ImportError
    try:
        yield
    finally:
        del sys.modules[name]


_LIBRARY = declare_missing_ops()

with without("wandb"):
    import timm
    import timm.scheduler
