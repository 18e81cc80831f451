# SPDX-License-Identifier: Apache-2.0
"""Guests move between the data centers and back, under traffic, and everything of theirs with them."""

import re
from types import SimpleNamespace

import pytest
from labtool import FLOWS, wait_until
from moving import (ADDRESSES, FORBIDDEN_TCP, FORBIDDEN_UDP, POLICIES, TORS, Knocker, Order, cookie_of,
                    delete_policy, difference, go_home, inet_route, of_guest, policies_differ, policy_flows,
                    reachable, runs_at, stored_policies, switch_state)
from packets import verdicts
from scglab.pipeline import TOR

PE_ROUTER = {"A": "192.0.2.2", "B": "192.0.2.6"}

# What an operator put on tor-a by hand for V3, in a way that no gateway would: prefixes, cookies, priorities, masks and
# a meter of his own; and the same as a policy.
V3_METER = 77
FROM, TO, FORWARD = (TOR[table] for table in ("POLICY_FROM", "POLICY_TO", "FORWARD"))
V3_FLOWS = [
    f"cookie=0x77,table={FROM},priority=900,tcp,nw_src=10.100.0.13,tp_dst=25,actions=drop",
    f"cookie=0x77,table={FROM},priority=7,ip,nw_src=10.100.0.13,actions=meter:77,goto_table:{TO}",
    f"cookie=0x77,table={TO},priority=910,icmp,nw_dst=10.100.0.13,actions=goto_table:{FORWARD}",
    f"table={TO},priority=900,tcp,nw_src=198.51.100.0/25,nw_dst=10.100.0.13,tp_dst=80,"
    f"actions=set_field:46->ip_dscp,goto_table:{FORWARD}",
    f"table={TO},priority=800,tcp,nw_src=198.51.100.128/25,nw_dst=10.100.0.13,tp_dst=80,"
    f"actions=set_field:46->ip_dscp,goto_table:{FORWARD}",
    f"table={TO},priority=700,tcp,nw_dst=10.100.0.13,tp_dst=7,actions=goto_table:{FORWARD}",
    f"table={TO},priority=650,tcp,nw_dst=10.100.0.13,tp_dst=0x1f90/0xfff0,actions=goto_table:{FORWARD}",
    f"table={TO},priority=650,tcp,nw_dst=10.100.0.13,tp_dst=0x1fa0/0xfff0,actions=goto_table:{FORWARD}",
    f"table={TO},priority=20,ip,nw_dst=10.100.0.13,actions=drop",
]
V3_POLICY = {"policy": "V3", "default": {"from-vm": "allow"}, "rate-limit": {"from-vm": {"kbps": 30000}},
             "rules": [{"direction": "from-vm", "action": "deny", "protocol": "tcp", "destination-port": 25},
                       {"direction": "to-vm", "action": "allow", "protocol": "icmp"},
                       {"direction": "to-vm", "action": "allow", "protocol": "tcp", "remote": "198.51.100.0/24",
                        "destination-port": 80, "set-dscp": 46},
                       {"direction": "to-vm", "action": "allow", "protocol": "tcp", "destination-port": 7},
                       {"direction": "to-vm", "action": "allow", "protocol": "tcp",
                        "destination-port": "8080-8111"}]}


def sample_packets(name):
    """To and from the guest, at both sides of every edge of the rules above."""
    to, user = f"nw_dst={ADDRESSES[name]}", "nw_src=198.51.100.10"
    found = [f"icmp,{user},{to},icmp_type=8", f"udp,{user},{to},udp_dst=7", f"udp,{user},{to},udp_dst=80"]
    found += [f"tcp,nw_src=198.51.{source},{to},tcp_dst=80"
              for source in ("99.255", "100.0", "100.127", "100.128", "100.255", "101.0")]
    found += [f"tcp,{user},{to},tcp_dst={port}" for port in (6, 7, 8, 22, 79, 81, 8079, 8080, 8095, 8096, 8111, 8112)]
    out = f"nw_src={ADDRESSES[name]},nw_dst=198.51.100.10"
    return found + [f"tcp,{out},tcp_dst={port}" for port in (24, 25, 26)] + [f"udp,{out},udp_dst=25", f"icmp,{out}"]


class Traffic:
    """All that is tried while guests move: allowed and forbidden, at those that move and at V1, which stays."""

    def __init__(self, lab, names, directory):
        self.lab, self.names = lab, names
        self.captures = {tor: lab.capture(f"{tor}-{server}", directory / f"{tor}.pcap",
                                          "ip and (icmp or dst port 7 or dst port 22 or dst port 9)")
                         for tor, server in (("tor-a", "server-a"), ("tor-b", "server-b"))}
        self.v1 = [lab.probe("user1", "icmp", ADDRESSES["V1"], "--interval", "10"),
                   lab.probe("user1", "session", ADDRESSES["V1"], "--interval", "20")]
        self.pings = {name: lab.probe("user1", "icmp", ADDRESSES[name], "--interval", "10") for name in names}
        self.sessions = {name: lab.probe("user1", "session", ADDRESSES[name], "--interval", "20") for name in names}
        for probe in [*self.v1, *self.pings.values(), *self.sessions.values()]:
            probe.wait_answered()
        self.knockers = {name: Knocker(lab, name) for name in names}

    def finish(self):
        return SimpleNamespace(
            knocks={name: knocker.finish() for name, knocker in self.knockers.items()},
            pings={name: probe.finish() for name, probe in self.pings.items()},
            sessions={name: probe.finish() for name, probe in self.sessions.items()},
            v1_pings=self.v1[0].finish(), v1_session=self.v1[1].finish(),
            captures={tor: capture.finish() for tor, capture in self.captures.items()})


def look(lab, names):
    """All that the tests below compare."""
    return SimpleNamespace(
        switches=switch_state(lab),
        policy_flows={dc: {name: policy_flows(lab, dc, name) for name in names} for dc in TORS},
        policies={dc: stored_policies(lab, dc) for dc in TORS},
        places={name: runs_at(lab, name) for name in ("V1", *names)},
        next_hops={name: inet_route(lab, name) for name in ("V1", *names)},
        verdicts={name: verdicts(lab, runs_at(lab, name), name, sample_packets(name)) for name in names},
        reachable={name: reachable(lab, name) for name in ("V1", *names)},
        generations={vm["name"]: vm["generation"] for dc in TORS for vm in lab.get(dc, "/v1/vms")["vms"]})


def journey(lab, names, directory):
    """There and back in one order each; what stood before, there and after."""
    before = look(lab, names)
    traffic = Traffic(lab, names, directory)
    try:
        orders, there = [], None
        for dc, to in (("A", "B/server-b"), ("B", "A/server-a")):
            orders.append(Order(lab, dc, *names, to=to))
            assert orders[-1].finish() == 0, orders[-1].output
            orders[-1].wait_ended()
            for name in names:          # the IP network has learned the new way
                wait_until(f"{name} to answer", lambda name=name: reachable(lab, name), 10)
            there = there or look(lab, names)
    finally:
        seen = traffic.finish()
    journals = [lab.ctl(order.dc, "migration", "journal", order.id)["journal"] for order in orders]
    return SimpleNamespace(names=names, before=before, there=there, after=look(lab, names), orders=orders, seen=seen,
                           journals=journals)


@pytest.fixture(scope="module")
def single(lab, tmp_path_factory):
    """V2 alone; its policy stands in the store of A."""
    go_home(lab)
    return journey(lab, ["V2"], tmp_path_factory.mktemp("single"))


@pytest.fixture(scope="module")
def double(lab, tmp_path_factory):
    """V2, and V3, whose policy stands on its switch only."""
    go_home(lab)
    delete_policy(lab, "A", "V3")
    lab.exec("dc-a", *FLOWS, "add-meter", "tor-a", f"meter={V3_METER},kbps,band=type=drop,rate=30000")
    try:
        for flow in V3_FLOWS:
            lab.exec("dc-a", *FLOWS, "add-flow", "tor-a", flow)
        yield journey(lab, ["V2", "V3"], tmp_path_factory.mktemp("double"))
    finally:
        lab.exec("dc-a", *FLOWS, "del-meter", "tor-a", f"meter={V3_METER}")
        go_home(lab)


@pytest.fixture(params=["single", "double"])
def moved(lab, request):
    return request.getfixturevalue(request.param)


def test_guests_run_at_the_target_and_come_back(moved):
    at_a, at_b = dict.fromkeys(moved.names, "A"), dict.fromkeys(moved.names, "B")
    assert moved.before.places == {"V1": "A", **at_a}
    assert moved.there.places == {"V1": "A", **at_b}
    assert moved.after.places == {"V1": "A", **at_a}
    assert all(moved.there.reachable.values()) and all(moved.after.reachable.values())


def test_watch_tells_what_happens(moved):
    for order in moved.orders:
        for state in ("transferring", "switched", "done"):
            assert f"migration {state}\n" in order.output
        for name in moved.names:
            assert re.search(rf"{name} transfer +\d+ % ", order.output)
            assert re.search(rf"{name} moved \(paused for \d+ ms\)", order.output)


def test_journal_tells_the_steps_in_order(moved):
    for journal in moved.journals:
        assert [one["sequence"] for one in journal] == sorted(one["sequence"] for one in journal)
        done = [one["step"] for one in journal if one["event"] == "done" and one["step"] != "migration"]
        for name in moved.names:
            steps = ["policy-collect " + name, "target-configure", "channel-open", "transfer " + name,
                     "target-activate " + name, "vm-remove " + name, "target-commit"]
            assert [step for step in done if step in steps] == steps


def test_generations_rise(moved):
    for name in moved.names:
        first, second, third = (state.generations[name] for state in (moved.before, moved.there, moved.after))
        assert first < second < third


def test_routes_follow_the_guests(moved):
    for name in moved.names:
        assert (moved.before.next_hops[name], moved.there.next_hops[name], moved.after.next_hops[name]) == \
            (PE_ROUTER["A"], PE_ROUTER["B"], PE_ROUTER["A"])
    assert moved.there.next_hops["V1"] == PE_ROUTER["A"]


def test_source_forgets_the_guests(moved):
    for name in moved.names:
        cookie = cookie_of(name)
        for bridge in ("tor-a", "pe1", "pe3"):
            assert of_guest(moved.before.switches[bridge], name, cookie) or bridge == "pe3"
            assert of_guest(moved.there.switches[bridge], name, cookie) == []
        assert of_guest(moved.there.switches["tor-b"], name, cookie) != []
        assert of_guest(moved.there.switches["pe2"], name, cookie) != []
        assert name not in moved.there.policies["A"]
        for bridge in ("tor-b", "pe2", "pe4"):
            assert of_guest(moved.after.switches[bridge], name, cookie) == []
        assert name not in moved.after.policies["B"]


def test_migration_channel_closes(moved):
    for state in (moved.before, moved.there, moved.after):
        for bridge in ("pe3", "pe4"):
            assert not [line for line in state.switches[bridge] if "10.254.0." in line]


def test_target_switch_holds_the_policy_of_the_source_switch(single):
    assert single.before.policy_flows["A"]["V2"] != []
    assert single.there.policy_flows["B"]["V2"] == single.before.policy_flows["A"]["V2"]
    assert single.there.policies["B"]["V2"] == single.before.policies["A"]["V2"] == POLICIES["V2"]


def test_everything_is_as_before_when_all_are_back(single):
    assert difference(single.before.switches, single.after.switches) == []
    assert single.after.policies == single.before.policies


def test_policy_that_stood_on_the_switch_only_moves(double, lab, tmp_path):
    assert "V3" not in double.before.policies["A"]
    assert policies_differ(lab, double.there.policies["B"]["V3"], V3_POLICY, tmp_path) is None
    assert policies_differ(lab, double.there.policies["B"]["V2"], POLICIES["V2"], tmp_path) is None
    order = double.orders[0].migration()
    assert [vm["policy-from"] for vm in order["vms"]] == ["store", "switch"]


def test_switches_treat_packets_alike(moved):
    """Said by what becomes of packets, not by our own reading of flows."""
    for name in moved.names:
        before = moved.before.verdicts[name]
        assert {"drop", "dscp 0", "dscp 46"} == set(before), before
        for state in (moved.there, moved.after):
            fates = zip(sample_packets(name), before, state.verdicts[name])
            assert [one for one in fates if one[1] != one[2]] == []


def test_forbidden_traffic_is_blocked_all_the_time(moved):
    """Of what user1 sends to forbidden ports nothing leaves a ToR towards a server, and no guest answers."""
    for name in moved.names:
        knocks, breaches = moved.seen.knocks[name]
        assert knocks > 100 and breaches == []
        for tor, capture in moved.seen.captures.items():
            to_guest = f"dst host {ADDRESSES[name]} and "
            assert capture.count(to_guest + f"(tcp dst port {FORBIDDEN_TCP} or udp dst port {FORBIDDEN_UDP})") == 0
            assert capture.count(to_guest + "icmp") > 10, f"{tor} was not watched"
            assert capture.count(to_guest + "tcp dst port 7") > 10, f"{tor} was not watched"


def test_allowed_traffic_goes_before_and_after(moved):
    for name in moved.names:
        session = moved.seen.sessions[name]
        assert session["errors"] == [] and session["echoed_bytes"] == session["sent_bytes"] > 1000
        assert moved.seen.pings[name]["received"] > moved.seen.pings[name]["lost"]


def test_those_that_stay_lose_nothing(moved):
    assert moved.seen.v1_pings["lost"] == 0 and moved.seen.v1_pings["sent"] > 100
    session = moved.seen.v1_session
    assert session["errors"] == [] and session["echoed_bytes"] == session["sent_bytes"] > 1000
    kept = [of_guest(state.switches[bridge], "V1", cookie_of("V1")) for bridge in ("tor-a", "pe1")
            for state in (moved.before, moved.there, moved.after)]
    assert kept[0] == kept[1] == kept[2] != [] and kept[3] == kept[4] == kept[5] != []
