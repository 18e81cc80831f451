# SPDX-License-Identifier: Apache-2.0
"""Memory that scgd holds while nothing happens in its data center."""

import time

from harness.result import Goal, Result, Side
from harness.spaces import resident

TITLE = "resident memory of scgd with an idle data center"
GOAL = Goal("<=", 1)
LIMIT_MIB = 20
SAMPLES = 5


def measure(bench):
    bench.wait_idle()
    samples = {}
    for _ in range(bench.count(SAMPLES)):
        for dc in bench.lab.topology.datacenters.values():
            samples.setdefault(dc.name, []).append(resident(bench.gateway_pid(dc)))
        time.sleep(1)
    values = [one["VmRSS"] for found in samples.values() for one in found]
    notes = []
    for name, found in samples.items():
        last = found[-1]
        notes.append(f"scgd of {name}: {last['VmRSS']:.1f} MiB, of it {last['RssAnon']:.1f} its own "
                     f"and {last['RssFile']:.1f} pages of files (libraries above all), which others share")
    return Result("MiB", Side("VmRSS of both gateways", values), Side("limit", [LIMIT_MIB]),
                  [value / LIMIT_MIB for value in values], notes, {"samples": samples})
