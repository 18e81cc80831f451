# SPDX-License-Identifier: Apache-2.0
"""Something of the control plane is away, or starts again, while nothing in the data plane has failed: packets of
guests go on, and not one is lost."""

import contextlib
import json

import pytest
from labtool import GATEWAYS, wait_until
from moving import ADDRESSES, SWITCH_GONE, inet_route, is_verified, switch_state, wait_ready, wait_same_switches


@contextlib.contextmanager
def nothing_lost(lab):
    """A user of the IP network asks guests all the time meanwhile, and gets every answer."""
    probes = [lab.probe("user1", "icmp", ADDRESSES[name], "--interval", "10").wait_answered() for name in ("V1", "V2")]
    try:
        yield
    finally:
        reports = [probe.finish() for probe in probes]
    for report in reports:
        assert report["lost"] == 0 < report["sent"], report


def wait_started(lab, dc):
    """The gateway has brought its switches to what they shall hold, whatever it has seen of its data center."""
    wait_until(f"gateway {dc} to be ready", lambda: lab.get(dc, "/healthz")["status"] != "starting", 40, 0.2)
    wait_until("V2 to be as it shall be", lambda: is_verified(lab, dc, "V2"), 20, 0.2)


@pytest.mark.complaints(SWITCH_GONE)
def test_gateway_without_lldp_of_a_server(home):
    """It gives up waiting for LLDP of the server, and leaves the server's VMs alone."""
    before = switch_state(home)
    with nothing_lost(home):
        home.run("kill", "lldpd", "server-a")
        home.run("kill", "scgd", "A")
        home.run("restart", "scgd", "A")
        wait_started(home, "A")
        wait_same_switches(home, before)
        home.run("restart", "lldpd", "server-a")
        wait_ready(home, "A")


def has_routes_of(lab, gateway):
    """Router pe1-r has a session with the gateway's BIRD, which has ended what it has to tell anew."""
    peer = json.loads(lab.exec("pe1-r", "vtysh", "-c", f"show bgp neighbors {gateway} json"))[gateway]
    return peer["bgpState"] == "Established" and \
        peer["gracefulRestartInfo"]["endOfRibRecv"].get("ipv4Unicast") and \
        peer["addressFamilyInfo"]["ipv4Unicast"]["acceptedPrefixCounter"] == len(ADDRESSES)


def test_bird(home):
    """The routers keep its routes until it is back, and has told them anew."""
    before = switch_state(home)
    with nothing_lost(home):
        home.run("kill", "bird", "A")
        wait_until("pe1-r to miss BIRD", lambda: not has_routes_of(home, GATEWAYS["A"][1]))
        home.run("restart", "bird", "A")
        wait_until("pe1-r to have its routes", lambda: has_routes_of(home, GATEWAYS["A"][1]), 30)
    for name in ("V1", "V2"):
        assert inet_route(home, name) == "192.0.2.2"
    wait_same_switches(home, before)
