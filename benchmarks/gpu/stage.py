"""One stage in this process: `python -m benchmarks.gpu.stage ENTRY --name NAME --seconds S --folder F`.

Called by `runner.py`. What the stage finds goes into F/NAME.jsonl as it is found; what it raises ends the
process with its traceback on standard error and exit code 1.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from benchmarks.gpu.records import Recorder
from benchmarks.gpu.setting import dry_setting, full_setting


def main() -> None:
    parser = argparse.ArgumentParser(description="One stage of benchmarks.gpu.")
    parser.add_argument("entry")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--full", action="store_true")
    given = parser.parse_args()
    module, _, function = given.entry.partition(":")
    if given.dry_run:
        setting = dry_setting(given.folder, given.seconds)
    else:
        setting = full_setting(given.folder, given.seconds, given.full)
    recorder = Recorder(given.folder / f"{given.name}.jsonl", given.dry_run)
    getattr(importlib.import_module(module), function)(setting, recorder)


if __name__ == "__main__":
    main()
