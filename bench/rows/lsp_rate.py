# SPDX-License-Identifier: Apache-2.0
"""1,000 LSPs, one after the other, and what they cost while they stand. Beside: a controller of all switches, which
needs no signalling for the same flows and the same probe."""

import statistics
import time

from harness.plane import Plane, space
from harness.result import Check, Goal, Result, Side
from scglab.context import run

TITLE = "1,000 LSPs back to back over a ring of four nodes"
GOAL = None                             # what distribution costs is told; the limits are those below
NODES = 4
LSPS = 1000
ROUNDS = 10
AHEAD = 16                              # of the second thousand, at the same time
QUIET_S = 65                            # two refresh intervals of 30 s, and their jitter
SETTLE_S = 5                            # acks that wait, records

MEMORY_KIB = 8                          # of an LSP at a node
REFRESH_S = 30                          # of RFC 2205: each state of each hop, in full, so often


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def processor_s(pid):
    """Of all its threads, with the kernel's work for it."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0]) / 1e9


def sent(plane):
    """(packets, bytes) that all nodes have sent over their control channels, Ethernet headers included."""
    total = [0, 0]
    for node in plane.nodes:
        files = [f"/sys/class/net/c{other}/statistics/tx_{what}" for other in plane.neighbours(node)
                 for what in ("packets", "bytes")]
        numbers = [int(line) for line in run("ip", "netns", "exec", space(node), "cat", *files).split()]
        total[0] += sum(numbers[0::2])
        total[1] += sum(numbers[1::2])
    return total


def load(plane, seconds):
    """(packets, bytes) a second."""
    before = sent(plane)
    time.sleep(seconds)
    return [(b - a) / seconds for a, b in zip(before, sent(plane))]


def ring_paths():
    """From each node over 1, 2 and 3 hops."""
    return [[(first + hop) % NODES + 1 for hop in range(hops + 1)] for first in range(NODES) for hops in (1, 2, 3)]


def of_all(plane, measure):
    return sum(measure(daemon.pid) for daemon in plane.daemons.values())


def measure(bench):
    rounds, paths = bench.count(ROUNDS), ring_paths()
    count = LSPS // rounds
    ours, other, raw = [], [], {}
    with Plane(bench, "ring", NODES, [(1, 2), (2, 3), (3, 4), (4, 1)]) as plane:
        plane.centralise()
        lsps = [plane.lsp(*path) for path in paths]
        time.sleep(SETTLE_S)
        idle = load(plane, SETTLE_S)
        memory, processor = of_all(plane, resident_kib), of_all(plane, processor_s)
        for i in range(rounds):
            bench.progress(f"lsp-rate: {i * count} LSPs")
            ours.append(plane.order(do="fill", lsps=lsps, count=count, ahead=1)["took"] / count / 1e6)
            other.append(plane.order(do="program", paths=paths, first=i * count, count=count)["took"] / count / 1e6)
        bench.progress("lsp-rate: at rest")
        processor = of_all(plane, processor_s) - processor
        time.sleep(SETTLE_S)
        memory = of_all(plane, resident_kib) - memory
        packets, octets = load(plane, QUIET_S)
        plane.order(do="drain")
        plane.order(do="unprogram", paths=paths, count=rounds * count)
        at_once = plane.order(do="fill", lsps=lsps, count=rounds * count, ahead=AHEAD)
    bench.progress("")
    hops = sum(len(path) - 1 for path in paths) / len(paths)
    places = rounds * count * (hops + 1)                        # LSPs at nodes
    plain = 2 * rounds * count * hops / REFRESH_S               # a Path and a Resv over each hop
    raw.update(idle=idle, packets=packets, bytes=octets, memory_kib=memory, processor_s=processor, at_once=at_once)
    notes = [f"{rounds * count} LSPs of 1 to 3 hops: {1000 / statistics.mean(ours):.3g} a second, "
             f"{rounds * count / (at_once['took'] / 1e9):.3g} with {AHEAD} at the same time",
             f"an LSP takes gmplsd {processor / places * 1e3:.2f} ms of a processor and {memory / places:.2f} KiB at "
             "each of its nodes",
             f"at rest all four nodes send {packets:.1f} packets and {octets:.0f} bytes a second, without LSPs "
             f"{idle[0]:.1f} and {idle[1]:.0f}"]
    return Result("ms", Side("an LSP, until frames pass", ours), Side("the same flows by one controller", other),
                  [a / b for a, b in zip(ours, other)], notes, raw,
                  [Check(f"memory : {MEMORY_KIB} KiB at a node", [memory / places / MEMORY_KIB], Goal("<=", 1)),
                   Check("refreshes : each state in full", [max(packets - idle[0], 0) / plain], Goal("<=", 0.1))])
