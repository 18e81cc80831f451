# SPDX-License-Identifier: Apache-2.0
"""FRR's daemons in any node that has some, and the answers of their terminals."""

import os
import pwd
import socket

from .daemon import Daemon
from .errors import LabError

FRR = "/usr/lib/frr"
RUN = "/run/frr"
END_OF_ANSWER = b"\0\0\0"              # and a status byte after it


def daemon(lab, node, name, *options):
    """zebra has to be ready before the others start: one that does not find it tries again 10 s later."""
    ready = lab.private(node.name, f"{RUN}/zserv.api" if name == "zebra" else f"{RUN}/{name}.vty")
    return Daemon(node.name, name, [f"{FRR}/{name}", *options, "-f", f"/etc/frr/{name}.conf", "-P", "0",
                                    "--log", "stdout"], ready=ready.exists)


def prepare(lab, node, configurations):
    for name, text in configurations.items():
        lab.write(node.name, f"/etc/frr/{name}.conf", text)
    lab.write(node.name, "/etc/frr/vtysh.conf", "no service integrated-vtysh-config\n")
    owner, directory = pwd.getpwnam("frr"), lab.private(node.name, RUN)
    directory.mkdir(parents=True, exist_ok=True)
    os.chown(directory, owner.pw_uid, owner.pw_gid)


def ask(lab, node, name, command, timeout=5):
    """What a daemon answers to a `show` command: over its terminal's socket, as vtysh does, but faster."""
    try:
        # By way of a descriptor: a lab in a deep directory has paths that do not fit into a socket's name.
        directory = os.open(lab.private(node, RUN), os.O_PATH)
    except OSError as error:
        raise LabError(str(error), where=node) from error
    try:
        with socket.socket(socket.AF_UNIX) as terminal:
            terminal.settimeout(timeout)
            terminal.connect(f"/proc/self/fd/{directory}/{name}.vty")
            terminal.sendall(command.encode() + b"\0")
            answer = bytearray()
            while END_OF_ANSWER not in answer[-4:] or len(answer) < 4:
                piece = terminal.recv(65536)
                if not piece:
                    raise LabError(f"{name} hung up", where=node, fix=f"see {lab.log_file(node, name)}")
                answer += piece
    except OSError as error:
        raise LabError(f"{name} does not answer: {error}", where=node,
                       fix=f"see {lab.log_file(node, name)}") from error
    finally:
        os.close(directory)
    if answer[-1]:
        raise LabError(f"{name} refuses \"{command}\"", where=node)
    return answer[:-4].decode(errors="replace")
