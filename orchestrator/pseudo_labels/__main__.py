"""Labels for unlabelled images, fold by fold, to train another study of the same folds on.

python -m orchestrator.pseudo_labels --study runs/mask --predict more/ --out pseudo.parquet
python -m orchestrator.tune --space search_spaces/mask.py --data faces --extra pseudo.parquet

Fold f's training part gets the labels that the members' models of fold f gave. They trained on every fold
but f; labels from all models would carry what they learnt of a validation row into its training part. What is
left: as in every score of a study, validation scores chose the members and the epoch kept of each.
Method: D.-H. Lee, "Pseudo-Label", ICML 2013 workshop.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from orchestrator.cli.exit_codes import exit_code
from orchestrator.cli.options import add_shared
from orchestrator.cli.parser import CommandParser, command_parser
from orchestrator.core.errors import EnsembleError, InputError
from orchestrator.core.private_files import private_files
from orchestrator.core.text import shortened
from orchestrator.data.manifest import Manifest, load_manifest
from orchestrator.ensemble.folder import Ensemble
from orchestrator.ensemble.submission import rows_to_predict
from orchestrator.ensemble.trained_on import TrainedOn
from orchestrator.progress import progress_bar
from orchestrator.pseudo_labels.labelling import (
    label_manifest,
    summary,
)
from orchestrator.study.finding import find_study

# ---- labels ---------------------------------------------------------------------------------------


# ---- the command ----------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 2 the input is wrong or the disk full, 130 interrupted."""
    arguments = parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    console = Console(highlight=False, soft_wrap=True)
    with private_files(arguments.private):
        return exit_code(lambda: _run(arguments, console), "interrupted; nothing half-written is left")


def _run(arguments: argparse.Namespace, console: Console) -> None:
    _check_arguments(arguments)
    folder = arguments.ensemble or _newest_ensemble(find_study(arguments.study, arguments.runs))
    ensemble = Ensemble.load(folder)
    console.print(f"ensemble: {folder}", markup=False)
    manifest, which = rows_to_predict(load_manifest(arguments.predict, data_root=arguments.data_root))
    known = TrainedOn.of(ensemble)
    _refuse_trained(known, manifest, arguments.predict)
    console.print(which, markup=False)
    warning = known.warning(manifest)
    if warning is not None:
        console.print(warning, markup=False)
    with progress_bar("labelling") as progress:
        labelled = label_manifest(ensemble, manifest, arguments.threshold, arguments.tta, progress)
    labelled.write(arguments.out)
    for line in summary(labelled.frame, ensemble.target, len(manifest)):
        console.print(line, markup=False)
    console.print(f"labels: {arguments.out} ({len(labelled)} rows); next: tune ... --extra {arguments.out}")


def _refuse_trained(known: TrainedOn, manifest: Manifest, source: str) -> None:
    """A model labels what it trained on with the label it was given, a validated row's among them."""
    same = known.rows(manifest)
    if same.any():
        first = shortened(manifest.frame["path"][same].tolist())
        raise InputError(
            f"--predict {source}: the ensemble was trained on {same.sum()} of these {len(same)} rows "
            f"({first}), so it knows their labels by heart; name images that have none"
        )


def _check_arguments(arguments: argparse.Namespace) -> None:
    if (arguments.ensemble is None) == (arguments.study is None):
        raise InputError("give --ensemble DIR or --study DIR, one of them")
    if not 0 < arguments.threshold <= 1:
        raise InputError(f"--threshold {arguments.threshold:g}: give a probability above 0 and at most 1")
    if arguments.out.suffix.lower() != ".parquet" or arguments.out.exists():
        raise InputError(
            f"--out {arguments.out}: name a .parquet file that does not exist (nothing was changed)"
        )


def _newest_ensemble(study: Path) -> Path:
    found = [path.parent for path in study.glob("*/ensemble.json")]
    if not found:
        raise EnsembleError(
            f"{study} holds no ensemble; make one with `python -m orchestrator.ensemble --study {study}`"
        )
    return max(found, key=lambda path: (path.stat().st_mtime_ns, path.name))


def parser() -> CommandParser:
    made = command_parser(
        "pseudo_labels",
        "--study DIR --predict MANIFEST \\\n           --out FILE [options]",
        ["--study runs/age --predict faces/eval \\\n      --out pseudo.parquet"],
        more="Labels for fold f come from models that never trained on fold f's validation rows.",
    )
    models = made.add_argument_group("models")
    add = models.add_argument
    add("--ensemble", type=Path, metavar="DIR", help="folder of the ensemble whose fold models label")
    add_shared(models, "--study", help="study, by name or folder, whose newest ensemble labels")
    add_shared(models, "--runs")
    images = made.add_argument_group("images")
    add_shared(images, "--predict", required=True, help="images to label: a table or a folder")
    add_shared(images, "--data-root")
    add_shared(images, "--tta", help="views of an image to average (default: the ensemble's)")
    output = made.add_argument_group("output")
    add = output.add_argument
    add("--out", type=Path, required=True, metavar="FILE", help="Parquet to write, for tune --extra")
    add(
        "--threshold",
        type=float,
        default=0.9,
        metavar="P",
        help="least probability of a label (default: 0.9)",
    )
    add_shared(output, "--private")
    return made


if __name__ == "__main__":
    sys.exit(main())
