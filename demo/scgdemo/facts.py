# SPDX-License-Identifier: Apache-2.0
"""What is so at one moment, asked from hypervisors, switches and routers themselves, and the places they are at."""

import re
from dataclasses import dataclass

from . import circuits, fabrics, rules
from .traffic import user


@dataclass(frozen=True)
class VM:
    name: str
    address: str
    ipv6: str                                       # null: it has none
    mac: str

    @property
    def cookie(self):
        """The end of the cookie that the gateway's flows of this VM carry: the last five bytes of its UUID."""
        return self.mac.replace(":", "")[2:]


V1, V2, V3 = VMS = tuple(VM(f"V{n}", f"10.100.0.1{n}", ipv6, f"52:54:00:00:00:1{n}")
                         for n, ipv6 in ((1, "2001:db8:100::11"), (2, "2001:db8:100::12"), (3, None)))
MOVING = (V2, V3)
SERVERS = {"server-a": "A", "server-b": "B"}
TORS = {"tor-a": "dc-a", "tor-b": "dc-b"}           # and the node whose Open vSwitch has it
EDGES = {"pe3": "dc-a", "pe4": "dc-b"}
NEXT_HOPS = {"192.0.2.2": "A", "192.0.2.6": "B"}
FORBIDDEN = [f"{vm.address}:22" for vm in VMS]
CE1_FORBIDDEN = [f"{vm.address}:22" for vm in MOVING]
HAND_COOKIE, HAND_METER = "0xad", 900               # of policies/v3.flows
LIMIT_KBPS, MARK = 8000, 26                         # of policies/v2.yaml


class Facts:
    def __init__(self, lab):
        domains = {server: lab.domains(server) for server in SERVERS}
        self.where = {vm.name: {server: found[vm.name] for server, found in domains.items() if vm.name in found}
                      for vm in VMS}
        switches = read_switches(lab)
        self.flows = {tor: switches[tor][0] for tor in TORS}
        self.meters = {tor: switches[tor][1] for tor in TORS}
        flows = {switch: found[0] for switch, found in switches.items()}
        self.fabrics = {dc: fabrics.Fabric.read(lab, dc, mode, flows) for dc, mode in lab.modes().items()}
        self.next_hops = lab.host_routes()
        self.nodes = {name: circuits.NodeState.read(*switches[bridge])
                      for name, (_, bridge) in circuits.BRIDGES.items()}
        self.links = circuits.links(lab)
        self.reserved = {link: taken for link, (_, taken) in self.links.items() if taken}
        # COOKIE_CHANNEL of the gateway
        self.channel_flows = sum("cookie=0x5c6704" in flow for edge in EDGES for flow in switches[edge][0])

    def place(self, vm):
        """'server-a (running)', or both."""
        return ", ".join(f"{server} ({state})" for server, (state, _) in self.where[vm.name].items()) or "nowhere"

    def runs_only_on(self, vm, server):
        return [(one, state) for one, (state, _) in self.where[vm.name].items()] == [(server, "running")]

    def of_vm(self, tor, vm):
        """All flows of a VM on a ToR, and how many of them are policy."""
        mine = [flow for flow in self.flows[tor] if rules.belongs(flow, vm)]
        return len(mine), sum(map(rules.is_policy, mine))

    def rules(self, tor, vm):
        return rules.read(self.flows[tor], self.meters[tor], vm)

    def route(self, vm):
        hop = self.next_hops.get(vm.address)
        return f"to data center {NEXT_HOPS[hop]}" if hop in NEXT_HOPS else hop or "none"


def read_switches(lab):
    """By name of a bridge, its flows and meters."""
    places = {}
    for place, bridges in fabrics.SWITCHES.values():
        places.setdefault(place, []).extend(bridges)
    for place, bridge in circuits.BRIDGES.values():
        places.setdefault(place, []).append(bridge)
    return {bridge: found for place, bridges in places.items() for bridge, found in lab.bridges(place, bridges).items()}


def measure(lab, vm, amount=2_000_000):
    """How fast the user can send to a VM (kbit/s), and the DSCP mark that the VM's web pages arrive with."""
    speed = user(lab, "upload", vm.address, amount)
    script = (f"tcpdump -Z root -nn -v -c 3 -i user1-inet src {vm.address} and tcp src port 80 2>/dev/null & "
              f"sleep 0.5; curl -s -m 10 -o /dev/null http://{vm.address}/; wait")
    text = lab.exec("user1", "sh", "-c", script, timeout=20)
    marks = {int(tos, 16) >> 2 for tos in re.findall(r"\(tos (0x[0-9a-f]+)", text)}
    return speed, marks
