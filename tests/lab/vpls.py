# SPDX-License-Identifier: Apache-2.0
"""The small DC of fabric.py in VPLS mode: no RSTP, and pseudowires between its three edges."""

import itertools
import os

from fabric import GATEWAY_MAC, SERVERS, VMS, Fabric

SWITCHES = "tor", "tor2", "pe", "p1", "p2", "p3"
ENDS = {"tor": 1, "tor2": 2, "pe": 3}
PATHS = [("tor", "p1", "pe"), ("tor", "p2", "tor2"), ("tor2", "p3", "pe")]
CIRCUIT_VLAN, USER_ADDRESS, USER_MAC = 201, "10.100.0.201", "52:54:00:00:02:01"
USER_IPV6 = "2001:db8::c9"


class Vpls(Fabric):
    def __init__(self, directory, dump):
        super().__init__(directory, dump, os.environ.get("SCG_TEST_PREFIX", "vpls-"))
        numbers = itertools.count(16)
        self.vc = {edge: next(numbers) for edge in ENDS}
        self.paths = {pair: path for one in PATHS for path in (one, one[::-1]) for pair in [(path[0], path[-1])]}
        self.labels = {}                                # by tunnel and receiving node
        for pair in self.paths:
            for node in SWITCHES:
                self.labels[pair, node] = next(numbers)

    def nodes(self):
        return [*super().nodes(), "user"]

    def add_bridges(self):
        """Also a port for circuits at the PE, whose user has the VLAN CIRCUIT_VLAN there."""
        super().add_bridges()
        self.veth("pe-user", "switches", "wire", "user", 1600)
        words = []
        for bridge in SWITCHES:
            words += ["--", "set", "bridge", bridge, "rstp_enable=false"]
        self.ports["pe-user"] = 9
        self.vsctl("add-port", "pe", "pe-user", "--", "set", "interface", "pe-user", "ofport_request=9", *words)

    def port(self, node, other):
        return self.ports[f"{node}-{other}"]

    def set_tunnel(self, pair, path=None):
        """Tail first. Nodes that the former path had alone keep their part; see remove_tunnel()."""
        if path:
            self.paths[pair] = path
        path, name = self.paths[pair], ">".join(pair)
        label = {node: self.labels[pair, node] for node in path}
        self.install(path[-1], ("tail", name, label[path[-1]]))
        for node, after in list(zip(path, path[1:]))[:0:-1]:
            self.install(node, ("transit", name, label[node], label[after], self.port(node, after)))
        self.install(path[0], ("head", name, ENDS[path[-1]], label[path[1]], self.port(path[0], path[1])))

    def edge_of(self, vm):
        return SERVERS[VMS[vm][0]]

    def pseudowires(self, edge, *more_peers):
        peers = ",".join([*more_peers, *(f"{ENDS[other]}={self.vc[other]}" for other in ENDS if other != edge)])
        known = {self.mac(vm): self.edge_of(vm) for vm in VMS if vm != "v2moved"} | {GATEWAY_MAC: "pe"}
        words = ",".join(f"{mac}={ENDS[at]}" for mac, at in known.items() if at != edge)
        return "pseudowires", "pe" if edge == "pe" else "tor", *self.segment(), self.vc[edge], peers, words, \
            "-" if edge == "pe" else f"{USER_ADDRESS}={ENDS['pe']},{USER_IPV6}={ENDS['pe']}"

    def install_all(self):
        for node in ("p1", "p2", "p3"):
            self.install(node, ("vpls",), ("p",))
        for tor in ("tor", "tor2"):
            self.install(tor, ("vpls",), ("tor", self.server_ports(tor), self.numbers(self.fabric_ports(tor))),
                         ("segment-tor", *self.segment(), self.server_ports(tor)), self.pseudowires(tor),
                         *(self.vm_tor(vm) for vm in VMS if self.edge_of(vm) == tor and vm != "v2moved"))
        mac = self.ns("inet", "cat", "/sys/class/net/pe/address").strip()
        self.install("pe", ("vpls",), ("pe", *self.uplink(), self.numbers(self.fabric_ports("pe"))),
                     ("segment-pe", *self.segment()), self.pseudowires("pe"), ("neighbour", *self.uplink(), mac),
                     *(("vm-pe", *self.segment(), *self.vm(vm)) for vm in VMS if vm != "v2moved"),
                     ("circuit-pe", *self.segment(), "user", 9, CIRCUIT_VLAN, f"{USER_ADDRESS},{USER_IPV6}"))
        for pair in self.paths:
            self.set_tunnel(pair)
