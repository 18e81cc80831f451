# SPDX-License-Identifier: Apache-2.0
"""The flows of core/vpls on a real Open vSwitch, with real packets. fabric.py has the map, vpls.py the pseudowires."""

import os
from pathlib import Path

import pytest

import fabric as net
from fabric import poll
from vpls import Vpls

ROOT = Path(__file__).resolve().parent.parent.parent
DUMP = Path(os.environ.get("SCG_BUILD", ROOT / "build")) / "tests" / "pipeline_dump"


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
