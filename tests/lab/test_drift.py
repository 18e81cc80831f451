# SPDX-License-Identifier: Apache-2.0
"""What somebody else changes at a ToR is found, told, and put right where that is configured."""

import contextlib
import http.client
import json
import re

import pytest
import yaml
from labtool import GATEWAYS, REST_PORT, wait_until
from moving import (ADDRESSES, MACS, POLICIES, SWITCH_GONE, TORS, Order, cookie_of, difference, ofctl, put_policy,
                    switch_state, verify, wait_ready, wait_same_switches)
from scglab.pipeline import TOR

V2 = ADDRESSES["V2"]
NODE, TOR_A = TORS["A"]
DRIFT = r"\[tor-a\] drift: "
FOREIGN = f"cookie=0x666,table={TOR['POLICY_TO']},priority=65000,tcp,nw_dst={V2},tp_dst=22," \
          f"actions=goto_table:{TOR['FORWARD']}"


def metric(lab, name, dc="A"):
    _, _, body = lab.rest(dc, "GET", "/metrics")
    return int(re.search(rf"^{name} (\d+)$", body.decode(), re.MULTILINE)[1])


def a_flow_of(lab, name, table):
    """One of the guest's flows of a table, as a match that ovs-ofctl takes with --strict."""
    lines = ofctl(lab, NODE, "dump-flows", TOR_A, "--no-stats", f"table={table},cookie={cookie_of(name):#x}/-1")
    line = next(line for line in lines.splitlines() if "priority" in line and not line.endswith("actions=drop"))
    return re.sub(r"^ ?cookie=\w+, ", "", line).partition(" actions=")[0].replace(" ", "")


class Events:
    """Gateway A's events, followed from now on."""

    def __init__(self, lab):
        node, address = GATEWAYS["A"]
        self.client = http.client.HTTPConnection(address, REST_PORT)
        self.client.sock = lab.connect(node, (address, REST_PORT), 10)
        self.client.request("GET", "/v1/events")
        self.answer = self.client.getresponse()     # its head has come, so whatever happens from now on is told

    def drift(self):
        """All that was told of drift up to its end."""
        found = []
        while not found or found[-1]["state"] not in ("gone", "repaired"):
            event = json.loads(self.answer.readline())
            found += [event["data"]] if event["type"] == "drift" else []
        self.client.close()
        return found


@contextlib.contextmanager
def repairing(lab, repair):
    """Gateway A with this in its configuration; afterwards as it was."""
    file = lab.directory / "nodes" / "scg-a" / "run/scg/scgd.yaml"
    before = file.read_text(encoding="utf-8")
    file.write_text(yaml.safe_dump({**yaml.safe_load(before), "drift": {"interval": 1, "repair": repair}}),
                    encoding="utf-8")
    try:
        lab.run("restart", "scgd", "A")
        wait_ready(lab, "A")
        yield
    finally:
        file.write_text(before, encoding="utf-8")
        lab.run("restart", "scgd", "A")
        wait_ready(lab, "A")


SABOTAGE = {
    "foreign": lambda lab: ofctl(lab, NODE, "add-flow", TOR_A, FOREIGN),
    "missing": lambda lab: ofctl(lab, NODE, "del-flows", TOR_A, a_flow_of(lab, "V2", TOR["SPOOF"]), "--strict"),
    "changed": lambda lab: ofctl(lab, NODE, "mod-flows", TOR_A, a_flow_of(lab, "V2", TOR["FORWARD"]) + ",actions=drop",
                                 "--strict"),
    "added": lambda lab: ofctl(lab, NODE, "add-flow", TOR_A, f"cookie={cookie_of('V2'):#x},table={TOR['SPOOF']},"
                               f"priority=101,dl_src={MACS['V2']},actions=drop"),
}


def undo(lab):
    """All that SABOTAGE did: putting the policy anew replaces what has the guest's cookie."""
    ofctl(lab, NODE, "del-flows", TOR_A, "cookie=0x666/-1")
    put_policy(lab, "A", {**POLICIES["V2"], "default": {"from-vm": "allow", "to-vm": "allow"}})
    put_policy(lab, "A", POLICIES["V2"])


def test_nothing_is_found_where_nothing_was_changed(home):
    for words in (["V2"], ["V1"], ["--all"]):
        status, text = verify(home, *words)
        assert status == 0 and "all is as it shall be" in text, text
    done = home.run("ctl", "A", "policy", "verify", "V9", check=False)
    assert done.returncode == 1 and "V9" in done.stderr


@pytest.mark.complaints(DRIFT)
@pytest.mark.parametrize("kind", SABOTAGE)
def test_drift_is_found_and_told(home, kind):
    before = switch_state(home)
    found = metric(home, "scg_drift_found_total")
    events = Events(home)
    try:
        SABOTAGE[kind](home)
        status, text = verify(home, "V2")
        assert status == 1 and text.startswith(f"{kind}: ") and "1 differences" in text, text
        if kind == "foreign":
            assert "tcp_dst=22" in text and "priority=65000" in text and verify(home, "V3")[0] == 0
        wait_until("the drift to be told", lambda: metric(home, "scg_drift") == 1, 10)
        assert metric(home, "scg_drift_found_total") == found + 1
        assert difference(before, switch_state(home)), "it was put right, though that is not configured"
    finally:
        undo(home)
    wait_same_switches(home, before)
    wait_until("the drift to be gone", lambda: metric(home, "scg_drift") == 0, 10)
    told = events.drift()
    assert [one["state"] for one in told] == ["found", "gone"]
    assert [one["kind"] for one in told[0]["findings"]] == [kind] and told[0]["findings"][0]["vm"] == "V2"


@pytest.mark.complaints(r"\[(pe1|p1)\] drift: ")
@pytest.mark.parametrize("bridge", ["pe1", "p1"])
def test_drift_is_found_inside_the_fabric(home, bridge):
    """A flow of the gateway's is taken away, and somebody's comes before all others."""
    before = switch_state(home)
    own = max((line for line in before[bridge] if "cookie=0x5c67" in line), key=len)
    match = re.sub(r"^cookie=\w+, ", "", own).partition(" actions=")[0].replace(" ", "")
    table = re.search(r"table=\d+,|(?=priority)", match)[0]
    try:
        ofctl(home, NODE, "del-flows", bridge, match, "--strict")
        ofctl(home, NODE, "add-flow", bridge, f"cookie=0x666,{table}priority=65535,actions=drop")
        wait_until("both to be found", lambda: metric(home, "scg_drift") == 2, 30)
        status, text = verify(home, "--all")
        assert status == 1 and f"missing: {bridge} " in text and f"foreign: on {bridge} " in text, text
    finally:
        ofctl(home, NODE, "del-flows", bridge, "cookie=0x666/-1")
        ofctl(home, NODE, "add-flow", bridge, own.replace(", actions=", " actions="))
    wait_until("the drift to be gone", lambda: metric(home, "scg_drift") == 0, 30)
    assert difference(before, switch_state(home)) == []


@pytest.mark.complaints(DRIFT, SWITCH_GONE)
def test_drift_is_put_right(home):
    before = switch_state(home)
    with repairing(home, True):
        wait_same_switches(home, before)
        for n, (kind, change) in enumerate(SABOTAGE.items(), 1):
            change(home)
            wait_until(f"{kind} to be put right", lambda n=n: metric(home, "scg_drift_repaired_total") == n, 10)
            wait_same_switches(home, before)
        ofctl(home, NODE, "del-meters", TOR_A)      # with them go the flows that have them
        wait_same_switches(home, before)
        assert verify(home, "--all")[0] == 0
    wait_same_switches(home, before)


def test_moves_and_policies_are_no_drift(home):
    """A guest goes and comes back, policies are changed: nothing of that is anybody else's."""
    found = [metric(home, "scg_drift_found_total", dc) for dc in "AB"]
    for dc, to in (("A", "B/server-b"), ("B", "A/server-a")):
        order = Order(home, dc, "V2", to=to)
        assert order.finish() == 0, order.output
    undo(home)
    assert verify(home, "--all")[0] == 0
    assert [metric(home, "scg_drift_found_total", dc) for dc in "AB"] == found
