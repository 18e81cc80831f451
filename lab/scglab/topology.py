# SPDX-License-Identifier: Apache-2.0
"""topology.yaml as objects. Reads and checks; makes nothing."""

import ipaddress
from dataclasses import dataclass, field

import yaml

from .errors import LabError

MODES = ("ethernet", "vpls")
ROLES = ("management", "user", "router", "gateway", "switches", "server", "transport")
IFNAMSIZ = 15
LABELS_PER_LINK = 1000


@dataclass
class TransportNode:
    """What a control node is for. `name` is what people call the transport node."""
    name: str
    area: str
    router_id: str
    bridge: str
    pces: list = field(default_factory=list)        # gateways' nodes
    clients: list = field(default_factory=list)     # as gmplsd wants them


@dataclass
class Node:
    name: str
    role: str
    management: str = None              # ADDRESS/LENGTH on the management network
    addresses: dict = field(default_factory=dict)   # interface -> ADDRESS/LENGTH
    ipv6: dict = field(default_factory=dict)        # likewise; interfaces that are not here have no IPv6
    default_route: str = None
    forwarding: bool = False
    bgp: dict = None
    host_uuid: str = None
    router_id: str = None               # of OSPF
    te: TransportNode = None

    def __post_init__(self):
        if self.te is not None:
            self.te = TransportNode(**underscored(self.te))
            self.router_id, self.forwarding = self.te.router_id, True
            self.addresses = {"lo": self.router_id + "/32", **self.addresses}

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
class TeLink:
    """How the routing protocol tells of a link, the same in both directions."""
    number: int
    bandwidth_mbps: int
    metric: int
    delay_us: int
    admin_group: int = 0

    @property
    def labels(self):
        return {"first": self.number * LABELS_PER_LINK, "last": (self.number + 1) * LABELS_PER_LINK - 1}


@dataclass
class Link:
    ends: tuple
    kind: str
    mtu: int = None
    rstp: bool = False
    patch: bool = False                 # between two bridges of one node, without NICs
    te: TeLink = None
    control: object = None              # of a TE link: the link between its control nodes
    area: str = None                    # of a link that OSPF runs over


@dataclass
class Guest:
    name: str
    server: str
    segment: str
    mac: str
    address: str
    ipv6: str = None                    # in a /64


@dataclass
class Datacenter:
    name: str
    gateway: str
    switches: str
    servers: list
    route_peer: str
    edges: list
    mode: str = MODES[0]                # how its fabric carries segments

    @property
    def migration_edge(self):
        return next(edge for edge in self.edges if edge["role"] == "inter-dc")


def underscored(keys):
    return {key.replace("-", "_"): value for key, value in (keys or {}).items()}


class Topology:
    def __init__(self, path):
        self.path = path
        try:
            with open(path, encoding="utf-8") as file:
                raw = yaml.load(file, Loader=yaml.CSafeLoader)      # in C: every command reads this file
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
            self.links += [link.control for link in self.links if link.control]
        except (KeyError, TypeError, AttributeError) as error:
            raise LabError(f"missing or misplaced: {error}", where=path,
                           fix="compare with the topology.yaml of the project") from error
        self._check()

    @staticmethod
    def _make(kind, name, keys):
        return kind(name=name, **underscored(keys))

    def _link(self, kind, group, pair):
        one, other = pair["ends"]
        names = pair.get("names") or [f"{one}-{other}", f"{other}-{one}"]
        ends = tuple(self._end(owner, interface) for owner, interface in zip((one, other), names))
        link = Link(ends, kind, group.get("mtu"), group.get("rstp", False), group.get("patch", False))
        if "te" in pair:
            link.te = TeLink(**underscored({**group.get("te", {}), **pair["te"]}))
            link.control = self._control(link)
        if "number" in pair:
            self._route_over(link, pair["number"])
        return link

    def _control(self, link):
        """The control channel of a TE link: a link of its own, as control and data are apart (RFC 3945, 2)."""
        nodes = [self.control_node(end.owner).name for end in link.ends]
        control = Link(tuple(End(node, node, "c-" + end.interface) for node, end in zip(nodes, link.ends)), "control",
                       mtu=1500)
        self._route_over(control, link.te.number)
        return control

    def _route_over(self, link, number):
        nodes = [self.nodes[end.owner] for end in link.ends]
        link.area = next(node.te.area for node in nodes if node.te)
        for host, (node, end) in enumerate(zip(nodes, link.ends), 1):
            node.addresses[end.interface] = f"10.252.{number}.{host}/30"

    def _end(self, owner, interface):
        if owner in self.bridges:
            return End(owner, self.bridges[owner].node, interface, bridge=owner)
        return End(owner, owner, interface)

    def control_node(self, name):
        """The control node that runs a bridge, or that people call so."""
        for node in self.by_role("transport"):
            if name in (node.name, node.te.name, node.te.bridge):
                return node
        raise LabError(f"no transport node {name}", where=self.path,
                       fix="use one of " + ", ".join(node.te.name for node in self.by_role("transport")))

    def _check(self):
        for node in self.nodes.values():
            if node.role not in ROLES:
                raise LabError(f"node {node.name}: unknown role {node.role}", where=self.path,
                               fix="use one of " + ", ".join(ROLES))
        for node in self.by_role("transport"):
            self.bridges[node.te.bridge].controller = node.name
        seen = set()
        for link in self.links:
            if link.patch and link.ends[0].node != link.ends[1].node:
                raise LabError(f"patch {link.ends[0].interface}: its bridges are not in one node", where=self.path)
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

    def set_modes(self, modes):
        """Data center -> mode of its fabric. A VPLS fabric has no spanning tree: tunnels use all of its links."""
        for name, mode in modes.items():
            dc = self.datacenter(name)
            dc.mode = mode
            if mode == "vpls":
                for bridge in self.bridges_of(dc.switches):
                    bridge.rstp_priority = None
                for link in self.links:
                    link.rstp = link.rstp and link.ends[0].node != dc.switches

    def modes(self):
        return {dc.name: dc.mode for dc in self.datacenters.values()}

    def read_modes(self, text):
        """Data center -> mode, from "MODE", or one for each data center: "MODE,MODE"."""
        words = text.split(",")
        wrong = [word for word in words if word not in MODES]
        if wrong or len(words) not in (1, len(self.datacenters)):
            raise LabError(f"no mode {wrong[0] or '(nothing)'}" if wrong else f"{len(words)} modes in {text}",
                           fix=f"use one of {', '.join(MODES)}, or one for each data center, "
                               f"{','.join(self.datacenters)}: {','.join(MODES)}")
        return dict(zip(self.datacenters, words * len(self.datacenters) if len(words) == 1 else words))

    def by_role(self, role):
        return [node for node in self.nodes.values() if node.role == role]

    def bridges_of(self, node):
        return [bridge for bridge in self.bridges.values() if bridge.node == node]

    def ends_of_bridge(self, bridge):
        """(end, link) of every port of the bridge."""
        return [(end, link) for link in self.links for end in link.ends if end.bridge == bridge]

    def ends_of_node(self, node):
        """(end, link) of every NIC of the node."""
        return [(end, link) for link in self.links for end in link.ends if end.node == node and not link.patch]

    def te_ends(self, node):
        """(own end, the other end, link) of every TE link of a control node."""
        for link in self.links:
            for own, other in (link.ends, link.ends[::-1]) if link.te else ():
                if own.owner == node.te.bridge:
                    yield own, other, link

    def ospf_ends(self, node):
        """(own end, link) of every link of the node that OSPF runs over."""
        return [(end, link) for end, link in self.ends_of_node(node) if link.area]

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

    def link_of(self, end):
        return next(link for link in self.links if end in link.ends)

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
