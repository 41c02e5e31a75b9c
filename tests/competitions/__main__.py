"""Draws a competition's files, to try commands on them by hand.

python -m tests.competitions cassava OUT [--rows 60] [--seed 0]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.competitions.layouts import COMPETITIONS, make


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.competitions", description=__doc__)
    parser.add_argument("name", choices=sorted(COMPETITIONS))
    parser.add_argument("out", type=Path, help="a folder that is empty or not there yet")
    parser.add_argument("--rows", type=int, default=60, help="training images, about")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.out.exists() and any(given.out.iterdir()):
        parser.error(f"{given.out} is not empty; name another folder")
    given.out.mkdir(parents=True, exist_ok=True)
    make(given.name, given.out, given.rows, given.seed)


if __name__ == "__main__":
    main()
