# SPDX-License-Identifier: Apache-2.0
"""How the data centers' fabrics carry the VMs' network: as a VLAN, or in tunnels of MPLS labels."""

import re
from dataclasses import dataclass

SWITCHES = {"A": ("dc-a", ("tor-a", "p1", "p2", "p3", "pe1", "pe3")),
            "B": ("dc-b", ("tor-b", "p5", "p6", "pe2", "pe4"))}
VLANS, LABELS = "ethernet", "vpls"                  # modes, as the lab names them
WORDS = {VLANS: "VLANs", LABELS: "MPLS labels (VPLS)"}
LABEL = re.compile(r"mpls_label=(\d+)|set_field:(\d+)->mpls_label")


@dataclass(frozen=True)
class Tunnel:
    """Between PE and ToR, with its labels link by link on the way there, and on the way back."""
    nodes: tuple
    labels: tuple
    labels_back: tuple

    @classmethod
    def read(cls, view):
        path = view["path"]
        return cls(tuple(hop["node"] for hop in path), tuple(hop["label"] for hop in path[1:]),
                   tuple(hop["upstream-label"] for hop in path[1:]))

    def text(self):
        return "{}, labels {}, back {}".format(" ─ ".join(self.nodes), " ".join(map(str, self.labels)),
                                               " ".join(map(str, reversed(self.labels_back))))


@dataclass(frozen=True)
class Fabric:
    """Of one data center, at one moment."""
    mode: str
    vlan: int                           # None: no segment is open, or none is needed
    tunnels: tuple
    vc_labels: dict                     # by the end of the network that expects it
    held: dict                          # by switch: the labels in its flows

    @classmethod
    def read(cls, lab, dc, mode, flows):
        segment = lab.segment(dc)
        tunnels = lab.ctl(dc, "tunnel", "list")["tunnels"] if mode == LABELS else ()
        return cls(mode, segment.get("vlan") if segment else None,
                   tuple(Tunnel.read(view) for view in tunnels if view["path"]),
                   {end["switch"]: end["label"] for end in (segment or {}).get("ends", ())},
                   {switch: {int(one or other) for one, other in LABEL.findall("\n".join(flows[switch]))}
                    for switch in SWITCHES[dc][1]})

    def channel(self):
        """The internal channel of the VMs' network, in lines."""
        if self.mode == VLANS:
            return [f"VLAN {self.vlan}" if self.vlan else "none"]
        if not self.tunnels:
            return ["none"]
        return [*(f"tunnel {tunnel.text()}" for tunnel in self.tunnels),
                "VC labels " + ", ".join(f"{label} to {switch}" for switch, label in self.vc_labels.items())]

    def told(self):
        """The labels that the gateway tells of."""
        return {label for tunnel in self.tunnels for label in (*tunnel.labels, *tunnel.labels_back)} | \
            set(self.vc_labels.values())

    def labels(self):
        return set().union(*self.held.values())
