# SPDX-License-Identifier: Apache-2.0
"""Daemons: started in a node, in the foreground of a session of their own, found again by pid and start time.

Nothing daemonises itself: the process that `Lab.enter` becomes is the daemon, so its pid is known the moment it starts,
and it outlives the lab tool. A pid alone may have been given to someone else since; with the start time it is unique.
"""

import os
import signal
import subprocess
import time
from dataclasses import dataclass

from .context import wait_for
from .errors import LabError


@dataclass
class Daemon:
    node: str
    name: str
    command: list
    ready: object = None                # called until true after a start
    deadline: float = 15

    def pid_file(self, lab):
        return lab.dir / "run" / f"{self.node}-{self.name}.pid"

    def pid(self, lab):
        """Of the running daemon, or None."""
        return recorded_pid(self.pid_file(lab))

    def start(self, lab, wait=True):
        log = lab.log_file(self.node, self.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as out:
            child = subprocess.Popen(lab.enter(self.node, self.command), stdin=subprocess.DEVNULL, stdout=out,
                                     stderr=out, start_new_session=True, cwd="/")
        file = self.pid_file(lab)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{child.pid} {start_time(child.pid)}\n", encoding="ascii")
        if wait:
            self.wait_ready(lab)

    def wait_ready(self, lab):
        self.wait_for(lab, "ready", self.ready or (lambda: True))

    def wait_for(self, lab, what, probe):
        """Poll `probe` until it is true; an error if the daemon ends meanwhile."""
        log = lab.log_file(self.node, self.name)
        fix = f"see {log}"

        def alive_and_true():
            return "ended" if self.pid(lab) is None else probe()

        result = wait_for(f"{self.name}: {what}", alive_and_true, self.deadline, where=self.node, fix=fix,
                          interval=0.05)
        if result == "ended":
            raise LabError(f"{self.name} ended at its start: {last_lines(log)}", where=self.node, fix=fix)

    def stop(self, lab, number=signal.SIGTERM, grace=10):
        """Signal the daemon and wait until it has gone. True if it was running."""
        pid = self.pid(lab)
        if pid is None:
            return False
        os.kill(pid, number)
        try:
            wait_for(f"{self.name} (pid {pid}) to end", lambda: self.pid(lab) is None, grace, interval=0.02)
        except LabError:
            os.kill(pid, signal.SIGKILL)
            wait_for(f"{self.name} (pid {pid}) to die", lambda: self.pid(lab) is None, 5, interval=0.02)
        self.pid_file(lab).unlink(missing_ok=True)
        return True


def start_time(pid):
    """Field 22 of /proc/PID/stat, or None if the process is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def recorded_pid(file):
    try:
        pid, started = file.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return int(pid) if start_time(pid) == started else None


def last_lines(file, count=3):
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return "(no log)"
    return " | ".join(lines[-count:]) or "(its log is empty)"


def kill_all(pids, grace=2):
    """SIGTERM, a short while, SIGKILL; `pids()` lists who is left."""
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5)):
        for pid in pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        end = time.monotonic() + patience
        while pids():
            if time.monotonic() >= end:
                break
            time.sleep(0.02)
        else:
            return
    raise LabError("processes that SIGKILL does not end: " + " ".join(map(str, pids())))
