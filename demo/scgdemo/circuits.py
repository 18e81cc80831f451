# SPDX-License-Identifier: Apache-2.0
"""Circuits of the transport networks: what gateways say of them, and what they leave in the nodes."""

import json
import re
import signal
import tempfile
from dataclasses import dataclass

from .lab import DemoError

# Transport nodes, by the address that stands for each in paths; the node of the lab and the bridge that forward for it.
NAMES = {**{f"10.253.0.{n}": f"t{n}" for n in range(1, 5)}, **{f"10.253.0.1{n}": f"pe{n}" for n in range(1, 6)}}
BRIDGES = {"pe1": ("dc-a", "pe1-tn"), "t1": ("wan", "t1"), "t2": ("wan", "t2"), "pe2": ("dc-b", "pe2-tn"),
           "pe5": ("wan", "pe5"), "pe3": ("dc-a", "pe3-tn"), "t3": ("wan", "t3"), "t4": ("wan", "t4"),
           "pe4": ("dc-b", "pe4-tn")}
LSP_COOKIE = "0x5c6711"                 # begins the cookie of a circuit's rules
LAST_METER = 0xfffeffff                 # greater numbers are not of circuits


@dataclass(frozen=True)
class Circuit:
    name: str
    kind: str                           # "user" or "migration"
    bandwidth: int                      # Mbit/s
    nodes: tuple
    labels: tuple                       # of the links, in order, on the way there
    labels_back: tuple                  # and back

    @classmethod
    def read(cls, channel):
        """From what a gateway shows of one that is up."""
        path = channel["path"]
        return cls(channel["name"], channel["kind"], channel["bandwidth-mbps"],
                   tuple(NAMES.get(hop["node"], hop["node"]) for hop in path),
                   tuple(hop["label"] for hop in path[1:]), tuple(hop["upstream-label"] for hop in path[1:]))

    @property
    def way(self):
        return " ─ ".join(self.nodes)

    @property
    def links(self):
        return list(zip(self.nodes, self.nodes[1:]))

    def link_ends(self):
        return {end for one, other in self.links for end in (f"{one}-{other}", f"{other}-{one}")}


@dataclass
class NodeState:
    """What circuits have in a transport node's switch."""
    flows: int
    cookies: set                        # one for each circuit
    labels: set
    meters: list                        # kbit/s

    @classmethod
    def read(cls, flows, meters):
        mine = [flow for flow in flows if f"cookie={LSP_COOKIE}" in flow]
        labels = re.findall(r"mpls_label=(\d+)|set_field:(\d+)->mpls_label", "\n".join(mine))
        return cls(len(mine), {flow.split(",")[0] for flow in mine}, {int(one or other) for one, other in labels},
                   [rate for number, (rate, _) in meters.items() if number <= LAST_METER])


def links(lab):
    """What gateway A hears over OSPF: by link, (node, node), (Mbit/s, Mbit/s of these that circuits hold)."""
    return {(NAMES.get(link["from"], link["from"]), NAMES.get(link["to"], link["to"])):
            (link["bandwidth-mbps"], link["bandwidth-mbps"] - link["unreserved-mbps"][-1])
            for link in lab.ctl("A", "transport")["links"]}


def reserved(lab):
    """The Mbit/s that circuits hold, of links where they hold any."""
    return {link: taken for link, (_, taken) in links(lab).items() if taken}


def both_ways(circuit):
    """What `reserved` says when nothing else stands."""
    return {link: circuit.bandwidth for one, other in circuit.links for link in ((one, other), (other, one))}


class Recorder:
    """Notes every circuit that comes and goes, from the events of both gateways. A context."""

    def __init__(self, lab):
        self.outputs = {dc: tempfile.TemporaryFile("w+", encoding="utf-8") for dc in "AB"}
        self.processes = [lab.popen("ctl", dc, "events", "-o", "json", stdout=output)
                          for dc, output in self.outputs.items()]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.send_signal(signal.SIGINT)
        for process in self.processes:
            process.wait()
        for output in self.outputs.values():
            output.close()

    def seen(self, *known):
        """By name, every circuit that was up, and whether its gateway told of its removal. `known`: that were up when
        this began."""
        found = {circuit.name: (circuit, False) for circuit in known}
        for output in self.outputs.values():
            output.seek(0)
            for line in output.readlines():
                event = json.loads(line) if line.endswith("\n") else {}
                channel = event.get("data", {})
                if event.get("type") != "channel":
                    continue
                if channel["state"] == "up" and "path" in channel:
                    found[channel["name"]] = (Circuit.read(channel), False)
                elif channel["state"] == "removed" and channel["name"] in found:
                    found[channel["name"]] = (found[channel["name"]][0], True)
        return found


def up(lab, dc, name):
    """The circuit if it is up; else None."""
    for channel in lab.ctl(dc, "channel", "list")["channels"]:
        if channel["name"] == name and channel["state"] == "up":
            return Circuit.read(channel)
    return None


def one_of(seen, kind, ingress):
    """The circuit of this kind that was seen to begin there."""
    for circuit, _ in seen.values():
        if circuit.kind == kind and circuit.nodes[0] == ingress:
            return circuit
    raise DemoError(f"no gateway told of a circuit ({kind}) from {ingress} during the move")
