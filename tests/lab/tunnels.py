# SPDX-License-Identifier: Apache-2.0
"""Fabrics in VPLS mode as tests see them: tunnels as their gateway tells of them, labels in switches and in stores."""

import re
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path

from labtool import GATEWAYS, wait_until
from moving import SWITCHES, TORS, ofctl

PES = {"A": "pe1", "B": "pe2"}
LABEL = re.compile(r"mpls_label=(\d+)|set_field:(\d+)->mpls_label|set_mpls_label\((\d+)\)")


@dataclass(frozen=True)
class Tunnel:
    """Of both directions."""
    nodes: tuple                        # from the PE to the ToR
    labels: tuple                       # of its links, on the way there
    labels_back: tuple                  # of the same links, on the way back

    @classmethod
    def read(cls, view):
        return cls(tuple(hop["node"] for hop in view["path"]), tuple(hop["label"] for hop in view["path"][1:]),
                   tuple(hop["upstream-label"] for hop in view["path"][1:]))

    @property
    def links(self):
        return list(zip(self.nodes, self.nodes[1:]))

    @property
    def transit(self):
        return self.nodes[1:-1]


def views(lab, dc):
    return lab.get(dc, "/v1/tunnels")["tunnels"]


def tunnels(lab, dc):
    """Those that are up, by their ends."""
    found = [Tunnel.read(view) for view in views(lab, dc) if view["state"] == "up"]
    return {(one.nodes[0], one.nodes[-1]): one for one in found}


def tunnel(lab, dc):
    """The one between PE and ToR; None if it is not up."""
    return tunnels(lab, dc).get((PES[dc], TORS[dc][1]))


def vc_labels(lab, dc, segment="web"):
    """End -> the label that it gave the segment."""
    view = next(one for one in lab.get(dc, "/v1/segments")["segments"] if one["name"] == segment)
    return {end["switch"]: end["label"] for end in view.get("ends", ())}


def held_labels(lab, dc):
    """Switch -> labels in any of its flows, for every switch of the data center."""
    node = TORS[dc][0]
    return {bridge: {int(next(filter(None, found))) for found in LABEL.findall(ofctl(lab, node, "dump-flows", bridge))}
            for bridge in SWITCHES[dc]}


def stored_labels(lab, dc):
    """(switch, owner) -> label, of those that the gateway's store has as taken. The file is locked: it reads a copy."""
    home = lab.directory / "nodes" / GATEWAYS[dc][0] / "run/scg"
    with tempfile.TemporaryDirectory() as place:
        for file in home.glob("scgd.db*"):
            shutil.copy(file, place)
        store = sqlite3.connect(Path(place, "scgd.db"))
        try:
            return {(pool.removeprefix("label/"), owner): number for pool, owner, number in
                    store.execute("SELECT pool, owner, number FROM number WHERE pool LIKE 'label/%'")}
        finally:
            store.close()


def wait_tunnel(lab, dc, unlike=None, deadline=10):
    """The tunnel between PE and ToR once it is up, and another path than `unlike`."""
    def there():
        found = tunnel(lab, dc)
        return found and found.nodes != unlike and found

    return wait_until("the tunnel to be up" + (f" by another way than {unlike}" if unlike else ""), there, deadline)


def ends_at(lab, node):
    """The fabric's link ends on a switch."""
    bridges = [bridge for bridges in SWITCHES.values() for bridge in bridges]
    return [end for facts in lab.status()["nodes"].values() for end in facts["interfaces"]
            if end.startswith(node + "-") and end.removeprefix(node + "-") in bridges]
