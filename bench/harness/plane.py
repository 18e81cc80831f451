# SPDX-License-Identifier: Apache-2.0
"""A transport network for rows: for each node a network namespace with its gmplsd, and one Open vSwitch with the nodes'
bridges. Control channels and data links are veth pairs; management goes over a bridge of Linux. The PCE is bench/lsp,
which also measures; beside each gmplsd waits a bench/relay, one hop of the bare UDP echo."""

import json

from harness.spaces import PREFIX, REALTIME, SWITCHES, Spaces
from scglab.context import run, wait_for

MANAGEMENT, PCE = "10.255.0.{}", "10.255.0.254"
PCEP, OPENFLOW, CENTRAL, STATUS, ECHO = 4189, 6653, 6700, 8081, 7777
LABELS, VLANS = 200_000, 2047           # of each node; bench/lsp/central.c takes others


def space(node):
    return f"{PREFIX}{node}"


def router(node):
    return f"10.253.0.{node}"


class Plane(Spaces):
    """Nodes are 1..n; `links` are pairs of them. Each node has a client port, with id 1."""

    def __init__(self, bench, name, n, links):
        self.nodes, self.links = range(1, n + 1), links
        super().__init__(bench, name, [SWITCHES, *map(space, self.nodes)], ["gmplsd", "bench/lsp", "bench/relay"])
        self.addresses = {}             # (node, other): of the node's end of the control channel
        for i, (a, b) in enumerate(links, 1):
            self.addresses[a, b], self.addresses[b, a] = f"10.252.{i}.1", f"10.252.{i}.2"
        self.daemons = {}               # node: its gmplsd

    # -- up and down

    def up(self):
        self.wire()
        self.start_bridges()
        for node in self.nodes:
            self.start_node(node)
        self.start_meter(SWITCHES, "lsp", PCE, PCEP, before=REALTIME)
        self.start_relays()
        self.order(do="await", nodes=len(self.nodes))
        for node in self.nodes:
            wait_for(f"node {node} ready", lambda node=node: self.ready(node), 20, where=space(node),
                     fix=f"see {self.directory}")

    def wire(self):
        ip("-n", SWITCHES, "link add mgmt type bridge", f"addr add {PCE}/24 dev mgmt", "link set mgmt up")
        for node in self.nodes:
            self.veth(f"m{node}", SWITCHES, "mgmt", space(node))
            ip("-n", SWITCHES, f"link set m{node} master mgmt")
            ip("-n", space(node), f"addr add {MANAGEMENT.format(node)}/24 dev mgmt",
               f"addr add {router(node)}/32 dev lo")
        for a, b in self.links:
            self.veth(f"c{b}", space(a), f"c{a}", space(b))
            self.veth(f"d{a}-{b}", SWITCHES, f"d{b}-{a}", SWITCHES)
            for node, other in ((a, b), (b, a)):
                ip("-n", space(node), f"addr add {self.addresses[node, other]}/30 dev c{other}")

    def veth(self, a, a_space, b, b_space):
        run("ip", "link", "add", a, "netns", a_space, "type", "veth", "peer", "name", b, "netns", b_space)
        for name, where in ((a, a_space), (b, b_space)):
            ip("-n", where, f"link set {name} up")

    # -- switches

    def start_bridges(self):
        self.start_switch()
        words = ["add-br", "clients", "--", "set", "bridge", "clients", "datapath_type=netdev", "fail_mode=secure"]
        for node in self.nodes:
            words += ["--", "add-br", f"n{node}", "--", "set", "bridge", f"n{node}", "datapath_type=netdev",
                      f"other_config:datapath-id={node:016x}", "fail_mode=secure", "protocols=OpenFlow13",
                      "other_config:disable-in-band=true"]
            for other in self.neighbours(node):
                words += ["--", "add-port", f"n{node}", f"d{node}-{other}"]
            for bridge, port, peer in ((f"n{node}", f"x{node}", f"y{node}"), ("clients", f"y{node}", f"x{node}")):
                words += ["--", "add-port", bridge, port, "--", "set", "interface", port, "type=patch",
                          f"options:peer={peer}"]
        self.vsctl(*words)

    # -- nodes

    def neighbours(self, node):
        return [b if a == node else a for a, b in self.links if node in (a, b)]

    def start_node(self, node):
        links = [{"name": f"to-{other}", "port": f"d{node}-{other}", "interface": f"c{other}",
                  "local": self.addresses[node, other], "remote": self.addresses[other, node],
                  "bandwidth-mbps": 10000, "labels": {"first": 1000, "last": 1000 + LABELS}}
                 for other in self.neighbours(node)]
        text = {"node": str(node), "router-id": router(node), "bridge": {"datapath-id": f"{node:016x}"},
                "openflow": {"address": MANAGEMENT.format(node), "port": OPENFLOW},
                "store": str(self.directory / f"{node}.db"), "pces": [{"address": PCE, "port": PCEP}],
                "status": {"address": MANAGEMENT.format(node), "port": STATUS}, "te-links": links,
                "clients": [{"name": "client", "port": f"x{node}", "id": 1, "mode": "vlan",
                             "vlans": {"first": 1, "last": VLANS}}]}
        file = self.directory / f"{node}.yaml"
        file.write_text(json.dumps(text, indent=1), encoding="utf-8")       # YAML, too
        self.daemons[node] = self.start(space(node), *REALTIME, self.build / "gmplsd", file,
                                        log=self.directory / f"{node}.log")
        self.connect(node, f"tcp:{MANAGEMENT.format(node)}:{OPENFLOW}")

    def connect(self, node, *targets):
        self.vsctl("set-controller", f"n{node}", *targets)

    def view(self, node):
        text = run("ip", "netns", "exec", SWITCHES, "curl", "-s", f"http://{MANAGEMENT.format(node)}:{STATUS}/v1/node",
                   check=False)
        return json.loads(text) if text else None

    def ready(self, node):
        view = self.view(node)
        return view and view["bridge"]["settled"] and view["bridge"]["connected"] and \
            all(link["up"] and link["neighbour"] for link in view["links"])

    # -- what is measured

    def centralise(self):
        """Gives the bridges a second controller: bench/lsp for all of them."""
        for node in self.nodes:
            self.connect(node, f"tcp:{MANAGEMENT.format(node)}:{OPENFLOW}", f"tcp:{PCE}:{CENTRAL + node}")
        self.order(do="central", address=PCE, port=CENTRAL, nodes=len(self.nodes))

    def start_relays(self):
        """Along the nodes by their numbers, and back: to each length of the way a chain of its own, on its own port."""
        for hops in self.nodes[:-1]:
            for node in range(2, hops + 2):
                if (node - 1, node) not in self.links:
                    return
                onward = self.addresses[node + 1, node] if node <= hops else "-"
                self.start(space(node), *REALTIME, self.build / "bench" / "relay", ECHO + hops,
                           self.addresses[node - 1, node], onward)

    def echo(self, hops):
        """For orders: the echo over so many hops from node 1, and where it is captured."""
        return {"space": f"/run/netns/{space(1)}", "interface": "c2", "port": ECHO + hops,
                "to": self.addresses[2, 1]}

    def lsp(self, *path):
        return {"ingress": router(path[0]), "egress": router(path[-1]), "client": [1, 1],
                "route": [self.addresses[b, a] for a, b in zip(path, path[1:])]}


def ip(option, where, *commands):
    for command in commands:
        run("ip", option, where, *command.split())
