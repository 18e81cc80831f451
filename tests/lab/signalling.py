# SPDX-License-Identifier: Apache-2.0
"""The transport network of circuits.py, run by gmplsd: a control node with a daemon beside each switch, control
channels between them, and a PCE (tests/tools/pce.c) that does what a test says.

    pe1-tn ─── t1 ─── t2 ─── pe5          data links of switches, in circuits.py
                └─ pe2-tn ┘
    pe1-tn.c ─ t1.c ─ t2.c ─ pe5.c        control channels, one for each link: 10.252.N.1 and .2
    each NODE.c ── mgmt ── switches       OpenFlow, PCEP: 10.99.0.0/24; the PCE is at .254"""

import contextlib
import http.client
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
from pathlib import Path

from circuits import CLIENTS, LINKS, NODES, Circuits
from fabric import poll, run

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("SCG_BUILD", ROOT / "build"))
ROUTER_IDS = {node: f"10.253.0.{number}" for node, number in NODES.items()}
MANAGEMENT = {node: f"10.99.0.{number}" for node, number in NODES.items()}
PCE, PCEP_PORT, PCE_HTTP_PORT, STATUS_PORT = "10.99.0.254", 4189, 8282, 8081
NO_TAG = 0xffff
FLOODS = "t1"                           # has a zebra; the others flood nothing
BANDWIDTH = 1000


def control(node):
    return node + ".c"


class Daemon:
    def __init__(self, net, where, log, *command):
        self.net, self.where, self.log, self.command = net, where, log, command
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(["ip", "netns", "exec", self.net.prefix + self.where, *self.command],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self, kill=False):
        if self.process:
            (self.process.kill if kill else self.process.terminate)()
            status = self.process.wait(10)
            self.process = None
            assert kill or status == 0, f"{self.command[0]} ended with {status}"

    def text(self):
        return Path(self.log).read_text(encoding="utf-8")


class Signalling(Circuits):
    def __init__(self, directory, prefix="gm-"):
        super().__init__(directory, None, prefix)
        self.daemons = {}
        self.frr = Path("/tmp") / f"{prefix}frr"      # zebra gives its rights up, so no directory of root's alone
        self.addresses = {}             # (node, other): of the control channel's end
        for number, (a, b) in enumerate(LINKS, 1):
            self.addresses[a, b], self.addresses[b, a] = f"10.252.{number}.1", f"10.252.{number}.2"

    def nodes(self):
        return ["switches", *CLIENTS, *map(control, NODES)]

    def install(self, bridge, *requests):
        """gmplsd does."""

    def neighbours(self, node):
        return [b if a == node else a for a, b in LINKS if node in (a, b)]

    # up and down

    def up(self):
        super().up()
        self.ip("switches", "link add mgmt type bridge", f"addr add {PCE}/24 dev mgmt", "link set mgmt up")
        for node in NODES:
            self.veth(f"m-{node}", "switches", "mgmt", control(node), 1500)
            self.ip("switches", f"link set m-{node} master mgmt")
            self.ip(control(node), f"addr add {MANAGEMENT[node]}/24 dev mgmt", f"addr add {ROUTER_IDS[node]}/32 dev lo")
            self.ns(control(node), "sysctl", "-qw", "net.ipv4.ip_forward=1")
        for a, b in LINKS:
            self.veth(f"c-{a}.{b}", control(a), f"c-{b}.{a}", control(b), 1500)
            for node, other in ((a, b), (b, a)):
                self.ip(control(node), f"addr add {self.addresses[node, other]}/30 dev c-{node}.{other}")
        for node in NODES:
            self.route(node)
            self.configure(node)
            self.daemons[node] = Daemon(self, control(node), self.directory / f"gmplsd-{node}.log", BUILD / "gmplsd",
                                        self.directory / f"gmplsd-{node}.yaml")
            self.vsctl("set-controller", node, f"tcp:{MANAGEMENT[node]}:6653", "--", "set", "controller", node,
                       "connection-mode=out-of-band", "max_backoff=1000", "inactivity_probe=5000")
        self.daemons["zebra"] = self.zebra()
        self.daemons["pce"] = Daemon(self, "switches", self.directory / "pce.log", BUILD / "tests" / "pce", PCE,
                                     str(PCEP_PORT), str(PCE_HTTP_PORT))
        for daemon in self.daemons.values():
            daemon.start()
        self.wait_ready()

    def route(self, node):
        """To all addresses of all others, by the fewest hops."""
        ways, edge = {node: None}, [node]
        while edge:
            at = edge.pop(0)
            for other in self.neighbours(at):
                if other not in ways:
                    ways[other] = ways[at] or other
                    edge.append(other)
        self.ip(control(node), *(f"route add {address}/32 via {self.addresses[via, node]} src {ROUTER_IDS[node]}"
                                 for to, via in ways.items() if via
                                 for address in (ROUTER_IDS[to], *(self.addresses[to, other]
                                                                   for other in self.neighbours(to) if other != node))))

    def zebra(self):
        """FRR's, that would pass what it is told on to an ospfd."""
        home = self.frr
        home.mkdir(exist_ok=True)
        lines = [f"interface c-{FLOODS}.{other}\n bandwidth {BANDWIDTH}\n link-params\n  enable\n exit-link-params\n"
                 for other in self.neighbours(FLOODS)]
        (home / "zebra.conf").write_text("hostname zebra\n" + "".join(lines), encoding="ascii")
        owner = pwd.getpwnam("frr")
        for path in (home, home / "zebra.conf"):
            os.chown(path, owner.pw_uid, owner.pw_gid)
        return Daemon(self, control(FLOODS), self.directory / "zebra.log", "/usr/lib/frr/zebra", "-z",
                      home / "zserv.api", "--vty_socket", home, "-i", home / "zebra.pid", "-f", home / "zebra.conf",
                      "-P", "0")

    def flooded(self, other):
        """Bytes per second by priority, that zebra has as unreserved on the link to 'other'."""
        text = self.ns(control(FLOODS), "vtysh", "--vty_socket", str(self.frr), "-d", "zebra", "-c",
                       f"show interface c-{FLOODS}.{other}")
        return [float(value) for value in re.findall(r"\[\d\]: ([0-9.e+]+)", text)]

    def configure(self, node, **timers):
        links = [{"name": f"{node}-{other}", "port": f"{node}.{other}", "interface": f"c-{node}.{other}",
                  "local": self.addresses[node, other], "remote": self.addresses[other, node],
                  "bandwidth-mbps": BANDWIDTH, "labels": {"first": 1000 * NODES[node], "last": 1000 * NODES[node] + 99}}
                 for other in self.neighbours(node)]
        clients = []
        if node in ("pe1-tn", "pe2-tn"):
            clients = [{"name": "client", "port": f"{node}={node[:3]}", "id": 1, "mode": "vlan",
                        "vlans": {"first": 200, "last": 299}}]
        elif node == "pe5":
            clients = [{"name": "ce", "port": "pe5.ce", "id": 9, "mode": "bridge"}]
        dpid = self.vsctl("get", "bridge", node, "datapath_id").strip().strip('"')
        text = {"node": node, "router-id": ROUTER_IDS[node], "bridge": {"datapath-id": dpid},
                "openflow": {"address": MANAGEMENT[node], "port": 6653}, "log-level": "debug",
                "store": str(self.directory / f"gmplsd-{node}.db"), "pces": [{"address": PCE, "port": PCEP_PORT}],
                "status": {"address": "127.0.0.1", "port": STATUS_PORT}, "te-links": links, "clients": clients,
                "timers": {"hello-ms": 100, "hello-miss": 4, "refresh-ms": 1000, "restart-ms": 3000,
                           "recovery-ms": 3000, "setup-ms": 3000, "client-hold-ms": 1500,
                           **timers}}
        if node == FLOODS:
            text["zebra-vty"] = str(self.frr / "zebra.vty")
        (self.directory / f"gmplsd-{node}.yaml").write_text(json.dumps(text), encoding="utf-8")

    def wait_ready(self, nodes=tuple(NODES)):
        def ready(node):
            view = self.view(node)
            return view and view["bridge"]["connected"] and view["bridge"]["settled"] and \
                all(link["up"] and link["neighbour"] for link in view["links"]) and \
                all(pce["synced"] for pce in view["pces"])

        for node in nodes:
            poll(lambda node=node: ready(node), 15, f"{node} is ready: {self.view(node)}")

    def down(self):
        for daemon in self.daemons.values():
            daemon.stop(kill=True)
        super().down()
        shutil.rmtree(self.frr, ignore_errors=True)

    # what tests ask

    def http(self, node, address, port, method, path, body=None):
        with self.inside(node):
            connection = http.client.HTTPConnection(address, port, timeout=30)
            try:
                connection.connect()
            except OSError:
                return None, None
        connection.request(method, path, json.dumps(body) if body is not None else None)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def view(self, node):
        return self.http(control(node), "127.0.0.1", STATUS_PORT, "GET", "/v1/node")[1]

    def pce(self, method, path, body=None):
        return self.http("switches", PCE, PCE_HTTP_PORT, method, path, body)

    def reports(self):
        """By ingress and name."""
        return {pcc: view["lsps"] for pcc, view in self.pce("GET", "/lsps")[1].items()}

    def request(self, ends, path, mbps=100, setup=4, holding=4):
        def client(node, name):
            vlan = CLIENTS[name][1]
            return [9, NO_TAG] if vlan is None else [1, vlan]

        return {"ingress": ROUTER_IDS[path[0]], "egress": ROUTER_IDS[path[-1]],
                "ingress-client": client(path[0], ends[0]), "egress-client": client(path[-1], ends[1]),
                "bandwidth-mbps": mbps, "setup": setup, "holding": holding,
                "route": [self.addresses[b, a] for a, b in zip(path, path[1:])]}

    def set_up(self, name, ends, path, **keys):
        """(HTTP status, report)"""
        return self.pce("PUT", f"/lsps/{name}", self.request(ends, path, **keys))

    def remove(self, name):
        return self.pce("DELETE", f"/lsps/{name}")

    def state(self, node):
        """All that an LSP leaves behind: flows and meters of the switch, and what the daemon counts as used."""
        view = self.view(node)
        return self.everything(node), view["usage"], [link["unreserved"] for link in view["links"]]

    def installed(self, node):
        """What the daemon put into the switch, without what the switch has learned."""
        return [line for line in self.everything(node) if not re.match(r"[^ ]+, table=\d+, (idle|hard)_timeout=", line)]

    @contextlib.contextmanager
    def captured(self, node):
        """What passes the node's control channels, into a file that it gives the name of."""
        path = self.directory / f"{node}.pcap"
        with subprocess.Popen(["ip", "netns", "exec", self.prefix + control(node), "tcpdump", "-Z", "root", "-U", "-i",
                               "any", "-w", path, "ip", "proto", "46"], stderr=subprocess.DEVNULL) as process:
            poll(path.exists, 5, "tcpdump listens")
            try:
                yield path
            finally:
                process.send_signal(signal.SIGINT)

    def dissect(self, display_filter, field):
        return run("tshark", "-r", str(self.capture), "-Y", display_filter, "-T", "fields", "-e", field)
