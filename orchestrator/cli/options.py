"""Options that several commands have, each spelt and explained once."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from orchestrator.cli.arguments import absolute, int_at_least
from orchestrator.core.choices import ON_CONFLICT, SCALES, TORN_CLUSTERS, TTA

SHARED: dict[str, dict[str, Any]] = {
    "--space": {"help": "path of a space file, or a name in search_spaces/"},
    "--scale": {"choices": SCALES, "help": "size of the search (default: full)"},
    "--set": {
        "action": "append",
        "default": [],
        "metavar": "KEY=VALUE",
        "help": "one value for a parameter, which then no longer varies; may be given again",
    },
    "--seed": {"type": int_at_least(0), "metavar": "N"},
    "--data": {
        "metavar": "MANIFEST",
        "help": "images and labels: CSV, Parquet, or a folder in a known layout (default: drawn demo faces)",
    },
    "--data-root": {
        "type": absolute,
        "metavar": "DIR",
        "help": "folder of the images, where they do not lie beside their table",
    },
    "--path-column": {
        "metavar": "COLUMN",
        "help": "column of the table that names the images (default: the one whose values are files)",
    },
    "--images": {
        "type": Path,
        "action": "append",
        "default": [],
        "metavar": "DIR",
        "help": "folder below which the table's images lie (default: beside the table); may be given again",
    },
    "--suffix": {
        "metavar": "SUFFIX",
        "help": "ending of the image files where the table leaves it out, such as .jpg or _green.png "
        "(default: as found)",
    },
    "--labels": {
        "type": Path,
        "metavar": "FILE",
        "help": "table joined to the images by their file names, or JSON or CSV of the classes' names",
    },
    "--class-pattern": {
        "metavar": "REGEX",
        "help": "the class in a file's name: the first group of this pattern, such as '^([a-z]+)_'",
    },
    "--group-pattern": {
        "metavar": "REGEX",
        "help": "the group in a file's name, whose images stay in one fold: the first group of this pattern, "
        "such as '^([0-9]+)_'; with a slash in it, of the path, such as '(patient[0-9]+)/'",
    },
    "--label-fixes": {
        "type": Path,
        "metavar": "FILE",
        "help": "CSV of label corrections: path, column, old, new, reason",
    },
    "--drop-rare": {
        "type": int_at_least(1),
        "metavar": "N",
        "help": "leave out classes that fewer than N groups have, with their rows",
    },
    "--rare-as": {
        "metavar": "CLASS",
        "help": "merge classes that fewer groups have than there are folds into one class of this name",
    },
    "--on-conflict": {
        "choices": ON_CONFLICT,
        "help": "what becomes of identical images with different labels: refused, left out, or kept "
        "(default: error)",
    },
    "--torn-clusters": {
        "choices": TORN_CLUSTERS,
        "help": "folds that tear copies of an image: refused, or a warning (default: refused where it is "
        "certain that they are copies)",
    },
    "--extra": {
        "type": Path,
        "action": "append",
        "default": [],
        "metavar": "MANIFEST",
        "help": "rows that are trained on and never validated; may be given again",
    },
    "--predict": {"metavar": "MANIFEST", "help": "images to predict: a table or a folder"},
    "--template": {
        "type": Path,
        "metavar": "FILE",
        "help": "sample submission: its ids, order, columns and form are kept",
    },
    "--tta": {"choices": TTA, "help": "test-time augmentation: the views of an image to average"},
    "--study": {"metavar": "STUDY"},
    "--runs": {
        "type": Path,
        "default": Path("runs"),
        "metavar": "DIR",
        "help": "folder of the studies (default: runs)",
    },
    "--storage": {
        "metavar": "LOCATION",
        "help": "location of the checkpoints: a path that all servers mount, or s3://... "
        "(default: the study's folder)",
    },
    "--address": {
        "metavar": "HOST:PORT",
        "help": "address of a running Ray, or auto to look for it here (default: a new Ray on this machine)",
    },
    "--trust": {
        "action": "store_true",
        "help": "use a study or an ensemble from elsewhere: import what it names, follow its links",
    },
    "--private": {"action": "store_true", "help": "make files that nobody but you can read (umask 077)"},
}


READING = ("--path-column", "--images", "--suffix", "--labels", "--class-pattern", "--group-pattern")
"""How the data are read, where that is not left to the data."""


def add_shared(group: argparse._ActionsContainer, *names: str, **changes: Any) -> None:
    """Adds options of SHARED. changes: what is other in this command, such as `default` or `help`."""
    for name in names:
        group.add_argument(name, **{**SHARED[name], **changes})
