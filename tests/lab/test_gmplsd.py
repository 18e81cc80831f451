# SPDX-License-Identifier: Apache-2.0
"""gmplsd on real switches: circuits that are asked for by PCEP, signalled by RSVP-TE and programmed by OpenFlow.
signalling.py has the map."""

import json
import socket
import sqlite3
import struct
import subprocess
import threading
import time

import pytest

from circuits import LINKS, NODES
from fabric import poll
from signalling import BUILD, PCE, PCE_HTTP_PORT, PCEP_PORT, ROUTER_IDS, Daemon, Signalling, control

LONG = ["pe1-tn", "t1", "t2", "pe5"]
AROUND = ["pe1-tn", "t1", "pe2-tn", "t2", "pe5"]
RSVP = 46
RECOVERY_S = 3


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    network = Signalling(tmp_path_factory.mktemp("gmplsd") / "run")
    try:
        network.down()
        network.directory.mkdir()
        network.up()
        network.empty = {node: network.state(node) for node in NODES}
        with network.captured("t1") as network.capture:
            yield network
    finally:
        network.down()


@pytest.fixture(autouse=True)
def nothing_is_left(net):
    """After each test, every node is as it was at first."""
    yield
    for views in net.reports().values():
        for name in views:
            net.remove(name)
    for node in NODES:
        poll(lambda node=node: net.state(node) == net.empty[node], 10, f"{node} is as before: {net.state(node)}")


def up(net, name, ends=("c1", "ce"), path=LONG, **keys):
    status, report = net.set_up(name, ends, path, **keys)
    assert (status, report.get("state")) == (200, "up"), report
    return report


def gone(net, name):
    return all(name not in lsps for lsps in net.reports().values())


# ---- set-up and removal ----

def test_a_circuit_carries_frames_and_is_removed(net):
    report = up(net, "one")
    assert report["ingress-client"] == [1, 10] and report["egress-client"] == [9, 0xffff]
    assert report["bandwidth-bps"] == 100_000_000
    for hop in (net.addresses[b, a] for a, b in zip(LONG, LONG[1:])):
        assert hop in report["record"], report["record"]
    assert net.pings("c1", net.address("ce"))
    assert net.remove("one")[0] == 200
    poll(lambda: not net.pings("c1", net.address("ce")), 5, "no frame passes any more")


def test_two_circuits_end_at_one_bridged_client(net):
    up(net, "one")
    up(net, "two", ("c2", "ce"), ["pe2-tn", "t2", "pe5"])
    assert net.pings("c1", net.address("ce")) and net.pings("c2", net.address("ce"))
    assert net.remove("one")[0] == 200
    assert net.pings("c2", net.address("ce"))
    poll(lambda: not net.pings("c1", net.address("ce")), 5, "no frame passes any more")


def test_a_vlan_is_chosen_at_the_far_end(net):
    request = net.request(("c1", "c2"), ["pe1-tn", "t1", "pe2-tn"])
    request["egress-client"] = [1, 0]
    status, report = net.pce("PUT", "/lsps/one", request)
    assert status == 200 and report["egress-client"] == [1, 200], report


def test_a_hundred_circuits_leave_nothing(net):
    for number in range(100):
        up(net, f"one-{number}", path=LONG if number % 2 else AROUND)
        assert net.remove(f"one-{number}")[0] == 200
    assert net.view("t1")["counters"]["set_up"] >= 100


def test_free_bandwidth_is_told_to_ospf(net):
    whole = 1_000_000_000 / 8
    poll(lambda: net.flooded("t2") == [whole] * 8, 5, f"all is free: {net.flooded('t2')}")
    up(net, "one", mbps=200, setup=4, holding=3)
    left = [whole] * 3 + [whole - 200_000_000 / 8] * 5
    poll(lambda: net.flooded("t2") == left, 5, f"it is taken from priority 3 down: {net.flooded('t2')}")
    assert net.remove("one")[0] == 200
    poll(lambda: net.flooded("t2") == [whole] * 8, 5, f"all is free again: {net.flooded('t2')}")


# ---- refusals ----

def test_bandwidth_is_refused_and_the_other_path_taken(net):
    up(net, "one", mbps=600)
    status, report = net.set_up("two", ("c3", "ce"), LONG, mbps=500)
    assert status == 409 and (report["code"], report["value"]) == (1, 2), report
    assert "requested bandwidth unavailable" in report["error"]
    assert gone(net, "two")
    up(net, "two", ("c3", "c4"), ["pe1-tn", "t1", "pe2-tn"], mbps=300)
    assert net.pings("c3", net.address("c4"))


def test_an_unknown_client_is_refused(net):
    request = net.request(("c1", "ce"), LONG)
    for key, client in (("ingress-client", [7, 10]), ("egress-client", [7, 0xffff])):
        status, report = net.pce("PUT", "/lsps/one", {**request, key: client})
        assert status == 409, report
    assert gone(net, "one")


def test_a_circuit_without_bandwidth_is_refused(net):
    """Its ends would police nothing."""
    status, report = net.set_up("one", ("c1", "ce"), LONG, mbps=0)
    assert status == 409 and "unacceptable" in report["error"], report
    assert "has a bandwidth of 0" in net.daemons["pe1-tn"].text()
    assert gone(net, "one")


def test_a_route_that_does_not_exist_is_refused(net):
    request = net.request(("c1", "ce"), LONG)
    request["route"][1] = "10.252.77.1"
    status, report = net.pce("PUT", "/lsps/one", request)
    assert status == 409 and report["code"] == 24, report


def test_the_better_priority_preempts(net):
    up(net, "weak", mbps=800, setup=7, holding=7)
    up(net, "strong", ("c3", "ce"), mbps=800, setup=1, holding=1)
    poll(lambda: gone(net, "weak"), 5, "the weak one was preempted")


# ---- failures ----

def test_a_cut_link_takes_its_circuits_down(net):
    up(net, "one")
    try:
        net.ip("switches", "link set t1.t2 down")
        poll(lambda: gone(net, "one"), 5, "the ingress reports the circuit gone")
        up(net, "one", path=AROUND)
        assert net.pings("c1", net.address("ce"))
    finally:
        net.ip("switches", "link set t1.t2 up")
        net.wait_ready()


def test_an_ingress_is_notified_by_who_finds_the_cut(net):
    def notified():
        return net.view("pe1-tn")["counters"]["notify"]

    up(net, "one")
    before = notified()
    try:
        net.ip("switches", "link set t2.pe5 down")
        poll(lambda: gone(net, "one"), 5, "the ingress reports the circuit gone")
        poll(lambda: notified() > before, 5, "it was notified")
    finally:
        net.ip("switches", "link set t2.pe5 up")
        net.wait_ready()
    assert "no node on its route" not in net.daemons["pe1-tn"].text()


@pytest.fixture(name="patient")
def patient_links(net):
    """t1 and t2 hold what goes over a link that is down, and not for long a bridge that is away."""
    def restart(**timers):
        for node in ("t1", "t2"):
            net.daemons[node].stop()
            net.configure(node, **timers)
            net.daemons[node].start()
        net.wait_ready()

    restart(**{"link-hold-ms": 3000, "openflow-hold-ms": 1000})
    yield
    restart()


@pytest.mark.usefixtures("patient")
def test_a_link_that_is_back_in_time_costs_nothing(net):
    before = up(net, "one")
    net.ip("switches", "link set t1.t2 down")
    try:
        poll(lambda: not net.pings("c1", net.address("ce")), 5, "no frame passes")
        poll(lambda: not all(link["up"] for link in net.view("t1")["links"]), 5, "t1 knows")
    finally:
        net.ip("switches", "link set t1.t2 up")
    net.wait_ready()
    assert net.pings("c1", net.address("ce"))
    report = net.reports()[ROUTER_IDS["pe1-tn"]]["one"]
    assert report["state"] == "up" and report["record"] == before["record"]
    net.ip("switches", "link set t1.t2 down")
    try:
        poll(lambda: gone(net, "one"), 10, "the ingress reports the circuit gone")
    finally:
        net.ip("switches", "link set t1.t2 up")
        net.wait_ready()


@pytest.mark.usefixtures("patient")
def test_a_bridge_that_does_not_come_back_in_time_ends_its_circuits(net):
    up(net, "one")
    target = net.vsctl("get-controller", "t1").strip()
    net.vsctl("del-controller", "t1")
    try:
        poll(lambda: gone(net, "one"), 10, "the ingress reports the circuit gone")
    finally:
        give_controller(net, "t1", target)


def test_a_client_that_is_back_in_time_costs_nothing(net):
    def client_down():
        return net.daemons["pe5"].text().count("the client's port is down")

    up(net, "one")
    before = client_down()
    net.ip("switches", "link set pe5.ce down")
    try:
        poll(lambda: client_down() > before, 5, "pe5 knows")
    finally:
        net.ip("switches", "link set pe5.ce up")
    poll(lambda: net.pings("c1", net.address("ce")), 5, "frames pass again")
    end = time.monotonic() + 2              # longer than it would have been held
    while time.monotonic() < end:
        assert net.pings("c1", net.address("ce"))
    net.ip("switches", "link set pe5.ce down")
    try:
        poll(lambda: gone(net, "one"), 10, "the ingress reports the circuit gone")
    finally:
        net.ip("switches", "link set pe5.ce up")


def test_a_dead_node_takes_its_circuits_down(net):
    """Its neighbours wait as long as it announced, then tear down. When it is back, it finds that nobody wants what it
    had."""
    up(net, "one")
    net.daemons["t2"].stop(kill=True)
    try:
        assert net.pings("c1", net.address("ce"))
        poll(lambda: gone(net, "one"), 10, "the ingress reports the circuit gone")
        assert net.view("t1")["usage"]["lsps"] == 0
    finally:
        net.daemons["t2"].start()
        net.wait_ready()


@pytest.mark.parametrize("node", LONG)
@pytest.mark.parametrize("kill", [True, False], ids=["killed", "stopped"])
def test_a_restarted_daemon_keeps_its_circuits(net, node, kill):
    up(net, "one")
    before = net.installed(node)
    net.daemons[node].stop(kill)
    assert net.pings("c1", net.address("ce"))
    net.daemons[node].start()
    net.wait_ready()
    poll(lambda: net.reports()[ROUTER_IDS["pe1-tn"]].get("one", {}).get("state") == "up", 5, "it is up")
    end = time.monotonic() + RECOVERY_S + 1
    while time.monotonic() < end:           # nothing of it may be given up at the end of the recovery
        assert net.pings("c1", net.address("ce"))
    assert net.installed(node) == before
    assert net.remove("one")[0] == 200


def lose_records(net, node):
    """As if it had been killed before it had written them."""
    net.daemons[node].stop(kill=True)
    with sqlite3.connect(net.directory / f"gmplsd-{node}.db") as store:
        assert store.execute("DELETE FROM lsp").rowcount == 1
    store.close()
    net.daemons[node].start()


@pytest.mark.parametrize("node, ends, path", [("t1", ("c1", "ce"), LONG), ("t2", ("c1", "ce"), LONG),
                                              ("pe5", ("c1", "ce"), LONG),
                                              ("pe2-tn", ("c1", "c2"), ["pe1-tn", "t1", "pe2-tn"])])
def test_a_daemon_killed_right_after_a_set_up_keeps_the_circuit(net, node, ends, path):
    request = net.request(ends, path)
    if ends[1] == "c2":
        request["egress-client"] = [1, 0]   # any VLAN: it has to be the same again
    status, report = net.pce("PUT", "/lsps/one", request)
    assert status == 200, report
    before = net.installed(node)
    lose_records(net, node)
    net.wait_ready()
    poll(lambda: net.view(node)["usage"]["cross-connects"] == 1, 5, "it is back")
    end = time.monotonic() + RECOVERY_S + 1
    while time.monotonic() < end:           # nothing of it may be given up at the end of the recovery
        assert net.installed(node) == before
        assert ends[1] != "ce" or net.pings("c1", net.address("ce"))
    assert net.view(node)["counters"]["adopted"] == 1
    after = net.reports()[ROUTER_IDS["pe1-tn"]]["one"]
    assert {**after, "plsp-id": 0} == {**report, "plsp-id": 0, "delegated": True}
    net.daemons[node].stop(kill=True)       # this time with a record
    net.daemons[node].start()
    net.wait_ready()
    assert net.remove("one")[0] == 200


@pytest.mark.parametrize("node", ["pe1-tn", "t1", "pe5"])
def test_a_daemon_killed_in_the_middle_of_a_set_up(net, node):
    """Whatever came of it: what is reported can be removed, and else nothing is there."""
    for milliseconds in (0, 2, 6):
        name = f"one-{milliseconds}"
        asking = threading.Thread(target=net.set_up, args=(name, ("c1", "ce"), LONG))
        asking.start()
        time.sleep(milliseconds / 1000)     # not waited for: any moment will do
        net.daemons[node].stop(kill=True)
        net.daemons[node].start()
        net.wait_ready()
        asking.join()
        poll(lambda name=name: net.reports()[ROUTER_IDS["pe1-tn"]].get(name, {}).get("state") in (None, "up"), 10,
             "it is up, or was given up")
        net.remove(name)


def test_a_daemon_that_was_away_too_long_gives_up_what_nobody_refreshes(net):
    up(net, "one")
    net.daemons["t2"].stop(kill=True)
    net.daemons["pe5"].stop(kill=True)
    try:
        poll(lambda: gone(net, "one"), 10, "the ingress reports the circuit gone")
    finally:
        net.daemons["t2"].start()
        net.daemons["pe5"].start()
        net.wait_ready()


def damage(net, node):
    """Its store, while it is not there."""
    store = net.directory / f"gmplsd-{node}.db"
    net.daemons[node].stop()                # which leaves no log that would mend it
    store.write_bytes(b"nonsense" * 4000)
    net.daemons[node].start()
    net.wait_ready()
    assert "is damaged or not a database" in net.daemons[node].text()
    aside = store.with_name(f"{store.name}.damaged-1")
    assert f"set aside as {aside}" in net.daemons[node].text() and aside.stat().st_size == 32000


def test_an_ingress_with_a_damaged_store_begins_anew(net):
    up(net, "one")
    damage(net, "pe1-tn")
    poll(lambda: gone(net, "one"), 10, "nobody knows the circuit any more")
    for node in LONG:
        poll(lambda node=node: net.everything(node) == net.empty[node][0], 10, f"its flows are gone from {node}")
    up(net, "one")


def test_a_gateway_that_comes_back_hears_of_its_circuits(net):
    up(net, "one")
    net.daemons["pce"].stop()
    net.daemons["pce"].start()
    net.wait_ready()
    assert net.reports()[ROUTER_IDS["pe1-tn"]]["one"]["state"] == "up"
    assert net.remove("one")[0] == 200


def test_circuits_of_a_gateway_that_is_gone_belong_to_the_one_that_is_left(net):
    up(net, "one")
    net.daemons["pe1-tn"].stop()
    with sqlite3.connect(net.directory / "gmplsd-pe1-tn.db") as store:
        assert store.execute("UPDATE owner SET owner = '10.99.0.253'").rowcount == 1
    store.close()
    net.daemons["pe1-tn"].start()
    net.wait_ready()
    assert net.pings("c1", net.address("ce"))
    status, report = net.remove("one")
    assert status == 200, report


SECOND = "10.99.0.253"


@pytest.fixture(name="second")
def second_gateway(net):
    """Another PCE of pe1-tn's. Gives what asks it."""
    config = net.directory / "gmplsd-pe1-tn.yaml"
    before = config.read_text(encoding="utf-8")
    gateway = Daemon(net, "switches", net.directory / "second.log", BUILD / "tests" / "pce", SECOND, str(PCEP_PORT),
                     str(PCE_HTTP_PORT))

    def restart_with(text):
        net.daemons["pe1-tn"].stop()
        config.write_text(text, encoding="utf-8")
        net.daemons["pe1-tn"].start()
        net.wait_ready()

    net.ip("switches", f"addr add {SECOND}/24 dev mgmt")
    gateway.start()
    pces = [{"address": PCE, "port": PCEP_PORT}, {"address": SECOND, "port": PCEP_PORT}]
    try:
        restart_with(json.dumps({**json.loads(before), "pces": pces}))
        yield lambda method, path, body=None: net.http("switches", SECOND, PCE_HTTP_PORT, method, path, body)
    finally:
        restart_with(before)
        gateway.stop()
        net.ip("switches", f"addr del {SECOND}/24 dev mgmt")


def test_two_gateways_hear_of_all_and_each_removes_its_own(net, second):
    def lsps(ask):
        return {name: report["state"] for name, report in ask("GET", "/lsps")[1][ROUTER_IDS["pe1-tn"]]["lsps"].items()}

    up(net, "one")
    poll(lambda: lsps(second) == {"one": "up"}, 5, "the second is told")
    status, answer = second("DELETE", "/lsps/one")
    assert status == 409 and "not delegated" in answer["error"]
    net.daemons["pce"].stop(kill=True)
    assert second("PUT", "/lsps/two", net.request(("c3", "c4"), ["pe1-tn", "t1", "pe2-tn"]))[0] == 200
    assert net.pings("c1", net.address("ce")) and net.pings("c3", net.address("c4"))
    net.daemons["pce"].start()
    net.wait_ready()
    assert lsps(net.pce) == lsps(second) == {"one": "up", "two": "up"}
    status, answer = net.remove("two")
    assert status == 409 and "not delegated" in answer["error"]
    assert net.remove("one")[0] == 200 and second("DELETE", "/lsps/two")[0] == 200
    poll(lambda: lsps(net.pce) == lsps(second) == {}, 5, "both are told")


def test_a_circuit_that_its_gateway_gives_back_is_the_others(net, second):
    def delegated(ask):
        return ask("GET", "/lsps")[1][ROUTER_IDS["pe1-tn"]]["lsps"]["one"]["delegated"]

    up(net, "one")
    assert delegated(net.pce) and not delegated(second)
    assert net.pce("DELETE", "/delegations/one")[0] == 200
    poll(lambda: delegated(second) and not delegated(net.pce), 5, "the other has it")
    status, answer = net.remove("one")
    assert status == 409 and "not delegated" in answer["error"]
    assert net.pings("c1", net.address("ce"))
    assert second("DELETE", "/lsps/one")[0] == 200


def test_a_circuit_that_nobody_wants_to_have_waits_for_a_gateway(net):
    def delegated():
        return net.reports()[ROUTER_IDS["pe1-tn"]]["one"]["delegated"]

    up(net, "one")
    assert net.pce("DELETE", "/delegations/one")[0] == 200
    poll(lambda: not delegated(), 5, "it was taken back")
    assert net.pings("c1", net.address("ce"))
    net.daemons["pce"].stop()
    net.daemons["pce"].start()
    net.wait_ready()
    assert delegated()
    assert net.remove("one")[0] == 200


# ---- the bridge ----

def give_controller(net, node, target):
    net.vsctl("set-controller", node, target, "--", "set", "controller", node, "connection-mode=out-of-band",
              "max_backoff=1000")
    net.wait_ready([node])


def reconnect(net, node):
    target = net.vsctl("get-controller", node).strip()
    net.vsctl("del-controller", node)
    poll(lambda: not net.view(node)["bridge"]["connected"], 5, "the bridge has gone")
    give_controller(net, node, target)


def test_a_bridge_that_comes_back_empty_gets_its_flows_again(net):
    up(net, "one")
    before = net.everything("t1")
    net.ofctl("del-flows", "t1")
    assert not net.pings("c1", net.address("ce"))
    reconnect(net, "t1")
    poll(lambda: net.everything("t1") == before, 5, "the flows are there again")
    assert net.pings("c1", net.address("ce"))


def finds(net, node, flow):
    """The daemon, when it starts. A bridge whose controller is taken away would remove all flows by itself."""
    net.daemons[node].stop()
    net.ofctl("add-flow", node, flow)
    net.daemons[node].start()
    net.wait_ready()


def test_cross_connects_that_nobody_wants_are_removed(net):
    cookie = 0x5c67 << 48 | 0x11 << 40 | 77
    finds(net, "t1", f"cookie={cookie},table=0,priority=100,mpls,mpls_label=77,actions=drop")
    poll(lambda: net.everything("t1") == net.empty["t1"][0], RECOVERY_S + 5, "the stray flow is gone")


def test_floods_of_a_port_that_is_no_client_any_more_are_removed(net):
    """Else they would drop what an LSP sends over a link that has the port's number now."""
    port = net.vsctl("get", "interface", "t1.t2", "ofport").strip()
    cookie = 0x5c67 << 48 | 0x12 << 40 | int(port)
    finds(net, "t1", f"cookie={cookie},table=0,priority=250,in_port={port},mpls,actions=drop")
    poll(lambda: net.everything("t1") == net.empty["t1"][0], 5, "the stray flow is gone")


def test_another_bridge_is_turned_away(net):
    target = net.vsctl("get-controller", "t1").strip()
    net.vsctl("add-br", "stranger", "--", "set", "bridge", "stranger", "datapath_type=netdev", "protocols=OpenFlow13",
              "--", "set-controller", "stranger", target)
    try:
        poll(lambda: "is turned away: this node's has" in net.daemons["t1"].text(), 5, "the log says so")
        assert net.view("t1")["bridge"]["connected"]
        up(net, "one")
    finally:
        net.vsctl("del-br", "stranger")


# ---- what comes by the control channel ----

def rsvp(kind, objects=b"", flags=0x11, length=None):
    packet = struct.pack("!BBHBBH", flags, kind, 0, 255, 0, length or 8 + len(objects)) + objects
    total = sum(struct.unpack(f"!{len(packet) // 2}H", packet)) if len(packet) % 2 == 0 else 1
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return packet[:2] + struct.pack("!H", ~total & 0xffff) + packet[4:]


def test_what_is_no_rsvp_is_dropped(net):
    up(net, "one")
    before = net.view("t1")["rsvp"]["malformed"]
    bad = [b"", b"\x11", b"\x21\x01\0\0\xff\0\0\x08", rsvp(1), rsvp(1, length=4096), rsvp(99), rsvp(2, bytes(64)),
           rsvp(1, struct.pack("!HBB", 4, 1, 99)), rsvp(1, struct.pack("!HBB", 3, 1, 7)), bytes(1400), b"\xff" * 1400,
           rsvp(12, rsvp(1, struct.pack("!HBB", 65532, 20, 1)))]
    sock = net.socket(control("pe1-tn"), socket.SOCK_STREAM)
    sock.close()
    with net.inside(control("pe1-tn")):
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, RSVP)
    raw.bind((net.addresses["pe1-tn", "t1"], 0))
    for packet in bad:
        raw.sendto(packet, (net.addresses["t1", "pe1-tn"], 0))
    raw.close()
    poll(lambda: net.view("t1")["rsvp"]["malformed"] >= before + len(bad) - 1, 5, "they were counted")
    assert net.pings("c1", net.address("ce"))
    assert net.view("t1")["usage"]["lsps"] == 1
    assert "is dropped: " in net.daemons["t1"].text()


def test_a_stranger_is_not_heard(net):
    """A Hello of somebody who is not the neighbour changes nothing."""
    before = net.view("t1")["rsvp"]["strangers"]
    hello = rsvp(20, struct.pack("!HBBII", 12, 22, 1, 77, 0))
    net.ip(control("pe1-tn"), "addr add 10.77.0.1/32 dev lo")
    with net.inside(control("pe1-tn")):
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, RSVP)
    raw.bind(("10.77.0.1", 0))
    raw.sendto(hello, (net.addresses["t1", "pe1-tn"], 0))
    raw.close()
    net.ip(control("pe1-tn"), "addr del 10.77.0.1/32 dev lo")
    poll(lambda: net.view("t1")["rsvp"]["strangers"] > before, 5, "it was counted")
    assert all(link["neighbour"] for link in net.view("t1")["links"])


# ---- the program ----

def gmplsd(*arguments):
    return subprocess.run([BUILD / "gmplsd", *map(str, arguments)], text=True, capture_output=True, check=False)


def test_the_command_line(net, tmp_path):
    config = net.directory / "gmplsd-t1.yaml"
    assert gmplsd("--version").stdout.startswith("gmplsd ")
    assert gmplsd("--check", config).stdout == f"{config}: fine\n"
    assert gmplsd().returncode == 2 and "usage:" in gmplsd("--help").stdout
    bad = tmp_path / "bad.yaml"
    bad.write_text("node: t1\nnodes: 3\n", encoding="utf-8")
    done = gmplsd("--check", bad)
    assert done.returncode == 1 and f"{bad}:2:1: nodes: unknown key" in done.stderr


def test_a_second_daemon_ends_with_a_reason(net):
    done = gmplsd(net.directory / "gmplsd-t1.yaml")
    assert done.returncode == 1 and "another process has this database open" in done.stderr


def test_tshark_finds_nothing_malformed(net):
    """Of all that passed t1 in the tests above."""
    types = set(net.dissect("rsvp", "rsvp.msg").split())
    path, resv, path_err, path_tear, ack, srefresh, hello = "1", "2", "3", "5", "13", "15", "20"
    assert {path, resv, path_err, path_tear, ack, srefresh, hello} <= types, types
    # Hellos aside, what is malformed was sent by the test of what is no RSVP.
    assert LINKS[0] == ("pe1-tn", "t1")
    ours = f"not (ip.src == {net.addresses['pe1-tn', 't1']})"
    assert net.dissect(f"_ws.malformed and {ours}", "frame.number") == ""
