# SPDX-License-Identifier: Apache-2.0
"""What breaks while memory is transferred: in the end the guest runs in one place, everything is where the guest is,
and both gateways' journals say the same."""

import os
import signal

import pytest
from labtool import wait_until
from moving import (HYPERVISOR_GONE, POLICIES, SWITCH_GONE, Knocker, Order, cookie_of, inet_route, of_guest, reachable,
                    runs_at, stored_policies, switch_state, wait_ready, wait_same_switches)

SLOW = ("--bandwidth", "8")             # a megabyte a second: the test decides when it ends
MODERATE = ("--bandwidth", "60")        # some ten seconds
INTERRUPTED = SWITCH_GONE               # of a gateway that the lab starts: its switches are told to connect anew


def check_all_undone(lab, before, order):
    """V2 stayed, and nothing tells that it was to go."""
    assert order.wait_ended() == "rolled_back"
    assert runs_at(lab, "V2") == "A"
    wait_same_switches(lab, before)
    assert stored_policies(lab, "A") == POLICIES and stored_policies(lab, "B") == {}
    assert lab.get("A", "/v1/channels")["channels"] == []
    assert not any(segment["open"] for segment in lab.get("B", "/v1/segments")["segments"])
    assert "V2" not in [one.name() for one in lab.libvirt("server-b").listAllDomains()]
    wait_until("V2 to answer", lambda: reachable(lab, "V2"), 10)
    assert inet_route(lab, "V2") == "192.0.2.2"


def check_all_done(lab, order):
    """V2 went, and its policy, flows and route with it."""
    assert order.wait_ended() == "done"
    assert runs_at(lab, "V2") == "B"
    state, cookie = switch_state(lab), cookie_of("V2")
    assert [line for bridge in ("tor-a", "pe1", "pe3") for line in of_guest(state[bridge], "V2", cookie)] == []
    assert of_guest(state["tor-b"], "V2", cookie) and of_guest(state["pe2"], "V2", cookie)
    assert not [line for bridge in ("pe3", "pe4") for line in state[bridge] if "10.254.0." in line]
    assert stored_policies(lab, "B") == {"V2": POLICIES["V2"]} and "V2" not in stored_policies(lab, "A")
    assert "V2" not in [one.name() for one in lab.libvirt("server-a").listAllDomains()]
    wait_until("V2 to answer", lambda: reachable(lab, "V2"), 10)
    assert inet_route(lab, "V2") == "192.0.2.6"


@pytest.fixture
def moving(home):
    """V2, on its way for as long as the test wants; users who must not reach it try to."""
    knocker = Knocker(home, "V2")
    before = switch_state(home)

    def begin(options):
        order = Order(home, "A", "V2", options=options)
        order.wait_transferring()
        return order

    yield home, before, begin
    knocks, breaches = knocker.finish()
    assert knocks > 20 and breaches == []


def incoming_qemu(lab):
    """Process id of the QEMU on server-b that V2 is transferred to."""
    file = lab.directory / "nodes/server-b/run/libvirt/qemu/V2.pid"
    return int(file.read_text(encoding="ascii"))


def test_cancel(moving):
    lab, before, begin = moving
    order = begin(SLOW)
    lab.run("ctl", "A", "migration", "cancel", order.id)
    assert order.finish() == 1
    assert order.migration()["reason"] == "cancelled by the operator"
    assert "cancelled by the operator" in order.output
    check_all_undone(lab, before, order)
    again = lab.run("ctl", "A", "migration", "cancel", order.id, check=False)
    assert again.returncode == 1 and "has ended: rolled_back" in again.stderr


def test_target_qemu_dies(moving):
    lab, before, begin = moving
    order = begin(SLOW)
    os.kill(incoming_qemu(lab), signal.SIGKILL)
    assert order.finish() == 1
    assert "V2" in order.output and "rolled_back" in order.output
    assert order.migration()["reason"] in order.output
    check_all_undone(lab, before, order)


@pytest.mark.complaints(HYPERVISOR_GONE)
def test_target_libvirtd_dies(moving):
    lab, before, begin = moving
    order = begin(SLOW)
    lab.run("kill", "libvirtd", "server-b")
    order.migration()
    lab.run("restart", "libvirtd", "server-b")
    wait_ready(lab, "B")
    assert order.finish() == 1
    check_all_undone(lab, before, order)


# Hypervisors transfer by themselves: a gateway that dies costs nothing but time.

@pytest.mark.complaints(INTERRUPTED)
def test_source_gateway_dies(moving):
    """Killed in the middle, and started again while memory is still being transferred."""
    lab, _, begin = moving
    order = begin(MODERATE)
    lab.run("kill", "scgd", "A")
    assert order.finish() == 3
    lab.run("restart", "scgd", "A")
    wait_ready(lab, "A")
    check_all_done(lab, order)


@pytest.mark.complaints(INTERRUPTED)
def test_source_gateway_dies_until_the_transfer_is_over(moving):
    """Meanwhile the guest has crossed: only forward is left."""
    lab, _, begin = moving
    order = begin(())
    assert order.id
    lab.run("kill", "scgd", "A")
    order.finish()
    wait_until("V2 to run at server-b", lambda: lab.server_of("V2") == "server-b", 60, 0.1)
    lab.run("restart", "scgd", "A")
    wait_ready(lab, "A")
    check_all_done(lab, order)


@pytest.mark.complaints(INTERRUPTED)
def test_target_gateway_dies(moving):
    lab, _, begin = moving
    order = begin(MODERATE)
    lab.run("kill", "scgd", "B")
    lab.run("restart", "scgd", "B")
    wait_ready(lab, "B")
    assert order.finish() == 0, order.output
    check_all_done(lab, order)


@pytest.mark.complaints(INTERRUPTED)
def test_both_gateways_die(moving):
    lab, _, begin = moving
    order = begin(MODERATE)
    for dc in "AB":
        lab.run("kill", "scgd", dc)
    order.finish()
    for dc in "BA":
        lab.run("restart", "scgd", dc)
        wait_ready(lab, dc)
    check_all_done(lab, order)


@pytest.mark.complaints(SWITCH_GONE, "did not answer", "no answer")
def test_target_switches_hang(moving):
    """Cancelled while the target's switches do not answer: undone once they do."""
    lab, before, begin = moving
    order = begin(SLOW)
    lab.run("kill", "ovs-vswitchd", "dc-b", "--signal", "STOP")
    try:
        lab.run("ctl", "A", "migration", "cancel", order.id)
        wait_until("the cancellation to arrive at B",
                   lambda: order.migration("B")["state"] in ("rolling_back", "rolled_back"), 30)
        assert runs_at(lab, "V2") == "A"
        assert not order.migration()["ended"]
    finally:
        lab.run("kill", "ovs-vswitchd", "dc-b", "--signal", "CONT")
    assert order.finish() == 1
    check_all_undone(lab, before, order)


def test_silent_guest_is_found(home):
    """A guest that starts and has nothing to say: its ToR tells the fabric where it is."""
    domain = home.libvirt("server-a").lookupByName("V3")
    domain.destroy()
    wait_until("V3 to be known as off", lambda: home.get("A", "/v1/vms/V3")["state"] == "shut-off", 15)
    assert of_guest(switch_state(home)["pe1"], "V3", cookie_of("V3")) == []
    domain.create()
    wait_until("V3 to answer", lambda: reachable(home, "V3"), 90)
