# SPDX-License-Identifier: Apache-2.0
"""All OpenFlow of the session, dissected by tshark: nothing that a gateway sent is malformed.

Changes of flows travel in bundles (ONF extension 230), whose inside tshark does not look into; so each message is taken
out of its bundle and shown to tshark by itself, too."""

import struct
import subprocess
from collections import Counter, defaultdict

import pytest
from labtool import GATEWAYS, wait_until
from moving import POLICIES, SWITCH_GONE, go_home, put_policy, wait_ready

OPENFLOW_PORT = 6653
HELLO, ECHO_REQUEST, ECHO_REPLY, EXPERIMENTER, FEATURES_REQUEST = 0, 2, 3, 4, 5
PACKET_OUT, FLOW_MOD, MULTIPART_REQUEST, BARRIER_REQUEST, METER_MOD = 13, 14, 18, 20, 29
ONF, BUNDLE_ADD = 0x4f4e4600, 2301
METER_EXISTS = "12\t1"                  # type and code of an error
TABLE_FULL = {"5\t1", "65535\t2313"}     # of a flow, and of the bundle that it came in (ONF extension 230)


def tcp_segments(file):
    """(source, destination, sequence number, data) of each TCP segment of a pcap file of Ethernet frames."""
    data = file.read_bytes()
    endian = "<" if data[:4] == b"\xd4\xc3\xb2\xa1" else ">"
    offset = 24
    while offset + 16 <= len(data):
        size = struct.unpack_from(endian + "I", data, offset + 8)[0]
        frame, offset = data[offset + 16:offset + 16 + size], offset + 16 + size
        ip = frame[14:]
        tcp = ip[(ip[0] & 15) * 4:struct.unpack("!H", ip[2:4])[0]]
        ports = struct.unpack("!HH", tcp[:4])
        yield ((".".join(map(str, ip[12:16])), ports[0]), (".".join(map(str, ip[16:20])), ports[1]),
               struct.unpack("!I", tcp[4:8])[0], tcp[13] & 2, tcp[(tcp[12] >> 4) * 4:])


def sent_messages(file, address):
    """Every OpenFlow message that the gateway at `address` sent in sessions whose beginning was captured."""
    streams = defaultdict(dict)
    begins = {}
    for source, destination, sequence, syn, data in tcp_segments(file):
        if source != (address, OPENFLOW_PORT):
            continue
        if syn:
            begins[destination] = (sequence + 1) % 2**32
        elif data and destination in begins:
            stream = streams[destination, begins[destination]]      # a later session may have an earlier one's port
            position = (sequence - begins[destination]) % 2**32
            if len(data) > len(stream.get(position, b"")):
                stream[position] = data
    messages = []
    for pieces in streams.values():
        stream = b""
        for position in sorted(pieces):
            assert position <= len(stream), "the capture has a hole"
            stream += pieces[position][len(stream) - position:]
        while len(stream) >= 8:
            length = struct.unpack("!H", stream[2:4])[0]
            assert length >= 8, "a message that is shorter than its header"
            if len(stream) < length:    # the end of the capture
                break
            messages.append(stream[:length])
            stream = stream[length:]
    return messages


def unwrap(message):
    """The message inside a bundle add message, or None."""
    if message[1] == EXPERIMENTER and struct.unpack("!II", message[8:16]) == (ONF, BUNDLE_ADD):
        inner = message[24:]
        length = struct.unpack("!H", inner[2:4])[0]
        assert inner[:1] == b"\x04" and 8 <= length <= len(inner) and message[4:8] == inner[4:8]
        return inner[:length]
    return None


def write_capture(file, messages):
    """A pcap file of one TCP stream from port 6653, a segment for each message."""
    sequence = 1
    with open(file, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for number, message in enumerate(messages):
            tcp = struct.pack("!HHIIBBHHH", OPENFLOW_PORT, 40000, sequence % 2**32, 1, 0x50, 0x18, 65535, 0, 0)
            tcp += message
            ip = struct.pack("!BBHHHBBH4B4B", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, 10, 255, 0, 1, 10, 255, 0, 3)
            frame = bytes(12) + b"\x08\x00" + ip + tcp
            out.write(struct.pack("<IIII", number, 0, len(frame), len(frame)) + frame)
            sequence += len(message)


def tshark(file, *words):
    done = subprocess.run(["tshark", "-r", file, "-d", f"tcp.port=={OPENFLOW_PORT},openflow", *words],
                          capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.splitlines()


def flagged(file, address):
    """What tshark finds wrong in frames of `address`."""
    wrong = "_ws.malformed || _ws.expert.severity == error || _ws.expert.group == malformed"
    return Counter(tshark(file, "-Y", f"ip.src == {address} && ({wrong})", "-T", "fields", "-e", "openflow_v4.type",
                          "-e", "_ws.expert.message"))


@pytest.fixture(scope="module")
def talked(lab, wire):
    """By data center, what its gateway said; it was started and given work within the session for sure."""
    for dc in GATEWAYS:
        lab.run("restart", "scgd", dc)
        wait_ready(lab, dc)
    go_home(lab)
    put_policy(lab, "A", dict(POLICIES["V2"], rules=[]))
    put_policy(lab, "A", POLICIES["V2"])
    wanted = {"A": {FLOW_MOD, METER_MOD, PACKET_OUT}, "B": {FLOW_MOD, PACKET_OUT}}

    def kinds(dc):
        return {message[1] for one in messages(dc) for message in (one, unwrap(one)) if message}

    def messages(dc):
        return sent_messages(wire[dc].file, GATEWAYS[dc][1])

    for dc, some in wanted.items():
        wait_until(f"gateway {dc} to set flows", lambda dc=dc, some=some: some <= kinds(dc))
    return {dc: messages(dc) for dc in GATEWAYS}


@pytest.mark.complaints(SWITCH_GONE)    # the lab has switches connect anew to a gateway that it starts
@pytest.mark.parametrize("dc", GATEWAYS)
def test_nothing_is_malformed(talked, wire, dc):
    types = Counter(message[1] for message in talked[dc])
    assert {HELLO, FEATURES_REQUEST, EXPERIMENTER, MULTIPART_REQUEST, BARRIER_REQUEST, PACKET_OUT} <= set(types)
    assert len(tshark(wire[dc].file, "-Y", f"ip.src == {GATEWAYS[dc][1]} && openflow_v4")) > 10
    assert flagged(wire[dc].file, GATEWAYS[dc][1]) == {}


@pytest.mark.parametrize("dc", GATEWAYS)
def test_nothing_in_bundles_is_malformed(talked, tmp_path, dc):
    inner = [message for message in map(unwrap, talked[dc]) if message]
    assert {FLOW_MOD} <= {message[1] for message in inner} <= {FLOW_MOD, METER_MOD}
    write_capture(tmp_path / "inner.pcap", inner)
    assert len(tshark(tmp_path / "inner.pcap", "-Y", "openflow_v4.type == 14")) == \
        sum(message[1] == FLOW_MOD for message in inner)
    assert flagged(tmp_path / "inner.pcap", "10.255.0.1") == {}


def test_tshark_would_notice(talked, tmp_path):
    """A flow entry cut short: the test can fail."""
    message = next(message for message in map(unwrap, talked["A"]) if message and len(message) > 80)
    broken = message[:2] + struct.pack("!H", len(message) - 12) + message[4:len(message) - 12]
    write_capture(tmp_path / "broken.pcap", [broken])
    assert flagged(tmp_path / "broken.pcap", "10.255.0.1")


@pytest.mark.parametrize("dc", GATEWAYS)
def test_no_switch_objects(talked, wire, dc):
    """Well-formed, and accepted: no switch answered with an error message, but that a meter exists: a gateway that was
    started anew cannot ask and add in one step, so it adds, and modifies those that exist. And test_refusals has B fill
    a table."""
    assert talked[dc]
    errors = tshark(wire[dc].file, "-Y", f"ip.dst == {GATEWAYS[dc][1]} && openflow_v4.type == 1", "-T", "fields", "-e",
                  "openflow_v4.error.type", "-e", "openflow_v4.error.code")
    assert set(errors) - {METER_EXISTS} <= (TABLE_FULL if dc == "B" else set())
