# SPDX-License-Identifier: Apache-2.0
"""What a VM's policy rejects. On a scratch Open vSwitch (fabric.py has the map) the test is the gateway, and answers
with our frames; in the lab gateways do, also after a move and to a user behind a circuit."""

import contextlib
import errno
import json
import os
import socket
import struct
import threading
import time
from pathlib import Path

import pytest

import fabric as net
from circuits import Controller, frame_of
from dissect import malformed, tshark
from fabric import Fabric, arp, poll, run, standing, taps_of, udp
from labtool import wait_until
from moving import ADDRESSES, SWITCH_GONE, Order, put_policy, reachable, wait_ready
from scglab.pipeline import TOR
from transport import answers, delete_user, put_user, wait_no_channels

ROOT = Path(__file__).resolve().parent.parent.parent
TOOLS = Path(os.environ.get("SCG_BUILD", ROOT / "build")) / "tests"
PCAP_HEADER = struct.pack("!IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)
IPV6 = {"v4": "2001:db8::14", "v5": "2001:db8::15"}
AT_ONCE = 5                             # seconds; without an answer nothing ends a connection attempt for minutes


@pytest.fixture(scope="module")
def dc(tmp_path_factory):
    with standing(Fabric(tmp_path_factory.mktemp("reject") / "ovs", TOOLS / "pipeline_dump")) as fabric:
        poll(fabric.converged, 20, "RSTP has converged")
        fabric.ipv6 = {vm: [address] for vm, address in IPV6.items()}
        fabric.install_all()
        for vm, address in IPV6.items():
            fabric.ns(vm, "sysctl", "-qw", "net.ipv6.conf.eth0.addr_gen_mode=0", "net.ipv6.conf.eth0.accept_ra=0",
                      "net.ipv6.conf.eth0.disable_ipv6=0")
            fabric.ip(vm, f"addr add {address}/64 dev eth0 nodad")
        yield fabric


class Gateway(threading.Thread):
    """Answers what the ToR hands over, as scgd does for v4; keeps what it got and what it said."""

    def __init__(self, dc):
        super().__init__(daemon=True)
        self.dc, self.ended, self.got, self.said = dc, False, [], []
        self.controller = Controller(dc.directory / "tor.mgmt")
        self.start()

    def run(self):
        while not self.ended:
            message = self.controller.packet_in_message(0.2)
            if message:
                self.answer(message[15], frame_of(message))

    def answer(self, table, frame):
        self.got.append(frame)
        text = run(str(TOOLS / "reject_tool"), frame.hex()).strip()
        if not text:
            return
        self.said.append(bytes.fromhex(text))
        port = self.dc.ports["tor-s2"]
        if table == TOR["VERDICT_FROM"]:
            self.dc.ofctl("packet-out", "tor", f"in_port=CONTROLLER,packet={text},actions=output:{port}")
        elif table == TOR["VERDICT_TO"]:
            self.dc.ofctl("packet-out", "tor", f"in_port={port},packet={text},actions=set_field:1->reg0,"
                          f"set_field:1->reg1,resubmit(,{TOR['POLICY_TO']})")

    def end(self):
        self.ended = True
        self.join()
        self.controller.close()

    def capture(self, path):
        path.write_bytes(PCAP_HEADER + b"".join(struct.pack("!IIII", i, 0, len(frame), len(frame)) + frame
                                                for i, frame in enumerate(self.got + self.said)))
        return path


@contextlib.contextmanager
def policy(dc, tmp_path, **members):
    """v4's, as long as the context lasts."""
    path = tmp_path / "policy.json"
    path.write_text(json.dumps({"policy": "v4", **members}), encoding="utf-8")
    try:
        dc.install("tor", dc.vm_tor("v4", path, 10))
        for node in OTHERS:
            poll(lambda node=node: not dc.pings(node, dc.address("v4"), 0.3), what="the policy counts")
        yield
    finally:
        dc.install("tor", dc.vm_tor("v4"))
        dc.ofctl("del-meters", "tor")


@pytest.fixture
def gateway(dc):
    answering = Gateway(dc)
    yield answering
    answering.end()


def outcome(where, node, kind, address):
    """What becomes of a connection attempt, or a datagram: an errno's name, None if nothing comes."""
    with where.inside(node):
        sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, kind)
    with sock:
        sock.settimeout(AT_ONCE)
        try:
            sock.connect(address)
            if kind == UDP:
                sock.send(b"may this pass")
                sock.recv(100)
        except TimeoutError:
            return None
        except OSError as error:
            return errno.errorcode[error.errno]
    return "OK"


OTHERS = "inet", "v1", "v5"             # behind the router, at the same ToR, and at another
TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
REJECTING = {"default": {"from-vm": "allow", "to-vm": "reject"},
             "rules": [{"direction": "to-vm", "action": "allow", "protocol": "tcp", "tcp-flags": "ack"},
                       {"direction": "from-vm", "action": "reject", "protocol": "tcp", "destination-port": 25},
                       {"direction": "from-vm", "action": "reject", "protocol": "udp"}]}


def test_senders_are_told(dc, gateway, tmp_path):
    with dc.socket("v4", TCP, ("", 81)) as server, policy(dc, tmp_path, **REJECTING):
        server.listen()
        for node in OTHERS:
            assert outcome(dc, node, TCP, (dc.address("v4"), 81)) == "ECONNREFUSED", node
            assert outcome(dc, node, UDP, (dc.address("v4"), 81)) == "EHOSTUNREACH", node
        for address in (net.USER, dc.address("v1"), dc.address("v5")):
            assert outcome(dc, "v4", TCP, (address, 25)) == "ECONNREFUSED", address
            assert outcome(dc, "v4", UDP, (address, 25)) == "EHOSTUNREACH", address
    assert len(gateway.said) == len(gateway.got) >= 12
    pcap = gateway.capture(tmp_path / "said.pcap")
    checks = "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"
    assert malformed(pcap, checks) == []
    rows = tshark(pcap, ("ip.checksum.status", "tcp.checksum.status", "icmp.checksum.status", "icmp.code"),
                  "tcp.flags.reset == 1 || icmp.type == 3", checks)
    assert len(rows) == len(gateway.said)
    for row in rows:
        assert row["ip.checksum.status"][0] == "1"
        assert (row["tcp.checksum.status"] or row["icmp.checksum.status"])[0] == "1"
        assert not row["icmp.code"] or row["icmp.code"][0] == "13"     # what follows is of what it quotes


def test_senders_of_ipv6_are_told(dc, gateway, tmp_path):
    poll(lambda: dc.pings("v5", IPV6["v4"]), what="v5 reaches v4")
    with policy(dc, tmp_path, **REJECTING):
        assert outcome(dc, "v5", TCP, (IPV6["v4"], 81)) == "ECONNREFUSED"
        assert outcome(dc, "v5", UDP, (IPV6["v4"], 81)) == "EACCES"
        assert outcome(dc, "v4", TCP, (IPV6["v5"], 25)) == "ECONNREFUSED"
        assert outcome(dc, "v4", UDP, (IPV6["v5"], 25)) == "EACCES"
    pcap = gateway.capture(tmp_path / "said.pcap")
    checks = "-o", "tcp.check_checksum:TRUE"
    assert malformed(pcap, checks) == []
    rows = tshark(pcap, ("tcp.checksum.status", "icmpv6.checksum.status", "icmpv6.code"),
                  "ipv6 && (tcp.flags.reset == 1 || icmpv6.type == 1)", checks)
    assert len(rows) == 4
    for row in rows:
        assert (row["tcp.checksum.status"] or row["icmpv6.checksum.status"])[0] == "1"
        assert not row["icmpv6.code"] or row["icmpv6.code"][0] == "1"


def test_a_reset_ends_a_connection_that_goes_on(dc, gateway, tmp_path):
    """A policy that comes later rejects its segments: the other end's next one is answered in sequence."""
    with dc.socket("v4", TCP, ("", 5001)) as server, dc.socket("inet", TCP) as client:
        server.listen()
        client.connect((dc.address("v4"), 5001))
        peer, _ = server.accept()
        with peer, policy(dc, tmp_path, default={"from-vm": "allow", "to-vm": "reject"}):
            client.settimeout(AT_ONCE)
            client.send(b"goes on")
            with pytest.raises(ConnectionResetError):
                client.recv(100)


def test_without_a_gateway_it_is_a_denial(dc, tmp_path):
    with dc.socket("v4", TCP, ("", 81)) as server, dc.socket("inet", TCP) as client, policy(dc, tmp_path, **REJECTING):
        server.listen()
        client.settimeout(1)
        with pytest.raises(TimeoutError):
            client.connect((dc.address("v4"), 81))


def ended(dc, sender, receiver):
    """Behind the flood comes what no policy judges. It may be lost in the flood."""
    sender.send(arp(dc.mac("v1"), dc.mac("v1"), dc.address("v1"), "10.101.0.4"))
    return any(frame[38:42] == socket.inet_aton("10.101.0.4") for frame in iter(lambda: receiver.receive(0.2), None))


def test_a_flood_does_not_reach_the_gateway(dc, gateway, tmp_path):
    """The meter has a burst of 10 packets and lets 20/s pass; answers quote what fits."""
    with policy(dc, tmp_path, **REJECTING), taps_of(dc) as taps:
        sender, receiver = taps("v1"), taps("v4")
        frame = udp(dc.mac("v4"), dc.mac("v1"), dc.address("v1"), dc.address("v4"), "flood" + "." * 1300)
        began = time.monotonic()
        for _ in range(300):
            sender.send(frame)
        poll(lambda: ended(dc, sender, receiver), what="the flood is over")
        poll(lambda: any(b"flood" in frame for frame in gateway.got), what="some of it is handed over")
        most = 10 + 20 * (time.monotonic() - began)
        poll(lambda: dc.packets("tor", f"table={TOR['VERDICT_TO']},ip,nw_dst={dc.address('v4')}") > 2 * most,
             what="there was more of it")
    flood = [frame for frame in gateway.got if b"flood" in frame]   # not the pings that policy() waits with
    assert len(flood) <= most + 1
    assert max(len(said) for said in gateway.said) == 14 + 576


# -- in the lab

USER, FORBIDDEN = "198.51.100.10", "198.51.100.20"      # both at user1
GUEST = {"policy": "V2", "default": {"from-vm": "reject", "to-vm": "reject"},
         "rules": [{"direction": "to-vm", "action": "allow", "protocol": "icmp"},
                   {"direction": "from-vm", "action": "allow", "protocol": "icmp"},
                   {"direction": "to-vm", "action": "allow", "protocol": "tcp", "destination-port": 80,
                    "stateful": True},
                   {"direction": "from-vm", "action": "allow", "protocol": "tcp", "remote": USER, "stateful": True}]}


@pytest.fixture
def guarded(home):
    """V2 rejects all but what others ask it at port 80, and what it asks user1 over TCP."""
    put_policy(home, "A", GUEST)
    run("ip", "-n", home.namespace("user1"), "address", "add", f"{FORBIDDEN}/32", "dev", "lo")
    yield home
    run("ip", "-n", home.namespace("user1"), "address", "del", f"{FORBIDDEN}/32", "dev", "lo")


def page_of(lab, page):
    with lab.connect("user1", (ADDRESSES["V2"], 80), 15) as sock:
        sock.sendall(f"GET /cgi-bin/{page} HTTP/1.0\r\n\r\n".encode())
        return b"".join(iter(lambda: sock.recv(4096), b"")).decode()


def told(lab, *nodes):
    """All who are to be told are told, and what is to pass does."""
    for node in nodes:
        assert outcome(lab, node, TCP, (ADDRESSES["V2"], 22)) == "ECONNREFUSED", node      # where it listens
        assert outcome(lab, node, UDP, (ADDRESSES["V2"], 9)) == "EHOSTUNREACH", node       # where it would refuse
        assert outcome(lab, node, TCP, (ADDRESSES["V2"], 80)) == "OK", node
    with lab.inside("user1"):
        server = socket.create_server(("", 80))
    with server:                                        # who would accept
        assert "refused" in page_of(lab, f"get?{FORBIDDEN}")
        server.settimeout(20)
        threading.Thread(target=answer_one, args=(server,), daemon=True).start()
        assert "pass" in page_of(lab, f"get?{USER}")
    assert "No route to host" in page_of(lab, f"lookup?{USER}")
    assert reachable(lab, "V2")


def answer_one(server):
    with server.accept()[0] as sock:
        sock.recv(100)
        sock.sendall(b"it may pass")


def test_told_before_and_after_a_move(guarded):
    told(guarded, "user1")
    order = Order(guarded, "A", "V2")
    assert order.finish() == 0, order.output
    told(guarded, "user1")


def test_users_with_circuits_are_told(guarded):
    put_user(guarded)
    try:
        wait_until("V2 to answer ce1", lambda: answers(guarded, "ce1", ADDRESSES["V2"]), 5)
        told(guarded, "ce1", "user1")
    finally:
        delete_user(guarded)
    wait_no_channels(guarded)


@pytest.mark.complaints(SWITCH_GONE)    # the lab has switches connect anew to a gateway that it starts
def test_denied_while_the_gateway_is_away(guarded):
    guarded.run("kill", "scgd", "A")
    assert outcome(guarded, "user1", TCP, (ADDRESSES["V2"], 22)) is None
    assert outcome(guarded, "user1", TCP, (ADDRESSES["V2"], 80)) == "OK"
    guarded.run("restart", "scgd", "A")
    wait_ready(guarded, "A")
    told(guarded, "user1")
