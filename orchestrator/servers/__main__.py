"""What cluster.yaml calls on the servers, and how our Ray is ended on all of them.

    python -m orchestrator.servers stop            # on the head: ends our Ray on every server, nobody else's
    python -m orchestrator.servers stop --here     # on this server only

The start commands of cluster.yaml are made of `head`, `running` and `join`.
"""

from __future__ import annotations

import argparse
import os
import secrets
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from orchestrator.cli.exit_codes import exit_code
from orchestrator.cli.parser import CommandParser, command_parser
from orchestrator.core.errors import InputError
from orchestrator.servers import processes
from orchestrator.servers.inventory import head_address, read
from orchestrator.servers.join import TOKEN, join
from orchestrator.servers.remote import RemoteError, on


def main(arguments: list[str] | None = None) -> int:
    """0 done (`running`: yes), 1 not (`running`: no; a worker is missing), 2 the input is wrong."""
    given = parser().parse_args(arguments)
    return exit_code(lambda: COMMANDS[given.command](given), interrupted="interrupted")


def parser() -> CommandParser:
    made = command_parser(
        "servers",
        "COMMAND [options]",
        ["stop", "stop --here"],
        more="You type stop; the start commands of cluster.yaml call head, running and join. Nobody else's "
        "processes are touched. Each command explains itself: stop --help.",
        needs_packages=False,
    )
    commands = made.add_subparsers(
        dest="command", required=True, title="commands", metavar="COMMAND", prog=made.prog
    )
    added = {name: add_command(commands, name) for name in DESCRIBED}
    added["stop"].add_argument("--here", action="store_true", help="end it on this server only")
    for name in ("head", "join"):
        added[name].add_argument(
            "--port", type=int, default=6390, metavar="N", help="port of the head's Ray (default: 6390)"
        )
    return made


# command -> what it does in a line, what more there is to know, examples; people type the first alone
DESCRIBED = {
    "stop": (
        "End our Ray on every server.",
        "Type it on the head; from where you typed `ray up`, put it after `ray exec cluster.yaml`. A search "
        "that runs there ends, and `tune --resume` continues it. Exits with 1 if a worker could not be "
        "reached; it is named.",
        ["stop", "stop --here"],
    ),
    "head": (
        "Print the address of the head's Ray.",
        "Makes the token that its servers show each other, if there is none. Refuses a port that is taken, "
        "and another address while our Ray runs.",
        ["head --port 6390"],
    ),
    "running": (
        "Say by the exit code whether our Ray runs here.",
        "0: it runs on this server; 1: it does not. Nothing is printed.",
        ["running"],
    ),
    "join": (
        "Copy to the workers, set up and start them.",
        "On the head, whose Ray has to run. Returns when every worker is in the cluster; exits with 1 if one "
        "is not, and says why.",
        ["join --port 6390"],
    ),
}


def add_command(commands: Any, name: str) -> CommandParser:
    """The parser of a sub-command, with its line, explanation and examples."""
    line, more, examples = DESCRIBED[name]
    typed = [f"python -m orchestrator.servers {example}" for example in examples]
    epilog = "\n".join(["examples:", *(f"  {example}" for example in typed)])
    made: CommandParser = commands.add_parser(name, help=line, description=f"{line} {more}", epilog=epilog)
    made.examples = typed
    return made


def head(given: argparse.Namespace) -> int:
    address = head_address(read())
    runs = processes.raylet()
    if runs is not None and runs.get("node_ip_address") != address:
        raise InputError(
            f"our Ray runs here at {runs.get('node_ip_address')} and is to be at {address}; on the head: "
            "`python -m orchestrator.servers stop`, then `ray up` again, and `--resume` what it ran"
        )
    if runs is None:
        refuse_taken(address, given.port)
    make_token()
    print(address)
    return 0


def refuse_taken(address: str, port: int) -> None:
    """Raises InputError when the head's Ray could not listen: on all interfaces unless it is alone."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that end do not count
        try:
            tried.bind((address if address.startswith("127.") else "", port))
        except OSError as error:
            raise InputError(
                f"port {port} of this server: {error.strerror}; {way_to_a_port(port)}"
            ) from error


def way_to_a_port(port: int) -> str:
    if processes.ours():
        return "what is left of our Ray has it: `python -m orchestrator.servers stop`, then `ray up` again"
    return (
        f"`ss -ltnp 'sport = :{port}'` shows who listens there; end that, or put another number in place of "
        f"{port} everywhere in cluster.yaml and into --address"
    )


def make_token() -> None:
    """256 bits, once; readable by the owner only from its first moment."""
    path = Path(TOKEN).expanduser()
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if not path.exists():
        # Whole from its first moment: a start command may read it at any time.
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)


def running(given: argparse.Namespace) -> int:
    return 0 if processes.raylet() else 1


def join_workers(given: argparse.Namespace) -> int:
    servers = read()
    if not servers.workers:
        return 0
    # It imports ray: a second that the other commands need not spend.
    from orchestrator.execution.on_ray.list_nodes import list_nodes

    address = f"{head_address(servers)}:{given.port}"
    members = lambda: {node["address"] for node in list_nodes(address) if node["alive"]}  # noqa: E731
    refusals = join(servers, members, lambda line: print(line, flush=True))
    for refusal in refusals:
        print(f"error: {refusal.worker} is not in the cluster: {refusal.reason}", file=sys.stderr)
    count = len(servers.workers)
    more = "; docs/how-to/cluster.md says more" if refusals else ""
    print(f"{count - len(refusals)} of {count} workers are in{more}")
    return 1 if refusals else 0


def stop(given: argparse.Namespace) -> int:
    missed = 0 if given.here else stop_workers()
    print(f"ended {processes.end()} processes of our Ray here")
    return 1 if missed else 0


def stop_workers() -> int:
    """Stops our Ray on every worker. Returns how many could not be reached; they are named."""
    servers = read()

    def stopped(worker: str) -> bool:
        try:
            on(servers, worker, "stop", STOP_THERE)
        except RemoteError as error:
            print(f"error: {worker}: {error}", file=sys.stderr)
            return False
        print(f"{worker}: ended")
        return True

    with ThreadPoolExecutor(max_workers=16) as pool:
        return sum(not done for done in pool.map(stopped, servers.workers))


# Nothing of ours runs where the project has not been copied to.
STOP_THERE = (
    "cd ~/fold-orchestrator 2> /dev/null && test -d orchestrator/servers || exit 0; "
    ".venv/bin/python -m orchestrator.servers stop --here"
)
COMMANDS = {"head": head, "running": running, "join": join_workers, "stop": stop}

if __name__ == "__main__":
    sys.exit(main())
