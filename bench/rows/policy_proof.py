# SPDX-License-Identifier: Apache-2.0
"""What it takes to prove that a switch does what a policy says, and to read all that the switch holds for it."""

import statistics

from harness.one_switch import OneSwitch
from harness.result import Goal, Result, Side
from harness.spaces import resident

RULES = 1000
LIMIT_MS, LIMIT_MIB = 50, 4
OTHERS = 500                            # VMs whose flows the switch holds besides, 68 each
MANY = 740                              # the same, for more than 50,000 flows
ROUNDS = 10


class Proof:
    TITLE = f"proof that a switch enforces a policy of {RULES:,} rules"
    GOAL = Goal("<=", 1)

    @staticmethod
    def measure(bench):
        found = []
        with OneSwitch(bench) as switch:
            for i in range(bench.count(ROUNDS)):
                bench.progress(f"policy-proof: round {i + 1}")
                if i == 0:
                    switch.order(do="install", vms=OTHERS)
                    switch.order(do="policy", rules=RULES)
                found.append(switch.order(do="prove", rules=RULES))
        bench.progress("")
        values = [one["proof_ns"] / 1e6 for one in found]
        read = statistics.median(one["read_ns"] for one in found) / 1e6
        return Result("ms", Side("flows to a policy, and both compared", values), Side("limit", [LIMIT_MS]),
                      [value / LIMIT_MS for value in values],
                      [f"{found[0]['kept']} flows of the policy; before, {read:.3g} ms to read the {found[0]['flows']} "
                       "that the switch holds"], {"rounds": found})


class Read:
    TITLE = "memory that reading 50,000 flows of a switch takes"
    GOAL = Goal("<=", 1)

    @staticmethod
    def measure(bench):
        found = []
        with OneSwitch(bench) as switch:
            switch.order(do="install", vms=MANY)
            switch.order(do="policy", rules=0)
            for i in range(bench.count(ROUNDS)):
                bench.progress(f"policy-read: round {i + 1}")
                switch.begin()                          # what it has freed before would hide what it takes
                before = resident(switch.meter.pid)["VmRSS"]
                one = switch.order(do="prove", rules=0)
                found.append({**one, "grown_mib": resident(switch.meter.pid)["VmHWM"] - before})
        bench.progress("")
        values = [one["grown_mib"] for one in found]
        rate = statistics.median(one["flows"] / one["read_ns"] * 1e9 for one in found)
        return Result("MiB", Side("peak of resident memory, above that before", values), Side("limit", [LIMIT_MIB]),
                      [value / LIMIT_MIB for value in values],
                      [f"{found[0]['flows']} flows, {rate:,.0f} a second; one VM's are kept"], {"rounds": found})


PROOF, READ = Proof(), Read()
