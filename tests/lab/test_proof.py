# SPDX-License-Identifier: Apache-2.0
"""Nothing moves to a ToR that would treat a guest's packets otherwise than its policy says."""

import contextlib
import re
import subprocess

import pytest
from labtool import Capture
from moving import (ADDRESSES, MACS, SWITCH_GONE, TORS, Order, cookie_of, difference, ofctl, put_policy, reachable,
                    runs_at, switch_state, wait_ready)
from scglab.pipeline import TOR

V2 = ADDRESSES["V2"]


@contextlib.contextmanager
def planted(lab, dc, flow, cookie=0x666):
    """A flow of somebody else on the data center's ToR; gone afterwards."""
    node, tor = TORS[dc]
    ofctl(lab, node, "add-flow", tor, f"cookie={cookie:#x},{flow}")
    try:
        yield
    finally:
        ofctl(lab, node, "del-flows", tor, f"cookie={cookie:#x}/-1")


@pytest.mark.complaints(r"\[tor-b\] drift: ")      # if it stands long enough
@pytest.mark.parametrize("flow, words", [
    # It opens what the policy shuts.
    (f"table={TOR['POLICY_TO']},priority=65000,tcp,nw_dst={V2},tp_dst=22,actions=goto_table:{TOR['FORWARD']}",
     ["takes packets of VM V2", "tcp_dst=22", f"ip_dst={V2}", "priority=65000", "tor-b"]),
    # Not for V2 alone, and in the way of what its policy allows.
    (f"table={TOR['POLICY_TO']},priority=65000,icmp,nw_dst=10.100.0.0/24,actions=drop",
     ["another policy", "VM V2", "protocol 1", "first policy allows it", "second denies it", "priority=65000"]),
    # Before and behind the policy's tables.
    (f"table={TOR['CLASSIFY']},priority=300,dl_src={MACS['V2']},actions=drop",
     ["takes packets of VM V2", f"eth_src={MACS['V2']}", "priority=300"]),
    (f"table={TOR['SPOOF']},priority=50,ip,dl_src={MACS['V2']},nw_src=10.100.0.77,"
     f"actions=set_field:1->reg0,goto_table:{TOR['FORWARD']}",
     None),                             # that is not V2's packet: its address is another's
    (f"table={TOR['FORWARD']},priority=65535,arp,dl_dst={MACS['V2']},actions=drop",
     ["takes packets of VM V2", "eth_type=0x0806"]),
    # It lets somebody else say that it has V2's address, by IP and by ARP.
    (f"table={TOR['SPOOF']},priority=50,ip,nw_src={V2},dl_src=02:00:00:00:00:66,"
     f"actions=set_field:1->reg0,goto_table:{TOR['FORWARD']}",
     ["takes packets of VM V2", f"ip_src={V2}", "eth_src=02:00:00:00:00:66", "priority=50"]),
    (f"table={TOR['SPOOF']},priority=50,arp,in_port=77,actions=set_field:1->reg0,goto_table:{TOR['FORWARD']}",
     ["takes packets of VM V2", f"arp_spa={V2}", "in_port=77"]),
    # What V2 asks others by, and what others find V2 by.
    (f"table={TOR['FORWARD']},priority=500,arp,dl_dst=ff:ff:ff:ff:ff:ff,actions=drop",
     ["takes packets of VM V2", "eth_dst=ff:ff:ff:ff:ff:ff", "priority=500"]),
    (f"table={TOR['FORWARD']},priority=500,icmp6,icmp_type=135,dl_src=02:00:00:00:00:66,actions=drop",
     ["takes packets of VM V2", "icmpv6_type=135", "priority=500"]),
    # Behind what is there for V2 already: it is never met.
    (f"table={TOR['FORWARD']},priority=120,ip,dl_dst={MACS['V2']},actions=drop", None),
])
def test_sabotage_of_the_target_stops_the_move(home, flow, words):
    with planted(home, "B", flow):
        before = switch_state(home)
        order = Order(home, "A", "V2")
        status = order.finish()
        if words is None:
            assert status == 0, order.output
            return
        assert status == 1, order.output
        for word in words:
            assert word in order.output, order.output
        assert order.wait_ended() == "rolled_back"
        assert not any(vm["began-ms"] for vm in order.migration()["vms"]), "memory was transferred"
        assert difference(before, switch_state(home)) == []
        assert runs_at(home, "V2") == "A" and reachable(home, "V2")


# -- probe packets

PROBE_FRAMES = "ether[0] == 3"          # to a group, by an address that nobody gave out: core/probe.h
STATEFUL = {"policy": "V2", "default": {"from-vm": "allow"},
            "rules": [{"direction": "from-vm", "action": "allow", "protocol": "tcp", "destination-port": "1-1023",
                       "stateful": True},
                      {"direction": "from-vm", "action": "deny", "protocol": "udp", "destination-port": 53},
                      {"direction": "to-vm", "action": "allow", "protocol": "tcp", "destination-port": 80,
                       "set-dscp": 46, "stateful": True},
                      {"direction": "to-vm", "action": "deny", "protocol": "udp", "destination-port": 53},
                      {"direction": "to-vm", "action": "allow", "protocol": "icmp"},
                      {"direction": "to-vm", "action": "reject", "protocol": "tcp", "destination-port": "1000-1999"}]}


def proof_of(lab, order):
    """What the target's gateway notes of the step that verifies V2: flows, probe packets, milliseconds."""
    journal = lab.ctl(order.other, "migration", "journal", order.id)["journal"]
    note = next(one["detail"] for one in journal if one["step"] == "verify V2" and one["event"] == "done")
    found = re.fullmatch(r"proved (\d+) flows, (\d+) probe packets, in (\d+) ms", note)
    assert found, note
    return tuple(map(int, found.groups()))


def learned_cookie(vm):
    return cookie_of(vm) & ~(0xff << 40) | 8 << 40      # COOKIE_STATE


@pytest.mark.complaints(r"\[tor-b\] drift: ")      # if it stands long enough
def test_a_flow_that_only_looks_learned_stops_the_move(home):
    """It lets everything pass as a reply of V2's."""
    put_policy(home, "A", STATEFUL)
    with planted(home, "B", f"table={TOR['STATE_TO']},priority=100,idle_timeout=600,actions=set_field:1->reg6",
                 learned_cookie("V2")):
        order = Order(home, "A", "V2")
        assert order.finish() == 1, order.output
        for word in ["takes packets of VM V2", "idle_timeout=600", "tor-b"]:
            assert word in order.output, order.output
        assert order.wait_ended() == "rolled_back"


def left_of_probes(lab, dc):
    """Diverts, and what probes taught the ToR of V2's connections."""
    node, tor = TORS[dc]
    state = learned_cookie("V2")
    diverts, learned = (ofctl(lab, node, "dump-flows", tor, "--no-stats", f"cookie={cookie:#x}/{mask}").splitlines()
                        for cookie, mask in ((0x5c67_09 << 40, "0xffffff0000000000"), (state, "-1")))
    return diverts, [line for line in learned if "198.51.100.1," in line]


@contextlib.contextmanager
def listening(lab, dc, directory):
    """A capture of each port of the ToR."""
    node, tor = TORS[dc]
    captures = []
    for port in lab.exec(node, "ovs-vsctl", "--timeout=10", "list-ports", tor).split():
        file = directory / f"{port}.pcap"
        captures.append(Capture(lab.popen("exec", node, "tcpdump", "-Z", "root", "-U", "-i", port, "-w", file), file))
    try:
        yield captures
    finally:
        for capture in captures:
            capture.finish()


def test_probe_packets_meet_the_fate_that_rules_say_and_go_nowhere(home, tmp_path):
    put_policy(home, "A", STATEFUL)
    with listening(home, "B", tmp_path) as captures:
        order = Order(home, "A", "V2")
        assert order.finish() == 0, order.output
    flows, probes, _ = proof_of(home, order)
    assert flows > 30 and probes >= 2 * len(STATEFUL["rules"])
    assert left_of_probes(home, "B") == ([], [])
    assert sum(capture.count() for capture in captures) > 0
    assert [capture.count(PROBE_FRAMES) for capture in captures] == [0] * len(captures)


@contextlib.contextmanager
def missing_goes_on(lab, dc, table):
    """What no flow of the table takes goes on to the next one: a setting of OpenFlow 1.1, which flows do not show."""
    node, tor = TORS[dc]
    socket_file = lab.directory / "nodes" / node / "run/openvswitch" / f"{tor}.mgmt"

    def mod_table(what):
        subprocess.run(["ovs-ofctl", "-O", "OpenFlow11", "mod-table", f"unix:{socket_file}", str(table), what],
                       capture_output=True, text=True, check=True, timeout=20)

    def protocols(*versions):
        lab.exec(node, "ovs-vsctl", "--timeout=10", "set", "bridge", tor, f"protocols={','.join(versions)}")
        wait_ready(lab, dc)

    protocols("OpenFlow11", "OpenFlow13")
    mod_table("continue")
    try:
        yield
    finally:
        mod_table("drop")
        protocols("OpenFlow13")


@pytest.mark.complaints(SWITCH_GONE)
def test_probe_packets_show_what_flows_do_not(home):
    """Every flow is as it shall be, so the proof holds; but what the policy denies goes on all the same."""
    put_policy(home, "A", STATEFUL)
    with missing_goes_on(home, "B", TOR["VERDICT_TO"]):
        before = switch_state(home)
        order = Order(home, "A", "V2")
        assert order.finish() == 1, order.output
        assert re.search(r"VM V2 is not safe there: tor-b does not do what its flows say; the probe packet of "
                         r"(rule 4|the policy's default), 'to-vm deny \w+ remote [^']*', was let through", order.output)
        assert order.wait_ended() == "rolled_back"
        assert not any(vm["began-ms"] for vm in order.migration()["vms"]), "memory was transferred"
        assert difference(before, switch_state(home)) == []
        assert left_of_probes(home, "B") == ([], [])
        assert runs_at(home, "V2") == "A" and reachable(home, "V2")


LIMIT = {"to-vm": {"kbps": 1000, "burst-kbit": 8}}


@pytest.mark.parametrize("rules, limit", [(50, {}), (1000, {}), (200, LIMIT)])
def test_many_probe_packets_pass_also_by_a_meter_that_lets_little_through(home, rules, limit):
    """What a meter drops is sent anew, at last one by one, and is not taken for a difference."""
    policy = {"policy": "V2", "default": {"from-vm": "allow"}, "rate-limit": limit,
              "rules": [{"direction": "to-vm", "action": "allow", "protocol": "tcp", "destination-port": 80},
                        *({"direction": "to-vm", "action": "allow", "protocol": "udp", "destination-port": 2 * port}
                          for port in range(1, rules))]}
    put_policy(home, "A", policy)
    order = Order(home, "A", "V2")
    assert order.finish() == 0, order.output
    _, probes, _ = proof_of(home, order)
    assert probes >= 2 * rules
