# SPDX-License-Identifier: Apache-2.0
"""The lab, through lab/lab: its commands, and what the demo asks switches, hypervisors and routers for."""

import json
import os
import re
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "lab" / "lab"


class DemoError(Exception):
    """What failed, and the complaint of whoever noticed."""


class Lab:
    def __init__(self):
        self.directory = Path(os.environ.get("SCG_LAB_DIR") or ROOT / "build" / "lab").absolute()

    @property
    def logs(self):
        """Where the logs are: of the lab that is up, or of the last one."""
        there = self.directory / "log"
        return there if there.exists() else self.directory.with_name(self.directory.name + "-log")

    def run(self, *words, check=True, timeout=120):
        """Standard output of `lab WORDS`. With `check` off: the finished process."""
        try:
            done = subprocess.run([str(TOOL), *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, timeout=timeout, check=False)
        except subprocess.TimeoutExpired:
            raise DemoError(f"`{command_text(words)}` did not end within {timeout} s") from None
        if not check:
            return done
        if done.returncode:
            raise DemoError(f"`{command_text(words)}` failed: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def show(self, *words):
        """`lab WORDS` with its output on the screen; its exit status."""
        return subprocess.run([str(TOOL), *map(str, words)], stdin=subprocess.DEVNULL, check=False).returncode

    def popen(self, *words, **options):
        options = {"stdout": subprocess.PIPE, "text": True, **options}
        return subprocess.Popen([str(TOOL), *map(str, words)], stdin=subprocess.DEVNULL, **options)

    def exec(self, node, *command, **options):
        return self.run("exec", node, *command, **options)

    def ctl(self, dc, *words):
        """The answer of scgctl as an object."""
        return json.loads(self.run("ctl", dc, *words, "-o", "json"))

    def ofctl(self, node, *words):
        return self.exec(node, "ovs-ofctl", "-O", "OpenFlow13", *words)

    def status(self):
        """`lab status` as an object; None if there is no lab."""
        if not (self.directory / "lab.json").exists():
            return None
        return json.loads(self.run("status", "-o", "json", check=False).stdout)

    def modes(self):
        """Data center -> how its fabric carries networks."""
        return json.loads((self.directory / "lab.json").read_text(encoding="utf-8"))["modes"]

    # -- what is so, by those who know at first hand

    def domains(self, server):
        """libvirt's word: by name of a VM, (state, number of its QEMU since libvirtd's start)."""
        found = {}
        for line in self.exec(server, "virsh", "-q", "-c", "qemu:///system", "list", "--all").splitlines():
            number, name, state = line.split(None, 2)
            found[name] = (state.strip(), number)
        return found

    def bridges(self, node, names):
        """By name: (flows, meters by number: (kbit/s, burst in kbit))."""
        script = ('for bridge; do echo "bridge $bridge"; for what in flows meters; do '
                  'ovs-ofctl -O OpenFlow13 dump-$what $bridge || exit; done; done')
        parts = re.split(r"^bridge ", self.exec(node, "sh", "-c", script, "sh", *names), flags=re.MULTILINE)[1:]
        return {part.split(None, 1)[0]: (read_flows(part), read_meters(part)) for part in parts}

    def host_routes(self):
        """Of the router `inet`: by address, the next hop."""
        text = self.exec("inet", "ip", "-o", "route")
        return dict(re.findall(r"^(10\.100\.0\.\d+) .*?via (\S+)", text, re.MULTILINE))

    def segment(self, dc, name="web"):
        """As the gateway shows the VMs' network; None if it is closed in its data center."""
        return next((one for one in self.ctl(dc, "segment", "list")["segments"] if one["name"] == name and one["open"]),
                    None)


def read_flows(text):
    """Without counters."""
    counters = re.compile(r"(duration|n_packets|n_bytes)=[^,]*, ?")
    return [counters.sub("", line).strip() for line in text.splitlines() if "cookie=" in line]


def read_meters(text):
    found = re.findall(r"meter=(\d+) .*?\n\s*type=drop rate=(\d+)(?: burst_size=(\d+))?", text)
    return {int(number): (int(rate), int(burst or 0)) for number, rate, burst in found}


def command_text(words):
    return "lab/lab " + " ".join(map(str, words))


def wait_until(what, probe, deadline=10):
    """The first true value of `probe`; an error that names `what` if there is none in time."""
    end = time.monotonic() + deadline
    while not (value := probe()):
        if time.monotonic() > end:
            raise DemoError(f"{what}: not within {deadline} s")
        time.sleep(0.1)
    return value
