"""Training steps through torch.compile: the same curves, names and files. Only a slow test builds kernels."""

from __future__ import annotations

import io
import shutil
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load
from torch import nn

from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import TrainableError
from tests.support.drawn_images import classifier, run, same
from trainables.image_classifier import ImageClassifier
from trainables.network.network import Network
from trainables.optimisation import compiling
from trainables.optimisation.compiling import TrainingForward, check_compile
from trainables.parameters import completed

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")
EVERYTHING: dict[str, Any] = {
    "freeze_epochs": 1,
    "ema_decay": 0.9,
    "sam_rho": 0.05,
    "accumulate": 2,
    "batch_size": 8,
    "grad_clip": 1.0,
}


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """torch.compile traces forward and backward, and runs what it traced without kernels of its own."""
    monkeypatch.setattr(compiling, "BACKEND", "aot_eager")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))


def close_to(left: list[Any], right: list[Any]) -> bool:
    return all(
        a[0] == pytest.approx(b[0], abs=1e-4) and np.allclose(a[1], b[1], atol=1e-4)
        for a, b in zip(left, right, strict=True)
    )


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("config", [{}, EVERYTHING], ids=["plain", "everything"])
def test_a_fold_run_goes_on_with_and_without_compiling(dataset: Dataset, config: dict[str, Any]) -> None:
    plain = classifier(dataset, epochs=3, **config)
    first, state = run(plain, 1), plain.state()
    expected = run(plain, 2)
    compiled = classifier(dataset, epochs=3, compile="reduce-overhead", **config)
    try:
        assert close_to(run(compiled, 1), first)
        own = torch.load(io.BytesIO(compiled.state()), weights_only=True)
        stored = torch.load(io.BytesIO(state), weights_only=True)
        assert own["network"].keys() == stored["network"].keys()
        assert own["average"].keys() == stored["average"].keys()
        compiled.load_state(state)
        assert close_to(run(compiled, 2), expected)
        assert load(compiled.weights()).keys() == load(plain.weights()).keys()
        back = classifier(dataset, epochs=3, **config)
        back.load_state(compiled.state())
        again = classifier(dataset, epochs=3, **config)
        again.load_state(back.state())
        assert same(run(back, 0), run(again, 0)) and back.weights() == again.weights() == compiled.weights()
    finally:
        compiled.close()


@pytest.mark.usefixtures("traced")
def test_fold_runs_of_one_process_are_compiled_each_and_leave_nothing(dataset: Dataset) -> None:
    """torch compiles eight versions of one function and then none, without a word."""
    from torch._C._dynamo.eval_frame import _debug_get_cache_entry_list

    for fold in (0, 1):
        trained = classifier(dataset, fold=fold, compile="reduce-overhead", batch_size=24)
        run(trained, 1)
        assert len(_debug_get_cache_entry_list(Network.forward.__code__)) == 1
        trained.close()
        assert _debug_get_cache_entry_list(Network.forward.__code__) == []


def test_on_a_cpu_auto_is_the_network_itself(dataset: Dataset) -> None:
    plain, auto = classifier(dataset), classifier(dataset, compile="auto")
    assert same(run(plain, 1), run(auto, 1)) and plain.weights() == auto.weights()
    assert auto._forward._compiled is None


@pytest.mark.parametrize(("accumulate", "expected"), [(1, "reduce-overhead"), (2, None)])
def test_gradients_that_are_added_up_are_never_those_of_a_graph(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, accumulate: int, expected: str | None
) -> None:
    """A graph writes each gradient to one address: the second batch's would overwrite the first's."""
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(torch, "compile", lambda network, **options: asked.append(options) or network)
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    config = completed({"compile": "reduce-overhead", "accumulate": accumulate})
    forward = TrainingForward(nn.Flatten(), config, CPU, str(tmp_path))
    forward.begin(10, frozen=False)
    assert asked == [{"backend": "inductor", "dynamic": False, "mode": expected}]


@pytest.mark.usefixtures("traced")
def test_a_fold_run_among_others_has_few_processes_compile_for_it(dataset: Dataset) -> None:
    """torch's own number is that of the machine's cores, for each of the fold runs on it."""
    from torch._inductor import config

    for given, expected in ((16, compiling.BUILDERS), (1, 1)):  # 1: as somebody set it
        trained = classifier(dataset, compile="reduce-overhead")
        with config.patch(compile_threads=given):
            trained._forward.begin(10, frozen=False)
            assert config.compile_threads == expected
        trained.close()


def test_what_is_compiled_lies_in_a_folder_that_is_the_users_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(torch, "compile", lambda network, **_: network)
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    forward = TrainingForward(nn.Flatten(), completed({"compile": "reduce-overhead"}), CPU, str(tmp_path))
    forward.begin(10, frozen=False)
    assert compiling.os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / "compiled")
    assert stat.S_IMODE((tmp_path / "compiled").stat().st_mode) == 0o700


# ---- machines that cannot ---------------------------------------------------------------------------


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)


@pytest.mark.usefixtures("no_compiler")
def test_a_machine_without_a_compiler_is_told_before_anything_runs(dataset: Dataset) -> None:
    values = {"backbone": ["test_resnet"], "image_size": [32], "compile": ["none", "reduce-overhead"]}
    with pytest.raises(TrainableError, match=r"needs a C\+\+ compiler .* install it or set compile=none"):
        ImageClassifier.prepare(dataset, values)
    with pytest.raises(TrainableError, match="set compile=none"):
        classifier(dataset, compile="reduce-overhead")
    assert check_compile("none") == check_compile("auto") == []


def test_auto_without_triton_trains_uncompiled_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(compiling.importlib.util, "find_spec", lambda name: None)
    assert check_compile("auto") == [
        "compile=auto trains uncompiled here: torch.compile needs the package triton"
    ]
    with pytest.raises(TrainableError, match="'reduce-overhead' needs the package triton"):
        check_compile("reduce-overhead")


def test_a_gpu_that_triton_does_not_know_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (6, 1))
    assert compiling.missing_for_compile(on_gpu=True) == "a GPU of compute capability 7.0 or above"


def test_headers_of_python_are_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(compiling.sysconfig, "get_path", lambda name: str(tmp_path))
    assert "python3-dev" in compiling.missing_for_compile(on_gpu=False)


@pytest.mark.slow
def test_built_kernels_learn_what_plain_ones_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    inputs = torch.randn(16, 3, 4, 4, generator=torch.Generator().manual_seed(0))

    def losses(mode: str) -> list[float]:
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(48, 8), nn.GELU(), nn.Linear(8, 1))
        forward = TrainingForward(network, completed({"compile": mode}), CPU, str(tmp_path))
        forward.begin(20, frozen=False)
        optimizer, found = torch.optim.AdamW(network.parameters(), lr=0.01, fused=True), []
        for _ in range(20):
            optimizer.zero_grad(set_to_none=True)
            loss = (forward(inputs) - 1.0).square().mean()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            found.append(float(loss.detach()))
        forward.close()
        return found

    plain, compiled = losses("none"), losses("reduce-overhead")
    assert compiled == pytest.approx(plain, rel=1e-4)
    assert plain[-1] < 0.5 * plain[0]
    assert list((tmp_path / "compiled").rglob("*.so")), "kernels were built"
