# SPDX-License-Identifier: Apache-2.0
"""A transport network for rows: for each node a network namespace with its gmplsd, and one Open vSwitch with the nodes'
bridges. Control channels and data links are veth pairs; management goes over a bridge of Linux. The PCE is bench/lsp,
which also measures; beside each gmplsd waits a bench/relay, one hop of the bare UDP echo."""

import json
import os
import shutil
import subprocess

from scglab.context import run, wait_for
from scglab.errors import LabError

PREFIX = "bench-"
SWITCHES = PREFIX + "switches"
MANAGEMENT, PCE = "10.255.0.{}", "10.255.0.254"
PCEP, OPENFLOW, CENTRAL, STATUS, ECHO = 4189, 6653, 6700, 8081, 7777
LABELS, VLANS = 200_000, 2047           # of each node; bench/lsp/central.c takes others
REALTIME = "chrt", "-f", "10"           # docs/bench.md, lsp-setup
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


def space(node):
    return f"{PREFIX}{node}"


def router(node):
    return f"10.253.0.{node}"


class Plane:
    """Nodes are 1..n; `links` are pairs of them. Each node has a client port, with id 1."""

    def __init__(self, bench, name, n, links):
        self.build = bench.root / "build"
        self.directory = self.build / f"bench-{name}"
        self.nodes, self.links = range(1, n + 1), links
        self.addresses = {}             # (node, other): of the node's end of the control channel
        for i, (a, b) in enumerate(links, 1):
            self.addresses[a, b], self.addresses[b, a] = f"10.252.{i}.1", f"10.252.{i}.2"
        self.processes = []
        self.daemons = {}               # node: its gmplsd
        self.meter = None

    def __enter__(self):
        make(self.build, "gmplsd", "bench/lsp", "bench/relay")
        self.remove()
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, *_):
        self.down()

    # -- up and down

    def up(self):
        self.directory.mkdir(parents=True)
        for name in [SWITCHES, *map(space, self.nodes)]:
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        self.wire()
        self.start_switch()
        for node in self.nodes:
            self.start_node(node)
        self.meter = self.start(SWITCHES, *REALTIME, self.build / "bench" / "lsp", PCE, PCEP,
                                log=self.directory / "lsp.log", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.start_relays()
        self.order(do="await", nodes=len(self.nodes))
        for node in self.nodes:
            wait_for(f"node {node} ready", lambda node=node: self.ready(node), 20, where=space(node),
                     fix=f"see {self.directory}")

    def down(self):
        for process in self.processes:
            process.kill()
            process.wait()
        self.processes.clear()
        self.remove()

    def remove(self):
        """Also what a run left that was killed: whatever lives in these namespaces is ours."""
        present = run("ip", "netns", "list").split()
        for name in [SWITCHES, *map(space, self.nodes)]:
            if name in present:
                for pid in run("ip", "netns", "pids", name).split():
                    run("kill", "-9", pid, check=False)
                run("ip", "netns", "del", name)
        shutil.rmtree(self.directory, ignore_errors=True)

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

    def start(self, where, *command, log="/dev/null", **keys):
        with open(log, "ab") as out:
            process = subprocess.Popen(["ip", "netns", "exec", where, *map(str, command)], stderr=out,
                                       **{"stdin": subprocess.DEVNULL, "stdout": out, "text": True,
                                          "env": {**os.environ, "OVS_RUNDIR": str(self.directory)}, **keys})
        self.processes.insert(0, process)
        return process

    # -- switches

    def vsctl(self, *words):
        return run("ip", "netns", "exec", SWITCHES, "ovs-vsctl", f"--db=unix:{self.directory}/db.sock", "--timeout=20",
                   *words)

    def start_switch(self):
        run("ovsdb-tool", "create", self.directory / "conf.db", SCHEMA)
        self.start(SWITCHES, "ovsdb-server", self.directory / "conf.db", f"--remote=punix:{self.directory}/db.sock",
                   "-vsyslog:off", log=self.directory / "ovsdb.log")
        wait_for("ovsdb-server", (self.directory / "db.sock").exists, 10, fix=f"see {self.directory}/ovsdb.log")
        self.start(SWITCHES, "ovs-vswitchd", f"unix:{self.directory}/db.sock", "--disable-system", "-vsyslog:off",
                   log=self.directory / "vswitchd.log")
        words = ["set", "Open_vSwitch", ".", "other_config:n-handler-threads=1", "other_config:n-revalidator-threads=1",
                 "--", "add-br", "clients", "--", "set", "bridge", "clients", "datapath_type=netdev",
                 "fail_mode=secure"]
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

    def order(self, **words):
        """Has bench/lsp do something, and returns its answer."""
        self.meter.stdin.write(json.dumps(words) + "\n")
        self.meter.stdin.flush()
        line = self.meter.stdout.readline()
        if not line:
            raise LabError(f"bench/lsp ended: {(self.directory / 'lsp.log').read_text(encoding='utf-8').strip()}")
        return json.loads(line)


def ip(option, where, *commands):
    for command in commands:
        run("ip", option, where, *command.split())


def make(build, *programs):
    made = subprocess.run(["ninja", "-C", build, *programs], capture_output=True, text=True, check=False)
    if made.returncode:
        raise LabError("could not be built: " + (made.stderr or made.stdout).strip().splitlines()[-1],
                       fix="`make deps`, then `meson setup --reconfigure build`")
