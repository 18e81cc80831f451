# SPDX-License-Identifier: Apache-2.0
"""IPv6 neighbour discovery between VMs, by link-local addresses, in a DC of either mode. fabric.py has the map."""

import os
from pathlib import Path

import pytest

import fabric as net
from fabric import Fabric, arp, link_local, mac_bytes, neighbour_discovery, poll, taps_of
from vpls import Vpls

ROOT = Path(__file__).resolve().parent.parent.parent
DUMP = Path(os.environ.get("SCG_BUILD", ROOT / "build")) / "tests" / "pipeline_dump"
SOLICITATION, ADVERTISEMENT = 135, 136
ALL_NODES, ALL_NODES_MAC = "ff02::1", "33:33:00:00:00:01"


@pytest.fixture(scope="module", params=[Fabric, Vpls], ids=["ethernet", "vpls"])
def dc(request, tmp_path_factory):
    assert DUMP.exists(), f"{DUMP} is not built"
    fabric = request.param(tmp_path_factory.mktemp("nd") / "ovs", DUMP)
    try:
        fabric.down()
        fabric.directory.mkdir()
        fabric.up()
        poll(lambda: request.param is Vpls or fabric.converged(), 20, "RSTP has converged")
        fabric.install_all()
        poll(lambda: fabric.pings("v1", fabric.address("v5")), what="the switches follow their flows")
        yield fabric
    finally:
        fabric.down()


@pytest.fixture
def taps(dc):
    with taps_of(dc) as tap:
        yield tap


def group_of(mac):
    """Solicited-node multicast of a VM's link-local address, RFC 4291 §2.7.1: as MAC and as address."""
    tail = mac[9:]
    return f"33:33:ff:{tail}", f"ff02::1:ff{tail[0:2]}:{tail[3:5]}{tail[6:8]}"


def solicitation(dc, vm, other, **more):
    mac, (group_mac, group) = dc.mac(vm), group_of(dc.mac(other))
    return neighbour_discovery(group_mac, mac, SOLICITATION, link_local(mac), group, link_local(dc.mac(other)),
                               **{"option_mac": mac} | more)


def is_arp_of(target):
    return lambda frame: frame[12:14] == b"\x08\x06" and frame[41] == target


def test_two_hosts_find_each_other(dc):
    """Their kernels do; pings stay away, as other IPv6 does."""
    try:
        for vm in ("v1", "v5"):
            dc.ns(vm, "sysctl", "-qw", "net.ipv6.conf.eth0.addr_gen_mode=0", "net.ipv6.conf.eth0.disable_ipv6=0")
        for vm in ("v1", "v5"):
            poll(lambda vm=vm: str(link_local(dc.mac(vm))) in dc.ns(vm, "ip", "-6", "addr", "show", "dev", "eth0",
                                                                  "-tentative"), what=f"{vm} has its address to itself")
        for vm, other in (("v1", "v5"), ("v5", "v1")):
            address = str(link_local(dc.mac(other)))
            dc.ns(vm, "ping", "-6", "-nqc1", "-W0.2", f"{address}%eth0", check=False)
            poll(lambda vm=vm, other=other, address=address: dc.mac(other) in dc.ns(
                vm, "ip", "-6", "neigh", "show", address, "dev", "eth0"), what=f"{vm} has found {other}")
    finally:
        for vm in ("v1", "v5"):
            dc.ns(vm, "sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")


@pytest.mark.parametrize("other", ["v2", "v4", "v5"])
def test_a_solicitation_reaches_every_vm_once_and_is_answered(dc, taps, other):
    """Beside the sender on its server, on another server of the ToR, behind another ToR."""
    at = {vm: taps(vm) for vm in ("v1", "v2", "v3", "v4", "v5")}
    asked = solicitation(dc, "v1", other)
    at["v1"].send(asked)
    at["v1"].send(arp(dc.mac("v1"), dc.mac("v1"), dc.address("v1"), "10.101.0.7"))
    for vm, tap in at.items():
        if vm != "v1":
            assert len([f for f in tap.until(is_arp_of(7)) if f == asked]) == 1, vm
    mac = dc.mac(other)
    for option in (mac, None):
        answer = neighbour_discovery(dc.mac("v1"), mac, ADVERTISEMENT, link_local(mac), link_local(dc.mac("v1")),
                                     link_local(mac), option)
        at[other].send(answer)
        at["v1"].until(lambda f, answer=answer: f == answer)
    probe = neighbour_discovery(mac, dc.mac("v1"), SOLICITATION, link_local(dc.mac("v1")), link_local(mac),
                                link_local(mac))
    at["v1"].send(probe)
    at[other].until(lambda f: f == probe)
    beside = "v4" if other == "v2" else "v3"         # on another server: a server's bridge floods
    at["v1"].send(arp(dc.mac("v1"), dc.mac("v1"), dc.address("v1"), "10.101.0.8"))
    assert not [f for f in at[beside].until(is_arp_of(8)) if f == probe]


def test_a_duplicate_address_is_seen(dc, taps):
    """RFC 4862 §5.4: asked from nowhere, and answered to all nodes."""
    mac = dc.mac("v1")
    group_mac, group = group_of(mac)
    sender, receivers = taps("v1"), [taps("v2"), taps("v5")]
    frames = [neighbour_discovery(group_mac, mac, SOLICITATION, "::", group, link_local(mac)),
              neighbour_discovery(ALL_NODES_MAC, mac, ADVERTISEMENT, link_local(mac), ALL_NODES, link_local(mac), mac)]
    for frame in frames:
        sender.send(frame)
        for tap in receivers:
            tap.until(lambda f, frame=frame: f == frame)


def test_forged_discovery_is_dropped(dc, taps):
    mac, own = dc.mac("v1"), link_local(dc.mac("v1"))
    other_mac, other = dc.mac("v3"), link_local(dc.mac("v3"))
    to, to_ip = dc.mac("v5"), link_local(dc.mac("v5"))
    group_mac, group = group_of(to)
    twice = bytes([1, 1]) + mac_bytes(other_mac)
    forged = {
        "a source of another": neighbour_discovery(group_mac, mac, SOLICITATION, other, group, to_ip, mac),
        "a MAC of another": neighbour_discovery(group_mac, other_mac, SOLICITATION, own, group, to_ip, mac),
        "another's MAC as its own": neighbour_discovery(group_mac, mac, SOLICITATION, own, group, to_ip, other_mac),
        "two MACs as its own": solicitation(dc, "v1", "v5", options=twice),
        "a hop limit that a router lowered": solicitation(dc, "v1", "v5", hops=254),
        "a global address": neighbour_discovery(group_mac, mac, SOLICITATION, "2001:db8::1", group, to_ip, mac),
        "a global target": neighbour_discovery(group_mac, mac, SOLICITATION, own, group, "2001:db8::5", mac),
        "an address that is another's, sought": neighbour_discovery(group_mac, mac, SOLICITATION, "::", group, to_ip),
        "an answer for another": neighbour_discovery(to, mac, ADVERTISEMENT, own, to_ip, other, mac),
        "an answer as another": neighbour_discovery(to, mac, ADVERTISEMENT, other, to_ip, other, mac),
        "an answer with another's MAC": neighbour_discovery(to, mac, ADVERTISEMENT, own, to_ip, own, other_mac),
        "a router's advertisement": neighbour_discovery(ALL_NODES_MAC, mac, 134, own, ALL_NODES, own),
        "a redirect": neighbour_discovery(to, mac, 137, own, to_ip, own),
        "a ping": neighbour_discovery(to, mac, 128, own, to_ip, own),
        "to all nodes, but a question": neighbour_discovery(ALL_NODES_MAC, mac, SOLICITATION, own, ALL_NODES, to_ip,
                                                            mac),
        "to all routers": neighbour_discovery("33:33:00:00:00:02", mac, ADVERTISEMENT, own, "ff02::2", own, mac),
    }
    sender, receivers = taps("v1"), [taps("v5"), taps("v2")]
    for number, (name, frame) in enumerate(forged.items(), 10):
        sender.send(frame)
        sender.send(arp(mac, mac, dc.address("v1"), f"10.101.0.{number}"))
        for tap in receivers:
            assert not [f for f in tap.until(is_arp_of(number)) if f[12:14] == b"\x86\xdd"], name


def test_nobody_outside_the_segment_is_asked(dc, taps):
    """Neither the routing daemon, nor the IP network, nor a user; and the gateway goes on answering."""
    outside = [taps("rtr", "uplink"), taps("inet", "pe")]
    taps("v1").send(solicitation(dc, "v1", "v5"))
    assert dc.pings("v1", net.GATEWAY) and dc.pings("v1", net.USER) and dc.pings("rtr", "192.0.2.1")
    for tap in outside:
        frames = []
        while (frame := tap.receive(0.01)) is not None:
            frames.append(frame)
        assert frames and not [f for f in frames if f[12:14] == b"\x86\xdd"]
