"""What the command `doctor` does once its options are read."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from rich.text import Text

from orchestrator.cli.terminal import Terminal
from orchestrator.core.finding import Level, Section, count, summary
from orchestrator.doctor.local import TRAINABLES, check_this_machine, facts_here
from orchestrator.doctor.paths import Data, check_data
from orchestrator.doctor.show import show
from orchestrator.inputs.data_options import reading_of
from orchestrator.machine.node_facts import NodeFacts
from orchestrator.progress import progress_bar


def run(arguments: argparse.Namespace) -> int:
    """1 if something blocks, else 0. Raises InputError."""
    # Into a file or a pipe: rich's 80 columns would break most lines.
    console = Terminal(highlight=False, width=None if sys.stdout.isatty() else 120)
    file = None
    if arguments.cluster is not None:
        from orchestrator.execution.on_ray.cluster_file import read_cluster_file  # imports ray: seconds

        file = read_cluster_file(arguments.cluster)
    facts = facts_here(arguments.runs)
    data = check_data(
        arguments.data, arguments.data_root, on_servers=file is not None, reading=reading_of(arguments)
    )
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
    return {"candidate_roots": list(roots), "paths": list(data.paths)} if roots else None
