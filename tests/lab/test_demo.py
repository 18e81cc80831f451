# SPDX-License-Identifier: Apache-2.0
"""The demo reads flows for itself, to judge the gateway by: it has to know all rules that the lab's guests get."""

import sys

import pytest
from labtool import ROOT
from moving import TORS, ofctl

sys.path.append(str(ROOT / "demo"))

from scgdemo import rules           # noqa: E402
from scgdemo.facts import V2, V3    # noqa: E402


@pytest.mark.parametrize("vm, families", [(V2, {4, 6}), (V3, {4})], ids=["V2", "V3"])
def test_the_demo_can_read_a_guest_s_rules(home, vm, families):
    node, tor = TORS["A"]
    found = rules.read(ofctl(home, node, "dump-flows", tor, "--no-stats").splitlines(), {}, vm)
    assert {rule.family for rule in found} == families
    assert rules.difference(found, found) is None
    assert rules.difference(found, found[:-1]) or rules.difference(found, found[1:])
