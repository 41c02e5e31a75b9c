"""Small real things that tests share: a folder of images with people, a space over them, a shared Ray.

And how the tests are run: several workers share them by file, the slowest files first (`make test`), or
`--quick` leaves out what needs a real Ray, torch or much time (`make test-quick`).
"""

from __future__ import annotations

import gc
import os
import re
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from orchestrator.cli.signals import restored_signals
from orchestrator.machine import nvidia_smi
from orchestrator.progress import bar
from tests.support.file_seconds import SECONDS, unlisted

pytest_plugins = ["tests.support.browser"]  # its fixtures start a Chromium for who asks for one

# Ray's workers are at 15: beside tests that compute they would get a thirtieth of a CPU.
os.environ.setdefault("RAY_worker_niceness", "0")

# Tests press Ctrl-C in what they start; a run in the background of a script would hand on that it is ignored.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

NOT_QUICK = ("cluster", "ray", "slow", "torch")

SPACE = '''"""Which of two tints a picture has."""
from orchestrator.space import Scale, SearchSpace, categorical, choice, loguniform

space = SearchSpace(
    trainable="tests.pixel_trainable:PixelTrainable",
    target=categorical("tint", ["red", "blue"]),
    params={"lr": loguniform(1e-3, 2.0)},
    folds=3, trials=9, max_t=4, grace_period=1, finalists=2,
    scales={"small": Scale(trials=9), "smoke": Scale(trials=3, max_t=2, folds=2)},
)
'''


@pytest.fixture(scope="session", autouse=True)
def own_known_code(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Code that tests name is not known to whoever runs them."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session", autouse=True)
def steps_without_clocks() -> None:
    """How long a step takes is the machine's luck: lines of its clock are for tests/progress alone."""
    bar.QUIET_S = 3600.0


@pytest.fixture(scope="session", autouse=True)
def time_for_nvidia_smi() -> None:
    """A drawn one answers, if the machine lets it; how long one is waited for is asked by its own test."""
    nvidia_smi.NVIDIA_SMI_S = 120.0


@pytest.fixture(scope="module", autouse=True)
def own_environment(own_known_code: None) -> Iterator[None]:
    """What a file's tests, and commands that they call in this process, set is gone for the next file."""
    environment, path, folder = dict(os.environ), list(sys.path), Path.cwd()
    yield
    # Ray's compiled part reads once a process which token it has; a Ray of the next file must have it too.
    token = {name: value for name, value in os.environ.items() if name.startswith("RAY_AUTH_")}
    os.environ.clear()
    os.environ.update({**environment, **token})
    sys.path[:] = path
    os.chdir(folder)


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """An interrupted command ignores further interrupts, and what it would start then inherits that."""
    with restored_signals():
        yield


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """faces.csv (path, group, tint) and 60 noisy 12 px images of 20 people, three each."""
    root = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(7)
    lines = ["path,group,tint"]
    for person in range(20):
        tint = ("red", "blue")[person % 2]
        for photo in range(3):
            image = rng.integers(0, 256, (12, 12, 3))
            image[..., 2 if tint == "red" else 0] += rng.integers(10, 60)
            name = f"p{person:02d}-{photo}.png"
            cv2.imwrite(str(root / name), np.clip(image, 0, 255).astype(np.uint8))
            lines.append(f"{name},p{person:02d},{tint}")
    (root / "faces.csv").write_text("\n".join(lines) + "\n")
    return root / "faces.csv"


@pytest.fixture
def space_file(tmp_path: Path) -> Path:
    path = tmp_path / "tint.py"
    path.write_text(SPACE)
    return path


@pytest.fixture(scope="module")
def ray_session() -> Iterator[None]:
    """One Ray for a file's tests, ended with them, so that others begin without; two CPUs on any machine."""
    cluster = pytest.importorskip("orchestrator.execution.on_ray.cluster")
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    with cluster.connect(None, cpus=2):
        yield


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Of `--numprocesses auto`: two for each core, because tests of a real Ray mostly wait; quick ones don't.

    A worker and the Ray that it starts take up to 3 GB; no number of workers beats the slowest file.
    """
    if config.getoption("quick"):
        return os.cpu_count() or 1
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(2 * (os.cpu_count() or 1), int(memory / 3e9), 8))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help=f"Leave out tests marked {', '.join(NOT_QUICK)}.")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Quick: a file whose tests are all left out is not imported either, for it may import torch."""
    return True if config.getoption("quick") and all_need_torch_or_ray(collection_path) else None


def all_need_torch_or_ray(path: Path) -> bool:
    if path == Path(__file__).parent / "trainables":
        return True
    if path.suffix != ".py":
        return False
    marks = re.search(r"^pytestmark = (\[.*?\]|.*?)$", path.read_text(), re.MULTILINE | re.DOTALL)
    return marks is not None and re.search(rf"mark\.({'|'.join(NOT_QUICK)})\b", marks[1]) is not None


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Thousands of tests and what they import stay to the end: the collector need not look at them again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Workers are given the files in this order. Without workers the order stays as collected."""
    if config.getoption("quick"):
        left_out = [item for item in items if any(item.get_closest_marker(mark) for mark in NOT_QUICK)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: -SECONDS.get(item.nodeid.partition("::")[0], 0))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Quick: a file that imports torch is an error, in words."""
    before = "torch" in sys.modules
    report = yield
    if collector.config.getoption("quick") and not before and "torch" in sys.modules:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} imports torch: give it `pytestmark = pytest.mark.torch`"
    return report


@pytest.fixture(autouse=True)
def imports_no_torch_when_quick(request: pytest.FixtureRequest) -> Iterator[None]:
    before = "torch" in sys.modules
    yield
    if request.config.getoption("quick") and not before:
        assert "torch" not in sys.modules, "it imports torch: mark it pytest.mark.torch"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    durations = [(r.nodeid, r.duration) for r in reports if isinstance(r, pytest.TestReport)]
    for file, seconds in unlisted(durations).items():
        terminalreporter.write_line(f"{file}: {seconds:.0f} s, and not in tests/support/file_seconds.py")
