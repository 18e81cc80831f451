# SPDX-License-Identifier: Apache-2.0
"""IPv6 between a user with a circuit and guests, and from guest to guest: before, during and after a move."""

import contextlib
import subprocess

import pytest
from labtool import wait_until
from moving import ADDRESSES, TORS, Order, ofctl, put_policy, runs_at, verification
from transport import CE1, delete_user, put_user

IPV6 = {"V1": "2001:db8:100::11", "V2": "2001:db8:100::12"}
USER, STRANGER = "2001:db8:100::101", "2001:db8:100::66"
# V2 is open to echo requests and port 7, replies to what it begins come in; port 80 is for IPv4 only.
POLICY = {"policy": "V2", "default": {"from-vm": "allow"},
          "rules": [{"direction": "to-vm", "action": "allow", "protocol": "icmp"},
                    {"direction": "to-vm", "action": "allow", "protocol": "icmpv6", "icmp-type": 128},
                    {"direction": "to-vm", "action": "allow", "protocol": "tcp", "destination-port": 7,
                     "remote": ["10.0.0.0/8", f"{USER}/128"]},
                    {"direction": "to-vm", "action": "allow", "protocol": "tcp", "destination-port": 80,
                     "family": "ipv4"},
                    {"direction": "from-vm", "action": "allow", "stateful": True}]}


@pytest.fixture
def served(home):
    put_policy(home, "A", POLICY)
    put_user(home, user=CE1 | {"addresses": [*CE1["addresses"], USER]})
    yield home
    delete_user(home, runs_at(home, "V2"))


def in_ce1(lab, *words):
    return subprocess.run(["ip", "netns", "exec", lab.namespace("ce1"), *words], capture_output=True, text=True,
                          check=False)


def pings(lab, name):
    return in_ce1(lab, "ping", "-6", "-qnc1", "-W1", IPV6[name]).returncode == 0


def opens(lab, name, port):
    try:
        lab.connect("ce1", (IPV6[name], port), 2).close()
    except OSError:
        return False
    return True


def page(lab, path):
    """Of V1, by IPv4: a guest has no shell, but a web server that speaks to others."""
    with lab.connect("ce1", (ADDRESSES["V1"], 80), 8) as sock:
        sock.sendall(f"GET /cgi-bin/{path} HTTP/1.0\r\n\r\n".encode())
        return b"".join(iter(lambda: sock.recv(4096), b"")).decode()


def as_the_policy_says(lab):
    """What is allowed passes, and what is not does not."""
    wait_until("V2 to answer by IPv6", lambda: pings(lab, "V2"), 10)
    assert opens(lab, "V2", 7)
    assert not opens(lab, "V2", 80) and not opens(lab, "V2", 22)


@contextlib.contextmanager
def other_address(lab):
    """ce1 speaks with an address that is not its own."""
    in_ce1(lab, "ip", "-6", "addr", "add", f"{STRANGER}/128", "dev", "ce1-pe5", "nodad")
    try:
        yield
    finally:
        in_ce1(lab, "ip", "-6", "addr", "del", f"{STRANGER}/128", "dev", "ce1-pe5")


def test_a_user_and_a_guest_by_ipv6(served):
    lab = served
    as_the_policy_says(lab)
    with other_address(lab):
        assert in_ce1(lab, "ping", "-6", "-qnc2", "-W1", "-I", STRANGER, IPV6["V2"]).returncode != 0
    assert "1 packets received" in page(lab, f"ping?{IPV6['V2']}")         # from guest to guest
    session = lab.probe("ce1", "session", IPV6["V2"], "--interval", "20").wait_answered()
    order = Order(lab, "A", "V2")
    order.wait_transferring()
    as_the_policy_says(lab)                                                # while it moves
    assert order.finish() == 0, order.output
    order.wait_ended()
    assert runs_at(lab, "V2") == "B"
    as_the_policy_says(lab)
    assert verification(lab, "B", "V2")["verified"]
    node, tor = TORS["A"]
    assert IPV6["V2"] not in ofctl(lab, node, "dump-flows", tor, "--no-stats")     # the source forgot it
    order = Order(lab, "B", "V2", to="A/server-a")
    assert order.finish() == 0, order.output
    order.wait_ended()
    as_the_policy_says(lab)
    report = session.finish()
    assert report["errors"] == [] and report["echoed_bytes"] == report["sent_bytes"] > 1000
