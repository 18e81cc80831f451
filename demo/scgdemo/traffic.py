# SPDX-License-Identifier: Apache-2.0
"""The users' programs, which run while VMs move."""

import json
import select
import signal
import subprocess

from .lab import ROOT, DemoError

PROBE, USER, COUNT = ROOT / "lab" / "probe", ROOT / "demo" / "user", ROOT / "demo" / "count"
PLACES = ("dc-a", "dc-b", "wan")        # nodes of the lab that hold all links of the data centers and between them
# Packets between the servers' migration cards: as they are, in a VLAN, in a label, in both.
MEMORY = " or ".join(f"(ether[{place}:2] = 0x0800 and ether[{place + 14}:4] & 0xffffff00 = 0x0afe0000)"
                     for place in (12, 16, 30, 34))


class Program:
    """A program in a node that reports as JSON when it is told to end."""

    def __init__(self, lab, node, *words):
        self.node, self.words = node, words
        self.process = lab.popen("exec", node, *words, stderr=subprocess.PIPE)

    def wait_answered(self, deadline=20):
        ready = select.select([self.process.stderr], [], [], deadline)[0]
        line = self.process.stderr.readline() if ready else ""
        if "answered" not in line:
            raise DemoError(f"nothing answers to {self.text()} of {self.node}: "
                            f"{line.strip() or f'silence for {deadline} s'}")

    def text(self):
        return " ".join([self.words[0].name, *map(str, self.words[1:])])

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def report(self, deadline=30):
        try:
            out, complaint = self.process.communicate(timeout=deadline)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise DemoError(f"{self.text()} did not end within {deadline} s") from None
        if not out.strip():
            raise DemoError(f"{self.text()} ended without a report: {complaint.strip()}")
        return json.loads(out)


class Traffic:
    """Everything that users do at the same time, and counters of what passes. A context: nothing of it outlives the
    block."""

    # Between pings of a user to a VM, and between messages of a session. A switch that gets no processor for a while
    # keeps some 270 packets for each port and drops the rest: all of this together must be few packets, or a busy
    # machine loses some.
    INTERVAL_MS = 20
    # KB a second; 8 MiB take longer than one VM's move
    USER1_DOWNLOAD, CE1_DOWNLOAD = 600, 300

    def __init__(self, lab):
        self.lab = lab
        self.programs = {("memory", place): Program(lab, place, COUNT, MEMORY) for place in PLACES}

    def add_user(self, name, addresses, sessions, download, doors):
        """`addresses` by name of a VM, all pinged; `sessions`: the names of those that get one. `download`: (name of a
        VM, KB/s)."""
        for vm, address in addresses.items():
            self.programs["icmp", name, vm] = Program(self.lab, name, PROBE, "icmp", address, "--interval",
                                                      self.INTERVAL_MS)
        for vm in sessions:
            self.programs["session", name, vm] = Program(self.lab, name, PROBE, "session", addresses[vm], "--interval",
                                                         self.INTERVAL_MS)
        vm, rate = download
        self.programs["download", name] = Program(self.lab, name, USER, "download", f"http://{addresses[vm]}/big", rate)
        self.programs["knock", name] = Program(self.lab, name, USER, "knock", *doors)

    def wait_answered(self):
        for program in self.programs.values():
            program.wait_answered()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for program in self.programs.values():
            if program.process.poll() is None:
                program.process.terminate()
        for program in self.programs.values():
            try:
                program.process.communicate(timeout=20)
            except (subprocess.TimeoutExpired, ValueError):     # ValueError: its output was read already
                program.process.kill()

    def reports(self):
        """Ends all and returns the reports: by ("icmp" or "session", user, VM), ("download" or "knock", user), and
        ("memory", place)."""
        for program in self.programs.values():
            program.end()
        return {key: program.report() for key, program in self.programs.items()}


def user(lab, *words, node="user1"):
    """The report of demo/user, which ends by itself."""
    return json.loads(lab.exec(node, USER, *words))
