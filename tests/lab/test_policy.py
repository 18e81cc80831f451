# SPDX-License-Identifier: Apache-2.0
"""A guest's policy where it stands: what an operator sets is what packets meet, for that guest alone."""

import json
import re

import pytest
import yaml
from labtool import wait_until
from moving import (ADDRESSES, POLICIES, SWITCH_GONE, Knocker, delete_address_set, delete_policy, difference,
                    policy_flows, put_address_set, put_policy, stored_policies, switch_state, wait_ready,
                    wait_same_switches)
from packets import verdicts


def knocked(lab, name):
    """What comes of half a second of knocking."""
    knocker = Knocker(lab, name, patience=0.5)
    wait_until("some knocks", lambda: knocker.knocks >= 50 or knocker.breaches)
    return knocker.finish()[1]


def test_knocking_would_notice(home):
    """The forbidden ports of the other tests answer where no policy forbids them, and V2's does for V2 only."""
    assert knocked(home, "V2") == []
    breaches = knocked(home, "V1")
    assert any("TCP port 22: connected" in one for one in breaches)
    assert any("UDP port 9" in one for one in breaches)


def test_port_is_opened_and_shut(home):
    policy = dict(POLICIES["V2"], rules=[*POLICIES["V2"]["rules"], {"direction": "to-vm", "action": "allow",
                                                                    "protocol": "tcp", "destination-port": 22}])
    put_policy(home, "A", policy)
    wait_until("port 22 of V2 to open", lambda: knocked(home, "V2"))
    put_policy(home, "A", POLICIES["V2"])
    wait_until("port 22 of V2 to shut", lambda: not knocked(home, "V2"))


def pings_user(lab):
    """V2 itself asks user1 to answer."""
    with lab.connect("user1", (ADDRESSES["V2"], 80), 5) as sock:
        sock.sendall(b"GET /cgi-bin/ping?198.51.100.10 HTTP/1.0\r\n\r\n")
        text = b"".join(iter(lambda: sock.recv(4096), b"")).decode()
    assert "packet loss" in text, text
    return " 0% packet loss" in text


def test_what_a_guest_may_send(home):
    wait_until("V2's ping to pass", lambda: pings_user(home))
    put_policy(home, "A", dict(POLICIES["V2"], rules=[*POLICIES["V2"]["rules"], {
        "direction": "from-vm", "action": "deny", "protocol": "icmp", "remote": "198.51.100.10/32"}]))
    wait_until("V2's ping to be dropped", lambda: not pings_user(home))


def test_marks_and_edges(home):
    """Said by what becomes of packets: DSCP, prefix and port range end where the policy says."""
    to = "nw_dst=" + ADDRESSES["V2"]
    wanted = {f"tcp,nw_src=198.51.100.0,{to},tcp_dst=80": "dscp 46",
              f"tcp,nw_src=198.51.100.255,{to},tcp_dst=80": "dscp 46",
              f"tcp,nw_src=198.51.101.0,{to},tcp_dst=80": "drop",
              f"tcp,nw_src=198.51.100.1,{to},tcp_dst=81": "drop",
              f"tcp,nw_src=203.0.113.1,{to},tcp_dst=7": "dscp 0"}
    assert dict(zip(wanted, verdicts(home, "A", "V2", wanted))) == wanted
    put_policy(home, "A", {"policy": "V2", "default": {"to-vm": "allow"}, "rules": [
        {"direction": "to-vm", "action": "deny", "protocol": "udp", "destination-port": "5001-5998"}]})
    wanted = {f"udp,nw_src=198.51.100.1,{to},udp_dst={port}": "drop" if 5001 <= port <= 5998 else "dscp 0"
              for port in (4999, 5000, 5001, 5002, 5119, 5120, 5500, 5997, 5998, 5999, 6000)}
    assert dict(zip(wanted, verdicts(home, "A", "V2", wanted))) == wanted


def test_flags_marks_and_codes(home):
    put_policy(home, "A", {"policy": "V2", "rules": [
        {"direction": "to-vm", "action": "deny", "protocol": "tcp", "tcp-flags": "syn,!ack"},
        {"direction": "to-vm", "action": "deny", "dscp": 46},
        {"direction": "to-vm", "action": "allow", "protocol": "tcp", "destination-port": 80},
        {"direction": "to-vm", "action": "allow", "protocol": "icmp", "icmp-type": 3, "icmp-code": 4},
        {"direction": "to-vm", "action": "allow", "protocol": "icmp", "icmp-type": 8}]})
    of = f"nw_src=198.51.100.1,nw_dst={ADDRESSES['V2']}"
    syn, ack = 0x02, 0x10
    wanted = {f"tcp,{of},tcp_dst=80,tcp_flags={syn}": "drop",
              f"tcp,{of},tcp_dst=80,tcp_flags={syn | ack}": "dscp 0",
              f"tcp,{of},tcp_dst=80,tcp_flags={ack}": "dscp 0",
              f"tcp,{of},tcp_dst=80,tcp_flags={ack},ip_dscp=46": "drop",
              f"tcp,{of},tcp_dst=80,tcp_flags={ack},ip_dscp=10": "dscp 10",
              f"icmp,{of},icmp_type=3,icmp_code=4": "dscp 0",
              f"icmp,{of},icmp_type=3,icmp_code=3": "drop"}
    assert dict(zip(wanted, verdicts(home, "A", "V2", wanted))) == wanted


def test_sets_are_shared(home):
    """As many prefixes and ports as make a conjunction, and a few that make none; what changes is enforced at once."""
    many, few = [f"198.51.{100 + i}.{16 * (i % 16)}/28" for i in range(0, 40, 2)], ["198.51.100.0/29"]
    for name, prefixes in (("many", many), ("few", few)):
        put_address_set(home, "A", name, prefixes)
    policy = {"policy": "V2", "rules": [
        {"direction": "to-vm", "action": "deny", "remote": "@few", "protocol": "udp", "destination-port": 5001},
        {"direction": "to-vm", "action": "allow", "remote": "@many", "protocol": "udp", "destination-port": "5001-5998",
         "set-dscp": 10},
        {"direction": "to-vm", "action": "allow", "protocol": "icmp"}]}
    put_policy(home, "A", policy)
    conjunctive = [flow for flow in policy_flows(home, "A", "V2") if "conjunction(" in flow]
    assert len(conjunctive) > len(many)
    to = f"nw_dst={ADDRESSES['V2']}"
    wanted = {f"udp,nw_src=198.51.100.0,{to},udp_dst=5001": "drop",
              f"udp,nw_src=198.51.100.8,{to},udp_dst=5001": "dscp 10",
              f"udp,nw_src=198.51.100.15,{to},udp_dst=5998": "dscp 10",
              f"udp,nw_src=198.51.100.15,{to},udp_dst=5999": "drop",
              f"udp,nw_src=198.51.100.16,{to},udp_dst=5500": "drop",
              f"udp,nw_src=198.51.102.32,{to},udp_dst=5500": "dscp 10",
              f"udp,nw_src=198.51.102.32,{to},udp_dst=5000": "drop"}
    assert dict(zip(wanted, verdicts(home, "A", "V2", wanted))) == wanted

    status, problem = delete_address_set(home, "A", "many")
    assert status == 409 and "is used by the policies of V2" in problem["reason"]
    put_address_set(home, "A", "many", ["198.51.102.0/24"])
    wanted = {f"udp,nw_src=198.51.100.8,{to},udp_dst=5001": "drop",
              f"udp,nw_src=198.51.102.255,{to},udp_dst=5500": "dscp 10"}
    wait_until("the set's new addresses", lambda: dict(zip(wanted, verdicts(home, "A", "V2", wanted))) == wanted)
    put_policy(home, "A", POLICIES["V2"])
    assert [delete_address_set(home, "A", name)[0] for name in ("many", "few")] == [204, 204]


def test_rates_are_meters(home):
    rates = set(re.findall(r"meter\(([^)]*)\)", "\n".join(policy_flows(home, "A", "V2"))))
    assert rates == {"kbps type=drop rate=20000", "kbps burst type=drop rate=50000 burst_size=5000"}


def test_delete_leaves_no_trace(home):
    before = switch_state(home)
    delete_policy(home, "A", "V2")
    wait_until("V2's policy to leave the switch", lambda: not policy_flows(home, "A", "V2"))
    wait_until("its meters to go", lambda: "meter=" not in "\n".join(switch_state(home)["tor-a"]))
    assert home.rest("A", "GET", "/v1/policies/V2")[0] == 404
    put_policy(home, "A", POLICIES["V2"])
    wait_same_switches(home, before)


def test_scgctl_sets_shows_and_deletes(home, tmp_path):
    for name in POLICIES:
        home.run("ctl", "A", "policy", "delete", name)
    assert stored_policies(home, "A") == {}
    files = [tmp_path / "V2.yaml", tmp_path / "V3.json"]
    files[0].write_text(yaml.safe_dump(POLICIES["V2"]), encoding="utf-8")
    files[1].write_text(json.dumps(POLICIES["V3"]), encoding="utf-8")
    home.run("ctl", "A", "policy", "apply", *files)
    assert [home.ctl("A", "policy", "show", name) for name in POLICIES] == list(POLICIES.values())
    assert home.ctl("A", "policy", "list") == {"policies": list(POLICIES.values())}


@pytest.mark.parametrize("change, words", [
    ({"rules": [{"direction": "to-vm", "action": "allow"},
                {"direction": "to-vm", "action": "allow", "protocol": "tpc"}]}, ["rule 2", "protocol"]),
    ({"rules": [{"direction": "to-vm", "action": "allow", "destination-port": 80}]}, ["rule 1", "destination-port"]),
    ({"rules": [{"direction": "to-vm", "action": "allow", "protocol": "tcp", "destination-port": "90-80"}]},
     ["rule 1", "destination-port"]),
    ({"rules": [{"direction": "to-vm", "action": "allow", "protocol": "tcp", "dport": 80}]}, ["rule 1", "dport"]),
    ({"default": {"to-vm": "perhaps"}}, ["to-vm"]),
    ({"policy": "V9"}, ["V9"]),
    ({"colour": "red"}, ["colour"]),
])
def test_wrong_policy_is_refused_by_name(home, tmp_path, change, words):
    before, held = switch_state(home), stored_policies(home, "A")
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump(dict(POLICIES["V2"], **change)), encoding="utf-8")
    done = home.run("ctl", "A", "policy", "apply", file, check=False)
    assert done.returncode == 1
    for word in words:
        assert word in done.stderr
    assert stored_policies(home, "A") == held and difference(before, switch_state(home)) == []


@pytest.mark.complaints(SWITCH_GONE)    # the lab has switches connect anew to a gateway that it starts
def test_policy_outlives_the_gateway(home):
    """Killed and started again: meanwhile the policy stands, and nobody's traffic stops."""
    before = switch_state(home)
    knocker = Knocker(home, "V2")
    pings = [home.probe("user1", "icmp", ADDRESSES[name], "--interval", "5").wait_answered() for name in ("V1", "V2")]
    home.run("kill", "scgd", "A")
    assert difference(before, switch_state(home)) == []
    home.run("restart", "scgd", "A")
    wait_ready(home, "A")
    wait_same_switches(home, before)
    assert stored_policies(home, "A") == POLICIES
    for ping in pings:
        report = ping.finish()
        assert report["lost"] == 0 < report["sent"], report
    knocks, breaches = knocker.finish()
    assert knocks > 20 and breaches == []


@pytest.mark.complaints(SWITCH_GONE)
def test_switch_that_lost_its_flows_gets_them_again(home):
    before = switch_state(home)
    home.run("restart", "ovs-vswitchd", "dc-a")
    wait_ready(home, "A")
    wait_same_switches(home, before)
    wait_until("V2's web server", lambda: home.rest("A", "GET", "/v1/vms/V2")[0] == 200)
    assert knocked(home, "V2") == []
