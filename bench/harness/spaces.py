# SPDX-License-Identifier: Apache-2.0
"""Network namespaces of a row's own with programs in them, and one Open vSwitch. Everything goes when it ends."""

import json
import os
import shutil
import subprocess

from scglab.context import run, wait_for
from scglab.errors import LabError

PREFIX = "bench-"
SWITCHES = PREFIX + "switches"
REALTIME = "chrt", "-f", "10"           # docs/bench.md, lsp-setup and policy-install
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


class Spaces:
    """`programs` are targets of the build that must be there. A subclass has up(); its meter, if it starts one, is the
    program of bench/ that measures, and takes orders line by line."""

    def __init__(self, bench, name, spaces, programs):
        self.build = bench.root / "build"
        self.directory = self.build / f"bench-{name}"
        self.spaces, self.programs = spaces, programs
        self.processes = []
        self.vswitchd = None
        self.meter, self.meter_log = None, None

    def __enter__(self):
        make(self.build, *self.programs)
        self.remove()
        try:
            self.directory.mkdir(parents=True)
            for name in self.spaces:
                run("ip", "netns", "add", name)
                run("ip", "-n", name, "link", "set", "lo", "up")
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, *_):
        self.down()

    def down(self):
        for process in self.processes:
            process.kill()
            process.wait()
        self.processes.clear()
        self.remove()

    def remove(self):
        """Also what a run left that was killed: whatever lives in these namespaces is ours."""
        present = run("ip", "netns", "list").split()
        for name in self.spaces:
            if name in present:
                for pid in run("ip", "netns", "pids", name).split():
                    run("kill", "-9", pid, check=False)
                run("ip", "netns", "del", name)
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self, where, *command, log="/dev/null", **keys):
        with open(log, "ab") as out:
            process = subprocess.Popen(["ip", "netns", "exec", where, *map(str, command)], stderr=out,
                                       **{"stdin": subprocess.DEVNULL, "stdout": out, "text": True,
                                          "env": {**os.environ, "OVS_RUNDIR": str(self.directory)}, **keys})
        self.processes.insert(0, process)
        return process

    def start_meter(self, where, name, *arguments, before=()):
        self.meter_log = self.directory / f"{name}.log"
        self.meter = self.start(where, *before, self.build / "bench" / name, *arguments, log=self.meter_log,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def order(self, **words):
        """Has the meter do something, and returns its answer."""
        self.meter.stdin.write(json.dumps(words) + "\n")
        self.meter.stdin.flush()
        line = self.meter.stdout.readline()
        if not line:
            raise LabError("the meter ended: " + self.meter_log.read_text(encoding="utf-8").strip())
        return json.loads(line)

    def vsctl(self, *words):
        return run("ip", "netns", "exec", SWITCHES, "ovs-vsctl", f"--db=unix:{self.directory}/db.sock", "--timeout=20",
                   *words)

    def start_switch(self, before=()):
        """Without bridges."""
        run("ovsdb-tool", "create", self.directory / "conf.db", SCHEMA)
        self.start(SWITCHES, "ovsdb-server", self.directory / "conf.db", f"--remote=punix:{self.directory}/db.sock",
                   "-vsyslog:off", log=self.directory / "ovsdb.log")
        wait_for("ovsdb-server", (self.directory / "db.sock").exists, 10, fix=f"see {self.directory}/ovsdb.log")
        self.vswitchd = self.start(SWITCHES, *before, "ovs-vswitchd", f"unix:{self.directory}/db.sock",
                                   "--disable-system", "-vsyslog:off", log=self.directory / "vswitchd.log")
        self.vsctl("set", "Open_vSwitch", ".", "other_config:n-handler-threads=1",
                   "other_config:n-revalidator-threads=1")


def busy(pid):
    """Seconds for which a process's main thread has run."""
    with open(f"/proc/{pid}/task/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0]) / 1e9


def resident(pid):
    """What a process holds and has held at most, in MiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file)
    return {part: int(fields[part].split()[0]) / 1024 for part in ("VmHWM", "VmRSS", "RssAnon", "RssFile")}


def make(build, *programs):
    made = subprocess.run(["ninja", "-C", build, *programs], capture_output=True, text=True, check=False)
    if made.returncode:
        raise LabError("could not be built: " + (made.stderr or made.stdout).strip().splitlines()[-1],
                       fix="`make deps`, then `meson setup --reconfigure build`")
