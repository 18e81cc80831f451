# SPDX-License-Identifier: Apache-2.0
"""Rules by ethertype, for what is neither IP nor ARP, in a DC of either mode: fabric.py has the map."""

import json
import os
from pathlib import Path

import pytest

from fabric import Fabric, arp, ethernet, poll, standing, taps_of
from vpls import Vpls

ROOT = Path(__file__).resolve().parent.parent.parent
DUMP = Path(os.environ.get("SCG_BUILD", ROOT / "build")) / "tests" / "pipeline_dump"
ALLOWED, OTHER = 0x88b5, 0x88b6                     # for local experiments, IEEE 802
TORS = {"v1": "tor", "v2": "tor", "v5": "tor2"}


@pytest.fixture(scope="module", params=[Fabric, Vpls], ids=["ethernet", "vpls"])
def dc(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("types")
    with standing(request.param(directory / "ovs", DUMP)) as fabric:
        poll(lambda: request.param is Vpls or fabric.converged(), 20, "RSTP has converged")
        fabric.install_all()
        for vm, directions in (("v1", ("from-vm", "to-vm")), ("v2", ("from-vm",)), ("v5", ("to-vm",))):
            policy = {"policy": vm, "default": {"from-vm": "allow", "to-vm": "allow"},
                      "rules": [{"direction": one, "action": "allow", "ethertype": ALLOWED} for one in directions]}
            path = directory / f"{vm}.json"
            path.write_text(json.dumps(policy), encoding="utf-8")
            fabric.install(TORS[vm], fabric.vm_tor(vm, path))
        poll(lambda: fabric.pings("v1", fabric.address("v5")), what="the switches follow their flows")
        yield fabric


def is_arp_of(target):
    return lambda frame: frame[12:14] == b"\x08\x06" and frame[41] == target


@pytest.mark.parametrize("sender,receiver,kind,passes", [
    ("v1", "v5", ALLOWED, True), ("v2", "v1", ALLOWED, True), ("v2", "v5", ALLOWED, True), ("v1", "v5", OTHER, False),
    ("v1", "v2", ALLOWED, False), ("v5", "v1", ALLOWED, False), ("v1", "v5", 0x88cc, False)])
def test_both_sides_have_to_allow_it(dc, sender, receiver, kind, passes):
    frame = ethernet(dc.mac(receiver), dc.mac(sender), kind, bytes(46))
    mark = arp(dc.mac(sender), dc.mac(sender), dc.address(sender), "10.101.0.9")
    with taps_of(dc) as taps:
        at, there = taps(sender), taps(receiver)
        at.send(frame)
        at.send(mark)
        came = [f for f in there.until(is_arp_of(9)) if f[12:14] == kind.to_bytes(2, "big")]
    assert came == ([frame] if passes else [])


def test_only_by_its_own_mac_and_to_one(dc):
    frames = [ethernet(dc.mac("v5"), dc.mac("v3"), ALLOWED, bytes(46)),
              ethernet("ff:ff:ff:ff:ff:ff", dc.mac("v1"), ALLOWED, bytes(46))]
    mark = arp(dc.mac("v1"), dc.mac("v1"), dc.address("v1"), "10.101.0.9")
    with taps_of(dc) as taps:
        at, there = taps("v1"), taps("v5")
        for frame in [*frames, mark]:
            at.send(frame)
        assert not [f for f in there.until(is_arp_of(9)) if f[12:14] == ALLOWED.to_bytes(2, "big")]
