# SPDX-License-Identifier: Apache-2.0
"""topology.yaml as objects. Reads and checks; makes nothing."""

import ipaddress
from dataclasses import dataclass, field

import yaml

from .errors import LabError

ROLES = ("management", "user", "router", "gateway", "switches", "server")
IFNAMSIZ = 15


@dataclass
class Node:
    name: str
    role: str
    management: str = None              # ADDRESS/LENGTH on the management network
    addresses: dict = field(default_factory=dict)   # interface -> ADDRESS/LENGTH
    default_route: str = None
    forwarding: bool = False
    bgp: dict = None
    host_uuid: str = None

    @property
    def management_address(self):
        return self.management.split("/")[0] if self.management else None


@dataclass
class Bridge:
    name: str
    node: str
    datapath_id: str
    controller: str = None
    rstp_priority: int = None


@dataclass
class End:
    owner: str                          # bridge or node
    node: str                           # the namespace it lives in
    interface: str
    bridge: str = None


@dataclass
class Link:
    ends: tuple
    kind: str
    mtu: int
    rstp: bool


@dataclass
class Guest:
    name: str
    server: str
    segment: str
    mac: str
    address: str


@dataclass
class Datacenter:
    name: str
    gateway: str
    switches: str
    servers: list
    route_peer: str
    edges: list
    channels: list


class Topology:
    def __init__(self, path):
        self.path = path
        try:
            with open(path, encoding="utf-8") as file:
                raw = yaml.safe_load(file)
        except (OSError, yaml.YAMLError) as error:
            raise LabError(str(error), where=path) from error
        try:
            self.prefix = raw["prefix"]
            self.nodes = {name: self._make(Node, name, keys) for name, keys in raw["nodes"].items()}
            self.bridges = {name: self._make(Bridge, name, keys) for name, keys in raw["bridges"].items()}
            self.guests = {name: self._make(Guest, name, keys) for name, keys in raw["guests"].items()}
            self.datacenters = {name: self._make(Datacenter, name, keys)
                                for name, keys in raw["datacenters"].items()}
            self.segments = raw["segments"]
            self.links = [self._link(kind, group, pair)
                          for kind, group in raw["links"].items() for pair in group["pairs"]]
        except (KeyError, TypeError, AttributeError) as error:
            raise LabError(f"missing or misplaced: {error}", where=path,
                           fix="compare with the topology.yaml of the project") from error
        self._check()

    @staticmethod
    def _make(kind, name, keys):
        return kind(name=name, **{key.replace("-", "_"): value for key, value in (keys or {}).items()})

    def _link(self, kind, group, pair):
        one, other = pair["ends"]
        names = pair.get("names") or [f"{one}-{other}", f"{other}-{one}"]
        ends = tuple(self._end(owner, interface) for owner, interface in zip((one, other), names))
        return Link(ends, kind, group["mtu"], group.get("rstp", False))

    def _end(self, owner, interface):
        if owner in self.bridges:
            return End(owner, self.bridges[owner].node, interface, bridge=owner)
        return End(owner, owner, interface)

    def _check(self):
        for node in self.nodes.values():
            if node.role not in ROLES:
                raise LabError(f"node {node.name}: unknown role {node.role}", where=self.path,
                               fix="use one of " + ", ".join(ROLES))
        seen = set()
        for link in self.links:
            for end in link.ends:
                if end.node not in self.nodes:
                    raise LabError(f"link end {end.interface}: no node or bridge {end.owner}", where=self.path)
                if len(end.interface) > IFNAMSIZ:
                    raise LabError(f"{end.interface}: longer than the kernel's {IFNAMSIZ} characters",
                                   where=self.path, fix="give the pair `names`")
                if (end.node, end.interface) in seen:
                    raise LabError(f"{end.interface} is twice in node {end.node}", where=self.path,
                                   fix="give the pair `names`")
                seen.add((end.node, end.interface))

    def by_role(self, role):
        return [node for node in self.nodes.values() if node.role == role]

    def bridges_of(self, node):
        return [bridge for bridge in self.bridges.values() if bridge.node == node]

    def ends_of_bridge(self, bridge):
        """(end, link) of every port of the bridge."""
        return [(end, link) for link in self.links for end in link.ends if end.bridge == bridge]

    def ends_of_node(self, node):
        return [(end, link) for link in self.links for end in link.ends if end.node == node]

    def find_end(self, name):
        """The end called NAME, or OWNER/NAME where NAME alone is not unique; a link A-B answers to its first end."""
        owner, _, interface = name.rpartition("/")
        found = [end for link in self.links for end in link.ends
                 if end.interface == interface and owner in ("", end.owner)]
        if not found:
            raise LabError(f"no link end is called {name}", where=self.path,
                           fix="an end X-Y is on X towards Y; `lab status` lists them")
        if len(found) > 1:
            raise LabError(f"{name} is the name of several link ends",
                           fix="say which: " + ", ".join(f"{end.owner}/{end.interface}" for end in found))
        return found[0]

    def datacenter(self, name):
        """By its own name (A), or by its gateway's (scg-a)."""
        for dc in self.datacenters.values():
            if name in (dc.name, dc.gateway):
                return dc
        raise LabError(f"no data center {name}", fix="use one of " + ", ".join(self.datacenters))

    def hosts(self):
        """Lines for /etc/hosts: each node under the address by which one would ask for it."""
        for node in self.nodes.values():
            address = node.management or next(iter(node.addresses.values()), None)
            if address:
                yield f"{ipaddress.ip_interface(address).ip} {node.name}"
