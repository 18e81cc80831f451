# SPDX-License-Identifier: Apache-2.0
"""A transport network on a scratch Open vSwitch, without gmplsd: a test installs its cross-connects.

    c1 (VLAN 10), c3 (30) ─ pe1 ═ pe1-tn ─ t1 ─── t2 ─ pe5 ─ ce
                                           │     │
    c2 (VLAN 20), c4 (31) ─ pe2 ═ pe2-tn ──┴─────┘

Clients are network namespaces, ─ is a veth pair, ═ a pair of patch ports. pe1 and pe2 are learning switches; ce hangs
off a client port in bridge mode. c1, c2 and ce are in 10.9.0.0/24, c3 and c4 in 10.8.0.0/24."""

import contextlib
import itertools
import socket
import struct

from fabric import Fabric, run

LINKS = [("pe1-tn", "t1"), ("pe2-tn", "t1"), ("pe2-tn", "t2"), ("t1", "t2"), ("t2", "pe5")]
NODES = {"pe1-tn": 1, "pe2-tn": 2, "pe5": 5, "t1": 11, "t2": 12}
CLIENTS = {"c1": ("pe1", 10, "10.9.0.1"), "c2": ("pe2", 20, "10.9.0.2"), "c3": ("pe1", 30, "10.8.0.3"),
           "c4": ("pe2", 31, "10.8.0.4"), "ce": ("pe5", None, "10.9.0.5")}
LINK_MTU = 1600


class Lsp:
    """'ends' are names of clients; 'path' the nodes, from the ingress on."""

    def __init__(self, number, ends, path, rate=0):
        self.number, self.ends, self.path, self.rate = number, ends, path, rate
        self.labels = {}        # (from, to): of frames in this direction

    def client(self, node):
        return self.ends[0 if node == self.path[0] else 1]


def frame_of(message):
    """Of a packet-in."""
    match = struct.unpack("!H", message[26:28])[0]
    return message[24 + (match + 7) // 8 * 8 + 2:]


class Controller:
    """An OpenFlow 1.3 connection that asks for packet-ins."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(3)
        self.sock.connect(str(path))
        self.buffer = b""
        self.send(0)
        self.send(9, struct.pack("!HH", 0, 0xffff))
        self.barrier()

    def send(self, kind, body=b""):
        self.sock.sendall(struct.pack("!BBHI", 4, kind, 8 + len(body), 7) + body)

    def message(self):
        while True:
            size = struct.unpack("!H", self.buffer[2:4])[0] if len(self.buffer) >= 4 else 8
            if len(self.buffer) >= size:
                message, self.buffer = self.buffer[:size], self.buffer[size:]
                return message
            more = self.sock.recv(65536)
            assert more, "the switch hung up"
            self.buffer += more

    def barrier(self):
        """All messages up to the answer to a barrier."""
        self.send(20)
        before = []
        while True:
            message = self.message()
            if message[1] == 21:
                return before
            before.append(message)

    def packet_out(self, port, frame):
        action = struct.pack("!HHIH6x", 0, 16, port, 0)
        self.send(13, struct.pack("!IIH6x", 0xffffffff, 0xfffffffd, len(action)) + action + frame)

    def packet_in_message(self, seconds):
        """The next one as it came; None if there is none for so long."""
        while True:
            self.sock.settimeout(seconds)
            try:
                message = self.message()
            except TimeoutError:
                return None
            finally:
                self.sock.settimeout(3)
            assert message[1] != 1, f"OFPT_ERROR {message.hex()}"
            if message[1] == 2:
                self.send(3, message[8:])
            if message[1] == 10:
                return message

    def packet_in(self, seconds=3):
        """The next one: reason, cookie, frame; None if there is none for so long."""
        message = self.packet_in_message(seconds)
        return message and (message[14], struct.unpack("!Q", message[16:24])[0], frame_of(message))

    def close(self):
        self.sock.close()


class Circuits(Fabric):
    def __init__(self, directory, dump, prefix="xc-"):
        super().__init__(directory, dump, prefix)
        self.lsps = {}
        self.next_label = itertools.count(16)

    # up and down

    def nodes(self):
        return ["switches", *CLIENTS]

    def up(self):
        self.add_nodes()
        for a, b in LINKS:
            self.veth(f"{a}.{b}", "switches", f"{b}.{a}", "switches", LINK_MTU)
        for client, (bridge, _, address) in CLIENTS.items():
            self.veth(f"{bridge}.{client}", "switches", "eth0", client, 1500)
            self.ip(client, f"link set eth0 address {self.mac(client)}", f"addr add {address}/24 dev eth0")
        self.add_bridges()
        for node in NODES:
            self.install(node, ("base",))

    def add_bridges(self):
        def bridge(name, *more):
            return ["--", "add-br", name, "--", "set", "bridge", name, "datapath_type=netdev", *more]

        def port(on, name, number, *more):
            self.ports[name] = number
            return ["--", "add-port", on, name, *more, "--", "set", "interface", name, f"ofport_request={number}"]

        words = []
        for node in NODES:
            words += bridge(node, "fail_mode=secure", "protocols=OpenFlow13")
            ends = [f"{a}.{b}" for pair in LINKS for a, b in (pair, pair[::-1]) if a == node]
            for number, name in enumerate(ends, 1):
                words += port(node, name, number)
        words += port("pe5", "pe5.ce", 9)
        for pe in ("pe1", "pe2"):
            words += bridge(pe)
            for number, (client, (at, vlan, _)) in enumerate(CLIENTS.items(), 1):
                if at == pe:
                    words += port(pe, f"{pe}.{client}", number, f"tag={vlan}")
            for on, to, number in ((pe, f"{pe}-tn", 9), (f"{pe}-tn", pe, 9)):
                words += port(on, f"{on}={to}", number) + ["type=patch", f"options:peer={to}={on}"]
        self.vsctl(*words[1:])

    # cross-connects

    @staticmethod
    def mac(client):
        return f"52:54:00:00:09:0{list(CLIENTS).index(client) + 1}"

    @staticmethod
    def address(client):
        return CLIENTS[client][2]

    def client_port(self, client):
        bridge, vlan, _ = CLIENTS[client]
        return self.ports[f"{bridge}.{client}" if vlan is None else f"{bridge}-tn={bridge}"]

    def side(self, lsp, node, step):
        at = lsp.path.index(node) + step
        if 0 <= at < len(lsp.path):
            other = lsp.path[at]
            return f"link,{self.ports[f'{node}.{other}']},{lsp.labels[other, node]},{lsp.labels[node, other]}"
        client = lsp.client(node)
        vlan = CLIENTS[client][1]
        return f"bridge,{self.client_port(client)}" if vlan is None else f"vlan,{self.client_port(client)},{vlan}"

    def words(self, lsp, node):
        return lsp.number, NODES[node], self.side(lsp, node, -1), self.side(lsp, node, 1), lsp.rate

    def bridged(self, client, without=None):
        """What floods from a client in bridge mode."""
        numbers = [str(lsp.number) for lsp in self.lsps.values() if client in lsp.ends and lsp is not without]
        return "bridge", self.client_port(client), ",".join(numbers) or "-"

    def set_lsp(self, lsp, only=None):
        self.lsps[lsp.number] = lsp
        for a, b in zip(lsp.path, lsp.path[1:]):
            for direction in ((a, b), (b, a)):
                lsp.labels.setdefault(direction, next(self.next_label))
        for node in lsp.path:
            if only in (None, node):
                more = [self.bridged("ce")] if "ce" in lsp.ends and node == "pe5" else []
                self.install(node, ("set", *self.words(lsp, node)), *more)

    def clear_lsp(self, lsp, only=None):
        for node in lsp.path:
            if only in (None, node):
                more = [self.bridged("ce", lsp)] if "ce" in lsp.ends and node == "pe5" else []
                self.install(node, ("clear", lsp.number), *more)
        if only is None:
            del self.lsps[lsp.number]

    def probe(self, lsp, nonce, size=60):
        words = [str(word) for word in ("probe", *self.words(lsp, lsp.path[0]), nonce, size)]
        return bytes.fromhex(run(str(self.dump_program), *words))

    def read_probe(self, frame):
        label, nonce = run(str(self.dump_program), "read-probe", frame.hex()).split()
        return int(label), int(nonce, 16)

    @contextlib.contextmanager
    def controller(self, node):
        connection = Controller(self.directory / f"{node}.mgmt")
        try:
            yield connection
        finally:
            connection.close()

    def link_mtu(self, mtu):
        self.ip("switches", *(f"link set {end} mtu {mtu}" for a, b in LINKS for end in (f"{a}.{b}", f"{b}.{a}")))

    def client_mtu(self, mtu):
        for client, (bridge, _, _) in CLIENTS.items():
            self.ip("switches", f"link set {bridge}.{client} mtu {mtu}")
            self.ip(client, f"link set eth0 mtu {mtu}")

    def everything(self, node):
        """All that a switch holds: flows, and meters."""
        meters = self.ofctl("dump-meters", node).splitlines()
        return self.flows(node) + sorted(line.strip() for line in meters if line.startswith("meter="))

    def learned(self, node="pe5"):
        return [line for line in self.flows(node) if ", table=1," in line]
