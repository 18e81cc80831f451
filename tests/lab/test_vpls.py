# SPDX-License-Identifier: Apache-2.0
"""A data center whose fabric is in VPLS mode: what passes on its links, what becomes of it when something fails, and
what a move leaves behind."""

import contextlib
import struct
from types import SimpleNamespace

import pytest
from dissect import malformed, tshark
from fabric import link_local, neighbour_discovery
from labtool import VPLS, wait_until
from moving import (ADDRESSES, MACS, SWITCH_GONE, SWITCHES, TORS, Order, go_home, ofctl, put_policy, reachable,
                    runs_at, switch_state, wait_ready, wait_same_switches)
from transport import Counter
from tunnels import PES, ends_at, held_labels, stored_labels, tunnel, vc_labels, views, wait_tunnel

IN_A = pytest.mark.mode("about tunnels that stand", A=VPLS)
IN_B = pytest.mark.mode("about tunnels that come and go with a move", B=VPLS)

USER = "198.51.100.10"
GATEWAY_MAC = "02:5c:67:00:00:01"
INTERVAL_MS = 10
OUTAGE_MS = 1000                        # the most that a failure may cost
RELOAD_MS = 100                         # and new flows for a whole switch
HEAD_TTL, VC_TTL = 255, 2
LINK_DOWN = "link|port|fabric|tunnel"   # what a gateway may say when a link goes


# -- what passes on a link

@pytest.fixture(scope="module")
def dissected(lab, tmp_path_factory):
    """A second of pings between user1 and V2, captured on both links of the tunnel's first P: of each, the frames as
    tshark reads them, without LLDP."""
    go_home(lab)
    directory = tmp_path_factory.mktemp("frames")
    way = wait_tunnel(lab, "A")
    captures = {(one, other): lab.capture(f"{one}-{other}", directory / f"{one}-{other}.pcap", "not", "ether", "proto",
                                          "0x88cc") for one, other in way.links}
    report = lab.probe("user1", "icmp", ADDRESSES["V2"], "--interval", INTERVAL_MS, "--for", "1").report()
    for capture in captures.values():   # tcpdump may lag behind
        wait_until("the frames to be written", lambda capture=capture: capture.count("mpls") >= 2 * report["received"])
    files, vc = {link: capture.finish().file for link, capture in captures.items()}, vc_labels(lab, "A")
    return SimpleNamespace(way=way, report=report, files=files, vc=vc,
                           frames={link: read_frames(file, vc.values()) for link, file in files.items()})


FIELDS = {"label": "mpls.label", "bottom": "mpls.bottom", "ttl": "mpls.ttl", "class": "mpls.exp", "source": "eth.src",
          "destination": "eth.dst", "type": "eth.type", "from": "ip.src", "to": "ip.dst", "icmp": "icmp.type"}


def decode_as(labels):
    """An Ethernet pseudowire without control word (RFC 4448): nothing in a frame says so."""
    return [word for label in labels for word in ("-d", f"mpls.label=={label},pwethnocw")]


def read_frames(file, labels):
    return [SimpleNamespace(**{name: row[field] for name, field in FIELDS.items()})
            for row in tshark(file, FIELDS.values(), options=decode_as(labels))]


@IN_A
def test_frames_have_tunnel_label_and_vc_label(dissected):
    """Every frame, in both directions, on every link of the tunnel; both labels as the gateway tells them."""
    assert dissected.way.transit, "the tunnel has no P"
    for place, link in enumerate(dissected.way.links):
        to_tor = [str(dissected.way.labels[place]), str(dissected.vc[dissected.way.nodes[-1]])]
        to_pe = [str(dissected.way.labels_back[place]), str(dissected.vc[dissected.way.nodes[0]])]
        assert dissected.frames[link]
        for frame in dissected.frames[link]:
            assert frame.label in (to_tor, to_pe) and frame.bottom == ["0", "1"]
        pings = [frame for frame in dissected.frames[link] if frame.icmp == ["8"]]
        answers = [frame for frame in dissected.frames[link] if frame.icmp == ["0"]]
        assert {tuple(frame.label) for frame in pings} == {tuple(to_tor)}
        assert {tuple(frame.label) for frame in answers} == {tuple(to_pe)}


@IN_A
def test_inner_frames_are_those_of_the_vm(dissected):
    """Each ping and each answer once on each link, with the MACs that VM and gateway see, and no tag."""
    for frames in dissected.frames.values():
        pings = [frame for frame in frames if frame.icmp == ["8"] and frame.to == [ADDRESSES["V2"]]]
        answers = [frame for frame in frames if frame.icmp == ["0"] and getattr(frame, "from") == [ADDRESSES["V2"]]]
        assert (len(pings), len(answers)) == (dissected.report["sent"], dissected.report["received"])
        assert dissected.report["lost"] == 0 < dissected.report["sent"]
        for frame in pings:
            assert (frame.source[1:], frame.destination[1:], frame.type) == \
                ([GATEWAY_MAC], [MACS["V2"]], ["0x8847", "0x0800"])
        for frame in answers:
            assert (frame.source[1:], frame.destination[1:], frame.type) == \
                ([MACS["V2"]], [GATEWAY_MAC], ["0x8847", "0x0800"])


@IN_A
def test_time_to_live_and_class(dissected):
    """Pipe model (RFC 3443): the tunnel's TTL begins at its head and falls at each P; what is inside stays as it is."""
    for place, link in enumerate(dissected.way.links):
        hops = {"8": place, "0": len(dissected.way.links) - 1 - place}
        for frame in dissected.frames[link]:
            if frame.icmp:
                assert frame.ttl == [str(HEAD_TTL - hops[frame.icmp[0]]), str(VC_TTL)]


@IN_A
def test_frames_are_well_formed(dissected):
    for file in dissected.files.values():
        assert malformed(file, decode_as(dissected.vc.values())) == []


ADVERTISEMENT = 136                     # RFC 4861 section 4.4
INNER_TYPE, INNER_ICMPV6 = 34, 76       # where they are in a frame of a pseudowire


@IN_A
def test_neighbour_discovery(home, tmp_path):
    """V2 is asked by the PE for the link-local address that it makes of its MAC, and answers; both in labels."""
    way, vc = wait_tunnel(home, "A"), vc_labels(home, "A")
    vlan = next(one["vlan"] for one in home.get("A", "/v1/segments")["segments"] if one["name"] == "web")
    target, end = link_local(MACS["V2"]), MACS["V2"].split(":")[3:]
    group = "ff02::1:ff{}:{}{}".format(*end)
    frame = neighbour_discovery("33:33:ff:" + ":".join(end), GATEWAY_MAC, 135, link_local(GATEWAY_MAC), group, target,
                                GATEWAY_MAC)
    frame = frame[:12] + struct.pack("!HH", 0x8100, vlan) + frame[12:]
    link = "-".join(way.links[0])
    answer = f"ether[{INNER_TYPE}:2] = 0x86dd and ether[{INNER_ICMPV6}] = {ADVERTISEMENT}"
    with Counter(home, [link], answer) as counter:
        capture = home.capture(link, tmp_path / "link.pcap", "--immediate-mode", "mpls")
        ofctl(home, TORS["A"][0], "packet-out", PES["A"], f"in_port=controller packet={frame.hex()} actions=TABLE")
        wait_until("V2 to answer", lambda: counter.counts()[link])
        capture.finish()
    fields = ("mpls.label", "icmpv6.type", "icmpv6.nd.ns.target_address", "icmpv6.nd.na.target_address")
    rows = tshark(capture.file, fields, "icmpv6", options=decode_as(vc.values()))
    assert [[row[field] for field in fields] for row in rows] == [
        [[str(way.labels[0]), str(vc[way.nodes[-1]])], ["135"], [str(target)], []],
        [[str(way.labels_back[0]), str(vc[way.nodes[0]])], ["136"], [], [str(target)]]]


# -- what fails

@contextlib.contextmanager
def cut(lab, dc, *ends):
    """Links that are down, at both of their ends: of a veth pair each notices when the other one is."""
    node = TORS[dc][0]
    lab.exec(node, "sh", "-c", "; ".join(f"ip link set {end} down" for end in ends))
    try:
        yield
    finally:
        lab.exec(node, "sh", "-c", "; ".join(f"ip link set {end} up" for end in ends))


def links(lab, dc):
    """Between switches; those to servers are links, too."""
    found = lab.get(dc, "/v1/links")["links"]
    return [one for one in found if {one["from"], one["to"]} <= set(SWITCHES[dc])]


@pytest.fixture
def pinged(home):
    """V2 under pings of user1; and what VC labels may not become."""
    probe = home.probe("user1", "icmp", ADDRESSES["V2"], "--interval", INTERVAL_MS).wait_answered()
    before = vc_labels(home, "A")
    way = wait_tunnel(home, "A")
    yield SimpleNamespace(lab=home, probe=probe, way=way)
    if probe.process.poll() is None:
        probe.finish()
    assert vc_labels(home, "A") == before


def outage_ms(report):
    """The longest run of pings in a row without an answer."""
    return max((run["count"] for run in report["lost_ranges"]), default=0) * INTERVAL_MS


@IN_A
@pytest.mark.complaints(LINK_DOWN)
def test_p_that_fails(pinged):
    """All ports of the tunnel's P go down, and come up again."""
    lab, way = pinged.lab, pinged.way
    failing = way.transit[0]
    with cut(lab, "A", *ends_at(lab, failing)):
        other = wait_tunnel(lab, "A", unlike=way.nodes)
        assert failing not in other.nodes
        wait_until("V2 to answer", lambda: reachable(lab, "V2"), 5)
    wait_until("the P's links to be seen", lambda: {failing} & {one["from"] for one in links(lab, "A")})
    assert tunnel(lab, "A") == other    # which is kept while it stands
    report = pinged.probe.finish()
    assert outage_ms(report) < OUTAGE_MS, report


@IN_A
@pytest.mark.complaints(LINK_DOWN)
@pytest.mark.parametrize("place", [0, -1])
def test_link_that_fails(pinged, place):
    """At the PE and at the ToR, which are the ends of the tunnel."""
    lab, way = pinged.lab, pinged.way
    one, other = way.links[place]
    with cut(lab, "A", f"{one}-{other}"):
        found = wait_tunnel(lab, "A", unlike=way.nodes)
        assert (one, other) not in found.links
        wait_until("V2 to answer", lambda: reachable(lab, "V2"), 5)
    report = pinged.probe.finish()
    assert outage_ms(report) < OUTAGE_MS, report


@IN_A
@pytest.mark.complaints(SWITCH_GONE)
def test_gateway_that_restarts(pinged):
    """Without it all goes on. It finds tunnels as they were; while a switch takes all its flows anew, Open vSwitch may
    lose a packet or two, in Ethernet mode as well."""
    lab, labels = pinged.lab, held_labels(pinged.lab, "A")
    lab.run("kill", "scgd", "A")
    alone = lab.probe("user1", "icmp", ADDRESSES["V2"], "--interval", INTERVAL_MS, "--for", "1").report()
    assert alone["lost"] == 0 < alone["sent"], alone
    lab.run("restart", "scgd", "A")
    wait_ready(lab, "A")
    wait_until("the tunnel to be known", lambda: tunnel(lab, "A") == pinged.way, 20)
    report = pinged.probe.finish()
    assert outage_ms(report) < RELOAD_MS, report
    assert held_labels(lab, "A") == labels


# -- what a move brings and leaves behind

def move(lab, dc, *names):
    order = Order(lab, dc, *names, to={"A": "B/server-b", "B": "A/server-a"}[dc])
    assert order.finish() == 0, order.output
    order.wait_ended()


@pytest.fixture
def all_mobile(home):
    """V1 has a policy, so that it can move, too."""
    put_policy(home, "A", {"policy": "V1", "default": {"from-vm": "allow", "to-vm": "allow"}})
    yield home
    go_home(home)


@IN_A
def test_labels_go_with_the_last_vm(all_mobile):
    """The tunnel stays for those that stay. Then no switch has a label, nor has any the store."""
    lab = all_mobile
    way, vc, held = wait_tunnel(lab, "A"), vc_labels(lab, "A"), held_labels(lab, "A")
    assert {name for name, labels in held.items() if labels} == set(way.nodes)
    move(lab, "A", "V2", "V3")
    assert (tunnel(lab, "A"), vc_labels(lab, "A"), held_labels(lab, "A")) == (way, vc, held)
    move(lab, "A", "V1")
    assert views(lab, "A") == [] and held_labels(lab, "A") == dict.fromkeys(SWITCHES["A"], set())
    assert stored_labels(lab, "A") == {}
    move(lab, "B", "V1", "V2", "V3")
    wait_tunnel(lab, "A")
    for name in ADDRESSES:
        wait_until(f"{name} to answer", lambda name=name: reachable(lab, name))


@IN_B
def test_tunnel_comes_and_goes_with_a_vm(home):
    assert views(home, "B") == [] and stored_labels(home, "B") == {}
    assert held_labels(home, "B") == dict.fromkeys(SWITCHES["B"], set())
    move(home, "A", "V2")
    way, vc = wait_tunnel(home, "B"), vc_labels(home, "B")
    assert set(vc) == {way.nodes[0], way.nodes[-1]}
    held = held_labels(home, "B")
    assert {name for name, labels in held.items() if labels} == set(way.nodes)
    assert set().union(*held.values()) == {*way.labels, *way.labels_back, *vc.values()} == \
        set(stored_labels(home, "B").values())
    wait_until("V2 to answer", lambda: reachable(home, "V2"))
    move(home, "B", "V2")
    assert views(home, "B") == [] and stored_labels(home, "B") == {}
    assert held_labels(home, "B") == dict.fromkeys(SWITCHES["B"], set())


@IN_B
@pytest.mark.complaints(LINK_DOWN)
def test_order_into_a_fabric_that_is_cut(home):
    """Between PE and ToR there is no way: refused by what is cut, in the plan and as an order; nothing has changed."""
    before = switch_state(home)
    with cut(home, "B", *ends_at(home, "tor-b")):
        wait_until("the links to be gone", lambda: not {"tor-b"} & {one["from"] for one in links(home, "B")})
        plan = home.run("ctl", "A", "migrate", "V2", "--to", "B/server-b", "--dry-run", check=False)
        order = Order(home, "A", "V2")
        assert order.finish() == 1, order.output
        assert order.wait_ended() == "rolled_back"
        for text in (plan.stdout + plan.stderr, order.output):
            for word in ("data center B", "cut between", "pe2", "tor-b"):
                assert word in text
        assert runs_at(home, "V2") == "A" and reachable(home, "V2")
    wait_until("the links to be seen", lambda: {"tor-b"} & {one["from"] for one in links(home, "B")})
    wait_same_switches(home, before)
