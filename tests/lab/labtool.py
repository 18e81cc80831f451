# SPDX-License-Identifier: Apache-2.0
"""The lab as tests see it: the command line of lab/lab, and waiting with a deadline."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "lab" / "lab"
PROBE = ROOT / "lab" / "probe"
FLOWS = ("ovs-ofctl", "-O", "OpenFlow13")


def wait_until(what, probe, deadline=10, interval=0.05):
    """Call `probe` until it returns something true; return that, or fail naming `what` and the last value."""
    end = time.monotonic() + deadline
    while True:
        value = probe()
        if value:
            return value
        assert time.monotonic() < end, f"{what}: not within {deadline} s; last: {value!r}"
        time.sleep(interval)


class Probe:
    """A running lab/probe; `finish` ends it and returns its report."""

    def __init__(self, process):
        self.process = process

    def wait_answered(self, deadline=10):
        """Block until the first answer came: the line on standard error, or the end of it."""
        signal.alarm(deadline)          # a probe that nobody answers must not hang the test
        try:
            line = self.process.stderr.readline()
        finally:
            signal.alarm(0)
        assert line.startswith("probe: answered"), line
        return self

    def finish(self, deadline=20):
        self.process.send_signal(signal.SIGTERM)
        return self.report(deadline)

    def report(self, deadline=60):
        out, complaint = self.process.communicate(timeout=deadline)
        assert out, complaint
        return json.loads(out)


class LabTool:
    def __init__(self, directory=None, prefix=None):
        self.options = [*(["--dir", str(directory)] if directory else []), *(["--prefix", prefix] if prefix else [])]
        self.directory = Path(directory or os.environ.get("SCG_LAB_DIR") or ROOT / "build" / "lab")
        self.prefix = prefix or os.environ.get("SCG_LAB_PREFIX") or "scg-"

    def command(self, *words):
        return [str(TOOL), *self.options, *map(str, words)]

    def run(self, *words, check=True, timeout=120):
        """`lab WORDS`: the finished process, whose status must be 0 unless `check` is off."""
        done = subprocess.run(self.command(*words), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout, check=False)
        assert not check or done.returncode == 0, f"lab {' '.join(map(str, words))}: {done.stdout}{done.stderr}"
        return done

    def popen(self, *words, **options):
        return subprocess.Popen(self.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **options)

    def up(self, *words):
        return self.run("up", *words).stdout

    def down(self):
        return self.run("down").stdout

    def status(self):
        return json.loads(self.run("status", "-o", "json", check=False).stdout)

    def exec(self, node, *command, **options):
        """Standard output of COMMAND in the node."""
        return self.run("exec", node, *command, **options).stdout

    def ctl(self, dc, *arguments, **options):
        """The answer of scgctl as an object."""
        return json.loads(self.run("ctl", dc, *arguments, "-o", "json", **options).stdout)

    def virsh(self, server, *words, **options):
        return self.exec(server, "virsh", "-q", "-c", "qemu:///system", *words, **options)

    def probe(self, node, *words):
        return Probe(self.popen("exec", node, PROBE, *words))

    def server_of(self, guest):
        """Where the guest runs; None if it does not, an assertion if it runs twice."""
        places = [server for server, state in self.status()["guests"][guest].items() if state == "running"]
        assert len(places) <= 1, f"{guest} runs in two places: {places}"
        return places[0] if places else None

    def leftovers(self):
        """What a lab must not leave: namespaces of its prefix, its directory, processes that have it mounted."""
        names = [f"namespace {name}" for name in os.listdir("/run/netns") if name.startswith(self.prefix)] \
            if os.path.isdir("/run/netns") else []
        if self.directory.exists():
            names.append(f"directory {self.directory}")
        mine = str(self.directory) + "/nodes"
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                if mine in Path("/proc", entry, "mountinfo").read_text(encoding="utf-8"):
                    command = Path("/proc", entry, "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    names.append(f"process {entry} {command}")
            except OSError:
                pass
        return names
