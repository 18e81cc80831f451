# SPDX-License-Identifier: Apache-2.0
"""The user's programs, which run while VMs move."""

import json
import select
import signal
import subprocess

from .lab import ROOT, DemoError

PROBE, USER = ROOT / "lab" / "probe", ROOT / "demo" / "user"


class Program:
    """A program of user1 that reports as JSON when it is told to end."""

    def __init__(self, lab, *words):
        self.words = words
        self.process = lab.popen("exec", "user1", *words, stderr=subprocess.PIPE)

    def wait_answered(self, deadline=20):
        ready = select.select([self.process.stderr], [], [], deadline)[0]
        line = self.process.stderr.readline() if ready else ""
        if "answered" not in line:
            raise DemoError(f"nothing answers to {self.text()}: {line.strip() or f'silence for {deadline} s'}")

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
    """Everything that the user does at the same time. A context: nothing of it outlives the block."""

    PING_MS = 10
    DOWNLOAD_KBYTES = 600               # a second: 8 MiB take longer than one VM's move

    def __init__(self, lab, addresses, moving, doors):
        """`addresses` by name of a VM; `moving`: the names of those that get a session."""
        self.programs = {("icmp", name): Program(lab, PROBE, "icmp", address, "--interval", self.PING_MS)
                         for name, address in addresses.items()}
        for name in moving:
            self.programs["session", name] = Program(lab, PROBE, "session", addresses[name])
        self.programs["download", moving[0]] = Program(lab, USER, "download", f"http://{addresses[moving[0]]}/big",
                                                       self.DOWNLOAD_KBYTES)
        self.programs["knock", ""] = Program(lab, USER, "knock", *doors)

    def __enter__(self):
        try:
            for program in self.programs.values():
                program.wait_answered()
        except BaseException:
            self.__exit__()
            raise
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
        """Ends all and returns the reports, by (kind, VM)."""
        for program in self.programs.values():
            program.end()
        return {key: program.report() for key, program in self.programs.items()}


def user(lab, *words):
    """The report of demo/user, which ends by itself."""
    return json.loads(lab.exec("user1", USER, *words))
