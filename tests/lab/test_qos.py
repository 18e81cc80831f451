# SPDX-License-Identifier: Apache-2.0
"""What policies promise and allow is what packets get: policing, and queues at the ports of the ToR, at the source and,
after a move, at the target. Rates are low, so that it does not matter how fast the machine is."""

import contextlib
import json
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fabric import GATEWAY_MAC, ethernet
from labtool import wait_until
from moving import (ADDRESSES, MACS, POLICIES, SERVERS, SWITCH_GONE, TORS, Order, delete_policy, go_home, put_policy,
                    runs_at, verify, wait_ready)
from packets import packet, wire_end

WAYS = ("from-vm", "to-vm")
USER = "198.51.100.10"
VOICE, BULK, OTHER = 5004, 5005, 5006   # UDP ports of flows
PORT_KBPS = 10000                       # that each port of a ToR is said to pass
FRAME = 1000                            # bytes
WARM, MEASURED = 0.8, 4                 # seconds: buckets that were full are empty; what is averaged
TOLERANCE, TRIES = 0.1, 3
# The datapath of the lab's switches ignores set_queue; lab/portqos stands for hardware that does not.
NETDEV = r"its datapath \(netdev\) sends all packets by queue 0"

POLICED = {  # per class, and per VM
    "policy": "V2", "default": {"from-vm": "allow"},
    # Bursts of 0.2 s: for so long the machine may do something else.
    "rate-limit": {way: {"kbps": 5000, "burst-kbit": 1000} for way in WAYS},
    "classes": {"voice": {"dscp": 46, **{way: {"rate-limit": {"kbps": 1500, "burst-kbit": 300}}
                                         for way in WAYS}}},
    "rules": [{"direction": "from-vm", "action": "allow", "protocol": "udp", "destination-port": VOICE,
               "class": "voice"},
              {"direction": "to-vm", "action": "allow", "protocol": "udp", "destination-port": VOICE, "class": "voice"},
              {"direction": "to-vm", "action": "allow", "protocol": "udp", "destination-port": OTHER},
              *POLICIES["V2"]["rules"][:3]]}
QUEUED = {
    "policy": "V3", "default": {"from-vm": "allow"},
    "classes": {"voice": {"dscp": 46, **{way: {"queue": {"min-kbps": 4000}} for way in WAYS}},
                "bulk": {"dscp": 10, **{way: {"queue": {"max-kbps": 3000}} for way in WAYS}}},
    "rules": [*({"direction": way, "action": "allow", "protocol": "udp", "destination-port": port, "class": name}
                for way in WAYS for name, port in (("voice", VOICE), ("bulk", BULK))),
              {"direction": "to-vm", "action": "allow", "protocol": "udp", "destination-port": OTHER},
              *POLICIES["V3"]["rules"]]}


# -- traffic

class Flows:
    """UDP between user1 and a guest's place, at given rates: what a wire end sends in, and another one takes out."""

    def __init__(self, lab, dc, name, way):
        server = SERVERS[dc]
        if way == "from-vm":            # as the guest would send them, at the server's end of its link
            self.ends = ((server, "uplink"), ("user1", "user1-inet"))
            self.macs, self.match = (GATEWAY_MAC, MACS[name]), f"nw_src={ADDRESSES[name]},nw_dst={USER}"
        else:
            self.ends = (("inet", {"A": "inet-pe1", "B": "inet-pe2"}[dc]), (server, "uplink"))
            self.macs, self.match = None, f"nw_src={USER},nw_dst={ADDRESSES[name]}"
        self.lab, self.pe = lab, {"A": "pe1", "B": "pe2"}[dc]
        self.failure, self.ending = None, threading.Event()

    def frame(self, port):
        packed = packet(f"udp,{self.match},udp_dst={port}", 0)
        missing = FRAME - 14 - len(packed)
        head = bytearray(packed[:20])
        struct.pack_into("!H", head, 2, len(packed) + missing)
        struct.pack_into("!H", head, 10, 0)
        total = sum(struct.unpack("!10H", head))
        struct.pack_into("!H", head, 10, ~(total % 0xffff) & 0xffff)
        udp = bytearray(packed[20:])
        struct.pack_into("!H", udp, 4, len(udp) + missing)
        to, source = self.macs or (mac_of(self.lab, "pe1-r" if self.pe == "pe1" else "pe2-r"), "02:00:00:00:77:77")
        return ethernet(to, source, 0x0800, bytes(head + udp) + bytes(missing))

    def send(self, sock, rates, frames):
        """Sends at kbit/s of frames by port; what a busy machine delays is made up for."""
        begin, sent = time.monotonic(), dict.fromkeys(rates, 0)
        try:
            while not self.ending.wait(0.002):
                for port, rate in rates.items():
                    due = int((time.monotonic() - begin) * rate * 1000 / 8 / FRAME)
                    while sent[port] < due:
                        sock.send(frames[port])
                        sent[port] += 1
        except OSError as error:
            self.failure = error

    def measure(self, rates):
        """kbit/s of frames that arrive, by port, while these are offered."""
        frames = {port: self.frame(port) for port in rates}
        with wire_end(self.lab, *self.ends[0]) as source, wire_end(self.lab, *self.ends[1]) as sink:
            source.setblocking(True)
            thread = threading.Thread(target=self.send, args=(source, rates, frames), daemon=True)
            thread.start()
            begin = time.monotonic() + WARM
            found = dict.fromkeys(rates, 0)
            while (now := time.monotonic()) < begin + MEASURED:
                try:
                    frame, (_, _, kind, *_) = sink.recvfrom(2048)
                except BlockingIOError:
                    time.sleep(0.005)
                    continue
                port = int.from_bytes(frame[36:38], "big")
                if now >= begin and kind != socket.PACKET_OUTGOING and frame[12:14] == b"\x08\x00" and frame[23] == 17 \
                        and len(frame) == FRAME and port in found:
                    found[port] += len(frame)
            self.ending.set()
            thread.join(10)
        assert self.failure is None, self.failure
        return {port: size * 8 / 1000 / MEASURED for port, size in found.items()}


def mac_of(lab, node):
    """Of a routing daemon's uplink, which the IP network sends to."""
    return json.loads(lab.exec(node, "ip", "-j", "link", "show", "uplink"))[0]["address"]


def measure(lab, dc, name, ways, rates):
    """Way -> kbit/s that arrive, by port, while these rates are offered in all of `ways` at once."""
    with ThreadPoolExecutor(len(ways)) as pool:
        found = dict(zip(ways, pool.map(lambda way: Flows(lab, dc, name, way).measure(rates), ways)))
    print(f"{dc} {name}: offered {rates}, found {found} kbit/s")        # shown when a test fails
    return found


# -- queues in OVSDB and behind it

def vsctl(lab, dc, *words):
    return lab.exec(TORS[dc][0], "ovs-vsctl", "--timeout=10", *words)


def tor_ports(lab, dc):
    """(the port of the server, the ports towards the fabric)"""
    tor = TORS[dc][1]
    ports = lab.get(dc, f"/v1/switches/{tor}")["ports"]
    server = f"{tor}-{SERVERS[dc]}"
    return server, [port["name"] for port in ports if port["fabric"]]


def queue_rows(lab, dc):
    """Identities of the rows of the gateway's, by table."""
    return {table: sorted(vsctl(lab, dc, "--bare", "--columns=_uuid", "find", table,
                                f"external_ids:scg-switch={TORS[dc][1]}").split()) for table in ("QoS", "Queue")}


def wait_sorted(lab, dc, name):
    """Until the ports of the ToR have the guest's queues, and what sorts packets into them."""
    server, fabric = tor_ports(lab, dc)
    address = int.from_bytes(socket.inet_aton(ADDRESSES[name]), "big")

    def sorts(port):
        return f" {address}," in lab.exec(TORS[dc][0], "tc", "filter", "show", "dev", port)

    wait_until(f"{name}'s queues in {dc}", lambda: all(sorts(port) for port in (server, *fabric)), 20, 0.3)


@contextlib.contextmanager
def rates_said(lab, rate=PORT_KBPS, dcs=("A", "B")):
    """Ports of ToRs say what they pass, as those of a slower link would."""
    ports = [(dc, port) for dc in dcs for port in (lambda server, fabric: (server, *fabric))(*tor_ports(lab, dc))]
    for dc, port in ports:
        vsctl(lab, dc, "set", "Port", port, f"external_ids:scg-rate-kbps={rate}")
    try:
        for dc in dcs:
            wait_until("the gateway to know rates", lambda dc=dc: rate_of(lab, dc) == rate)
        yield
    finally:
        for dc, port in ports:
            vsctl(lab, dc, "remove", "Port", port, "external_ids", "scg-rate-kbps")


def port_of(lab, dc):
    server, _ = tor_ports(lab, dc)
    return next(port for port in lab.get(dc, f"/v1/switches/{TORS[dc][1]}")["ports"] if port["name"] == server)


def rate_of(lab, dc):
    return port_of(lab, dc)["rate-kbps"]


@pytest.fixture
def qos(home):
    """V2 is policed, V3 has queues; at ports that pass 10 Mbit/s."""
    with rates_said(home):
        put_policy(home, "A", POLICED)
        put_policy(home, "A", QUEUED)
        wait_sorted(home, "A", "V3")
        yield home
        go_home(home)
    for dc in SERVERS:
        wait_until(f"queues of {dc} to go", lambda dc=dc: queue_rows(home, dc) == {"QoS": [], "Queue": []}, 20, 0.3)


def holds(lab, dc, name, ways, offered, *shares):
    """Each share (ports, least, most): in each of `ways` the flows to these ports together get from `least` to `most`
    kbit/s. A busy machine loses packets: what is too little is measured anew, but what is too much is not forgiven."""
    for _ in range(TRIES):
        found = measure(lab, dc, name, ways, offered)
        got = [(sum(rates[port] for port in ports), least, most)
               for rates in found.values() for ports, least, most in shares]
        assert all(kbps <= most * (1 + TOLERANCE) for kbps, _, most in got), (dc, name, shares, found)
        if all(kbps >= least * (1 - TOLERANCE) for kbps, least, _ in got):
            return
    raise AssertionError((dc, name, shares, found))


def check_rates(lab, dc):
    # The two ways have their own meters, queues and ports, so they are measured at once. Two guests share a port: of a
    # batch of packets to it, Open vSwitch drops all that come after one that a full queue refuses.
    holds(lab, dc, "V2", WAYS, {VOICE: 3000}, ([VOICE], 1500, 1500))
    holds(lab, dc, "V2", WAYS, {VOICE: 3000, OTHER: 8000}, ([VOICE], 0, 1500), ([VOICE, OTHER], 5000, 5000))
    holds(lab, dc, "V3", WAYS, {BULK: 6000}, ([BULK], 3000, 3000))
    # By its share of what is offered, it would have 3055 of what the port passes. These are most packets, which the
    # switch has to get to in time: one way after the other.
    for way in WAYS:
        holds(lab, dc, "V3", [way], {VOICE: 4400, OTHER: 10000}, ([VOICE], 4000, PORT_KBPS),
              ([VOICE, OTHER], PORT_KBPS, PORT_KBPS))


@pytest.mark.complaints(NETDEV)
def test_rates_hold_at_the_source_and_at_the_target(qos):
    check_rates(qos, "A")
    order = Order(qos, "A", "V2", "V3")
    assert order.finish() == 0, order.output
    assert runs_at(qos, "V3") == "B"
    wait_sorted(qos, "B", "V3")
    assert queue_rows(qos, "A") == {"QoS": [], "Queue": []}
    check_rates(qos, "B")


@pytest.mark.complaints(NETDEV, SWITCH_GONE)
def test_queues_outlive_the_gateway(qos):
    before = queue_rows(qos, "A")
    assert len(before["QoS"]) == 1 + len(tor_ports(qos, "A")[1]) and len(before["Queue"]) == 2 * len(before["QoS"])
    qos.run("kill", "scgd", "A")
    assert queue_rows(qos, "A") == before
    qos.run("restart", "scgd", "A")
    wait_ready(qos, "A")
    wait_until("bookings to be known again", lambda: port_of(qos, "A")["booked-kbps"] == 4000)
    assert queue_rows(qos, "A") == before
    delete_policy(qos, "A", "V3")
    wait_until("queues to go", lambda: queue_rows(qos, "A") == {"QoS": [], "Queue": []})


@pytest.mark.complaints(NETDEV, r"\[tor-a\] drift: ")
def test_a_queue_that_somebody_changed_is_found(qos):
    row = next(row for row in queue_rows(qos, "A")["Queue"]
               if "max-rate" in vsctl(qos, "A", "get", "Queue", row, "other_config"))
    rate = vsctl(qos, "A", "get", "Queue", row, "other_config:max-rate").strip()
    vsctl(qos, "A", "set", "Queue", row, "other_config:max-rate=9000000")
    try:
        wait_until("it to be found", lambda: "queue: " in verify(qos, "V3")[1], 10)
        assert "9000 kbit/s" in verify(qos, "V3")[1]
    finally:
        vsctl(qos, "A", "set", "Queue", row, f"other_config:max-rate={rate}")
    wait_until("all to be as it shall be", lambda: verify(qos, "V3")[0] == 0, 10)


def refused(lab, words):
    """The order of V3 fails for what the words say, in the plan, too."""
    done = lab.run("ctl", "A", "migrate", "V3", "--to", "B/server-b", "--dry-run", check=False)
    assert done.returncode != 0
    for word in words:
        assert word in done.stdout + done.stderr
    order = Order(lab, "A", "V3")
    assert order.finish() != 0
    for word in words:
        assert word in order.output, order.output
    assert runs_at(lab, "V3") == "A"


@pytest.mark.complaints(NETDEV)
def test_promise_that_the_target_cannot_keep(qos):
    with rates_said(qos, 3500, ("B",)):
        refused(qos, ["tor-b", "3500", "V3"])


@pytest.mark.complaints(NETDEV)
def test_administrator_s_queues_stay(qos):
    port, _ = tor_ports(qos, "B")
    row = vsctl(qos, "B", "set", "Port", port, "qos=@q", "--", "--id=@q", "create", "QoS", "type=linux-htb",
                "other_config:max-rate=5000000").strip()
    try:
        order = Order(qos, "A", "V3")
        assert order.finish() != 0
        assert port in order.output and row in order.output, order.output
        assert runs_at(qos, "V3") == "A"
        assert vsctl(qos, "B", "get", "Port", port, "qos").strip() == row
    finally:
        vsctl(qos, "B", "clear", "Port", port, "qos", "--", "destroy", "QoS", row)


@pytest.mark.complaints(NETDEV)
def test_queue_beyond_the_port_is_refused(qos):
    policy = json.loads(json.dumps(QUEUED))
    policy["classes"]["bulk"]["to-vm"]["queue"]["max-kbps"] = PORT_KBPS + 1
    status, _, body = qos.rest("A", "PUT", "/v1/policies/V3", policy)
    assert status in (400, 409), (status, body)
    assert b"classes.bulk.to-vm.queue.max-kbps: 10001" in body
