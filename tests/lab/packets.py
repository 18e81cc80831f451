# SPDX-License-Identifier: Apache-2.0
"""What becomes of single packets between a guest and the IP network: they are sent, and looked for at the other end."""

import contextlib
import ipaddress
import socket
import struct
import time

from fabric import GATEWAY_MAC, ethernet
from moving import ADDRESSES, MACS, SERVERS

SO_RCVBUFFORCE = 33                     # asm-generic/socket.h
MARK = b"what becomes of "
PORT = 20000
ROUNDS = 3                              # a packet that a busy machine loses is not taken for one that is dropped
USER = "198.51.100.10"
UPLINKS = {"A": "inet-pe1", "B": "inet-pe2"}
ECHO_REQUEST = 8


def packet(match, number):
    """The IPv4 packet that an ovs-ofctl match describes, with a number to know it by. Without checksum above IP: a
    switch does not look at it, and a guest that it reaches says nothing."""
    kind, *words = match.split(",")
    keys = dict(word.split("=") for word in words)
    mark = MARK + struct.pack("!H", number)
    if kind == "icmp":
        protocol, above = 1, struct.pack("!BBHHH", int(keys.get("icmp_type", ECHO_REQUEST)),
                                         int(keys.get("icmp_code", 0)), 0, 0, 0)
    elif kind == "udp":
        source = int(keys.get("udp_src", PORT))
        protocol, above = 17, struct.pack("!HHHH", source, int(keys["udp_dst"]), 8 + len(mark), 0)
    elif kind == "ip":
        protocol, above = int(keys["nw_proto"]), b""
    else:
        protocol, above = 6, struct.pack("!HHIIHHHH", PORT, int(keys["tcp_dst"]), 0, 0,
                                         5 << 12 | int(keys.get("tcp_flags", 0)), 0, 0, 0)
    source, destination = (ipaddress.ip_address(keys[key]).packed for key in ("nw_src", "nw_dst"))
    tos = int(keys.get("ip_dscp", 0)) << 2
    header = struct.pack("!BBHHHBBH", 0x45, tos, 20 + len(above + mark), 0, 0, 64, protocol, 0) + source + destination
    total = sum(struct.unpack("!10H", header))
    total = ~(total % 0xffff) & 0xffff
    return header[:10] + struct.pack("!H", total) + header[12:] + above + mark


@contextlib.contextmanager
def wire_end(lab, node, interface):
    with lab.inside(node):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
    with sock:
        # Other traffic of the link comes, too: what a busy machine takes out late must have room.
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 23)
        sock.bind((interface, 0))
        sock.setblocking(False)
        yield sock


def arrivals(sock):
    """(number, DSCP) of each of our packets that has come in."""
    while True:
        try:
            frame, (_, _, kind, *_) = sock.recvfrom(2048)
        except BlockingIOError:
            return
        place = frame.find(MARK)
        if kind != socket.PACKET_OUTGOING and place > 0:
            yield struct.unpack("!H", frame[place + len(MARK):][:2])[0], frame[15] >> 2


def send_and_look(lab, frames, fences, source, destination):
    """Number -> DSCP of those frames that arrive; they are sent once for each of the fences, which are sure to be let
    pass. Both are by number."""
    seen, end = {}, time.monotonic() + 10
    with wire_end(lab, *source) as out, wire_end(lab, *destination) as back:
        for fence, frame in fences.items():
            for one in frames.values():
                out.send(one)
            while fence not in seen:    # what was sent before it has come by then, or does not come
                assert time.monotonic() < end, f"nothing passes from {source} to {destination}"
                out.send(frame)
                time.sleep(0.02)
                seen.update(arrivals(back))
    return seen


def verdicts(lab, dc, name, matches):
    """What the guest's ToR does with each packet: "drop", or the DSCP that it passes with.

    A packet is an ovs-ofctl match; those with the guest as destination come from the IP network, others from its
    server. The guest's policy must let pings pass.
    """
    user, server = ("inet", UPLINKS[dc]), (SERVERS[dc], "uplink")
    ways = {True: (user, server, GATEWAY_MAC, f"icmp,nw_src={USER},nw_dst={ADDRESSES[name]}"),
            False: (server, user, MACS[name], f"icmp,nw_src={ADDRESSES[name]},nw_dst={USER}")}
    found = {}
    for to_guest, (source, destination, sender, ping) in ways.items():
        def frame(match, number, sender=sender):
            return ethernet(GATEWAY_MAC, sender, 0x0800, packet(match, number))

        mine = {number: frame(match, number) for number, match in enumerate(matches)
                if ("nw_dst=" + ADDRESSES[name] in match) == to_guest}
        fences = {number: frame(ping, number) for number in range(len(matches), len(matches) + ROUNDS)}
        if mine:
            found |= send_and_look(lab, mine, fences, source, destination)
    return [f"dscp {found[number]}" if number in found else "drop" for number in range(len(matches))]
