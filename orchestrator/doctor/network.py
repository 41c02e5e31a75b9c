"""Why a server could not be asked, and what to do about it: pure, from what ssh said."""

from __future__ import annotations

import re

from orchestrator.core.finding import Finding, blocks
from orchestrator.doctor.ssh import SSH_FAILED, Reply
from orchestrator.execution.on_ray.cluster_file import ClusterFile

SHORT = 300  # characters of another program's words


def not_reached(reply: Reply, file: ClusterFile) -> Finding:
    # None: there is no ssh here to start; -9: we ended it when its time was over.
    if reply.exit_code not in (SSH_FAILED, None, -9):
        return _no_probe(reply)
    key = str(file.key) if file.key else "your default keys"
    target = f"{file.user}@{reply.address}" if file.user else reply.address
    found = " ".join(reply.error.split())[-SHORT:]
    for pattern, way_out in _ways_out(key, target, reply.address, file):
        if re.search(pattern, reply.error, re.IGNORECASE):
            return blocks("ssh", found, way_out)
    return blocks(
        "ssh", found, f"try `ssh -v{_key_option(file)} {target}` by hand; it must open without a password"
    )


def _key_option(file: ClusterFile) -> str:
    return f" -i {file.key}" if file.key else ""


def _ways_out(key: str, target: str, address: str, file: ClusterFile) -> list[tuple[str, str]]:
    return [  # the first that fits: after a key that others can read, ssh says "Permission denied" too
        ("UNPROTECTED|bad permissions", f"`chmod 600 {key}`: ssh uses no key that others can read"),
        ("Identity file .* not accessible", f"there is no {key} here: correct auth in {file.path}"),
        (
            "Permission denied",
            f"{key} does not open {target}: `ssh-copy-id{_key_option(file)} {target}`, load a key with a "
            f"passphrase into ssh-agent, or correct auth in {file.path}",
        ),
        (
            "Connection refused",
            "no sshd at the port that was tried: start it there; if it has another port, say so in "
            f"~/.ssh/config (Host {address}, Port ...) or with ssh_proxy_command in {file.path}",
        ),
        (
            "timed out|No route to host|unreachable|no answer within",
            f"is the server up, the VPN on, port 22 open? Else correct the address in {file.path}",
        ),
        ("Could not resolve", f"no such name is known here: correct it in {file.path}, or use an address"),
        (
            "Host key verification failed",
            "a host on the way has a new key; if that is right: `ssh-keygen -R` it",
        ),
        ("install it here", "install an SSH client on this machine (openssh-client)"),
    ]


def _no_probe(reply: Reply) -> Finding:
    """ssh came through, the login shell or its python3 did not."""
    output = " ".join(reply.error.split())[-SHORT:]
    if reply.exit_code == 127:  # a shell's code for a command that it does not find
        return blocks(
            "login shell",
            f"no python3 on its PATH: {output}",
            "install Python 3.11 there, or put it on PATH in ~/.profile",
        )
    return blocks(
        "login shell",
        f"exit code {reply.exit_code}: {output}",
        "`ray up` opens the same shell: see what ~/.profile and ~/.bashrc do there without a terminal",
    )
