# SPDX-License-Identifier: Apache-2.0
"""The flows of core/vpls on a real Open vSwitch, with real packets. fabric.py has the map, vpls.py the pseudowires."""

import os
import socket
import struct
from pathlib import Path

import pytest

import fabric as net
from fabric import arp, ethernet, has, link_local, mac_bytes, neighbour_discovery, poll, run, solicited_node, \
    taps_of, udp, udp6
from vpls import CIRCUIT_VLAN, ENDS, SWITCHES, USER_ADDRESS, USER_IPV6, USER_MAC, Vpls
from scglab.pipeline import TOR

ROOT = Path(__file__).resolve().parent.parent.parent
DUMP = Path(os.environ.get("SCG_BUILD", ROOT / "build")) / "tests" / "pipeline_dump"
NEXT_HOP = mac_bytes("01:00:5e:90:00:00")
BROADCAST = "ff:ff:ff:ff:ff:ff"


@pytest.fixture(scope="module")
def dc(tmp_path_factory):
    assert DUMP.exists(), f"{DUMP} is not built"
    fabric = Vpls(tmp_path_factory.mktemp("vpls") / "ovs", DUMP)
    try:
        fabric.down()
        fabric.directory.mkdir()
        fabric.up()
        fabric.install_all()
        yield fabric
    finally:
        fabric.down()


@pytest.fixture
def taps(dc):
    with taps_of(dc) as tap:
        yield tap


def entry(label, bottom, ttl):
    return struct.pack("!I", label << 12 | bottom << 8 | ttl)


def labelled(tunnel, ttl, inner, vc=None):
    """A frame as it is on a link."""
    stack = entry(tunnel, 0, ttl) if tunnel else b""
    stack += entry(vc, 1, 2) if vc else b""
    return NEXT_HOP + bytes.fromhex("025c4d500001") + b"\x88\x47" + stack + inner


def to_v5(dc, text):
    return udp(dc.mac("v5"), dc.mac("v1"), dc.address("v1"), dc.address("v5"), text)


@pytest.mark.parametrize("other", ["v2", "v4", "v5"])
def test_vms_reach_each_other(dc, other):
    poll(lambda: dc.pings("v1", dc.address(other)), what="the caches have followed")
    assert dc.pings(other, dc.address("v1"))


def test_the_longest_packets_fit(dc):
    dc.ns("v1", "ping", "-nqc1", "-W2", "-Mdo", "-s1472", dc.address("v5"))
    dc.ns("v1", "ping", "-nqc1", "-W2", "-Mdo", "-s1472", net.USER)


def test_the_gateway_answers_and_routes(dc):
    assert dc.pings("v1", net.GATEWAY) and dc.pings("v5", net.GATEWAY)
    assert net.GATEWAY_MAC in dc.ns("v1", "ip", "neigh", "show", net.GATEWAY)
    assert dc.pings("v4", net.USER) and dc.pings("inet", dc.address("v1")) and dc.pings("inet", dc.address("v5"))


def test_the_gateway_turns_packets_round(dc, taps):
    """Also by the port and the tunnels that they came by: v4 and v1 are behind one ToR."""
    for other in ("v4", "v5"):
        sender, receiver = taps("v1"), taps(other)
        sender.send(udp(net.GATEWAY_MAC, dc.mac("v1"), dc.address("v1"), dc.address(other), "round the gateway"))
        frame = receiver.until(has("round the gateway"))[-1]
        assert frame[6:12] == mac_bytes(net.GATEWAY_MAC) and frame[12:14] == b"\x08\x00" and frame[22] == 63


def test_arp_is_answered_by_who_should(dc, taps):
    tap, answers = taps("v1"), {}
    for target in (dc.address("v2"), dc.address("v5"), "10.100.0.99", net.GATEWAY):
        tap.send(arp(dc.mac("v1"), dc.mac("v1"), dc.address("v1"), target))
        frame = tap.until(lambda f: f[12:14] == b"\x08\x06" and f[20:22] == b"\x00\x02")[-1]
        answers[socket.inet_ntoa(frame[28:32])] = frame[6:12].hex(":")
        assert frame[0:6] == frame[32:38] == mac_bytes(dc.mac("v1")) and frame[22:28] == frame[6:12]
    assert answers == {dc.address("v2"): dc.mac("v2"), dc.address("v5"): dc.mac("v5"),
                       "10.100.0.99": net.GATEWAY_MAC, net.GATEWAY: net.GATEWAY_MAC}


def every_link(taps, *, without=()):
    return {(a, b): taps("switches", f"{b}-{a}") for pair in net.FABRIC for a, b in (pair, pair[::-1])
            if (a, b) not in without}


def drain(tap):
    frames = []
    while (frame := tap.receive(0.05)) is not None:
        frames.append(frame)
    return frames


def carried(links, inner):
    """By link, the labels under which it carried the frame, or some with these bytes."""
    found = {}
    for link, tap in links.items():
        for frame in (frame for frame in drain(tap) if inner in frame):
            assert frame[12:14] == b"\x88\x47" and frame[0:6] == NEXT_HOP
            found.setdefault(link, []).append(tuple(int.from_bytes(frame[at:at + 3], "big") >> 4 for at in (14, 18)))
    return found


def expected(dc, *tunnels):
    """What a frame in these tunnels is seen as."""
    return {(a, b): [(dc.labels[pair, b], dc.vc[pair[1]])] for pair in tunnels
            for a, b in zip(dc.paths[pair], dc.paths[pair][1:])}


def test_a_broadcast_reaches_every_end_once_and_never_comes_back(dc, taps):
    links, at = every_link(taps), {vm: taps(vm) for vm in ("v2", "v3", "v4", "v5")}
    for number, sender in ((1, "v1"), (2, "v5")):
        request = arp(dc.mac(sender), dc.mac(sender), dc.address(sender), "10.101.0.9") + f"to all {number}".encode()
        taps(sender).send(request)
        for vm, tap in at.items():
            if vm != sender:
                assert [f for f in tap.until(lambda f, r=request: f == r) + drain(tap) if f == request] == [request], vm
        home = dc.edge_of(sender)
        assert carried(links, request) == expected(dc, *((home, end) for end in ENDS if end != home))


def test_the_largest_segment_floods_too(dc, taps):
    """Most ends have no tunnel, so far: the others get what is theirs."""
    at, links = taps("v5"), every_link(taps)
    before = dc.flows("tor")
    segment = ("segment-tor", *dc.segment(), dc.server_ports("tor"))
    strangers = [f"{end}={100000 + end}" for end in range(10, 33)]
    try:
        dc.install("tor", ("vpls",), segment, dc.pseudowires("tor", *strangers))
        request = arp(dc.mac("v1"), dc.mac("v1"), dc.address("v1"), "10.101.0.9") + b"by the largest"
        taps("v1").send(request)
        assert [f for f in at.until(lambda f: f == request) + drain(at) if f == request] == [request]
        assert carried(links, request) == expected(dc, ("tor", "tor2"), ("tor", "pe"))
    finally:
        dc.install("tor", ("vpls",), segment, dc.pseudowires("tor"))
    assert dc.flows("tor") == before


@pytest.mark.parametrize("instead", [None, "output:65000"], ids=["no_flow", "no_port"])
def test_a_flood_survives_a_tunnel_that_cannot_be_entered(dc, taps, instead):
    """Open vSwitch aborts if a copy's encap is left pending when the next copy begins."""
    links, before = every_link(taps), dc.flows("tor")
    for missing, other in (("tor2", "pe"), ("pe", "tor2")):
        flow = next(line for line in before if "table=22," in line and f"reg4=0x{ENDS[missing]:x} " in line)
        if instead:
            dc.ofctl("add-flow", "tor", flow[:flow.index("actions=")] + "actions=" + instead)
        else:
            dc.ofctl("del-flows", "tor", f"table=22,reg4={ENDS[missing]}")
        seen = dc.packets(other, "table=23")
        request = arp(dc.mac("v1"), dc.mac("v1"), dc.address("v1"), "10.101.0.9") + f"but {missing}".encode()
        try:
            taps("v1").send(request)
            poll(lambda: dc.packets(other, "table=23") > seen, what=f"{other} has the copy for it")
            assert carried(links, request) == expected(dc, ("tor", other))
        finally:
            dc.ofctl("add-flow", "tor", flow)
    assert dc.flows("tor") == before


def test_known_goes_to_one_end_and_unknown_to_all(dc, taps):
    links, at = every_link(taps), taps("v5")
    known = to_v5(dc, "known")
    taps("v1").send(known)
    at.until(lambda f: f == known)
    assert carried(links, known) == expected(dc, ("tor", "tor2"))
    unknown = udp("52:54:00:00:99:99", dc.mac("v1"), dc.address("v1"), dc.address("v5"), "unknown")
    before = dc.packets("tor2", f"table={TOR['FABRIC']},reg5=1")
    taps("v1").send(unknown)
    poll(lambda: dc.packets("tor2", f"table={TOR['FABRIC']},reg5=1") > before, what="it came, and went no further")
    assert carried(links, unknown) == expected(dc, ("tor", "tor2"), ("tor", "pe"))


def dissected(frame, vc, directory):
    """What tshark makes of it, told that the VC label carries Ethernet."""
    capture = directory / "wire.pcap"
    with open(capture, "wb") as file:
        file.write(struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        file.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)
    fields = "mpls.label", "mpls.bottom", "mpls.exp", "mpls.ttl", "eth.dst", "eth.src", "ip.dst", "ip.ttl", "udp.port"
    text = run("tshark", "-r", str(capture), "-d", f"mpls.label=={vc},pwethnocw", "-T", "fields",
               *(word for field in fields for word in ("-e", field)))
    return text.rstrip("\n").split("\t")


def test_a_link_carries_the_whole_frame_under_two_labels(dc, taps, tmp_path):
    """RFC 3443: neither TTL nor class of the VM's packet are in the labels, nor change on the way."""
    links = {hop: taps("switches", "-".join(reversed(hop))) for hop in (("tor", "p2"), ("p2", "tor2"))}
    receiver = taps("v5")
    frame = bytearray(udp(dc.mac("v5"), dc.mac("v1"), dc.address("v1"), dc.address("v5"), "not looked into", ttl=7))
    frame[15] = 0xb8
    frame[24:26] = bytes(2)
    total = sum(struct.unpack("!10H", frame[14:34]))
    frame[24:26] = struct.pack("!H", ~((total & 0xffff) + (total >> 16)) & 0xffff)
    taps("v1").send(bytes(frame))
    assert receiver.until(has("not looked into"))[-1] == frame
    for number, (hop, wire) in enumerate(links.items()):
        outer = wire.until(has("not looked into"))[-1]
        label = dc.labels[("tor", "tor2"), hop[1]]
        assert outer[12:] == b"\x88\x47" + entry(label, 0, 255 - number) + entry(dc.vc["tor2"], 1, 2) + frame
        assert outer[0:6] == NEXT_HOP and outer[6:12] == bytes.fromhex("025c4d50") + struct.pack("!H", dc.port(*hop))
        assert dissected(outer, dc.vc["tor2"], tmp_path) == [
            f"{label},{dc.vc['tor2']}", "0,1", "0,0", f"{255 - number},2", f"01:00:5e:90:00:00,{dc.mac('v5')}",
            f"{outer[6:12].hex(':')},{dc.mac('v1')}", dc.address("v5"), "7", "7777,7777"]


def test_an_edge_is_transit_too(dc):
    """Both directions between the ToRs are led by the PE, and back."""
    pairs = (("tor", "tor2"), ("tor2", "tor"))
    former = {pair: dc.paths[pair] for pair in pairs}
    try:
        for pair in pairs:
            dc.set_tunnel(pair, ("tor", "p1", "pe", "p3", "tor2")[::1 if pair[0] == "tor" else -1])
        before = dc.packets("pe", f"table=20,mpls,mpls_label={dc.labels[pairs[0], 'pe']}")
        dc.ip("switches", "link set tor-p2 down")
        poll(lambda: dc.pings("v1", dc.address("v5")) and dc.pings("v5", dc.address("v4")), what="by the other path")
        assert dc.packets("pe", f"table=20,mpls,mpls_label={dc.labels[pairs[0], 'pe']}") > before
    finally:
        dc.ip("switches", "link set tor-p2 up")
        for pair in pairs:
            dc.set_tunnel(pair, former[pair])
    for pair in pairs:
        for node in ("p1", "pe", "p3"):
            dc.install(node, ("tunnel-remove", ">".join(pair)))
    poll(lambda: dc.pings("v1", dc.address("v5")), what="by the first path")


def inject(taps, node, neighbour):
    """Sends as 'neighbour' does to 'node'."""
    return taps("switches", f"{neighbour}-{node}")


def test_what_expired_is_dropped(dc, taps):
    label = dc.labels[("tor", "tor2"), "p2"]
    wire, link = taps("switches", "tor2-p2"), inject(taps, "p2", "tor")
    for ttl in (0, 1, 2):
        link.send(labelled(label, ttl, f"with TTL {ttl}".encode().ljust(60), dc.vc["tor2"]))
    frames = wire.until(has("with TTL 2"))
    assert [f[17] for f in frames if f[12:14] == b"\x88\x47"] == [1]


def test_only_whole_label_stacks_come_in(dc, taps):
    """A tunnel label, then a VC label of the segment, which is the last; from a fabric port, untagged."""
    tunnel, vc, link, at = dc.labels[("tor", "tor2"), "tor2"], dc.vc["tor2"], inject(taps, "tor2", "p2"), taps("v5")
    good, bad = to_v5(dc, "well labelled"), to_v5(dc, "ill labelled")
    head = NEXT_HOP + bytes.fromhex("025c4d500001")
    frames = {
        "no tunnel": labelled(None, 254, bad, vc),
        "no VC": head + b"\x88\x47" + entry(tunnel, 1, 254) + bad,
        "another node's tunnel": labelled(dc.labels[("tor", "tor2"), "p2"], 254, bad, vc),
        "another end's VC": labelled(tunnel, 254, bad, dc.vc["tor"]),
        "three labels": head + b"\x88\x47" + entry(tunnel, 0, 254) + entry(vc, 0, 2) + entry(vc, 1, 2) + bad,
        "tagged": head + b"\x81\x00\x00\x64\x88\x47" + entry(tunnel, 0, 254) + entry(vc, 1, 2) + bad,
        "multicast": head + b"\x88\x48" + entry(tunnel, 0, 254) + entry(vc, 1, 2) + bad,
        "no label, but the segment's tag": to_v5(dc, "x")[:12] + struct.pack("!HH", 0x8100, net.VLAN) + bad[12:],
        "no label": bad,
        "cut in the labels": head + b"\x88\x47" + entry(tunnel, 0, 254) + b"\x00",
        "cut in the frame": labelled(tunnel, 254, bad[:9], vc),
    }
    for name, frame in frames.items():
        link.send(frame)
        link.send(labelled(tunnel, 254, good, vc))
        assert not [f for f in at.until(has("well labelled")) if has("ill labelled")(f)], name
    server = taps("s3", "uplink")
    server.send(labelled(tunnel, 254, bad, vc))
    link.send(labelled(tunnel, 254, good, vc))
    assert not [f for f in at.until(has("well labelled")) if has("ill labelled")(f)]


def test_mpls_of_clients_goes_nowhere_and_harms_nobody(dc, taps):
    """encap(mpls) of a frame with MPLS would abort Open vSwitch."""
    pid = (dc.directory / "ovs-vswitchd.pid").read_text(encoding="ascii")
    links = every_link(taps)
    for kind in (0x8847, 0x8848):
        for vlan in (None, net.VLAN):
            for to in (BROADCAST, dc.mac("v5"), dc.mac("v2")):
                frame = ethernet(to, dc.mac("v1"), kind, entry(99, 1, 9) + b"of a client".ljust(50), vlan=vlan)
                taps("v1").send(frame)
                taps("user", "wire").send(frame[:12] + struct.pack("!HH", 0x8100, CIRCUIT_VLAN) + frame[12:])
                if vlan:
                    dc.ofctl("packet-out", "pe", f"in_port=CONTROLLER,packet={frame.hex()},actions=TABLE")
                    dc.ofctl("packet-out", "tor", f"in_port=CONTROLLER,packet={frame.hex()},actions=TABLE")
    assert dc.pings("v1", dc.address("v5")) and dc.pings("v1", net.GATEWAY)
    assert carried(links, b"of a client") == {}
    inner = ethernet(dc.mac("v5"), dc.mac("v1"), 0x8847, entry(99, 1, 9) + b"of a client".ljust(50))
    inject(taps, "tor2", "p2").send(labelled(dc.labels[("tor", "tor2"), "tor2"], 254, inner, dc.vc["tor2"]))
    assert dc.pings("v1", dc.address("v5"))
    assert (dc.directory / "ovs-vswitchd.pid").read_text(encoding="ascii") == pid
    assert os.path.exists(f"/proc/{pid.strip()}")
    assert "EMER" not in (dc.directory / "ovs-vswitchd.log").read_text(encoding="utf-8")


def test_the_gateway_s_own_frames_enter_the_pseudowires(dc, taps):
    """A gratuitous ARP by a packet-out to the flow tables."""
    links, at = every_link(taps), {vm: taps(vm) for vm in ("v1", "v5")}
    frame = arp(net.GATEWAY_MAC, net.GATEWAY_MAC, "10.100.0.77", "10.100.0.77", vlan=net.VLAN)
    dc.ofctl("packet-out", "pe", f"in_port=CONTROLLER,packet={frame.hex()},actions=TABLE")
    for tap in at.values():
        tap.until(lambda f: f == frame[:12] + frame[16:])
    assert carried(links, frame[:12] + frame[16:]) == expected(dc, ("pe", "tor"), ("pe", "tor2"))


def test_a_user_s_circuit_reaches_vms_and_they_reach_it(dc, taps):
    user, links = taps("user", "wire"), every_link(taps)
    for vm in ("v1", "v5"):
        at = taps(vm)
        ask = arp(USER_MAC, USER_MAC, USER_ADDRESS, dc.address(vm), vlan=CIRCUIT_VLAN)
        user.send(ask)
        at.until(lambda f, a=ask: f == a[:12] + a[16:])
        answer = user.until(lambda f: f[12:18] == struct.pack("!HHH", 0x8100, CIRCUIT_VLAN, 0x0806))[-1]
        assert answer[6:12] == mac_bytes(dc.mac(vm)) and answer[32:36] == socket.inet_aton(dc.address(vm))
        there = udp(dc.mac(vm), USER_MAC, USER_ADDRESS, dc.address(vm), f"to {vm}", vlan=CIRCUIT_VLAN)
        user.send(there)
        at.until(lambda f, frame=there: f == frame[:12] + frame[16:])
        assert carried(links, there[:12] + there[16:]) == expected(dc, ("pe", dc.edge_of(vm)))
        back = udp(USER_MAC, dc.mac(vm), dc.address(vm), USER_ADDRESS, f"from {vm}")
        at.send(back)
        user.until(lambda f, frame=back: f == frame[:12] + struct.pack("!HH", 0x8100, CIRCUIT_VLAN) + frame[12:])
        assert carried(links, back) == expected(dc, (dc.edge_of(vm), "pe"))


def test_a_user_s_circuit_has_ipv6(dc, taps):
    """By its own address only: it finds v5 and is found, and is no router, nor anybody else."""
    vm, mac, address, tag = "v5", dc.mac("v5"), "2001:db8::15", struct.pack("!HH", 0x8100, CIRCUIT_VLAN)
    user, at, links = taps("user", "wire"), taps(vm), every_link(taps)
    dc.ipv6 = {vm: [address]}
    dc.install("tor2", dc.vm_tor(vm))
    group_mac, group = solicited_node(address)
    user_mac, user_group = solicited_node(USER_IPV6)
    genuine = [neighbour_discovery(group_mac, USER_MAC, 135, USER_IPV6, group, address, USER_MAC, vlan=CIRCUIT_VLAN),
               neighbour_discovery(mac, USER_MAC, 136, USER_IPV6, address, USER_IPV6, USER_MAC, vlan=CIRCUIT_VLAN),
               udp6(mac, USER_MAC, USER_IPV6, address, vlan=CIRCUIT_VLAN)]
    for frame in genuine:
        user.send(frame)
        at.until(lambda f, frame=frame: f == frame[:12] + frame[16:])
    for frame in (neighbour_discovery(user_mac, mac, 135, address, user_group, USER_IPV6, mac),
                  neighbour_discovery(USER_MAC, mac, 135, link_local(mac), USER_IPV6, USER_IPV6, mac),
                  neighbour_discovery(USER_MAC, mac, 136, address, USER_IPV6, address, mac),
                  udp6(USER_MAC, mac, address, USER_IPV6)):
        at.send(frame)
        user.until(lambda f, frame=frame: f == frame[:12] + tag + frame[12:])
    assert carried(links, frame) == expected(dc, ("tor2", "pe"))        # and not flooded
    forged = [udp6(mac, USER_MAC, "2001:db8::66", address, vlan=CIRCUIT_VLAN),
              udp6(mac, USER_MAC, link_local(USER_MAC), address, vlan=CIRCUIT_VLAN),
              udp6(mac, net.GATEWAY_MAC, USER_IPV6, address, vlan=CIRCUIT_VLAN),
              udp6(mac, USER_MAC, USER_IPV6, address, port=546, vlan=CIRCUIT_VLAN),
              neighbour_discovery(mac, USER_MAC, 136, USER_IPV6, address, "2001:db8::1", USER_MAC, vlan=CIRCUIT_VLAN),
              neighbour_discovery(mac, USER_MAC, 134, USER_IPV6, address, USER_IPV6, vlan=CIRCUIT_VLAN),
              neighbour_discovery(mac, USER_MAC, 137, USER_IPV6, address, USER_IPV6, vlan=CIRCUIT_VLAN),
              neighbour_discovery(group_mac, USER_MAC, 135, USER_IPV6, group, address, hops=254, vlan=CIRCUIT_VLAN)]
    for frame in forged:
        user.send(frame)
    user.send(genuine[-1])
    assert not [f for f in at.until(lambda f: f == genuine[-1][:12] + genuine[-1][16:]) for frame in forged
                if f == frame[:12] + frame[16:]]
    dc.ipv6 = {}
    dc.install("tor2", dc.vm_tor(vm))


def test_what_is_removed_is_gone(dc):
    before = {node: dc.flows(node) for node in SWITCHES}
    for pair in (("tor", "tor2"), ("tor2", "tor")):
        for node in dc.paths[pair]:
            dc.install(node, ("tunnel-remove", ">".join(pair)))
    poll(lambda: not dc.pings("v1", dc.address("v5"), 0.2), what="the tunnel is gone")
    assert dc.pings("v1", net.GATEWAY) and dc.pings("v5", net.GATEWAY)
    for pair in (("tor", "tor2"), ("tor2", "tor")):
        labels = [dc.labels[pair, node] for node in SWITCHES]
        assert not [line for node in SWITCHES for line in dc.flows(node) for label in labels
                    if f"mpls_label={label} " in line or f"mpls_label={label}," in line]
        dc.set_tunnel(pair)
    assert {node: dc.flows(node) for node in SWITCHES} == before
    poll(lambda: dc.pings("v1", dc.address("v5")), what="the tunnel is back")
    dc.install("tor2", ("segment-remove", *dc.segment()))
    assert not [line for line in dc.flows("tor2") if "table=21" in line or "table=23" in line or "clone" in line]


def test_the_other_mode_leaves_nothing_of_this_one(dc):
    """Base flows replace each other."""
    dc.install("p3", ("p",))
    assert dc.flows("p3") and not [line for line in dc.flows("p3") if "mpls" in line and "0x5c6701" in line]
