"""Real servers on this machine, each with a network, processes, files and sshd of its own; nothing is left.

    with Lab(folder, servers=2) as lab:
        head, worker = lab.servers                       # 10.77.0.2 and 10.77.0.3
        head.ssh("ray status")                           # through sshd and a login shell
        lab.laptop.run(["ray", "up", "-y", str(file)])   # a machine with the key and no sshd

Everything runs below one init in a PID namespace: when it goes (at the end, or because this process died and
its pipe closed), the kernel ends all of it.
"""

from tests.lab.lab import Lab, why_not
from tests.lab.server import Server

__all__ = ["Lab", "Server", "why_not"]
