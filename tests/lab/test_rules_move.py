# SPDX-License-Identifier: Apache-2.0
"""Every kind of rule, met by real packets at the source and at the target, before, during and after a move. What is
denied is sent to and from both data centers all the time, and never arrives in either."""

import contextlib
import threading
from collections import Counter

import pytest
from fabric import GATEWAY_MAC, ethernet
from labtool import wait_until
from moving import (ADDRESSES, MACS, SERVERS, Order, delete_address_set, go_home, put_address_set, put_policy,
                    runs_at)
from packets import UPLINKS, USER, arrivals, packet, wire_end

SYN, ACK = 0x02, 0x10
SETS = {"office": ["198.51.100.0/29", "203.0.113.64/26"]}


def rule(direction, action, **members):
    return {"direction": direction, "action": action,
            **{name.replace("_", "-"): value for name, value in members.items()}}


POLICY = {"policy": "V2", "rules": [
    rule("to-vm", "deny", dscp=34),
    rule("to-vm", "reject", protocol="udp", destination_port=6000),
    rule("to-vm", "deny", protocol="tcp", destination_port=8080, tcp_flags="syn,!ack"),
    rule("to-vm", "allow", protocol="tcp", destination_port=8080),
    rule("to-vm", "deny", protocol="udp", remote="198.51.100.5/32", destination_port="5001-5998"),
    rule("to-vm", "allow", protocol="udp", remote="@office", destination_port="5001-5998", set_dscp=10),
    rule("to-vm", "allow", protocol="udp", source_port="4000-4003"),
    rule("to-vm", "allow", protocol="tcp", remote=["198.51.100.0/24", "192.0.2.128/25"], destination_port=80,
         set_dscp=46),
    rule("to-vm", "allow", protocol="icmp", icmp_type=3, icmp_code=4),
    rule("to-vm", "allow", protocol="icmp", icmp_type=8),
    rule("to-vm", "allow", protocol=253),
    rule("from-vm", "deny", protocol="tcp", remote=f"{USER}/32", destination_port=25),
    rule("from-vm", "allow", protocol="tcp"),
    rule("from-vm", "allow", protocol="udp", destination_port="53-54", set_dscp=18),
    rule("from-vm", "allow", protocol="icmp", remote="198.51.100.0/28", icmp_type=8),
    rule("from-vm", "allow", family="ipv4", protocol=254),
]}

# What of the guest's packets passes, with which DSCP (null: it does not).
TO, OUT = f"nw_dst={ADDRESSES['V2']}", f"nw_src={ADDRESSES['V2']}"
OF_USER = f"nw_src={USER},{TO}"
FATES = {
    f"tcp,{OF_USER},tcp_dst=80": 46,
    f"tcp,{OF_USER},tcp_dst=80,ip_dscp=34": None,
    f"tcp,nw_src=192.0.2.128,{TO},tcp_dst=80": 46,
    f"tcp,nw_src=192.0.2.127,{TO},tcp_dst=80": None,
    f"tcp,{OF_USER},tcp_dst=81": None,
    f"udp,{OF_USER},udp_dst=6000": None,
    f"tcp,{OF_USER},tcp_dst=8080,tcp_flags={SYN}": None,
    f"tcp,{OF_USER},tcp_dst=8080,tcp_flags={SYN | ACK}": 0,
    f"tcp,{OF_USER},tcp_dst=8080,tcp_flags={ACK}": 0,
    f"udp,nw_src=198.51.100.4,{TO},udp_dst=5001": 10,
    f"udp,nw_src=198.51.100.5,{TO},udp_dst=5001": None,
    f"udp,nw_src=198.51.100.8,{TO},udp_dst=5001": None,
    f"udp,nw_src=203.0.113.127,{TO},udp_dst=5998": 10,
    f"udp,nw_src=203.0.113.127,{TO},udp_dst=5999": None,
    f"udp,nw_src=203.0.113.127,{TO},udp_dst=5000": None,
    f"udp,{OF_USER},udp_src=4003,udp_dst=9999": 0,
    f"udp,{OF_USER},udp_src=4004,udp_dst=9999": None,
    f"icmp,{OF_USER},icmp_type=3,icmp_code=4": 0,
    f"icmp,{OF_USER},icmp_type=3,icmp_code=3": None,
    f"icmp,{OF_USER},icmp_type=8": 0,
    f"ip,{OF_USER},nw_proto=253": 0,
    f"ip,{OF_USER},nw_proto=47": None,
    f"tcp,{OUT},nw_dst={USER},tcp_dst=25": None,
    f"tcp,{OUT},nw_dst=198.51.100.9,tcp_dst=25": 0,
    f"tcp,{OUT},nw_dst={USER},tcp_dst=26": 0,
    f"udp,{OUT},nw_dst={USER},udp_dst=53": 18,
    f"udp,{OUT},nw_dst={USER},udp_dst=55": None,
    f"icmp,{OUT},nw_dst=198.51.100.15,icmp_type=8": 0,
    f"icmp,{OUT},nw_dst=198.51.100.16,icmp_type=8": None,
    f"icmp,{OUT},nw_dst={USER},icmp_type=13": None,
    f"ip,{OUT},nw_dst={USER},nw_proto=254": 0,
    f"ip,{OUT},nw_dst={USER},nw_proto=51": None,
    f"udp,nw_src=10.100.0.99,nw_dst={USER},udp_dst=53": None,          # with the MAC of V2, whose address it is not
}


class Rounds(threading.Thread):
    """Each packet is sent again and again at the places where it may come from in either data center. `seen` counts
    (data center, packet, DSCP) of those that arrive where they may go to."""

    def __init__(self, lab):
        super().__init__(daemon=True)
        self.lab, self.failure, self.ending = lab, None, threading.Event()
        self.seen = Counter()
        self.matches = list(FATES)
        self.frames = {True: {}, False: {}}                            # by whether they are to the guest, by number
        for number, match in enumerate(self.matches):
            to_guest = TO in match
            sender = GATEWAY_MAC if to_guest else MACS["V2"]
            self.frames[to_guest][number] = ethernet(GATEWAY_MAC, sender, 0x0800, packet(match, number))
        self.start()

    def run(self):
        try:
            with contextlib.ExitStack() as stack:
                users = {dc: stack.enter_context(wire_end(self.lab, "inet", end)) for dc, end in UPLINKS.items()}
                servers = {dc: stack.enter_context(wire_end(self.lab, end, "uplink")) for dc, end in SERVERS.items()}
                while not self.ending.wait(0.02):
                    self.one(users, servers)
        except Exception as error:      # pylint: disable=broad-except; it shall fail the test, not die unseen
            self.failure = error

    def one(self, users, servers):
        for to_guest, sources, destinations in ((True, users, servers), (False, servers, users)):
            for source in sources.values():
                for frame in self.frames[to_guest].values():
                    source.send(frame)
            for dc, destination in destinations.items():
                for number, dscp in arrivals(destination):
                    if number in self.frames[to_guest]:                # an ICMP error may quote one of the other way
                        self.seen[dc, self.matches[number], dscp] += 1

    def finish(self):
        self.ending.set()
        self.join(10)
        assert not self.is_alive() and self.failure is None, self.failure


def arrive(rounds, dc):
    """All that is to pass arrives in the data center from now on, twice: what was under way is no proof."""
    before = Counter(rounds.seen)

    def missing():
        return [match for match, dscp in FATES.items()
                if dscp is not None and rounds.seen[dc, match, dscp] < before[dc, match, dscp] + 2]

    try:
        wait_until("packets that may pass", lambda: rounds.failure or not missing(), 20)
    except AssertionError:
        raise AssertionError(f"do not arrive in {dc}: {missing()}") from None


@pytest.fixture
def ruled(home):
    for name, prefixes in SETS.items():
        put_address_set(home, "A", name, prefixes)
    put_policy(home, "A", POLICY)
    yield home
    go_home(home)
    assert [delete_address_set(home, "A", name)[0] for name in SETS] == [204] * len(SETS)
    assert all(home.get(dc, "/v1/address-sets")["address-sets"] == [] for dc in SERVERS)


def test_rules_hold_before_during_and_after_a_move(ruled):
    rounds = Rounds(ruled)
    try:
        arrive(rounds, "A")
        order = Order(ruled, "A", "V2")
        order.wait_transferring()
        arrive(rounds, "A")
        assert not order.migration()["ended"]
        assert order.finish() == 0, order.output
        assert runs_at(ruled, "V2") == "B"
        order.wait_ended()
        arrive(rounds, "B")
        left = Counter(rounds.seen)
        arrive(rounds, "B")
    finally:
        rounds.finish()
    wrong = {(dc, match, dscp): count for (dc, match, dscp), count in rounds.seen.items() if FATES[match] != dscp}
    assert wrong == {}
    # Nothing of the guest's passes where it was, since it has ended.
    assert {key: count - left[key] for key, count in rounds.seen.items() if key[0] == "A" and count != left[key]} == {}
