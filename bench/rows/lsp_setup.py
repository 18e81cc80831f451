# SPDX-License-Identifier: Apache-2.0
"""What setting an LSP up takes beside a bare UDP echo through as many processes. docs/bench.md tells what is fair."""

import statistics

from harness.plane import Plane
from harness.result import Goal, Result, Side

HOPS = 2                                # as most circuits between PEs have
BEYOND = (4, 8)                         # told beside
TITLE = f"set-up of an LSP over {HOPS} hops, from Path to Resv at its ingress (RFC 5814)"
GOAL = Goal("<=", 1.25)
ROUNDS = 20
EACH = 20                               # of either side in a round, by turns
REST_MS, COLD_MS = 1, 200               # before each; the latter is told beside


def median_us(times):
    return statistics.median(times) / 1000


def one_round(plane, hops, rest_ms):
    return plane.order(do="setup", lsp=plane.lsp(*range(1, hops + 2)), count=EACH, rest_ms=rest_ms,
                       wire=plane.echo(hops))


def measure(bench):
    longest = max(HOPS, *BEYOND)
    rounds = {hops: [] for hops in (HOPS, *BEYOND)}
    with Plane(bench, "chain", longest + 1, [(node, node + 1) for node in range(1, longest + 1)]) as plane:
        for i in range(bench.count(ROUNDS)):
            bench.progress(f"lsp-setup: round {i + 1}")
            for hops, found in rounds.items():
                found.append(one_round(plane, hops, REST_MS))
        cold = one_round(plane, HOPS, COLD_MS)
    bench.progress("")
    ours, echo = ({hops: [median_us(one[side]) for one in found] for hops, found in rounds.items()}
                  for side in ("lsp", "echo"))
    ratios = {hops: [a / b for a, b in zip(ours[hops], echo[hops])] for hops in rounds}
    notes = []
    for hops, found in rounds.items():
        up = statistics.median(time for one in found for time in one["up"]) / 1e6
        notes.append(f"{hops} hops: set-up {statistics.median(ours[hops]):.3g} us, echo "
                     f"{statistics.median(echo[hops]):.3g} us, ratio {statistics.median(ratios[hops]):.2f}; "
                     f"Path {found[0]['out']} bytes, Resv {found[0]['back']}; {up:.3g} ms until frames pass (RFC 6777) "
                     "and the PCE knows")
    notes.append(f"{HOPS} hops after {COLD_MS} ms of rest: set-up {median_us(cold['lsp']):.3g} us, echo "
                 f"{median_us(cold['echo']):.3g} us")
    return Result("us", Side("Path until Resv", ours[HOPS]), Side("UDP echo, the same packets", echo[HOPS]),
                  ratios[HOPS], notes, {"hops": rounds, "cold": cold})
