# SPDX-License-Identifier: Apache-2.0
"""Nothing moves to a ToR that would treat a guest's packets otherwise than its policy says."""

import contextlib

import pytest
from moving import ADDRESSES, MACS, TORS, Order, difference, ofctl, reachable, runs_at, switch_state
from scglab.pipeline import TOR

V2 = ADDRESSES["V2"]


@contextlib.contextmanager
def planted(lab, dc, flow):
    """A flow of somebody else on the data center's ToR; gone afterwards."""
    node, tor = TORS[dc]
    ofctl(lab, node, "add-flow", tor, f"cookie=0x666,{flow}")
    try:
        yield
    finally:
        ofctl(lab, node, "del-flows", tor, "cookie=0x666/-1")


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
     ["takes packets of VM V2", "nd_target=fe80::", "icmpv6_type=135"]),
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
