# SPDX-License-Identifier: Apache-2.0
"""Policies of many VMs onto one switch: the gateway beside messages encoded before, ovs-ofctl, and os-ken."""

import json
import statistics
import subprocess
import time
from dataclasses import dataclass

from harness.one_switch import OS_KEN, OneSwitch
from harness.result import Check, Goal, Result, Side
from harness.spaces import REALTIME, SWITCHES, busy
from scglab.context import run
from scglab.errors import LabError

OFCTL_GOAL, OS_KEN_GOAL = Goal(">=", 2), Goal(">=", 15)
OS_KEN_VMS = 100                        # of a round, their policies only; it is as fast with few as with many
REST_S = 0.3                            # after each side: the switch frees what was deleted
SIDES = ("install", "blast", "ofctl", "os-ken")


class Sides:
    """Seconds that each takes for the flows of so many VMs."""

    def __init__(self, bench, switch, vms):
        self.switch, self.vms, self.busy = switch, vms, []
        self.file, self.few = switch.directory / "flows", switch.directory / "few-flows"
        self.script = bench.root / "bench" / "policy" / "os_ken_install.py"
        self.flows = switch.order(do="write", vms=vms, file=str(self.file))["flows"]
        self.few_flows = switch.order(do="write", vms=OS_KEN_VMS, file=str(self.few), policies=True)["flows"]

    def rate(self, side):
        """Flows a second. The switch has none before and after."""
        found = getattr(self, side.replace("-", "_"))()
        self.switch.order(do="clear")
        time.sleep(REST_S)
        return found

    def install(self):
        before = busy(self.switch.vswitchd.pid)
        seconds = self.switch.order(do="install", vms=self.vms)["ns"] / 1e9
        self.busy.append((busy(self.switch.vswitchd.pid) - before) / seconds)
        return self.flows / seconds

    def blast(self, atomic=False):
        return self.flows / (self.switch.order(do="blast", vms=self.vms, atomic=atomic)["ns"] / 1e9)

    def bundles(self):
        return self.blast(atomic=True)

    def ofctl(self):
        begin = time.monotonic()
        run("ip", "netns", "exec", SWITCHES, *REALTIME, "ovs-ofctl", "--bundle", "-O", "OpenFlow13", "add-flows",
            self.switch.management, self.file)
        return self.flows / (time.monotonic() - begin)

    def os_ken(self):
        process = self.switch.start(SWITCHES, *REALTIME, "/usr/bin/python3", self.script, OS_KEN, self.few,
                                    log=self.switch.directory / "os-ken.log", stdout=subprocess.PIPE)
        if process.stdout.readline():                   # it listens
            with self.switch.also_connected_to(OS_KEN):
                text = process.stdout.readline()
                process.wait()
            if text:
                return self.few_flows / (json.loads(text)["ns"] / 1e9)
        raise LabError("os-ken did not install the flows: " +
                       (self.switch.directory / "os-ken.log").read_text(encoding="utf-8").strip(),
                       fix="`make deps` for python3-os-ken")


@dataclass(frozen=True)
class Row:
    vms: int
    rounds: int
    GOAL: Goal = Goal(">=", 0.9)

    @property
    def TITLE(self):
        return f"policies of {self.vms:,} VMs, 50 rules each, onto one switch"

    def measure(self, bench):
        found = {side: [] for side in (*SIDES, "bundles")}
        with OneSwitch(bench) as switch:
            sides = Sides(bench, switch, self.vms)
            for side in ("install", "blast"):           # one to get warm
                sides.rate(side)
            for i in range(bench.count(self.rounds)):
                bench.progress(f"policy-install: {self.vms} VMs, round {i + 1}")
                order = list(found) if i % 2 else list(reversed(found))
                for side in order:
                    found[side].append(sides.rate(side))
        bench.progress("")
        ours = found["install"]
        ratios = {side: [a / b for a, b in zip(ours, rates)] for side, rates in found.items()}
        middle = {side: sorted(rates)[len(rates) // 2] for side, rates in found.items()}
        notes = [f"{sides.flows} flows; each VM's replace what the VM had, all of them or none",
                 f"the switch's main thread is busy for {statistics.median(sides.busy):.0%} of our time",
                 f"encoded before, in a bundle for each VM: {middle['bundles']:,.0f} flows/s; ovs-ofctl --bundle "
                 f"{middle['ofctl']:,.0f}, os-ken {middle['os-ken']:,.0f}"]
        return Result("flows/s", Side("bundles of the gateway", ours), Side("messages encoded before", found["blast"]),
                      ratios["blast"], notes, {"rates": found},
                      [Check("ours : ovs-ofctl --bundle", ratios["ofctl"], OFCTL_GOAL),
                       Check("ours : os-ken", ratios["os-ken"], OS_KEN_GOAL)])


SMALL = Row(100, 10)
LARGE = Row(1000, 5)
