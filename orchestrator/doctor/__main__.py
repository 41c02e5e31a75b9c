"""Is everything there that a search needs, on this machine and on the servers of a cluster file?

    python -m orchestrator.doctor --cluster cluster.yaml --data faces/train

Every line says what was found and the way out. Nothing is changed; on a server nothing is even installed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from orchestrator.cli.exit_codes import exit_code
from orchestrator.cli.options import add_shared
from orchestrator.cli.parser import CommandParser, command_parser
from orchestrator.core.finding import Level, Section, count, summary
from orchestrator.doctor.local import TRAINABLES, check_this_machine, facts_here
from orchestrator.doctor.paths import Data, check_data
from orchestrator.doctor.show import show
from orchestrator.machine.node_facts import NodeFacts
from orchestrator.progress import progress_bar


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 nothing blocks, 1 something does, 2 the input is wrong, 130 interrupted."""
    arguments = parser().parse_args(argv)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    return exit_code(lambda: examine(arguments, console), "interrupted")


def examine(arguments: argparse.Namespace, console: Console) -> int:
    """1 if something blocks, else 0. Raises InputError."""
    file = None
    if arguments.cluster is not None:
        from orchestrator.execution.on_ray.cluster_file import read_cluster_file  # imports ray: seconds

        file = read_cluster_file(arguments.cluster)
    facts = facts_here(arguments.runs)
    data = check_data(arguments.data, arguments.data_root, on_servers=file is not None)
    own = file.temp_dir if file else None
    here = check_this_machine(facts, arguments.runs, arguments.storage, arguments.address, own)
    sections = [Section(f"this machine ({facts.host})", (*here, *data.findings))]
    show(sections[0], console)
    if file is not None:
        for section in _servers(file, arguments, facts, data):
            show(section, console)
            sections.append(section)
    console.print(Text(summary(sections), style="bold"))
    return 1 if count(sections, Level.BLOCKS) else 0


def _servers(file: Any, arguments: argparse.Namespace, here: NodeFacts, data: Data) -> list[Section]:
    from orchestrator.doctor.cluster import check_together
    from orchestrator.doctor.servers import check_server
    from orchestrator.doctor.ssh import ask_all

    with progress_bar("asking the servers") as progress:
        replies = ask_all(file, TRAINABLES, _images(arguments, data), progress)
    sections = [
        Section(
            f"{address} ({'head' if address == file.head else 'worker'})", tuple(check_server(reply, file))
        )
        for address, reply in replies.items()
    ]
    together = check_together(replies, file, here)
    return [*sections, Section("the cluster", tuple(together))] if together else sections


def _images(arguments: argparse.Namespace, data: Data) -> dict[str, Any] | None:
    """What every server is asked to look for."""
    roots = dict.fromkeys(str(root) for root in (arguments.data_root, data.root) if root is not None)
    return {"places": list(roots), "paths": list(data.paths)} if roots else None


def parser() -> CommandParser:
    made = command_parser(
        "doctor",
        "[options]",
        ["", "--cluster cluster.yaml --data faces/train"],
        more="Every line says what was found and the way out; nothing is changed.",
    )
    group = made.add_argument_group("what is looked at")
    add = group.add_argument
    add("--cluster", type=Path, metavar="FILE", help="cluster.yaml, whose servers are asked too, over SSH")
    add_shared(group, "--data", help="images and labels as for tune: are the images here and on the servers?")
    add_shared(group, "--data-root", help="folder of the images on servers that have them elsewhere")
    add_shared(group, "--runs")
    add_shared(group, "--storage", help="location of checkpoints as for tune: can it be written?")
    add_shared(group, "--address", help="address of a Ray that runs: does it answer?")
    return made


if __name__ == "__main__":
    sys.exit(main())
