"""One GPU: is what it computes right, and how much of it do fold runs use?

    python -m benchmarks.gpu                                 # all stages, less than eight minutes
    python -m benchmarks.gpu --stages packing --minutes 3
    python -m benchmarks.gpu --dry-run                       # the same code on a CPU, with tiny networks

Offline, on drawn images. Prints Markdown, also into --out; --json holds the same for programs. Every figure
is a ratio of two measurements of this run. Exit code 1 where a check fails or a stage breaks.
docs/benchmarks/gpu.md says what each figure is.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.gpu import machine
from benchmarks.gpu.limits import FAIL, NOT_RUN, PASS
from benchmarks.gpu.records import StageResult
from benchmarks.gpu.render import markdown
from benchmarks.gpu.report import Report
from benchmarks.gpu.runner import run_all, stage_environment
from benchmarks.gpu.stages import STAGES, Stage, named
from orchestrator.cli.exit_codes import exit_code
from orchestrator.cli.parser import CommandParser
from orchestrator.core.atomic_file import atomic_write
from orchestrator.core.errors import InputError

MINUTES = 7.75  # the promise is eight, the command's own start and end included
CARD = "card"  # the stage that every run begins with


def parser() -> argparse.ArgumentParser:
    made = CommandParser(prog="python -m benchmarks.gpu", description=(__doc__ or "").partition("\n")[0])
    made.add_argument(
        "--stages",
        nargs="+",
        default=[],
        metavar="STAGE",
        help=f"of {', '.join(item.name for item in STAGES)}",
    )
    made.add_argument("--minutes", type=float, default=MINUTES, help=f"in all at most (default: {MINUTES})")
    made.add_argument("--full", action="store_true", help="the large version of a stage that has one: oom")
    made.add_argument("--dry-run", action="store_true", help="on a CPU, with tiny networks")
    made.add_argument("--out", type=Path, default=Path("gpu.md"), help="Markdown (default: gpu.md)")
    made.add_argument("--json", type=Path, help="for programs (default: beside --out, gpu.json)")
    made.add_argument("--logs", type=Path, help="a folder that keeps what stages printed")
    return made


def run(given: argparse.Namespace) -> int:
    stages = _stages(given)
    as_json = given.json or given.out.with_suffix(".json")
    if not given.dry_run:
        refuse_without_gpu()
    refuse_unwritable(given.out, as_json, given.logs)
    began, results = time.monotonic(), list[StageResult]()
    before: dict[str, str] = {}

    def publish() -> int:
        seconds = round(time.monotonic() - began, 1)
        made = (datetime.now(UTC).isoformat(timespec="seconds"), given.dry_run, seconds)
        about = (machine.host(), machine.software(), before, _smi(results))
        return _publish(Report(*made, *about, results), given.out, as_json)

    with tempfile.TemporaryDirectory(prefix="gpu-") as name:
        folder = Path(name)
        try:
            how = (given.dry_run, given.full, stage_environment(given.dry_run), _begins)
            for result in run_all(stages, 60 * given.minutes, folder, *how):
                results.append(result)
                _ended(result)
                before = before or _smi(results)  # once the first stage has said which card it is
        except KeyboardInterrupt:
            publish()  # of the stages that came to their end
            raise
        else:
            return publish()
        finally:
            _keep(folder, given.logs)


def _stages(given: argparse.Namespace) -> Sequence[Stage]:
    if not given.minutes > 0:
        raise InputError(f"--minutes {given.minutes:g}: more than 0 is needed")
    chosen = named(given.stages)
    return [named([CARD])[0], *(stage for stage in chosen if stage.name != CARD)]


def refuse_without_gpu() -> None:
    """Raises InputError."""
    import torch

    if not torch.cuda.is_available():
        built = "this torch is built without CUDA" if torch.version.cuda is None else "torch sees none"
        raise InputError(
            f"no GPU here: {built}; run it where `python -m orchestrator doctor` lists one, or try the "
            "command itself with --dry-run"
        )


def refuse_unwritable(out: Path, as_json: Path, logs: Path | None) -> None:
    """Before the minutes are spent whose findings are to be written there. Raises InputError."""
    files = {"--out": out, "--json": as_json}
    for option, path in files.items():
        if path.is_dir():
            raise InputError(f"{option} {path}: that is a folder; name a file")
    if out == as_json:
        raise InputError(f"--out {out}: the JSON would overwrite it; name another file with --json")
    for option, folder in ({name: path.parent for name, path in files.items()} | {"--logs": logs}).items():
        if folder is None:
            continue
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise InputError(
                f"{option}: {folder} cannot be written to ({error.strerror}); name another place"
            ) from error


def _ended(result: StageResult) -> None:
    count = Counter(check.status for check in result.checks)
    told = "".join(f", {count[status]} {status}" for status in (PASS, FAIL, NOT_RUN) if count[status])
    print(f"{result.stage}: {result.ended}, {result.seconds:.0f} s{told}", file=sys.stderr, flush=True)


def _begins(stage: Stage, seconds: float) -> None:
    print(f"{stage.name}: {stage.what} (at most {seconds:.0f} s)", file=sys.stderr, flush=True)


def _smi(card: Sequence[StageResult]) -> Mapping[str, str]:
    found = next((item.facts.get("id") for item in card), None)
    return {} if found is None else machine.card_now(str(found))


def _keep(folder: Path, logs: Path | None) -> None:
    if logs is None:
        return
    logs.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.glob("*.log")):
        shutil.copy2(path, logs / path.name)


def _publish(report: Report, out: Path, as_json: Path) -> int:
    text = markdown(report)
    print(text, end="")
    for path, content in ((out, text), (as_json, json.dumps(report.as_json(), indent=1))):
        with atomic_write(path) as file:
            file.write(content.encode())
    print(f"wrote {out} and {as_json}", file=sys.stderr)
    return 1 if report.failed else 0


def main() -> int:
    given = parser().parse_args()
    return exit_code(lambda: run(given), "interrupted; what was found until then is written")


if __name__ == "__main__":
    sys.exit(main())
