"""One server: a folder that holds its files, an init, an sshd."""

from __future__ import annotations

import contextlib
import pwd
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tests.lab.namespaces import Init, environment

HOME = Path(pwd.getpwuid(0).pw_dir)
INSIDE = Path("/mnt/server")  # where a server sees its own folder
SSHD = """
HostKey {inside}/etc/host_key
PidFile {inside}/etc/sshd.pid
PasswordAuthentication no
UsePAM no
Subsystem sftp internal-sftp
"""


class Server:
    """`folder` holds its home and /tmp; `address` is its own on the laboratory's bridge."""

    def __init__(self, folder: Path, name: str, address: str, key: Path, kept: Sequence[Path]) -> None:
        self.folder, self.name, self.address = folder, name, address
        self.home = folder / "home"
        self._key, self._kept = key, kept

    def write_files(self) -> None:
        """Its disk before the first start: an empty account that the laboratory's key opens."""
        for part in ("home", "tmp", "etc"):
            (self.folder / part).mkdir(parents=True)
        (self.folder / "tmp").chmod(0o1777)
        shutil.copytree("/etc/skel", self.home, dirs_exist_ok=True)
        ssh = self.home / ".ssh"
        ssh.mkdir(mode=0o700)
        shutil.copy(self._key.with_suffix(".pub"), ssh / "authorized_keys")
        shutil.copy(self._key, ssh / "id_ed25519")
        (self.folder / "etc" / "shadow").write_text("root:*:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\n")
        (self.folder / "etc" / "sshd_config").write_text(SSHD.format(inside=INSIDE))
        host_key = self.folder / "etc" / "host_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", host_key], check=True)

    @contextlib.contextmanager
    def boot(self, unshare: Sequence[str]) -> Iterator[None]:
        script = Path(__file__).with_name("server.sh")
        kept = [str(path) for path in self._kept]
        with Init([*unshare, "sh", str(script), str(self.folder), self.name, str(HOME), *kept]) as self.init:
            yield

    def plug_in(self) -> None:
        """With a default route, though nothing lies behind it: Ray takes its address from there."""
        up = f"ip address add {self.address}/24 dev eth0 && ip link set eth0 up"
        self.init.run(["sh", "-c", f"{up} && ip route add default via 10.77.0.1"])

    def start_sshd(self) -> None:
        """Returns when it answers: sshd forks itself away only after it listens."""
        log = str(INSIDE / "etc" / "sshd.log")
        self.init.run(["/usr/sbin/sshd", "-f", str(INSIDE / "etc" / "sshd_config"), "-E", log])

    def unplug(self) -> None:
        """Takes it off the network; its processes live on."""
        self.init.run(["ip", "link", "set", "eth0", "down"])

    def power_off(self) -> None:
        """Every process of it ends at once, and its address with it."""
        self.init.end()

    def run(
        self,
        command: Sequence[str],
        *,
        folder: Path | str = "/",
        check: bool = True,
        timeout: float = 120,
        more: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs on it as a terminal there would, without a login shell. Both outputs are in `stdout`."""
        done = subprocess.run(
            self.init.command(command, str(folder)), env=environment(HOME, more), timeout=timeout, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(f"{self.name}: {shlex.join(command)}: exit {done.returncode}\n{done.stdout}")
        return done

    def ssh(
        self, command: str, *, check: bool = True, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Runs `command` on it in the login shell that its sshd gives; both outputs are in `stdout`."""
        options = ["-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR"]
        inner = f"bash --login -c {shlex.quote(command)}"
        return self.run(["ssh", *options, "127.0.0.1", inner], check=check, timeout=timeout)

    def processes(self) -> dict[int, str]:
        """PID (as the server numbers them) to command line."""
        listed = self.run(["ps", "-e", "-o", "pid=,args="]).stdout.splitlines()
        return {int(pid): args for pid, args in (line.split(maxsplit=1) for line in listed)}

    def programs(self) -> dict[int, str]:
        """The same without those that were forked a moment ago: until one has become another program it has
        its parent's words."""
        listed = self.run(["ps", "-e", "-o", "pid=,ppid=,args="]).stdout.splitlines()
        found = {
            int(pid): (int(parent), args) for pid, parent, args in (line.split(maxsplit=2) for line in listed)
        }
        return {pid: args for pid, (parent, args) in found.items() if found.get(parent, (0, ""))[1] != args}

    def wait_for(self, words: str, timeout: float = 200) -> list[int]:
        """PIDs of the processes with `words` in their command line, once there is one."""
        deadline = time.monotonic() + timeout
        while not (found := [pid for pid, line in self.processes().items() if words in line]):
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name}: no {words} in {self.processes()}")
            time.sleep(0.2)
        return found

    def end(self, pids: Iterable[int]) -> None:
        """Kills these processes of it."""
        self.run(["kill", "-KILL", *map(str, pids)], check=False)

    def listening(self) -> set[str]:
        """Local addresses of the listening TCP sockets, such as 127.0.0.1:6390 or *:22."""
        lines = self.run(["ss", "--no-header", "--listening", "--tcp", "--numeric"]).stdout.splitlines()
        return {line.split()[3] for line in lines}
