"""Real searches on Ray: how busy a race keeps the slots, and whether running out of memory loses an epoch."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gpu import data
from benchmarks.gpu.greedy import Greedy
from benchmarks.gpu.journal_figures import RaceFigures, figures_of, read_journal
from benchmarks.gpu.packing import config_of
from benchmarks.gpu.records import Recorder
from benchmarks.gpu.setting import Setting
from orchestrator.core.text import on_one_line, shown
from orchestrator.demo.faces import make_demo_faces

PEOPLE, DRY_PEOPLE = 160, 12
SPACE = '''"""Drawn faces."""
from orchestrator.space import SearchSpace, choice, loguniform
from search_spaces.shared.faces import GENDER

space = SearchSpace(
    trainable="{trainable}", target=GENDER, metric="macro_f1", mode="max",
    folds={folds}, trials={trials}, max_t={epochs}, params={params},
)
'''
OOM_RACE, OOM_RACE_FULL = (12, 3, 3), (50, 3, 3)  # configurations, folds, epochs
OOM_SHARE = 0.25  # of the GPU for each at first
HOLDS = (0.0, 0.05, 0.3, 0.42)  # of its memory: two of the largest fit together, three don't
LATE = 1.3  # times its seconds that a search may take: it cannot begin less once it has begun
ENDS_S = 20.0  # for an interrupted search to put things away


def run(setting: Setting, recorder: Recorder) -> None:
    """A race whose number of fold runs on the GPU the search itself chooses."""
    trials, folds, epochs = setting.race
    case = setting.packed[0]
    params = f'{{"backbone": "{case.backbone}", "image_size": {case.size}, "pretrained": False, '
    params += f'"batch_size": choice([{case.batch // 2}, {case.batch}]), "lr": loguniform(1e-4, 1e-2)}}'
    text = SPACE.format(
        trainable="trainables.image_classifier:ImageClassifier",
        folds=folds,
        trials=trials,
        epochs=epochs,
        params=params,
    )
    found = search(setting, "race", text, ["--gpus-per-fold-run", "auto"], recorder)
    if found is None:
        recorder.not_run("race epochs lost", "the search failed")
        return
    subject = f"{trials} configurations x {folds} folds x {epochs} epochs"
    recorder.figure(subject, f"{found.slots} slots busy", found.busy, "their time", found.epochs, "epochs")
    recorder.check("race epochs lost", found.repeated + found.of_failed, _told(found))


def run_out_of_memory(setting: Setting, recorder: Recorder) -> None:
    """Fold runs that grow beyond their share of the GPU, all of them to be trained to their end."""
    if setting.dry:
        _greedy_on_a_cpu(setting)
        for name in ("out-of-memory met", "out-of-memory read", "epochs lost"):
            recorder.not_run(name, "a dry run has no GPU whose memory could be too small")
        return
    trials, folds, epochs = OOM_RACE_FULL if setting.full else OOM_RACE
    params = '{"backbone": "resnet18", "image_size": 64, "batch_size": 32, "pretrained": False, '
    params += f'"lr": loguniform(1e-4, 1e-2), "hold": choice({list(HOLDS)})}}'
    trainable = "benchmarks.gpu.greedy:Greedy"
    text = SPACE.format(trainable=trainable, folds=folds, trials=trials, epochs=epochs, params=params)
    words = ["--gpus-per-fold-run", str(OOM_SHARE), "--rule", "exhaustive"]
    found = search(setting, "oom", text, words, recorder)
    if found is None:
        recorder.not_run("epochs lost", "the search failed")
        return
    recorder.check("out-of-memory met", found.out_of_memory)
    recorder.check("out-of-memory read", found.wordless)
    missing = trials * folds * epochs - found.epochs
    recorder.check("epochs lost", missing + found.repeated, f"{missing} missing; {_told(found)}")


def _greedy_on_a_cpu(setting: Setting) -> None:
    """The trainable of the other branch, so that it cannot rot unseen."""
    made = data.dataset(setting)
    from trainables.images.image_store import build_store

    build_store(made, setting.learns.size)
    greedy = Greedy(made, 0, {**config_of(setting.learns), "hold": 0.1}, 2, 0, setting.resources())
    for _ in range(2):
        greedy.run_epoch()
    greedy.close()


def _told(found: RaceFigures) -> str:
    text = f"{found.epochs} epochs, {found.repeated} repeated, {found.of_failed} of failed trials"
    return f"{text}; {found.failed_legs} legs failed, {found.out_of_memory} of them for memory"


def search(
    setting: Setting, name: str, space: str, words: Sequence[str], recorder: Recorder
) -> RaceFigures | None:
    """What its journal says; None, and a fault, where the search did not come to its end."""
    path, runs = setting.folder / f"{name}.py", setting.folder / "runs"
    path.write_text(space)
    command = [
        sys.executable,
        "-m",
        "orchestrator.tune",
        "--space",
        str(path),
        "--data",
        str(_faces(setting)),
    ]
    command += ["--runs", str(runs), "--study", name, "--scale", "full", "--no-report", *words]
    log = setting.folder / f"{name}-search.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        code = _wait(process, LATE * setting.seconds)
    for line in _lines(log)[-40:]:
        print(line)  # into the stage's own log
    for line in _lines(log):
        if "per GPU" in line or "on each" in line or "out of memory" in line:
            recorder.note(line)
    found = figures_of(read_journal(runs / name))
    if code == 0 and found.finished:
        return found
    last = next(reversed(_lines(log)), "it printed nothing")
    recorder.fault(
        f"the search {'was ended in the middle' if code is None else f'ended with {code}'}: {last}"
    )
    return None


def _wait(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    """Its exit code; None where it had to be interrupted."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(ENDS_S)
        process.kill()
        process.wait()
        return None


def _lines(log: Path) -> list[str]:
    lines = log.read_text(errors="replace").splitlines()
    return [shown(on_one_line(line)) for line in lines if line.strip()]


def _faces(setting: Setting) -> Path:
    folder = setting.folder / "race-faces"
    if not folder.exists():
        make_demo_faces(folder, 0, DRY_PEOPLE if setting.dry else PEOPLE, 2, data.DRAWN_PX)
    return folder / "train"
