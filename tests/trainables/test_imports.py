"""What importing costs and what it must survive, each in a process of its own."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from trainables.parameters import PARAMETERS, completed
from trainables.prefetch import in_order, slices

REPOSITORY = Path(__file__).parents[2]


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_parameter_table_comes_without_torch() -> None:
    assert python("import sys, trainables.parameters; print('torch' in sys.modules)") == "False"


def test_images_are_looked_at_without_torch(tmp_path: Path) -> None:
    """By the shipped trainable, for a report or a check of data."""
    code = f"""
import sys, numpy as np, cv2
from orchestrator.core.image_measures import ImageList
from orchestrator.core.measuring import measure_images
from orchestrator.core.thumbnails import read_thumbnails
root = {str(tmp_path)!r}
cv2.imwrite(root + "/a.png", np.zeros((4, 6, 3), np.uint8))
[picture] = read_thumbnails(root, ["a.png"], 3)
measures = measure_images(ImageList(root, ("a.png",), root))
print(picture.shape, *measures.readable, "torch" in sys.modules)
"""
    assert python(code) == "(2, 3, 3) True False"


def test_timm_can_be_imported_whatever_torchvision_was_built_for() -> None:
    """With torchvision's extension hidden, as when it was built for another torch."""
    hide = (
        "import torch, sys\n"
        "def refuse(path): raise OSError('libcudart.so: cannot open shared object file')\n"
        "torch.ops.load_library = refuse\n"
    )
    code = (
        "from trainables.network import torchvision_ops as t\n"
        "print(t.extension_loads(), t.timm.is_model('resnet18'), 'wandb' in sys.modules)"
    )
    assert python(hide + code) == "False True False"


def test_a_package_that_others_were_not_to_find_is_there_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainables.network.torchvision_ops import without

    (tmp_path / "seldom_needed.py").write_text("value = 7")
    monkeypatch.syspath_prepend(tmp_path)
    with without("seldom_needed"), pytest.raises(ImportError):
        importlib.import_module("seldom_needed")
    found = importlib.import_module("seldom_needed")
    with without("seldom_needed"):
        assert importlib.import_module("seldom_needed") is found
    assert importlib.import_module("seldom_needed").value == 7


def test_nothing_is_declared_where_the_extension_loads() -> None:
    code = (
        "import torch\n"
        "torch.ops.load_library = lambda path: None\n"
        "import importlib.util, sys, types\n"
        "sys.modules['timm'] = types.ModuleType('timm')\n"
        "sys.modules['timm.scheduler'] = types.ModuleType('timm.scheduler')\n"
        "from trainables.network import torchvision_ops as t\n"
        "print(t._LIBRARY)"
    )
    assert python(code) == "None"


def test_every_default_is_a_value_its_parameter_accepts() -> None:
    kinds = {"bool": bool, "int": int, "float": float, "str": str, "none": type(None)}
    for name, parameter in PARAMETERS.items():
        assert type(parameter.default) in {kinds[kind] for kind in parameter.types}, name
        assert parameter.choices is None or parameter.default in parameter.choices, name
        assert parameter.doc, name


def test_a_completed_configuration_has_every_parameter() -> None:
    config = completed({"lr": 0.5})
    assert set(config) == set(PARAMETERS) and config["lr"] == 0.5


def test_batches_come_in_order_and_errors_at_their_place() -> None:
    from concurrent.futures import ThreadPoolExecutor

    def make(step: int) -> int:
        if step == 7:
            raise KeyError(step)
        return step * step

    with ThreadPoolExecutor(3) as pool:
        assert list(in_order(make, 7, pool, ahead=4)) == [step * step for step in range(7)]
        found = []
        with pytest.raises(KeyError):
            for value in in_order(make, 12, pool, ahead=4):
                found.append(value)
        assert len(found) == 7


def test_slices_cover_everything_once() -> None:
    assert [(part.start, part.stop) for part in slices(7, 3)] == [(0, 3), (3, 6), (6, 7)]
    assert slices(0, 3) == []
