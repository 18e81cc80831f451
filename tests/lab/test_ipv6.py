# SPDX-License-Identifier: Apache-2.0
"""IPv6 of VMs that have addresses of it, in a DC of either mode: fabric.py has the map. v1 and v5 have one, behind
different ToRs, v2 has one beside v1; v3 has none."""

import contextlib
import json
import os
import socket
from pathlib import Path

import pytest

from fabric import Fabric, arp, link_local, mac_bytes, neighbour_discovery, poll, solicited_node, standing, taps_of, \
    udp6
from vpls import Vpls

ROOT = Path(__file__).resolve().parent.parent.parent
DUMP = Path(os.environ.get("SCG_BUILD", ROOT / "build")) / "tests" / "pipeline_dump"
ADDRESSES = {"v1": "2001:db8::11", "v2": "2001:db8::12", "v5": "2001:db8::15"}
NONE, STRANGER = "2001:db8::13", "2001:db8::99"     # of a VM that has none in the gateway's eyes; of nobody
ALL_NODES, ALL_NODES_MAC = "ff02::1", "33:33:00:00:00:01"
SOLICITATION, ADVERTISEMENT = 135, 136
TORS = {"v1": "tor", "v2": "tor", "v5": "tor2"}


@pytest.fixture(scope="module", params=[Fabric, Vpls], ids=["ethernet", "vpls"])
def dc(request, tmp_path_factory):
    with standing(request.param(tmp_path_factory.mktemp("six") / "ovs", DUMP)) as fabric:
        poll(lambda: request.param is Vpls or fabric.converged(), 20, "RSTP has converged")
        fabric.ipv6 = {vm: [address] for vm, address in ADDRESSES.items()}
        fabric.install_all()
        poll(lambda: fabric.pings("v1", fabric.address("v5")), what="the switches follow their flows")
        for vm, address in (ADDRESSES | {"v3": NONE}).items():
            fabric.ns(vm, "sysctl", "-qw", "net.ipv6.conf.eth0.addr_gen_mode=0", "net.ipv6.conf.eth0.accept_ra=0",
                      "net.ipv6.conf.eth0.disable_ipv6=0")
            fabric.ip(vm, f"addr add {address}/64 dev eth0")
        for vm in ADDRESSES:                        # each has looked for duplicates of its addresses, and heard none
            poll(lambda vm=vm: "tentative" not in fabric.ns(vm, "ip", "-6", "addr", "show", "dev", "eth0"),
                 what=f"{vm} has its addresses to itself")
        yield fabric


@pytest.fixture
def taps(dc):
    with taps_of(dc) as tap:
        yield tap


@contextlib.contextmanager
def policy(dc, tmp_path, vm, **members):
    """The VM under a policy, until the end; names are of the JSON form, with '_' for '-'."""
    path = tmp_path / "policy.json"
    path.write_text(json.dumps({"policy": vm, **{name.replace("_", "-"): value for name, value in members.items()}}),
                    encoding="utf-8")
    dc.install(TORS[vm], dc.vm_tor(vm, path))
    try:
        yield
    finally:
        dc.install(TORS[vm], dc.vm_tor(vm))


def pings(dc, vm, address):
    """A switch's caches may treat packets as before for some milliseconds: it is asked until it is so."""
    poll(lambda: dc.pings(vm, address, seconds=0.5), what=f"{vm} reaches {address}")
    return True


def fails(dc, vm, address):
    poll(lambda: not dc.pings(vm, address, seconds=0.5), what=f"{vm} does not reach {address}")
    return True


def connects(dc, client, server, port):
    """Whether TCP gets from one to the other."""
    with dc.inside(server):
        listening = socket.create_server((ADDRESSES[server], port), family=socket.AF_INET6)
    with dc.inside(client):
        calling = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    with listening, calling:
        calling.settimeout(0.5)
        try:
            calling.connect((ADDRESSES[server], port))
        except TimeoutError:
            return False
        return True


def is_arp_of(target):
    return lambda frame: frame[12:14] == b"\x08\x06" and frame[41] == target


@pytest.mark.parametrize("other", ["v2", "v5"])
def test_hosts_reach_each_other(dc, other):
    assert pings(dc, "v1", ADDRESSES[other]) and pings(dc, other, ADDRESSES["v1"])
    poll(lambda: connects(dc, "v1", other, 80), what="TCP")
    assert dc.mac(other) in dc.ns("v1", "ip", "-6", "neigh", "show", ADDRESSES[other])


def test_a_vm_without_an_address_stays_closed(dc):
    assert fails(dc, "v3", ADDRESSES["v5"]) and fails(dc, "v1", NONE)
    assert fails(dc, "v3", ADDRESSES["v1"])     # beside it


def test_link_local_addresses_are_for_discovery_only(dc):
    assert fails(dc, "v1", f"{link_local(dc.mac('v5'))}%eth0")


def test_rules_are_for_both_families(dc, tmp_path):
    """Default deny closes IPv6 as it closes IPv4; what finds hosts passes."""
    rules = [{"direction": "to-vm", "action": "allow", "protocol": "tcp", "destination-port": 80},
             {"direction": "to-vm", "action": "allow", "protocol": "tcp", "destination-port": 81,
              "remote": "2001:db8::/112"},
             {"direction": "to-vm", "action": "allow", "protocol": "tcp", "destination-port": 82,
              "remote": ["10.0.0.0/8", f"{ADDRESSES['v1']}/128"]},
             {"direction": "to-vm", "action": "allow", "protocol": "tcp", "destination-port": 83, "family": "ipv4"}]
    with policy(dc, tmp_path, "v5", default={"from-vm": "allow", "to-vm": "deny"}, rules=rules):
        for vm in ("v1", "v5"):
            dc.ns(vm, "ip", "-6", "neigh", "flush", "dev", "eth0")
        poll(lambda: [connects(dc, "v1", "v5", port) for port in (80, 81, 82, 83)] == [True, True, True, False],
             what="what the rules say of v1")
        poll(lambda: [connects(dc, "v2", "v5", port) for port in (81, 82)] == [True, False], what="and of v2")
        assert fails(dc, "v1", ADDRESSES["v5"])
        assert fails(dc, "v5", ADDRESSES["v1"])          # its answer is not let in
    rules = [{"direction": "from-vm", "action": "deny", "protocol": "icmpv6", "icmp-type": 128}]
    with policy(dc, tmp_path, "v5", default={"from-vm": "allow", "to-vm": "allow"}, rules=rules):
        assert pings(dc, "v1", ADDRESSES["v5"]) and fails(dc, "v5", ADDRESSES["v1"])
    assert pings(dc, "v5", ADDRESSES["v1"])


def test_replies_pass(dc, tmp_path):
    rules = [{"direction": "from-vm", "action": "allow", "stateful": True}]
    with policy(dc, tmp_path, "v5", rules=rules):
        assert pings(dc, "v5", ADDRESSES["v1"]) and fails(dc, "v1", ADDRESSES["v5"])
        poll(lambda: connects(dc, "v5", "v1", 80) and not connects(dc, "v1", "v5", 80), what="TCP of v5 only")


def test_nobody_sends_as_another(dc, taps):
    """What a VM sends with its own MAC, but is not its own, reaches nobody; what is its own does."""
    mac, own, other = dc.mac("v1"), ADDRESSES["v1"], ADDRESSES["v2"]
    to, to_ip = dc.mac("v5"), ADDRESSES["v5"]
    group_mac, group = solicited_node(to_ip)
    forged = {
        "another's address": udp6(to, mac, other, to_ip),
        "nobody's address": udp6(to, mac, STRANGER, to_ip),
        "no address": udp6(to, mac, "::", to_ip),
        "a link-local address": udp6(to, mac, link_local(mac), to_ip),
        "another's MAC": udp6(to, dc.mac("v2"), own, to_ip),
        "a DHCPv6 server's answer": udp6(to, mac, own, to_ip, port=546),
        "a router's advertisement": neighbour_discovery(ALL_NODES_MAC, mac, 134, link_local(mac), ALL_NODES, own),
        "a router's advertisement to one": neighbour_discovery(to, mac, 134, own, to_ip, own),
        "a redirect": neighbour_discovery(to, mac, 137, own, to_ip, to_ip),
        "another's address, advertised": neighbour_discovery(to, mac, ADVERTISEMENT, own, to_ip, other, mac),
        "another's address, to all": neighbour_discovery(ALL_NODES_MAC, mac, ADVERTISEMENT, own, ALL_NODES, other, mac),
        "as another": neighbour_discovery(to, mac, ADVERTISEMENT, other, to_ip, other, mac),
        "another's MAC, advertised": neighbour_discovery(to, mac, ADVERTISEMENT, own, to_ip, own, dc.mac("v2")),
        "another's MAC as its own": neighbour_discovery(group_mac, mac, SOLICITATION, own, group, to_ip, dc.mac("v2")),
        "another's address, sought": neighbour_discovery(*solicited_node(other)[:1], mac, SOLICITATION, "::",
                                                         solicited_node(other)[1], other),
        "two MACs": neighbour_discovery(group_mac, mac, SOLICITATION, own, group, to_ip, mac,
                                        options=bytes([1, 1]) + mac_bytes(dc.mac("v2"))),
        "from afar": neighbour_discovery(group_mac, mac, SOLICITATION, own, group, to_ip, mac, hops=254),
        "to a group": udp6("33:33:00:00:00:05", mac, own, "ff02::5"),
    }
    genuine = [udp6(to, mac, own, to_ip),
               neighbour_discovery(group_mac, mac, SOLICITATION, own, group, to_ip, mac),
               neighbour_discovery(group_mac, mac, SOLICITATION, link_local(mac), group, to_ip, mac),
               neighbour_discovery(to, mac, SOLICITATION, own, to_ip, to_ip),
               neighbour_discovery(to, mac, ADVERTISEMENT, own, to_ip, own, mac),
               neighbour_discovery(to, mac, ADVERTISEMENT, link_local(mac), to_ip, own, mac),
               neighbour_discovery(ALL_NODES_MAC, mac, ADVERTISEMENT, own, ALL_NODES, own, mac),
               neighbour_discovery(solicited_node(own)[0], mac, SOLICITATION, "::", solicited_node(own)[1], own)]
    sender, receivers = taps("v1"), [taps("v5"), taps("v2")]
    for number, (name, frame) in enumerate(forged.items(), 10):
        sender.send(frame)
        sender.send(arp(mac, mac, dc.address("v1"), f"10.101.0.{number}"))
        for tap in receivers:
            assert not [f for f in tap.until(is_arp_of(number)) if f[12:14] == b"\x86\xdd" and f[6:12] in (
                mac_bytes(mac), mac_bytes(dc.mac("v2")))], name
    for frame in genuine:
        sender.send(frame)
        receivers[0].until(lambda f, frame=frame: f == frame)


def test_discovery_passes_a_closed_policy(dc, taps, tmp_path):
    """Also to the VM's own address, as hosts ask whether the other one is still there: RFC 4861 §7.3."""
    mac, to, to_ip = dc.mac("v1"), dc.mac("v5"), ADDRESSES["v5"]
    with policy(dc, tmp_path, "v5"):
        sender, receiver = taps("v1"), taps("v5")
        for frame in (neighbour_discovery(to, mac, SOLICITATION, ADDRESSES["v1"], to_ip, to_ip, mac),
                      neighbour_discovery(to, mac, ADVERTISEMENT, ADDRESSES["v1"], to_ip, ADDRESSES["v1"], mac)):
            sender.send(frame)
            receiver.until(lambda f, frame=frame: f == frame)
        sender.send(udp6(to, mac, ADDRESSES["v1"], to_ip, text="closed"))
        sender.send(arp(mac, mac, dc.address("v1"), "10.101.0.200"))
        assert not [f for f in receiver.until(is_arp_of(200)) if b"closed" in f]
