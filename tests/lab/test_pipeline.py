# SPDX-License-Identifier: Apache-2.0
"""The flows of core/pipeline on a real Open vSwitch, with real packets. fabric.py has the map."""

import contextlib
import json
import os
import re
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

import fabric as net
from fabric import Fabric, arp, ethernet, has, mac_bytes, poll, standing, taps_of, tcp_syn, udp
from packets import packet
from scglab.pipeline import TOR

ROOT = Path(__file__).resolve().parent.parent.parent
DUMP = Path(os.environ.get("SCG_BUILD", ROOT / "build")) / "tests" / "pipeline_dump"
LLDP = ethernet("01:80:c2:00:00:0e", "52:54:00:00:00:11", 0x88cc,
                bytes.fromhex("020704525400000011040203310602007800") + bytes(40))
SYN, ACK = 0x02, 0x10


@pytest.fixture(scope="module")
def dc(tmp_path_factory):
    with standing(Fabric(tmp_path_factory.mktemp("pipeline") / "ovs", DUMP)) as fabric:
        poll(fabric.converged, 20, "RSTP has converged")
        fabric.install_all()
        yield fabric


@pytest.fixture
def taps(dc):
    with taps_of(dc) as tap:
        yield tap


def test_an_edge_is_a_leaf(dc):
    for edge in ("tor", "tor2", "pe"):
        assert len(dc.forwarding(edge)) == 1


@pytest.mark.parametrize("other", ["v2", "v4", "v5"])
def test_vms_reach_each_other(dc, other):
    """On one server (the frame turns round at the ToR), on two servers of a ToR, behind two ToRs."""
    before = dc.packets("tor", f"table={TOR['FORWARD']},ip,reg0=1,eth_dst={dc.mac(other)}")
    assert dc.pings("v1", dc.address(other))
    assert dc.pings(other, dc.address("v1"))
    if other != "v5":
        assert dc.packets("tor", f"table={TOR['FORWARD']},ip,reg0=1,eth_dst={dc.mac(other)}") > before


def test_the_gateway_answers(dc):
    assert dc.pings("v1", net.GATEWAY)
    assert dc.pings("v5", net.GATEWAY)
    assert net.GATEWAY_MAC in dc.ns("v1", "ip", "neigh", "show", net.GATEWAY)


def test_users_and_vms_reach_each_other_one_hop_apart(dc, taps):
    assert dc.pings("v4", net.USER)
    assert dc.pings("inet", dc.address("v1"))
    at_vm, at_user = taps("v1"), taps("inet", "pe")
    with dc.socket("inet", socket.SOCK_DGRAM) as user:
        user.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 40)
        user.sendto(b"downwards", (dc.address("v1"), 7777))
    frame = at_vm.until(has("downwards"))[-1]
    assert frame[0:6] == mac_bytes(dc.mac("v1")) and frame[6:12] == mac_bytes(net.GATEWAY_MAC)
    assert frame[22] == 39
    with dc.socket("v1", socket.SOCK_DGRAM) as vm:
        vm.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 40)
        vm.sendto(b"upwards", (net.USER, 7777))
    frame = at_user.until(has("upwards"))[-1]
    assert frame[12:14] == b"\x08\x00" and frame[6:12] == mac_bytes(net.GATEWAY_MAC)
    assert frame[22] == 39


def test_the_gateway_routes_between_vms_and_turns_packets_round(dc, taps):
    """A VM that has the gateway's MAC for its neighbour, from when that was in another DC, still reaches it."""
    sender, receiver = taps("v1"), taps("v5")
    sender.send(udp(net.GATEWAY_MAC, dc.mac("v1"), dc.address("v1"), dc.address("v5"), "round the gateway"))
    frame = receiver.until(has("round the gateway"))[-1]
    assert frame[6:12] == mac_bytes(net.GATEWAY_MAC) and frame[22] == 63


def test_the_routing_daemon_has_the_uplink(dc):
    dc.ns("rtr", "ip", "neigh", "flush", "all")
    before = dc.packets("pe", "table=0,arp,arp_op=2,arp_spa=192.0.2.1")
    assert dc.pings("rtr", "192.0.2.1")
    assert dc.pings("inet", "192.0.2.2")
    assert dc.packets("pe", "table=0,arp,arp_op=2,arp_spa=192.0.2.1") > before   # and the controller has a copy
    with dc.socket("rtr", socket.SOCK_STREAM, ("192.0.2.2", 179)) as daemon:
        daemon.listen()
        with dc.socket("inet", socket.SOCK_STREAM) as peer:
            peer.connect(("192.0.2.2", 179))
            daemon.accept()[0].close()


def test_the_routing_daemon_sees_nothing_for_vms_or_strangers(dc, taps):
    at_daemon, at_user = taps("rtr", "uplink"), taps("inet", "pe")
    daemon = dc.ns("rtr", "cat", "/sys/class/net/uplink/address").strip()
    at_user.send(udp(daemon, "02:00:00:00:00:01", net.USER, "10.100.0.99", "to nobody"))
    at_user.send(udp(daemon, "02:00:00:00:00:01", net.USER, dc.address("v1"), "to a VM"))
    at_user.send(udp(daemon, "02:00:00:00:00:01", net.USER, "192.0.2.2", "to the daemon"))
    frames = at_daemon.until(has("to the daemon"))
    assert not [f for f in frames if has("to nobody")(f) or has("to a VM")(f)]


def test_arp_is_answered_by_who_should(dc, taps):
    """A VM of the DC by itself, once; an address that is elsewhere by the gateway; of another subnet by nobody."""
    tap = taps("v1")

    def replies(frames):
        return [(f[6:12], f[28:32]) for f in frames if f[12:14] == b"\x08\x06" and f[20:22] == b"\x00\x02"]

    def ask(target):
        return arp(dc.mac("v1"), dc.mac("v1"), dc.address("v1"), target)

    def answer_for(host):
        return lambda f: f[12:14] == b"\x08\x06" and f[20:22] == b"\x00\x02" and f[31] == host

    for target in ("10.101.0.5", dc.address("v2"), dc.address("v5"), "10.100.0.99"):
        tap.send(ask(target))
    frames = tap.until(answer_for(99))
    frames += tap.until(answer_for(15)) if not any(answer_for(15)(f) for f in frames) else []
    frames += tap.until(answer_for(12)) if not any(answer_for(12)(f) for f in frames) else []
    tap.send(ask(net.GATEWAY))
    frames += tap.until(answer_for(1))
    assert sorted(replies(frames), key=lambda r: r[1][3]) == [
        (mac_bytes(net.GATEWAY_MAC), socket.inet_aton(net.GATEWAY)),
        (mac_bytes(dc.mac("v2")), socket.inet_aton(dc.address("v2"))),
        (mac_bytes(dc.mac("v5")), socket.inet_aton(dc.address("v5"))),
        (mac_bytes(net.GATEWAY_MAC), socket.inet_aton("10.100.0.99"))]
    last = frames[-1]
    assert last[0:6] == mac_bytes(dc.mac("v1")) and last[32:38] == mac_bytes(dc.mac("v1"))
    assert last[38:42] == socket.inet_aton(dc.address("v1")) and last[22:28] == mac_bytes(net.GATEWAY_MAC)


def test_broadcast_arp_reaches_every_vm_of_the_segment_once(dc, taps):
    receivers = {vm: taps(vm) for vm in ("v2", "v3", "v4", "v5")}
    taps("v1").send(arp(dc.mac("v1"), dc.mac("v1"), dc.address("v1"), "10.101.0.1"))
    taps("v1").send(arp(dc.mac("v1"), dc.mac("v1"), dc.address("v1"), "10.101.0.2"))
    for vm, tap in receivers.items():
        frames = tap.until(lambda f: f[38:42] == socket.inet_aton("10.101.0.2"))
        assert len([f for f in frames if f[38:42] == socket.inet_aton("10.101.0.1")]) == 1, vm


def forgeries(dc):
    mac, ip, other_mac, other_ip = dc.mac("v1"), dc.address("v1"), dc.mac("v3"), dc.address("v3")
    to, to_ip = dc.mac("v5"), dc.address("v5")
    return {
        "a MAC of another VM": udp(to, other_mac, ip, to_ip, "forged"),
        "an address of another VM": udp(to, mac, other_ip, to_ip, "forged"),
        "an address of nobody": udp(to, mac, "10.100.0.77", to_ip, "forged"),
        "another VM's MAC and address, from another server": udp(to, dc.mac("v4"), dc.address("v4"), to_ip, "forged"),
        "ARP for an address of another VM": arp(mac, mac, other_ip, to_ip, to) + b"forged",
        "ARP with a MAC of another VM": arp(mac, other_mac, ip, to_ip, to) + b"forged",
        "ARP as the gateway": arp(mac, mac, net.GATEWAY, to_ip, to, op=2) + b"forged",
        "a VLAN tag": udp(to, mac, ip, to_ip, "forged", vlan=net.VLAN),
        "a VLAN tag, to a VM beside": udp(dc.mac("v2"), mac, ip, dc.address("v2"), "forged", vlan=net.VLAN),
        "a priority tag": udp(dc.mac("v2"), mac, ip, dc.address("v2"), "forged", vlan=0),
        "IPv6": ethernet(to, mac, 0x86dd, bytes.fromhex("6000000000083aff") + bytes(32) + b"forged"),
        "something else": ethernet(to, mac, 0x88b5, b"forged" * 8),
        "LLDP to all": ethernet("ff:ff:ff:ff:ff:ff", mac, 0x88cc, b"forged" * 8),
        "broadcast IP": udp("ff:ff:ff:ff:ff:ff", mac, ip, "255.255.255.255", "forged"),
        "multicast IP": udp("01:00:5e:00:00:fb", mac, ip, "224.0.0.251", "forged"),
        "IP to a VM's MAC but not its address": udp(dc.mac("v2"), mac, ip, "255.255.255.255", "forged"),
    }


def test_what_is_forged_or_cannot_be_judged_is_dropped(dc, taps):
    """Each is followed by an honest packet, to v5 and to v2 beside the sender; nothing forged may come before that, nor
    pass the wire to the fabric."""
    sender, receiver, beside = taps("v1"), taps("v5"), taps("v2")
    wire = taps("switches", "-".join(reversed(dc.forwarding("tor")[0].split("-"))))
    controller = dc.packets("tor", "table=0,dl_type=0x88cc")
    for number, (name, frame) in enumerate(forgeries(dc).items()):
        sender.send(frame)
        for vm, tap in (("v5", receiver), ("v2", beside)):
            sender.send(udp(dc.mac(vm), dc.mac("v1"), dc.address("v1"), dc.address(vm), f"honest {number}."))
            assert not [f for f in tap.until(has(f"honest {number}.")) if has("forged")(f)], name
        assert not [f for f in wire.until(has(f"honest {number}.")) if has("forged")(f)], name
    assert dc.packets("tor", "table=0,dl_type=0x88cc") == controller


def test_lldp_of_servers_and_switches_goes_to_the_controller_only(dc, taps):
    before = dc.packets("tor", "table=0,dl_type=0x88cc")
    at_vm, at_server = taps("v4"), taps("s1", "uplink")
    at_server.send(LLDP)
    poll(lambda: dc.packets("tor", "table=0,dl_type=0x88cc") == before + 1)
    taps("v1").send(udp(dc.mac("v4"), dc.mac("v1"), dc.address("v1"), dc.address("v4"), "after LLDP"))
    assert not [f for f in at_vm.until(has("after LLDP")) if f[12:14] == b"\x88\xcc"]


def test_servers_and_the_uplink_see_no_tag(dc, taps):
    ports = [taps(server, "uplink") for server in net.SERVERS] + [taps("inet", "pe"), taps("rtr", "uplink")]
    root = dc.forwarding("tor")[0]
    out, back = taps("switches", "-".join(reversed(root.split("-")))), taps("switches", root)
    taps("v1").send(arp(dc.mac("v1"), dc.mac("v1"), dc.address("v1"), "10.101.0.3"))   # flooded everywhere
    taps("v1").send(udp("02:00:00:00:00:99", dc.mac("v1"), dc.address("v1"), "10.100.0.98", "unknown MAC"))
    assert out.until(has("unknown MAC"))[-1][12:16] == bytes.fromhex("8100") + struct.pack("!H", net.VLAN)
    # A tagged frame of a VLAN that no edge knows floods the fabric from a P switch.
    dc.ofctl("packet-out", "p3", "in_port=NONE,packet=" + ethernet(
        "ff:ff:ff:ff:ff:ff", "02:00:00:00:00:98", 0x0806, bytes(46), vlan=77).hex() + ",actions=NORMAL")
    back.until(lambda f: f[12:16] == b"\x81\x00\x00\x4d")
    for vm in ("v2", "v4", "v5"):
        assert dc.pings(vm, net.USER)
    assert dc.pings("rtr", "192.0.2.1")
    for port in ports:
        frames = []
        while (frame := port.receive(0.01)) is not None:
            frames.append(frame)
        assert frames and not [f for f in frames if f[12:14] == b"\x81\x00"]


def policy_file(tmp_path, **members):
    path = tmp_path / "policy.json"
    path.write_text(json.dumps({"policy": "v4", **members}), encoding="utf-8")
    return path


def connects(dc, node, address, port):
    with dc.socket(node, socket.SOCK_STREAM) as sock:
        sock.settimeout(0.3)
        try:
            sock.connect((address, port))
        except TimeoutError:
            return False
    return True


def test_the_policy_of_a_vm_judges_what_is_from_it_and_to_it(dc, tmp_path):
    policy = policy_file(tmp_path, default={"from-vm": "allow", "to-vm": "deny"}, rules=[
        {"direction": "to-vm", "action": "deny", "protocol": "tcp", "remote": dc.address("v2") + "/32",
         "destination-port": 80},
        {"direction": "to-vm", "action": "allow", "protocol": "tcp", "destination-port": 80},
        {"direction": "to-vm", "action": "allow", "protocol": "icmp"},
        {"direction": "from-vm", "action": "deny", "protocol": "icmp"}])
    with dc.socket("v4", socket.SOCK_STREAM, ("", 80)) as web, dc.socket("v4", socket.SOCK_STREAM, ("", 81)) as other:
        web.listen()
        other.listen()
        assert connects(dc, "inet", dc.address("v4"), 81)
        try:
            dc.install("tor", dc.vm_tor("v4", policy))
            poll(lambda: not connects(dc, "inet", dc.address("v4"), 81), what="the policy counts")
            for node in ("inet", "v1", "v5"):       # by the gateway, from another server, from another ToR
                assert connects(dc, node, dc.address("v4"), 80), node
            for node, port in (("v2", 80), ("v1", 81), ("v5", 81)):
                assert not connects(dc, node, dc.address("v4"), port), node
            assert not dc.pings("v4", dc.address("v5"), 0.3) and not dc.pings("v4", dc.address("v2"), 0.3)
        finally:
            dc.install("tor", dc.vm_tor("v4"))
        poll(lambda: connects(dc, "v2", dc.address("v4"), 81), what="the policy no longer counts")


def learned(dc, table):
    """Whom the switch lets answer, by its flows' timeouts."""
    lines = dc.ofctl("dump-flows", "tor", "--no-stats", f"table={TOR[table]}").splitlines()
    return [int(found[1]) for line in lines
            if "learn(" not in line and (found := re.search(r"idle_timeout=(\d+)", line))]


@contextlib.contextmanager
def has_policy(dc, tmp_path, vm, **members):
    dc.install("tor", dc.vm_tor(vm, policy_file(tmp_path, **members)))
    try:
        yield
    finally:
        dc.install("tor", dc.vm_tor(vm))


@contextlib.contextmanager
def session(dc, client, server, port):
    """Both ends of a TCP connection, on which something was said."""
    address = dc.address(server) if server in net.VMS else net.USER
    with dc.socket(server, socket.SOCK_STREAM, ("", port)) as listener, dc.socket(client, socket.SOCK_STREAM) as asks:
        listener.listen()
        asks.connect((address, port))
        answers, _ = listener.accept()
        with answers:
            answers.settimeout(1)
            echo(asks, answers)
            yield asks, answers


def echo(asks, answers):
    asks.sendall(b"well?")
    assert answers.recv(16) == b"well?"
    answers.sendall(b"well.")
    assert asks.recv(16) == b"well."


TCP_HOURS, HALF_OPEN, HALF_OPEN_MAX = 7440, 30, 2048
STATEFUL = {"action": "allow", "stateful": True}


def test_what_is_an_answer_teaches_nothing(dc, tmp_path):
    """Where stateful rules let pass both ways, either end is known by what it began."""
    with has_policy(dc, tmp_path, "v4", rules=[dict(STATEFUL, direction=way) for way in ("from-vm", "to-vm")]):
        with session(dc, "inet", "v4", 80), session(dc, "v5", "v4", 81):
            assert TCP_HOURS not in learned(dc, "STATE_TO")
            assert learned(dc, "STATE_FROM").count(TCP_HOURS) == 2
            with session(dc, "v4", "v5", 82):
                assert learned(dc, "STATE_TO").count(TCP_HOURS) == 1
            assert learned(dc, "STATE_FROM").count(TCP_HOURS) == 2


def test_a_flood_of_syns_does_not_lock_a_vm_out(dc, tmp_path, taps):
    """What nobody has answered is soon forgotten, and has a limit of its own, which is small here."""
    few = 20
    with has_policy(dc, tmp_path, "v4", rules=[dict(STATEFUL, direction="from-vm")]):
        teacher, = [line for line in dc.flows("tor") if f"limit={HALF_OPEN_MAX}," in line]
        dc.ofctl("add-flows", "tor", "-", flows=teacher.replace(f"limit={HALF_OPEN_MAX},", f"limit={few},"))
        tap = taps("v4")

        def flood():
            for port in range(1, 2 * few):
                tap.send(tcp_syn(net.GATEWAY_MAC, dc.mac("v4"), dc.address("v4"), "198.51.100.77", port))
            return learned(dc, "STATE_TO").count(HALF_OPEN) == few

        with session(dc, "v4", "inet", 80) as established:
            poll(lambda: learned(dc, "STATE_TO").count(TCP_HOURS) == 1, what="the connection is learned of")
            poll(flood, what="as many as are learned of")
            echo(*established)
            assert dc.pings("v4", dc.address("v5"))
            assert not connects(dc, "v4", net.USER, 80) and learned(dc, "STATE_TO").count(TCP_HOURS) == 1


def test_the_rate_of_a_policy_is_enforced_by_a_meter(dc, tmp_path, taps):
    policy = policy_file(tmp_path, default={"from-vm": "allow", "to-vm": "allow"},
                         **{"rate-limit": {"to-vm": {"kbps": 80, "burst-kbit": 40}}})
    sender, receiver = taps("v1"), taps("v4")
    frame = udp(dc.mac("v4"), dc.mac("v1"), dc.address("v1"), dc.address("v4"), "metered" + "." * 451)   # 500 bytes

    def arrive(last):
        for _ in range(60):                         # 240 kbit
            sender.send(frame)
        sender.send(arp(dc.mac("v1"), dc.mac("v1"), dc.address("v1"), last))    # not metered, so it ends the count
        frames = receiver.until(lambda f: f[38:42] == socket.inet_aton(last))
        return len([f for f in frames if has("metered")(f)])

    assert arrive("10.101.0.4") == 60
    try:
        dc.install("tor", dc.vm_tor("v4", policy, 10))
        poll(lambda: 1 <= arrive("10.101.0.5") <= 40, what="the meter lets its share through")
    finally:
        dc.install("tor", dc.vm_tor("v4"))
        dc.ofctl("del-meters", "tor")


def segments(dc, sender, receiver, flags, first_port, n=40):
    """TCP segments from that many ports to port 80."""
    words = f"tcp,nw_src={dc.address(sender)},nw_dst={dc.address(receiver)},tcp_dst=80,tcp_flags={flags}"
    frame = ethernet(dc.mac(receiver), dc.mac(sender), 0x0800, packet(words, 0))
    return [frame[:34] + (first_port + i).to_bytes(2, "big") + frame[36:] for i in range(n)]


@pytest.mark.parametrize("way", ["to-vm", "from-vm"])
def test_new_connections_are_limited_and_others_are_not(dc, tmp_path, taps, way):
    sender, receiver = ("v4", "v1") if way == "from-vm" else ("v1", "v4")
    policy = policy_file(tmp_path, default={"from-vm": "allow", "to-vm": "allow"},
                         **{"new-connections": {way: {"per-second": 1, "burst": 10}},
                            "rate-limit": {way: {"kbps": 1000000}},
                            "classes": {"web": {"dscp": 10, way: {"rate-limit": {"kbps": 1000000}}}}},
                         rules=[{"direction": way, "action": "deny", "protocol": "tcp", "source-port": "40000-50000"},
                                {"direction": way, "action": "allow", "protocol": "tcp", "source-port": "1000-1019",
                                 "class": "web"}])
    out, into = taps(sender), taps(receiver)

    def arrive(last, frames):
        """How many come through."""
        for frame in frames:
            out.send(frame)
        out.send(arp(dc.mac(sender), dc.mac(sender), dc.address(sender), last))     # not a policy's business
        came = into.until(lambda f: f[38:42] == socket.inet_aton(last))
        return len([f for f in came if f[12:14] == b"\x08\x00" and f[23] == 6 and f[36:38] == b"\0\x50"])

    opening, denied = (segments(dc, sender, receiver, SYN, port) for port in (1000, 40000))
    others = [*segments(dc, sender, receiver, ACK, 2000), *segments(dc, sender, receiver, SYN | ACK, 3000)]
    poll(lambda: arrive("10.101.1.1", opening) == 40, what="nothing is limited or lost")
    try:
        dc.install("tor", dc.vm_tor("v4", policy, 10))
        poll(lambda: arrive("10.101.1.2", denied) == 0, what="the policy counts")
        begin = time.monotonic()
        found = arrive("10.101.1.3", opening)
        assert 10 <= found <= 11 + time.monotonic() - begin
        poll(lambda: arrive("10.101.1.4", others) == 80, what="what opens none passes")
        found += arrive("10.101.1.5", opening)
        assert found <= 11 + time.monotonic() - begin
    finally:
        dc.install("tor", dc.vm_tor("v4"))
        dc.ofctl("del-meters", "tor")


def test_installing_again_changes_nothing_and_loses_nothing(dc):
    """Flows are deleted and added in one bundle, again and again, under a running exchange of packets."""
    before = {bridge: dc.flows(bridge) for bridge in ("tor", "pe")}
    script = dc.directory / "again"
    lines = dc.dump(("tor", dc.server_ports("tor"), dc.numbers(dc.fabric_ports("tor"))),
                    ("segment-tor", *dc.segment(), dc.server_ports("tor")),
                    *(dc.vm_tor(vm) for vm in ("v1", "v2", "v3", "v4")))
    assert lines.startswith("delete ") and "\nadd " in lines
    script.write_text(lines, encoding="ascii")
    loop = subprocess.Popen(
        ["sh", "-ec", "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do "
         f"ovs-ofctl -O OpenFlow13 --bundle add-flows unix:{dc.directory}/tor.mgmt {script}; done"], env=dc.environment)
    exchanged = 0
    with dc.socket("v4", socket.SOCK_DGRAM, (dc.address("v4"), 7778)) as server, \
            dc.socket("v1", socket.SOCK_DGRAM) as client:
        client.connect((dc.address("v4"), 7778))
        try:
            while loop.poll() is None or exchanged < 100:
                client.send(b"there")
                data, peer = server.recvfrom(64)
                server.sendto(data, peer)
                client.recv(64)
                exchanged += 1
        finally:
            assert loop.wait() == 0
    dc.install("pe", ("pe", *dc.uplink(), dc.numbers(dc.fabric_ports("pe"))), ("segment-pe", *dc.segment()))
    assert {bridge: dc.flows(bridge) for bridge in ("tor", "pe")} == before


def test_a_removed_vm_is_gone_and_its_neighbours_are_not(dc):
    tor, pe = dc.flows("tor"), dc.flows("pe")
    request = ("vm-remove", *dc.vm("v3"))
    try:
        dc.install("tor", request)
        dc.install("pe", request)
        poll(lambda: not dc.pings("v3", net.GATEWAY, 0.3), what="v3 is cut off")
        assert not dc.pings("inet", dc.address("v3"), 0.3)
        assert dc.pings("v2", net.GATEWAY) and dc.pings("inet", dc.address("v2"))
    finally:
        dc.install("tor", dc.vm_tor("v3"))
        dc.install("pe", ("vm-pe", *dc.segment(), *dc.vm("v3")))
    assert dc.flows("tor") == tor and dc.flows("pe") == pe
    poll(lambda: dc.pings("v3", net.GATEWAY), what="v3 is back")


def test_without_a_next_hop_nothing_leaves(dc):
    mac = dc.ns("inet", "cat", "/sys/class/net/pe/address").strip()
    try:
        dc.install("pe", ("neighbour", *dc.uplink(), "-"))
        poll(lambda: not dc.pings("v1", net.USER, 0.3), what="v1 cannot leave")
        assert dc.pings("v1", net.GATEWAY)
    finally:
        dc.install("pe", ("neighbour", *dc.uplink(), mac))
    poll(lambda: dc.pings("v1", net.USER), what="v1 can leave again")


def test_a_link_fails_and_comes_back_without_a_flow_changed(dc):
    flows = dc.flows("tor")
    root = dc.forwarding("tor")[0]
    try:
        dc.ip("switches", f"link set {root} down")
        poll(lambda: dc.pings("v1", dc.address("v5")) and dc.pings("v1", net.USER), 15, "traffic takes the other port")
        assert root not in dc.forwarding("tor")
    finally:
        dc.ip("switches", f"link set {root} up")
    poll(lambda: dc.forwarding("tor") == [root] and dc.converged(), 15, "the first port is back")
    assert dc.pings("v1", dc.address("v5")) and dc.pings("v4", net.USER)
    assert dc.flows("tor") == flows


def test_an_edge_in_transit_forwards(dc, taps):
    """p1 left with two edges: what p1 and pe exchange with the rest passes tor, or pe."""
    try:
        dc.ip("switches", "link set p1-p2 down", "link set p1-p3 down", "link set pe-p3 down")
        poll(lambda: dc.pings("v5", net.USER) and dc.pings("v1", dc.address("v5")), 15, "traffic passes tor")
        assert len(dc.forwarding("tor")) == 2
        at_server = taps("s2", "uplink")
        assert dc.pings("v5", net.GATEWAY) and dc.pings("inet", dc.address("v4"))
        frames = []
        while (frame := at_server.receive(0.01)) is not None:
            frames.append(frame)
        assert frames and not [f for f in frames if f[12:14] == b"\x81\x00"]
    finally:
        dc.ip("switches", "link set p1-p2 up", "link set p1-p3 up", "link set pe-p3 up")
    poll(lambda: dc.converged() and len(dc.forwarding("tor")) == 1, 15, "tor is a leaf again")


@pytest.fixture
def moved(dc):
    """v2 has moved from s1 to s3, behind the other ToR, where it says nothing; the flows have not followed."""
    dc.ip("v2", "link set eth0 down")
    dc.ip("v2moved", "link set eth0 arp off up")    # it does not ask, so the fabric learns nothing of it
    yield
    dc.install("tor2", ("vm-remove", *dc.vm("v2moved")))
    dc.install("tor", dc.vm_tor("v2"))
    dc.install("pe", ("vm-pe", *dc.segment(), *dc.vm("v2")))
    dc.ip("v2moved", "link set eth0 arp on down")
    dc.ip("v2", "link set eth0 up")
    announce(dc, "tor", "v2")
    poll(lambda: dc.pings("v2", net.GATEWAY), what="v2 is back")


def arrives(sender, frame, receiver, text):
    """Sends until it arrives: a datapath goes by what it has cached for some milliseconds after a change."""
    def sent():
        sender.send(frame)
        return has(text)(receiver.receive(0.1) or b"")

    poll(sent, 5, text)


def announce(dc, tor, vm):
    """pipeline_garp() of a VM out of its ToR: tagged to the fabric, untagged to the servers."""
    for vlan, ports in ((net.VLAN, dc.numbers(dc.fabric_ports(tor))), (None, dc.server_ports(tor))):
        frame = arp(dc.mac(vm), dc.mac(vm), dc.address(vm), dc.address(vm), vlan=vlan)
        actions = ",".join(f"output:{port}" for port in ports.split(","))
        dc.ofctl("packet-out", tor, f"in_port=CONTROLLER,packet={frame.hex()},actions={actions}")


def test_a_gratuitous_arp_moves_a_vm_in_the_fabric(dc, taps, moved):
    """P switches hold the old place for minutes; the announcement corrects them at once."""
    receiver, sender = taps("v2moved"), taps("v4")
    dc.install("tor", ("vm-remove", *dc.vm("v2")))
    dc.install("tor2", dc.vm_tor("v2moved"))
    frame = udp(dc.mac("v2"), dc.mac("v4"), dc.address("v4"), dc.address("v2"), "to the new place")
    announce(dc, "tor2", "v2moved")
    arrives(sender, frame, receiver, "to the new place")


def test_vms_left_behind_reach_a_moved_one_by_the_gateway(dc, taps):
    """v2 has left the DC. Its neighbour still has its MAC, until the gateway announces v2's address as its own."""
    user = taps("inet", "pe")
    assert dc.pings("v1", dc.address("v2"))
    try:
        for switch in ("tor", "pe"):
            dc.install(switch, ("vm-remove", *dc.vm("v2")))
        frame = arp(net.GATEWAY_MAC, net.GATEWAY_MAC, dc.address("v2"), dc.address("v2"), vlan=net.VLAN)
        ports = ",".join(f"output:{dc.ports[port]}" for port in dc.fabric_ports("pe"))
        dc.ofctl("packet-out", "pe", f"in_port=CONTROLLER,packet={frame.hex()},actions={ports}")
        poll(lambda: net.GATEWAY_MAC in dc.ns("v1", "ip", "neigh", "show", dc.address("v2")), what="v1 has learned it")
        with dc.socket("v1", socket.SOCK_DGRAM) as vm:
            vm.connect((dc.address("v2"), 7777))
            arrives(vm, b"to another DC", user, "to another DC")
    finally:
        dc.install("tor", dc.vm_tor("v2"))
        dc.install("pe", ("vm-pe", *dc.segment(), *dc.vm("v2")))
        announce(dc, "tor", "v2")
    poll(lambda: dc.mac("v2") in dc.ns("v1", "ip", "neigh", "show", dc.address("v2")), what="v1 has learned it is back")
    poll(lambda: dc.pings("v1", dc.address("v2")), what="v2 is back")


def test_a_redirect_takes_a_moved_vm_s_traffic_along_another_vlan(dc, taps, moved):
    """What a hand-over adds: one flow at the old ToR turns everything round, from beside it and from the fabric."""
    receiver, beside, user = taps("v2moved"), taps("v1"), taps("inet", "pe")
    dc.install("tor2", dc.vm_tor("v2moved"))
    dc.ofctl("add-flow", "tor2", f"cookie=1,table={TOR['VLAN']},priority=100,dl_vlan=200,"
             f"actions=set_field:1->reg0,pop_vlan,goto_table:{TOR['POLICY_TO']}")
    dc.ofctl("add-flow", "tor", f"cookie=1,table={TOR['FORWARD']},priority=300,reg0=1,ip,eth_dst={dc.mac('v2')},"
             f"ip_dst={dc.address('v2')},"
             f"actions=push_vlan:0x8100,set_field:0x10c8->vlan_vid,goto_table:{TOR['RETURN']}")
    try:
        for sender, to, source, source_ip, text in (
                (beside, dc.mac("v2"), dc.mac("v1"), dc.address("v1"), "from beside"),
                (user, "02:00:00:00:00:02", "02:00:00:00:00:01", net.USER, "from the fabric")):
            frame = udp(to, source, source_ip, dc.address("v2"), text)
            arrives(sender, frame, receiver, text)
            sender.send(frame)
            sender.send(udp(to, source, source_ip, dc.address("v2"), "the last"))
            assert len([f for f in receiver.until(has("the last")) if has(text)(f)]) == 1
        assert dc.packets("tor", f"cookie=1/-1,table={TOR['FORWARD']}") >= 4
    finally:
        for tor in ("tor", "tor2"):
            dc.ofctl("del-flows", tor, "cookie=1/-1")


def test_a_channel_carries_two_addresses_and_nothing_else(dc, taps):
    server, uplink = taps("s3", "mig"), taps("inet", "far")
    ours, theirs = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
    dc.install("pe3", ("inter-dc", "-"), ("channel-open", "c", dc.ports["pe3-mig"], dc.ports["pe3-far"], "10.254.0.11",
                                          "10.254.0.12"))
    for tap, receiver, source, source_ip, to, to_ip in (
            (server, uplink, ours, "10.254.0.11", theirs, "10.254.0.12"),
            (uplink, server, theirs, "10.254.0.12", ours, "10.254.0.11")):
        tap.send(udp(to, source, source_ip, "10.254.0.77", "stray"))
        tap.send(udp(to, source, "10.254.0.77", to_ip, "stray"))
        tap.send(arp(source, source, source_ip, "10.254.0.77"))
        tap.send(arp(source, source, source_ip, to_ip))
        tap.send(udp(to, source, source_ip, to_ip, "through"))
        frames = [f for f in receiver.until(has("through")) if f[6:12] == mac_bytes(source)]
        assert [f[12:14] for f in frames] == [b"\x08\x06", b"\x08\x00"]
    dc.install("pe3", ("channel-close", "c"))
    assert not [line for line in dc.flows("pe3") if "10.254" in line]


def test_flows_of_the_demo_are_a_policy():
    """An administrator writes numbers of tables, and so does the demo's file: those of the ToR."""
    ways = {(TOR["POLICY_FROM"], TOR["POLICY_TO"]), (TOR["POLICY_TO"], TOR["FORWARD"])}
    flows = (ROOT / "demo" / "policies" / "v3.flows").read_text(encoding="utf-8")
    found = {(int(table), int(following)) for table, following in re.findall(r"table=(\d+),.*goto_table:(\d+)", flows)}
    assert found == ways
    assert {int(table) for table in re.findall(r", table=(\d+),", flows)} == {table for table, _ in ways}
