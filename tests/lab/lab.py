"""The laboratory: a bridge, and servers with an address on it."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from tests.lab.namespaces import Init, end_all, processes_in
from tests.lab.server import Server

NEEDED = ("unshare", "nsenter", "ip", "sshd", "ssh", "ssh-keygen", "rsync")
KINDS = ("--net", "--pid", "--mount", "--uts", "--ipc")
UNSHARE = ("unshare", *KINDS, "--fork", "--kill-child", "--mount-proc")
IDLE = "echo ready; exec env --ignore-signal=CHLD cat > /dev/null"  # until its standard input ends
BRIDGE = "ip link add name lab type bridge && ip address add 10.77.0.1/24 dev lab && ip link set lab up"


@functools.cache
def why_not() -> str | None:
    """What keeps this machine from holding servers, or None."""
    if os.geteuid() != 0:
        return "namespaces with a network of their own need root"
    missing = [name for name in NEEDED if shutil.which(name, path=search_path()) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (apt-get install openssh-server rsync iproute2)"
    probe = "ip link add name probe type bridge && ip link add name one type veth peer name two"
    tried = subprocess.run([*UNSHARE, "sh", "-c", probe], capture_output=True, text=True)
    return f"no namespaces here: {tried.stderr.strip()}" if tried.returncode else None


def search_path() -> str:
    """sshd and ip are not on everyone's PATH."""
    return os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"


class Lab:
    """`servers` machines and a laptop that reach each other and nothing else. `folder` holds their files."""

    def __init__(self, folder: Path, servers: int = 1) -> None:
        self.folder = folder
        self.key = folder / "key"
        self._count = servers
        self._stack = contextlib.ExitStack()
        self.namespaces: set[str] = set()

    def __enter__(self) -> Lab:
        self.folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        with contextlib.ExitStack() as stack:
            self._init = stack.enter_context(Init([*UNSHARE, "sh", "-c", IDLE]))
            self._init.run(["sh", "-c", BRIDGE])
            self.servers = [self._start(stack, number, sshd=True) for number in range(2, self._count + 2)]
            self.laptop = self._start(stack, 200, sshd=False)
            inits = [self._init, *(server.init for server in [*self.servers, self.laptop])]
            self.namespaces = {init.namespace for init in inits}
            self._stack = stack.pop_all()
        return self

    def _start(self, stack: contextlib.ExitStack, number: int, sshd: bool) -> Server:
        name = f"server{number}" if sshd else "laptop"
        server = Server(self.folder / name, name, f"10.77.0.{number}", self.key, kept())
        server.write_files()
        stack.enter_context(server.boot(["nsenter", "-t", str(self._init.pid), "-a", "--", *UNSHARE]))
        port = f"port{number}"
        subprocess.run(
            ["nsenter", "-t", str(self._init.pid), "-n", "--", "sh", "-c",
             f"ip link add name {port} type veth peer name eth0 netns {server.init.pid}"
             f" && ip link set {port} master lab && ip link set {port} up"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        server.plug_in()
        if sshd:
            server.start_sshd()
        return server

    def processes(self) -> list[int]:
        """All processes of the laboratory, as this machine numbers them; also after its end."""
        return processes_in(self.namespaces)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        end_all(self.namespaces)


def kept() -> list[Path]:
    """What every server sees of this machine beside the system: this repository and its Python."""
    repository = Path(__file__).resolve().parents[2]
    return sorted({repository, Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve()})
