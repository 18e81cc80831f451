# SPDX-License-Identifier: Apache-2.0
"""How often scgd wakes up while nothing happens, against what its timers and its neighbours' ask for."""

import time
from pathlib import Path

from harness.result import Goal, Result, Side

TITLE = "wake-ups of scgd with an idle data center"
GOAL = Goal("<=", 1)
WINDOW_S = 20
WINDOWS = 3

LLDP_S = 5              # a round of probes to all switches
ECHO_S = 5              # OpenFlow echo request to a switch that has been silent
OVSDB_S = 10            # the same to an OVSDB
KEEPALIVE_S = 5         # the same to a libvirtd
NEXT_HOP_S = 30         # ARP for the PE's next hop
SWITCH_PROBE_S = 5      # the lab's `inactivity_probe`
OVSDB_PROBE_S = 5       # of ovsdb-server
LIBVIRTD_PROBE_S = 2    # the lab's `keepalive_interval`
SERVER_LLDP_S = 2       # the lab's `tx-interval`, on each of a server's two NICs


def voluntary(pid):
    """Voluntary context switches of all threads: each is a sleep, and so a wake-up."""
    total = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        fields = dict(line.split(":", 1) for line in status.read_text(encoding="ascii").splitlines())
        total += int(fields["voluntary_ctxt_switches"])
    return total


def expected(bench, dc):
    """(own, others): wake-ups a second if each timer that is not pushed back by traffic rings, and each answer comes
    alone."""
    switches, servers = len(bench.lab.topology.bridges_of(dc.switches)), len(dc.servers)
    own = (1 + switches) / LLDP_S + switches * 2 / ECHO_S + 2 / OVSDB_S + servers * 2 / KEEPALIVE_S + 2 / NEXT_HOP_S
    others = switches / SWITCH_PROBE_S + 1 / OVSDB_PROBE_S + servers * (1 / LIBVIRTD_PROBE_S + 2 / SERVER_LLDP_S)
    return own, others


def measure(bench):
    datacenters = list(bench.lab.topology.datacenters.values())
    bench.wait_idle()
    pids = {dc.name: bench.gateway_pid(dc) for dc in datacenters}
    rates, ratios, notes, raw = [], [], [], {}
    allowed = {dc.name: sum(expected(bench, dc)) for dc in datacenters}
    for _ in range(bench.count(WINDOWS)):
        before = {name: voluntary(pid) for name, pid in pids.items()}
        begin = time.monotonic()
        time.sleep(WINDOW_S)
        length = time.monotonic() - begin
        for name, pid in pids.items():
            rate = (voluntary(pid) - before[name]) / length
            rates.append(rate)
            ratios.append(rate / allowed[name])
            raw.setdefault(name, []).append(rate)
    for dc in datacenters:
        own, others = expected(bench, dc)
        notes.append(f"expected of {dc.name}: {own:.1f}/s by its own timers and their answers, {others:.1f}/s by what "
                     "switches, OVSDB, libvirtd and lldpd send by theirs")
    return Result("1/s", Side("voluntary context switches, all threads", rates),
                  Side("own and others' timers", list(allowed.values())), ratios, notes, {"rates": raw})
