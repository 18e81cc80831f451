# SPDX-License-Identifier: Apache-2.0
"""Path computation beside a textbook's Dijkstra and igraph's, on the same queries. One row for each size of network."""

import json
import statistics
import subprocess
from dataclasses import dataclass

from harness.result import Check, Goal, Result, Side
from scglab.errors import LabError

SEED = 1
IGRAPH_GOAL = Goal(">=", 10)
REAL = ("germany50", "cogentco", "kdl")         # told beside, in the first row
SIDES = ("ours", "textbook", "igraph")


def run(bench, network, rounds, queries):
    """What bench/cspf/cspf.c prints."""
    build = bench.root / "build"
    made = subprocess.run(["ninja", "-C", build, "bench/cspf"], capture_output=True, text=True, check=False)
    if made.returncode:
        raise LabError("bench/cspf could not be built: " + (made.stderr or made.stdout).strip().splitlines()[-1],
                       fix="`make deps` for libigraph-dev, then `meson setup --reconfigure build`")
    command = [build / "bench" / "cspf", network, rounds, queries, SEED]
    found = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if found.returncode:
        raise LabError(f"the sides disagree: {found.stderr.strip()}", where=f"cspf {network}")
    return json.loads(found.stdout)


def medians(found, side):
    """Of each round, in microseconds."""
    return [statistics.median(times[side]) / 1000 for times in found["rounds"]]


def ratios(one, other):
    return [a / b for a, b in zip(one, other)]


def notes_on(found, queries):
    warm = found["warm_ns"] / 1e6
    yield (f"{found['nodes']} nodes, {found['links']} links, {queries} queries a round; the cost of every path is the "
           "same on all sides")
    yield (f"ours: {found['make_ns'] / 1e6:.3g} ms to take the links in; {warm:.3g} ms for the first "
           f"{found['warm_queries']} queries, which make arrays and landmarks; {found['bytes'] / 2**20:.3g} MiB; a "
           f"link's new bandwidth is taken in within {found['change_ns']} ns")


@dataclass(frozen=True)
class Row:
    network: str
    rounds: int
    queries: int                        # of each round
    GOAL: Goal
    real: bool = False                  # also tells of real networks

    @property
    def TITLE(self):
        return f"a path with bandwidth through {int(self.network):,} nodes"

    def measure(self, bench):
        rounds = bench.count(self.rounds)
        bench.progress(f"cspf: {self.network} nodes")
        found = run(bench, self.network, rounds, self.queries)
        ours, textbook, igraph = (medians(found, side) for side in SIDES)
        notes = list(notes_on(found, self.queries))
        for name in REAL if self.real else ():
            times = run(bench, name, rounds, self.queries)
            median = {side: statistics.median(medians(times, side)) for side in SIDES}
            notes.append(f"{name} ({times['nodes']} nodes): ours {median['ours']:.3g} us, textbook "
                         f"{median['textbook']:.3g} us, igraph {median['igraph']:.3g} us")
        bench.progress("")
        return Result("us", Side("path_find()", ours), Side("textbook Dijkstra, early exit", textbook),
                      ratios(ours, textbook), notes, {"network": found},
                      [Check("igraph : ours", ratios(igraph, ours), IGRAPH_GOAL)])


SMALL = Row("1000", 10, 200, Goal("<=", 1), real=True)
MEDIUM = Row("10000", 10, 100, Goal("<=", 0.33))
LARGE = Row("100000", 5, 30, Goal("<=", 0.33))
