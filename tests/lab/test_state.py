# SPDX-License-Identifier: Apache-2.0
"""Stateful rules: replies pass to what a guest, or who speaks to it, has begun, and nothing else; also after a move,
when each side may be the first to speak again."""

import contextlib
import select
import socket
import struct
import threading
import time

import pytest
from labtool import wait_until
from moving import ADDRESSES, SWITCH_GONE, TORS, Order, cookie_of, ofctl, put_policy, wait_ready
from packets import verdicts
from scglab.pipeline import TOR

USER = "198.51.100.10"
ANSWER = "192.0.2.77"                   # to every DNS query
SILENCE = 1.5                           # seconds in which what is not dropped would have come

COOKIE_STATE, COOKIE_HALF_OPEN = 8, 10  # kinds of cookies

# Both directions deny what no rule names. Port 22 is for an echo server. What V2 begins at TCP ports of many hosts is a
# conjunctive match.
HOSTS = [USER, *(f"203.0.113.{last}" for last in range(1, 20, 2))]
POLICY = {"policy": "V2",
          "rules": [*({"direction": "to-vm", "action": "allow", "protocol": "tcp", "destination-port": port,
                       "stateful": True} for port in (80, 22)),
                    {"direction": "to-vm", "action": "allow", "protocol": "icmp", "icmp-type": 8, "stateful": True},
                    {"direction": "from-vm", "action": "allow", "protocol": "tcp", "remote": HOSTS,
                     "destination-port": "1-65534", "stateful": True},
                    {"direction": "from-vm", "action": "allow", "protocol": "any", "remote": USER, "stateful": True}]}


@pytest.fixture
def stateful(home):
    put_policy(home, "A", POLICY)
    wait_until("the policy to stand", lambda: any(f"table={TOR['STATE_TO']}," in line for line in rules(home, "A")))
    assert any("conjunction(" in line for line in rules(home, "A"))
    return home


def rules(lab, dc):
    """V2's flows, but for what they have learned."""
    node, tor = TORS[dc]
    return ofctl(lab, node, "dump-flows", tor, "--no-stats", f"cookie={cookie_of('V2'):#x}/-1").splitlines()


def cookie_of_learned(kind):
    return cookie_of("V2") & ~(0xff << 40) | kind << 40


def learned(lab, dc):
    """What the ToR knows of V2's connections."""
    node, tor = TORS[dc]
    return ofctl(lab, node, "dump-flows", tor, "--no-stats",
                 f"cookie={cookie_of_learned(COOKIE_STATE):#x}/-1").splitlines()


def forget(lab, dc):
    """Half a second after a packet its counter is collected, and teaches once more."""
    node, tor = TORS[dc]

    def stays_away():
        came = learned(lab, dc)
        for kind in (COOKIE_STATE, COOKIE_HALF_OPEN):
            ofctl(lab, node, "del-flows", tor, f"cookie={cookie_of_learned(kind):#x}/-1")
        return not came

    wait_until("what was learned to stay away", stays_away, interval=0.8)


def ask(lab, page):
    """A connection to V2 on which it was asked for a page."""
    sock = lab.connect("user1", (ADDRESSES["V2"], 80), 10)
    sock.sendall(f"GET /cgi-bin/{page} HTTP/1.0\r\n\r\n".encode())
    return sock


def read_page(lab, page):
    with ask(lab, page) as sock:
        return b"".join(iter(lambda: sock.recv(4096), b"")).decode()


def read_until(sock, words, deadline=20):
    """What comes up to the words, which have to come."""
    end, text = time.monotonic() + deadline, b""
    while words not in text:
        assert select.select([sock], [], [], max(0, end - time.monotonic()))[0], f"no {words} after {text}"
        more = sock.recv(4096)
        assert more, f"no {words} at the end of {text}"
        text += more
    return text


def is_silent(sock, seconds=SILENCE):
    return not select.select([sock], [], [], seconds)[0]


@contextlib.contextmanager
def listening(lab):
    """A TCP server at user1."""
    with lab.inside("user1"):
        server = socket.create_server((USER, 80))
    with server:
        server.settimeout(20)
        yield server


class Held:
    """V2 has a connection to user1, and tells on another, by which user1 has asked it, what comes on the first."""

    def __init__(self, lab, server):
        self.asked = ask(lab, f"hold?{USER}")
        self.peer, _ = server.accept()
        self.peer.settimeout(20)
        read_until(self.peer, b"hello")
        read_until(self.asked, b"\r\n\r\n")

    def speak(self, words):
        """User1 speaks first on the one connection, V2 then on the other; nothing was said on either for a while."""
        self.peer.sendall(words + b"\n")

    def told(self, words):
        read_until(self.asked, words)

    def close(self):
        self.peer.close()
        self.asked.close()


@contextlib.contextmanager
def answering_names(lab):
    """A DNS server at user1 that has one address for whoever it is asked for."""
    with lab.inside("user1"):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((USER, 53))

    def serve():
        while True:
            query, client = sock.recvfrom(512)
            if not query:
                return
            kind, = struct.unpack("!H", query[-4:-2])
            found = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + socket.inet_aton(ANSWER) if kind == 1 else b""
            sock.sendto(query[:2] + struct.pack("!HHHHH", 0x8180, 1, bool(found), 0, 0) + query[12:] + found, client)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        with lab.inside("user1"):
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", (USER, 53))
        thread.join(5)
        sock.close()


def echoes(sock, words):
    sock.sendall(words)
    read_until(sock, words)


def test_replies_pass(stateful):
    """Of TCP, UDP and echoes, to what either side begins."""
    with lab_echo(stateful) as session:
        echoes(session, b"one\n")
    assert " 0% packet loss" in read_page(stateful, f"ping?{USER}")
    with answering_names(stateful):
        assert ANSWER in read_page(stateful, f"lookup?{USER}")
    with listening(stateful) as server:
        held = Held(stateful, server)
        held.speak(b"two")
        held.told(b"two")
        held.close()
    stateful.probe("user1", "icmp", ADDRESSES["V2"], "--interval", "20").wait_answered().finish()


def lab_echo(lab):
    """A session with V2's echo server at port 22."""
    return lab.connect("user1", (ADDRESSES["V2"], 22), 10)


def test_nothing_else_passes(stateful):
    """What looks like a reply, of somebody whom nobody asked."""
    to, out = f"nw_src=198.51.100.77,nw_dst={ADDRESSES['V2']}", f"nw_src={ADDRESSES['V2']},nw_dst=203.0.113.8"
    wanted = {f"tcp,{to},tcp_dst=40000": "drop", f"udp,{to},udp_dst=40000": "drop", f"icmp,{to},icmp_type=0": "drop",
              f"tcp,{out},tcp_dst=22": "drop", f"udp,{out},udp_dst=53": "drop"}
    assert dict(zip(wanted, verdicts(stateful, "A", "V2", wanted))) == wanted


def test_what_is_forgotten_is_dropped(stateful):
    """A connection lives by what the switch has learned, and by nothing else."""
    with listening(stateful) as server:
        held = Held(stateful, server)
        forget(stateful, "A")
        held.speak(b"lost")
        assert is_silent(held.asked)
        held.close()


def test_policy_again_keeps_connections(stateful):
    with lab_echo(stateful) as session, listening(stateful) as server:
        echoes(session, b"before\n")
        held = Held(stateful, server)
        known = learned(stateful, "A")
        put_policy(stateful, "A", dict(POLICY, rules=[{"direction": "to-vm", "action": "deny", "protocol": "udp"},
                                                      *POLICY["rules"]]))
        wait_until("the other policy to stand", lambda: any("udp" in line and f"table={TOR['POLICY_TO']}," in line
                                                            for line in rules(stateful, "A")))
        assert set(known) <= set(learned(stateful, "A"))
        held.speak(b"after")
        held.told(b"after")
        echoes(session, b"after\n")
        held.close()


@pytest.mark.complaints(SWITCH_GONE)    # the lab has switches connect anew to a gateway that it starts
def test_connections_outlive_the_gateway(stateful):
    with listening(stateful) as server:
        held = Held(stateful, server)
        stateful.run("kill", "scgd", "A")
        stateful.run("restart", "scgd", "A")
        wait_ready(stateful, "A")
        held.speak(b"still")
        held.told(b"still")
        held.close()


def test_sessions_go_on_after_a_move(stateful):
    """Idle ones, and one that began while memory was transferred."""
    with lab_echo(stateful) as session, listening(stateful) as server:
        echoes(session, b"before\n")
        idle = Held(stateful, server)
        order = Order(stateful, "A", "V2")
        order.wait_transferring()
        late = Held(stateful, server)
        assert order.finish() == 0, order.output
        for held, words in ((idle, b"idle"), (late, b"late")):
            held.speak(words)
            held.told(words)
            held.close()
        echoes(session, b"after\n")
    assert learned(stateful, "A") == [] and len(learned(stateful, "B")) >= 5
    assert " 0% packet loss" in read_page(stateful, f"ping?{USER}")
    with answering_names(stateful):
        assert ANSWER in read_page(stateful, f"lookup?{USER}")
