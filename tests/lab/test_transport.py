# SPDX-License-Identifier: Apache-2.0
"""Users and migrations on circuits through the transport networks: who gets in, who does not, what circuits leave
behind, and what becomes of them when something breaks."""

import contextlib
import socket
import subprocess
import time
from collections import Counter as Tally
from types import SimpleNamespace

import pytest
import yaml
from fabric import arp, udp
from labtool import GATEWAYS, Capture, wait_until
from moving import (ADDRESSES, CIRCUIT_GONE, MACS, NODE_GONE, SWITCH_GONE, Knocker, Order, delete_policy, go_home,
                    put_policy, runs_at)
from transport import (CE1, EVERY_NODE, LINKS, MIGRATION, NODES, ROUTER_IDS, TN1, TN2, Counter, answers, arp_of,
                       channels, control, create_channel, delete_channel, delete_user, every_te_state, flow_counters,
                       node_names, put_user, settled, te_state, udp_to, users, view, wait_all_free, wait_no_channels,
                       wait_same_nodes, wait_settled, wait_up)

CIRCUIT = "A:user:ce1"
CE1_ADDRESS = CE1["addresses"][0]
PES = {"A": "pe1", "B": "pe2"}
BREAKS = pytest.mark.complaints(CIRCUIT_GONE, NODE_GONE, SWITCH_GONE)       # of tests that break something


@pytest.fixture(scope="module", autouse=True)
def captured(lab, tmp_path_factory):
    """All RSVP, OSPF and PCEP of this module."""
    directory = tmp_path_factory.mktemp("control")
    nodes = [*map(control, EVERY_NODE), *(node for node, _ in GATEWAYS.values())]
    captures = {node: Capture(lab.popen("exec", node, "tcpdump", "-Z", "root", "-U", "-i", "any", "-w",
                                        directory / f"{node}.pcap", "ip proto 46 or ip proto 89 or tcp port 4189"),
                              directory / f"{node}.pcap") for node in nodes}
    yield captures
    for capture in captures.values():
        capture.finish()


@pytest.fixture(scope="module")
def empty(lab):
    """What the nodes hold without any circuit."""
    go_home(lab)
    wait_no_channels(lab)
    wait_settled(lab)
    wait_all_free(lab)
    return every_te_state(lab)


@pytest.fixture
def idle(lab, empty):
    """The lab without circuits, and afterwards again."""
    yield lab
    for dc in GATEWAYS:
        for name in users(lab, dc):
            delete_user(lab, dc, name)
        for name in channels(lab, dc):
            delete_channel(lab, dc, name)
    wait_same_nodes(lab, empty)


@pytest.fixture
def served(idle):
    """ce1 has its circuit."""
    put_user(idle)
    wait_until("V2 to answer ce1", lambda: answers(idle, "ce1", ADDRESSES["V2"]), 5)
    return idle


def circuit_nodes(lab):
    return node_names(channels(lab, "A")[CIRCUIT])


def other_transit(name):
    return "t1" if name == "t2" else "t2"


# -- who gets in

def page(lab, name):
    """The name that a guest's web server tells ce1; None if there is no connection."""
    try:
        with lab.connect("ce1", (ADDRESSES[name], 80), 2) as sock:
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return b"".join(iter(lambda: sock.recv(4096), b"")).split(b"\n")[-2].decode()
    except OSError:
        return None


def test_user_reaches_what_policies_allow(idle):
    """Nothing without a circuit. With it, what the ToR lets pass to a VM from that address, and no more."""
    lab = idle
    assert not answers(lab, "ce1", ADDRESSES["V2"])
    put_policy(lab, "A", {"policy": "V1", "default": {"from-vm": "allow"},
                          "rules": [{"direction": "to-vm", "action": "allow", "protocol": "icmp"}]})
    try:
        put_user(lab)
        for name in ADDRESSES:
            wait_until(f"{name} to answer ce1", lambda name=name: answers(lab, "ce1", ADDRESSES[name]), 5)
        knockers = {name: Knocker(lab, name, node="ce1", patience=0.5) for name in ADDRESSES}
        assert page(lab, "V3") == "V3"
        assert page(lab, "V2") is None          # whose policy has users of the IP network only
        wait_until("knocks", lambda: all(one.knocks > 40 for one in knockers.values()))
        for knocker in knockers.values():
            assert knocker.finish()[1] == []
    finally:
        delete_policy(lab, "A", "V1")
    delete_user(lab)
    assert not answers(lab, "ce1", ADDRESSES["V2"])


def test_spoofed_frames_do_not_get_in(served):
    lab, gateway = served, "02:5c:67:00:00:01"
    with lab.inside("ce1"):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind(("ce1-pe5", 0))
    mine = ":".join(f"{byte:02x}" for byte in sock.getsockname()[4])
    forged = [udp(MACS["V2"], mine, "10.100.0.99", ADDRESSES["V2"], "address of nobody"),
              udp(MACS["V2"], mine, ADDRESSES["V3"], ADDRESSES["V2"], "address of a VM"),
              udp(MACS["V3"], MACS["V2"], ADDRESSES["V2"], ADDRESSES["V3"], "a VM"),
              udp(MACS["V3"], MACS["V2"], CE1_ADDRESS, ADDRESSES["V3"], "MAC of a VM"),
              udp(MACS["V3"], gateway, CE1_ADDRESS, ADDRESSES["V3"], "MAC of the gateway"),
              udp(MACS["V2"], mine, CE1_ADDRESS, ADDRESSES["V2"], "another VLAN", vlan=100),
              arp(mine, mine, ADDRESSES["V3"], ADDRESSES["V2"]),
              arp(MACS["V3"], MACS["V3"], ADDRESSES["V3"], ADDRESSES["V2"])]
    honest = udp(MACS["V2"], mine, CE1_ADDRESS, ADDRESSES["V2"], "ce1", port=7778)
    with Counter(lab, ["pe1-p1", "pe1-p3"], f"{udp_to(7777)} or {arp_of(ADDRESSES['V3'])}") as bad, \
            Counter(lab, ["pe1-p1", "pe1-p3"], udp_to(7778)) as good:
        for _ in range(5):
            for frame in forged:
                sock.send(frame)
            sock.send(honest)
        wait_until("the honest ones to get in", lambda: sum(good.counts().values()) == 5, 5)
        assert sum(bad.counts().values()) == 0
    sock.close()
    assert answers(lab, "ce1", ADDRESSES["V2"]) and answers(lab, "user1", ADDRESSES["V2"])


# -- a move with a user

FAR_FROM_THE_CHANNEL = ("tor-a-p1", "tor-a-p2", "tor-b-p5", "tor-b-p6", "tor-a-server-a", "tor-b-server-b", "pe3-p3",
                        "pe4-p6", "pe1-inet", "pe2-inet", *LINKS[TN1])


def streamed(counter, before):
    """Frames of migrations by link since the counts `before`, without links that saw none."""
    after = counter.counts()
    return {link: after[link] - before.get(link, 0) for link in after if after[link] > before.get(link, 0)}, after


def look(lab):
    return SimpleNamespace(channels={dc: channels(lab, dc) for dc in GATEWAYS},
                           users={dc: {name: sorted(one["vms"]) for name, one in users(lab, dc).items()}
                                  for dc in GATEWAYS},
                           places={name: runs_at(lab, name) for name in ADDRESSES},
                           answers={name: answers(lab, "ce1", ADDRESSES[name]) for name in ("V2", "V3")})


@pytest.fixture(scope="module")
def journey(lab, empty):
    """V3 to B through a channel that is there already, V2 after it through one of its own, and both back; ce1 uses
    both."""
    seen = SimpleNamespace(states=[], streams=[], reports={}, during=None)
    put_user(lab)
    kept = create_channel(lab)
    wait_until("V3 to answer ce1", lambda: answers(lab, "ce1", ADDRESSES["V3"]), 5)
    probes = {name: lab.probe("ce1", "session", ADDRESSES[name], "--interval", "20").wait_answered()
              for name in ("V2", "V3")}
    with Counter(lab, [*FAR_FROM_THE_CHANNEL, *LINKS[TN2]], MIGRATION) as counter:
        counts = {}
        for dc, to, names, options in (("A", "B/server-b", ("V3",), ("--bandwidth", "200")),
                                       ("A", "B/server-b", ("V2",), ()), ("B", "A/server-a", ("V2", "V3"), ())):
            order = Order(lab, dc, *names, to=to, options=options)
            if not seen.states:
                order.wait_transferring()
                seen.during = look(lab)
            assert order.finish() == 0, order.output
            order.wait_ended()
            stream, counts = streamed(counter, counts)
            seen.streams.append(stream)
            seen.states.append(look(lab))
            if kept in channels(lab, "A"):
                delete_channel(lab, "A", kept)
            if runs_at(lab, "V2") == "B":
                seen.nodes_away = {name: te_state(lab, name) for name in ("pe1", "t1", *NODES[TN2])}
    seen.reports = {name: probe.finish() for name, probe in probes.items()}
    delete_user(lab)
    wait_same_nodes(lab, empty)
    return seen


def test_new_circuit_stands_before_the_vm_runs(journey):
    assert journey.during.places == {"V1": "A", "V2": "A", "V3": "A"}
    assert journey.during.channels["A"][CIRCUIT]["state"] == "up"
    assert journey.during.channels["B"]["B:user:ce1"]["state"] == "up"


def test_path_has_the_bandwidth(journey):
    """t1-pe2 has 50 Mbit/s, so that 100 of ce1 go by t2 at any cost."""
    circuit = journey.during.channels["B"]["B:user:ce1"]
    assert circuit["bandwidth-mbps"] == 100 and node_names(circuit) == ["pe2", "t2", "pe5"]


def test_two_data_centers_serve_a_user(journey):
    state = journey.states[0]
    assert state.places == {"V1": "A", "V2": "A", "V3": "B"} and state.answers == {"V2": True, "V3": True}
    assert state.users == {"A": {"ce1": ["V2"]}, "B": {"ce1": ["V3"]}}
    assert state.channels["A"][CIRCUIT]["state"] == state.channels["B"]["B:user:ce1"]["state"] == "up"


def test_user_follows_its_vms(journey, empty):
    away, back = journey.states[1:]
    assert away.places == {"V1": "A", "V2": "B", "V3": "B"} and away.answers == {"V2": True, "V3": True}
    assert away.users == {"A": {}, "B": {"ce1": ["V2", "V3"]}}
    assert list(away.channels["A"]) == [] and list(away.channels["B"]) == ["B:user:ce1"]
    assert journey.nodes_away == {name: empty[name] for name in journey.nodes_away}     # the old one left nothing
    assert back.users == {"A": {"ce1": ["V2", "V3"]}, "B": {}} and back.answers == {"V2": True, "V3": True}
    assert list(back.channels["A"]) == [CIRCUIT] and list(back.channels["B"]) == []


def test_sessions_of_the_user_survive(journey):
    for report in journey.reports.values():
        assert report["errors"] == [] and report["echoed_bytes"] == report["sent_bytes"] > 1000


def test_channel_that_exists_is_used_and_kept(journey):
    for state in (journey.during, journey.states[0]):
        assert {name for name, one in state.channels["A"].items() if one["kind"] == "migration"} == {"A:channel:B:1"}
    assert journey.during.channels["A"]["A:channel:B:1"]["free-mbps"] == 5000 - 200
    assert journey.states[0].channels["A"]["A:channel:B:1"]["free-mbps"] == 5000


def test_streams_stay_in_their_channels(journey):
    for stream in journey.streams:
        assert set(stream) == {"t3-pe3", "t3-pe4"} and min(stream.values()) > 1000


# -- bandwidth

@contextlib.contextmanager
def configured(lab, name, change):
    """gmplsd of the node with another configuration."""
    file = lab.directory / "nodes" / control(name) / "run/gmplsd/gmplsd.yaml"
    text = file.read_text(encoding="utf-8")
    keys = yaml.safe_load(text)
    change(keys)
    file.write_text(yaml.safe_dump(keys), encoding="utf-8")
    try:
        lab.run("restart", "gmplsd", name)
        wait_settled(lab, (name,))
        yield
    finally:
        file.write_text(text, encoding="utf-8")
        lab.run("restart", "gmplsd", name)
        wait_settled(lab)


@BREAKS
def test_refused_circuit_takes_another_path(idle):
    """t3 has less on its link to pe4 than OSPF tells."""
    lab = idle

    def thin(keys):
        next(link for link in keys["te-links"] if link["name"] == "t3-pe4")["bandwidth-mbps"] = 1000
        del keys["zebra-vty"]

    with configured(lab, "t3", thin):
        name = create_channel(lab)
        assert node_names(channels(lab, "A")[name]) == ["pe3", "t4", "pe4"]
        assert view(lab, "t3")["counters"]["refused"] == 1 and view(lab, "t3")["usage"]["lsps"] == 0
        log = (lab.directory / "log" / "scg-a-scgd.log").read_text(encoding="utf-8")
        assert f"[{name}] {name}: requested bandwidth unavailable (1/2) at 10.253.0.3" in log
        delete_channel(lab, "A", name)


@BREAKS
def test_circuit_that_no_path_has_room_for(idle):
    lab = idle
    status, _, body = lab.rest("A", "PUT", "/v1/users/ce1", dict(CE1, **{"bandwidth-mbps": 2000}))
    assert status == 200, body
    circuit = channels(lab, "A")[CIRCUIT]
    assert circuit["state"] == "waiting" and not users(lab, "A")["ce1"]["connected"]
    assert "no path between 10.253.0.11 and 10.253.0.15 has 2 Gbit/s free" in circuit["error"]
    assert "1 Gbit/s would fit" in circuit["error"] and "(10.253.0.11 to 10.253.0.1" in circuit["error"]


def test_more_than_the_bandwidth_is_dropped(idle):
    """ce1 sends three times what its circuit has. What pe5 forwards is never more than that, and, once this machine
    lets the sender send without a stop, no less; within 15 %."""
    lab, mbps, seconds = idle, 5, 2.0
    put_user(lab, user=dict(CE1, **{"bandwidth-mbps": mbps}))
    wait_until("V2 to answer ce1", lambda: answers(lab, "ce1", ADDRESSES["V2"]), 5)
    with lab.inside("ce1"):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((ADDRESSES["V2"], 7779))
    size, label = 1400, "pe5-" + circuit_nodes(lab)[1]
    frame_mbit = 8 * (14 + 20 + 8 + size) / 1e6
    ends = [label, "pe5-ce1"]

    def send(duration):
        begin, sent = time.monotonic(), 0
        while (now := time.monotonic() - begin) < duration:
            if sent * frame_mbit < 3 * mbps * now:
                sock.send(bytes(size))
                sent += 1
            else:
                time.sleep(0.001)                   # paces the sender

    def measured(counter):
        start, first = time.monotonic(), counter.counts()
        send(seconds)
        end, last = time.monotonic(), counter.counts()
        return ((last[one] - first[one]) * frame_mbit / (end - start) for one in ("pe5-ce1", label))

    def is_full(counter):
        offered, passed = measured(counter)
        assert passed < 1.15 * mbps
        return offered > 2 * mbps and passed > 0.85 * mbps

    with Counter(lab, ends, f"greater {size}") as counter:
        send(0.5)                                   # the burst
        wait_until("the circuit to be full", lambda: is_full(counter), 20)


# -- what breaks

@BREAKS
def test_ingress_without_a_session(idle):
    """No circuit is made through it, which is told, until it is back."""
    lab = idle
    lab.run("kill", "gmplsd", "pe1")
    try:
        wait_until("A to miss pe1", lambda: ROUTER_IDS["pe1"] not in lab.get("A", "/v1/transport")["ingresses"])
        assert lab.rest("A", "PUT", "/v1/users/ce1", CE1)[0] == 200
        circuit = channels(lab, "A")[CIRCUIT]
        assert circuit["state"] == "waiting"
        assert "transport node 10.253.0.11 has no PCEP session with the gateway of data center A" in circuit["error"]
    finally:
        lab.run("restart", "gmplsd", "pe1")
    wait_up(lab, "A", CIRCUIT)
    wait_until("V2 to answer ce1", lambda: answers(lab, "ce1", ADDRESSES["V2"]), 5)


@BREAKS
@pytest.mark.parametrize("end", ["pe1", "pe5"])
def test_link_that_fails(served, end):
    """The circuit goes by the other transit node, and ce1 hardly notices."""
    lab, transit = served, circuit_nodes(served)[1]
    wait_until("the other path to be free", lambda: all(
        min(link["unreserved-mbps"]) >= 900 for link in lab.get("A", "/v1/transport")["links"]
        if link["area"] == TN1 and link["bandwidth-mbps"] > 50))
    probe = lab.probe("ce1", "icmp", ADDRESSES["V2"], "--interval", "10").wait_answered()
    lab.exec("wan", "ip", "link", "set", f"{transit}-{end}", "down")
    try:
        wait_up(lab, "A", CIRCUIT, passes=other_transit(transit))
        wait_until("V2 to answer ce1", lambda: answers(lab, "ce1", ADDRESSES["V2"]), 5)
        report = probe.finish()
        assert report["longest_silence_ms"] < 3000 and report["duplicates"] == 0
    finally:
        lab.exec("wan", "ip", "link", "set", f"{transit}-{end}", "up")
    wait_settled(lab, NODES[TN1])


@BREAKS
def test_node_that_dies(served):
    """Neighbours wait for gmplsd of a transit node, then the circuit goes by the other; the dead one's bridge forwards
    all the time. When it is back, nobody refreshes what it had."""
    lab, transit = served, circuit_nodes(served)[1]
    probe = lab.probe("ce1", "icmp", ADDRESSES["V2"], "--interval", "10").wait_answered()
    lab.run("kill", "gmplsd", transit)
    try:
        wait_up(lab, "A", CIRCUIT, passes=other_transit(transit), deadline=30)
        report = probe.finish()
        assert report["longest_silence_ms"] < 3000
        assert answers(lab, "ce1", ADDRESSES["V2"])
    finally:
        lab.run("restart", "gmplsd", transit)
    wait_settled(lab, NODES[TN1])
    wait_until("it to give up what it had", lambda: view(lab, transit)["usage"]["lsps"] == 0, 15)


def cross_connects(lab, name):
    """Flows of LSPs on a node, without what the switch has learned."""
    return {flow: seen for flow, seen in flow_counters(lab, name).items()
            if "cookie=0x5c6711" in flow and "_timeout=" not in flow.partition(" actions=")[0]}


@BREAKS
def test_daemons_that_restart_leave_circuits_alone(served):
    """gmplsd of each node killed, one after the other: what stands is taken over, not set up anew, and is still there
    when the time for recovery is over."""
    lab, nodes = served, circuit_nodes(served)
    circuit = channels(lab, "A")[CIRCUIT]
    before, begin = {name: cross_connects(lab, name) for name in nodes}, time.monotonic()
    probe = lab.probe("ce1", "icmp", ADDRESSES["V2"], "--interval", "10").wait_answered()
    for name in nodes:
        lab.run("kill", "gmplsd", name)
        lab.run("restart", "gmplsd", name)
        wait_until(f"{name} to have its LSP", lambda name=name: settled(lab, name) and
                   [one["state"] for one in view(lab, name)["lsps"]] == ["established"])
    wait_settled(lab, NODES[TN1])
    recovered = time.monotonic() + 11
    while time.monotonic() < recovered:
        assert channels(lab, "A")[CIRCUIT]["path"] == circuit["path"]
        assert all([one["state"] for one in view(lab, name)["lsps"]] == ["established"] for name in nodes)
        time.sleep(0.5)                 # looks again; it is the time for recovery that has to pass
    report = probe.finish()
    assert report["lost"] == 0 and report["duplicates"] == 0
    for name in nodes:
        after = cross_connects(lab, name)
        assert after.keys() == before[name].keys() != set()
        age = time.monotonic() - begin
        for flow, (packets, seconds) in after.items():
            assert packets >= before[name][flow][0] and seconds > before[name][flow][1] + 0.9 * age - 2, flow
        assert sum(packets - before[name][flow][0] for flow, (packets, _) in after.items()) > report["received"]


# -- many

def test_hundred_circuits_leave_nothing(idle, empty):
    """That all nodes are as before is what `idle` sees to."""
    lab = idle
    for _ in range(50):
        delete_channel(lab, "A", create_channel(lab))
        put_user(lab)
        delete_user(lab)
    assert view(lab, "pe3")["counters"]["removed"] >= 50 and view(lab, "pe1")["counters"]["removed"] >= 50


# -- packets

RSVP_TYPES = {1: "Path", 2: "Resv", 3: "PathErr", 5: "PathTear", 13: "Ack", 15: "Srefresh", 20: "Hello"}
PCEP_TYPES = {1: "Open", 2: "Keepalive", 10: "PCRpt", 12: "PCInitiate"}
OSPF_TYPES = {1: "Hello", 4: "LS Update", 5: "LS Acknowledge"}


def tshark(file, display_filter, *fields):
    words = [word for field in fields for word in ("-e", field)]
    done = subprocess.run(["tshark", "-r", file, "-Y", display_filter, "-T", "fields", *words], capture_output=True,
                          text=True, check=True, timeout=120)
    return done.stdout.splitlines()


def test_control_packets_are_well_formed(captured, tmp_path):
    """Of the tests above, as tshark sees them."""
    for capture in captured.values():
        capture.finish()
    merged = tmp_path / "all.pcap"
    subprocess.run(["mergecap", "-w", merged, *(capture.file for capture in captured.values())], check=True)
    types = {"rsvp.msg": Tally(), "pcep.msg": Tally(), "ospf.msg": Tally()}
    wrong = []
    for line in tshark(merged, "rsvp || pcep || ospf", "frame.number", "_ws.malformed", "_ws.expert.message", *types):
        number, malformed, message, *kinds = line.split("\t")
        if malformed or "alformed" in message:
            wrong.append((number, message, kinds))
        for tally, kind in zip(types.values(), kinds):
            tally.update(kind.split(",") if kind else ())
    assert wrong == []
    for tally, wanted in zip(types.values(), (RSVP_TYPES, PCEP_TYPES, OSPF_TYPES)):
        assert {str(one) for one in wanted} <= set(tally), f"{tally} lacks one of {wanted}"
