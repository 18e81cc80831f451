# SPDX-License-Identifier: Apache-2.0
"""What rows share: the lab, made when the first of them asks for it, and how often to run."""

import contextlib
import os
import sys
import time

from scglab import gateway, lifecycle, servers
from scglab.context import Lab, wait_for
from scglab.errors import LabError

# Begin and end of a command that succeeds, in Unix seconds, by a shell in the node: what it takes to enter the node is
# nobody's cost.
TIMED = 'begin=$EPOCHREALTIME; "$@" >/dev/null && echo $begin $EPOCHREALTIME'


class Bench:
    def __init__(self, root, runs):
        self.root, self.runs = root, runs
        self._lab = None
        self._ours = False              # made by us, so taken down by us

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._ours:
            with contextlib.redirect_stdout(sys.stderr):
                lifecycle.down(self._lab)

    def count(self, usual):
        return self.runs or usual

    @property
    def lab(self):
        """One of our own; or the one that SCG_LAB_DIR names, which is left up if it was."""
        if not self._lab:
            lab = Lab(os.environ.get("SCG_LAB_DIR") or self.root / "build" / "bench-lab",
                      os.environ.get("SCG_LAB_PREFIX") or "bench-")
            self._ours = not lab.record()
            self._lab = lab
            with contextlib.redirect_stdout(sys.stderr):
                lifecycle.up(lab)
        return self._lab

    def progress(self, text):
        if sys.stderr.isatty():
            print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)

    def timed(self, node, *command, timeout=120):
        """(begin, end) of a command in the node, in Unix seconds."""
        begin, end = self.lab.run(node, "bash", "-c", TIMED, "timed", *command, timeout=timeout).split()
        return float(begin), float(end)

    def scgctl(self, dc, *arguments, text_in=None):
        return self.lab.run(dc.gateway, *gateway.control_command(self.lab, dc, arguments), text_in=text_in)

    def gateway_pid(self, dc):
        daemon = lifecycle.find_daemon(self.lab, "scgd", dc.name)
        pid = daemon.pid(self.lab)
        if pid is None:
            raise LabError("scgd is not running", where=dc.gateway, fix=f"lab restart scgd {dc.name}")
        return pid

    def user(self):
        return next(iter(self.lab.topology.by_role("user"))).name

    def answers(self, guest):
        return self.lab.run(self.user(), "ping", "-q", "-c", "1", "-W", "1", guest.address, check=False) is not None

    def wait_answers(self, guest, deadline=20):
        wait_for(f"guest {guest.name} answers {self.user()}", lambda: self.answers(guest), deadline,
                 fix=f"see {self.lab.dir}/log; a guest that never answers again has wedged: `lab down`, then again")

    def wait_idle(self):
        """Until every guest answers and what the lab's start set off is over."""
        for guest in self.lab.topology.guests.values():
            self.wait_answers(guest)
        time.sleep(5)

    def virsh(self, server, *words):
        return servers.virsh(self.lab, server, *words)
