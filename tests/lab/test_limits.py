# SPDX-License-Identifier: Apache-2.0
"""The limit of new connections, at the source and, after a move, at the target: a burst of them is cut off, what is
established is not."""

import contextlib
import socket
import time

from fabric import GATEWAY_MAC, ethernet
from labtool import wait_until
from moving import ADDRESSES, MACS, SERVERS, TORS, Order, ofctl, put_policy
from packets import UPLINKS, packet, wire_end

USER = "198.51.100.10"
SYN, ACK = 0x02, 0x10
AT_ONCE, PER_SECOND = 10, 2
CONNECTIONS = 40
LEAST = 0.5                             # seconds for those to arrive that should not
LIMIT = {"per-second": PER_SECOND, "burst": AT_ONCE}
POLICY = {"policy": "V2", "new-connections": {"from-vm": LIMIT, "to-vm": LIMIT},
          "rules": [{"direction": "to-vm", "action": "allow", "protocol": "tcp", "stateful": True},
                    {"direction": "to-vm", "action": "allow", "protocol": "icmp"},
                    {"direction": "from-vm", "action": "allow"}]}


def opening(sock, place, ports):
    """Adds to `ports` those that have come in as the ones that connections come from; `place`: of V2's address."""
    while True:
        try:
            frame, (_, _, kind, *_) = sock.recvfrom(2048)
        except BlockingIOError:
            return ports
        if kind != socket.PACKET_OUTGOING and frame[12:14] == b"\x08\x00" and frame[23] == 6 and \
                frame[place:place + 4] == socket.inet_aton(ADDRESSES["V2"]) and frame[47] & (SYN | ACK) == SYN:
            ports.add(int.from_bytes(frame[34:36], "big"))


def watch(lab, end, place, begin):
    """How many connections are seen at a link's end when `begin(stack)` opens CONNECTIONS, and in how many seconds."""
    with wire_end(lab, *end) as sock, contextlib.ExitStack() as stack:
        started, ports = time.monotonic(), set()
        begin(stack)
        sent = time.monotonic()
        wait_until("connections", lambda: len(opening(sock, place, ports)) >= AT_ONCE and
                   time.monotonic() >= sent + LEAST, 10, 0.02)
        return len(ports), time.monotonic() - started


def to_vm(lab, dc):
    """User1 opens connections to V2."""
    def begin(stack):
        with lab.inside("user1"):
            socks = [stack.enter_context(socket.socket()) for _ in range(CONNECTIONS)]
        for sock in socks:
            sock.setblocking(False)
            sock.connect_ex((ADDRESSES["V2"], 80))

    return watch(lab, (SERVERS[dc], "uplink"), 30, begin)


def from_vm(lab, dc):
    """V2 opens connections to user1: segments at its server's end of the link."""
    frame = ethernet(GATEWAY_MAC, MACS["V2"], 0x0800,
                     packet(f"tcp,nw_src={ADDRESSES['V2']},nw_dst={USER},tcp_dst=80,tcp_flags={SYN}", 0))

    def begin(stack):
        out = stack.enter_context(wire_end(lab, SERVERS[dc], "uplink"))
        out.setblocking(True)
        for port in range(30000, 30000 + CONNECTIONS):
            out.send(frame[:34] + port.to_bytes(2, "big") + frame[36:])

    return watch(lab, ("inet", UPLINKS[dc]), 26, begin)


def answers(session, words):
    session.sendall(words)
    got = b""
    while words not in got:
        more = session.recv(4096)
        assert more
        got += more


def check(lab, dc, session):
    """The limit holds in both directions, after a pause; meanwhile a session goes on."""
    for way in (to_vm, from_vm):
        found, seconds = way(lab, dc)
        assert AT_ONCE <= found <= AT_ONCE + 1 + PER_SECOND * seconds, (dc, way, found, seconds)
        for i in range(20):
            answers(session, b"%s %d\n" % (dc.encode(), i))


def meters_of(lab, dc):
    node, tor = TORS[dc]
    return ofctl(lab, node, "dump-meters", tor).count("pktps")


def test_new_connections_are_limited(home):
    found, seconds = to_vm(home, "A")
    assert found > AT_ONCE + 1 + PER_SECOND * seconds   # nothing else limits them
    put_policy(home, "A", POLICY)
    wait_until("the limits to stand", lambda: meters_of(home, "A") == 2)
    with home.connect("user1", (ADDRESSES["V2"], 22), 10) as session:
        check(home, "A", session)
        order = Order(home, "A", "V2")
        assert order.finish() == 0, order.output
        check(home, "B", session)
    assert meters_of(home, "A") == 0 and meters_of(home, "B") == 2
    assert home.ctl("B", "policy", "show", "V2")["new-connections"] == POLICY["new-connections"]
