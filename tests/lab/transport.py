# SPDX-License-Identifier: Apache-2.0
"""The transport networks as tests see them: what stands on the nodes, what gateways hear, what passes on links."""

import ctypes
import http.client
import json
import re
import socket
import struct
import subprocess

from labtool import wait_until
from moving import ofctl

TN1, TN2 = "0.0.0.1", "0.0.0.2"
ROUTER_IDS = {"t1": "10.253.0.1", "t2": "10.253.0.2", "t3": "10.253.0.3", "t4": "10.253.0.4", "pe1": "10.253.0.11",
              "pe2": "10.253.0.12", "pe3": "10.253.0.13", "pe4": "10.253.0.14", "pe5": "10.253.0.15"}
NODES = {TN1: ("t1", "t2", "pe1", "pe2", "pe5"), TN2: ("t3", "t4", "pe3", "pe4")}
EVERY_NODE = NODES[TN1] + NODES[TN2]
LINKS = {TN1: ("t1-t2", "t1-pe1", "t1-pe2", "t1-pe5", "t2-pe1", "t2-pe2", "t2-pe5"),
         TN2: ("t3-t4", "t3-pe3", "t3-pe4", "t4-pe3", "t4-pe4")}
EVERY_LINK = LINKS[TN1] + LINKS[TN2]
PRIORITIES = 8
STATUS_PORT = 8081

SOL_PACKET, PACKET_STATISTICS = 263, 6
SO_ATTACH_FILTER = 26
ETH_P_ALL = 3


def control(name):
    """The node of the control plane."""
    return name + "-c"


def bridge(name):
    """(node, bridge) that forward for the transport node."""
    if name in ("pe1", "pe3"):
        return "dc-a", name + "-tn"
    if name in ("pe2", "pe4"):
        return "dc-b", name + "-tn"
    return "wan", name


def flows(lab, name):
    """The flows of a transport node's bridge, without counters, sorted."""
    return sorted(line.strip() for line in ofctl(lab, *swapped(name, "dump-flows"), "--no-stats").splitlines()
                  if "actions=" in line)


def flow_counters(lab, name):
    """Flow of the bridge, without counters -> (packets that it has seen, seconds that it has been there)."""
    found = {}
    for line in ofctl(lab, *swapped(name, "dump-flows")).splitlines():
        if "actions=" in line:
            seconds, packets = re.search(r"duration=([\d.]+)s", line)[1], re.search(r"n_packets=(\d+)", line)[1]
            found[re.sub(r" (duration|n_packets|n_bytes|idle_age|hard_age)=[^ ]+", "", line.strip())] = \
                (int(packets), float(seconds))
    return found


def meters(lab, name):
    """The meters of a transport node's bridge, sorted: their bands on one line each."""
    text = ofctl(lab, *swapped(name, "dump-meters"))
    return sorted(re.sub(r"\s+", " ", one).strip() for one in re.split(r"(?=meter=\d)", text)[1:])


def swapped(name, command):
    node, switch = bridge(name)
    return node, command, switch


def view(lab, name):
    """All that gmplsd tells of its node; None if it does not answer."""
    try:
        with lab.inside(control(name)):
            client = http.client.HTTPConnection("127.0.0.1", STATUS_PORT, timeout=5)
            client.request("GET", "/v1/node")
            return json.loads(client.getresponse().read())
    except OSError:
        return None


def zebra(lab, name, command):
    """What the node's zebra answers at its terminal: as vtysh asks, but faster."""
    with socket.socket(socket.AF_UNIX) as terminal:
        terminal.settimeout(10)
        terminal.connect(str(lab.directory / "nodes" / control(name) / "run/frr/zebra.vty"))
        terminal.sendall(command.encode() + b"\0")
        answer = b""
        while not re.search(rb"\0\0\0[\0-\xff]$", answer, re.DOTALL):
            answer += terminal.recv(1 << 16)
    return answer[:-4].decode()


def unreserved(lab, name):
    """By interface of the control node, the bits per second that each setup priority may still take, as zebra has it:
    what gmplsd wrote last, before OSPF's throttle of 5 s."""
    found, interface = {}, None
    for line in zebra(lab, name, "show interface").splitlines():
        if line.startswith("Interface "):
            interface = line.split()[1]
        for priority, rate in re.findall(r"\[(\d)\]: (\S+) \(Bytes/sec\)", line):
            found.setdefault(interface, [0] * PRIORITIES)[int(priority)] = bits(rate)
    return found


def bits(bytes_per_second):
    return round(float(bytes_per_second) * 8)


def te_state(lab, name):
    """All that a circuit leaves on a node: in its switch, in its gmplsd, in what it tells by OSPF."""
    found = view(lab, name)
    return {"flows": flows(lab, name), "meters": meters(lab, name), "unreserved": unreserved(lab, name),
            "usage": found["usage"], "lsps": found["lsps"], "links": [link["unreserved"] for link in found["links"]]}


def every_te_state(lab):
    return {name: te_state(lab, name) for name in EVERY_NODE}


def wait_same_nodes(lab, before, deadline=25):
    """Until the transport nodes hold what they held before."""
    last = None

    def same():
        nonlocal last
        last = [f"{name} {what}: {before[name][what]} is now {value}" for name, state in every_te_state(lab).items()
                for what, value in state.items() if value != before[name][what]]
        return not last

    try:
        wait_until("nodes as before", same, deadline, 0.3)
    except AssertionError:
        raise AssertionError("transport nodes differ from before:\n" + "\n".join(last)) from None


# -- circuits

# A machine at pe5 that is in the segment of the guests.
CE1 = {"name": "ce1", "segment": "web", "access": {"router": ROUTER_IDS["pe5"], "client": 1}, "bandwidth-mbps": 100,
       "addresses": ["10.100.0.101"], "vms": ["V2", "V3"]}


def channels(lab, dc):
    """The circuits that a gateway knows, by name."""
    return {one["name"]: one for one in lab.get(dc, "/v1/channels")["channels"]}


def users(lab, dc):
    return {one["name"]: one for one in lab.get(dc, "/v1/users")["users"]}


def node_names(channel):
    """The nodes that a circuit passes, as people call them."""
    names = {router: name for name, router in ROUTER_IDS.items()}
    return [names[hop["node"]] for hop in channel["path"]]


def wait_up(lab, dc, name, deadline=15, passes=None):
    """Until the circuit is up, by way of the node `passes` if that is given; the circuit."""
    def there():
        found = channels(lab, dc).get(name)
        return found and found["state"] == "up" and (passes is None or passes in node_names(found)) and found

    return wait_until(f"{name} to be up", there, deadline)


def wait_no_channels(lab, deadline=15):
    wait_until("circuits to be gone", lambda: not channels(lab, "A") and not channels(lab, "B"), deadline)


def create_channel(lab, dc="A", peer="B", **keys):
    """A migration channel that stays; its name, once it is up."""
    status, _, body = lab.rest(dc, "POST", "/v1/channels", {"peer": peer, **keys})
    assert status == 202, body
    name = json.loads(body)["name"]
    wait_up(lab, dc, name)
    return name


def delete_channel(lab, dc, name):
    status, _, body = lab.rest(dc, "DELETE", f"/v1/channels/{name}")
    assert status == 204, body
    wait_until(f"{name} to be gone", lambda: name not in channels(lab, dc))


def put_user(lab, dc="A", user=None):
    """The user has a circuit, and the PE its flows."""
    user = user or CE1
    status, _, body = lab.rest(dc, "PUT", f"/v1/users/{user['name']}", user)
    assert status == 200, body
    wait_until(f"{user['name']} to be connected", lambda: users(lab, dc)[user["name"]]["connected"], 15)


def delete_user(lab, dc="A", name="ce1"):
    status, _, body = lab.rest(dc, "DELETE", f"/v1/users/{name}")
    assert status == 204, body
    wait_until(f"{name}'s circuit to be gone", lambda: f"{dc}:user:{name}" not in channels(lab, dc), 15)


def answers(lab, node, address):
    """One echo request is answered within a second."""
    return subprocess.run(["ip", "netns", "exec", lab.namespace(node), "ping", "-qnc1", "-W1", address],
                          capture_output=True, check=False).returncode == 0


def settled(lab, name):
    """A node's neighbours are heard, its links up, its bridge as it should be."""
    found = view(lab, name)
    return found and found["bridge"]["connected"] and found["bridge"]["settled"] \
        and all(link["up"] and link["neighbour"] for link in found["links"])


def wait_settled(lab, names=EVERY_NODE, deadline=20):
    for name in names:
        wait_until(f"{name} to be settled", lambda name=name: settled(lab, name), deadline)


def all_free(lab, dc):
    return all(set(link["unreserved-mbps"]) == {link["bandwidth-mbps"]}
               for link in lab.get(dc, "/v1/transport")["links"])


def wait_all_free(lab, deadline=20):
    """Until both gateways have heard that nothing is reserved anywhere; nodes flood every 5 s at most."""
    for dc in ("A", "B"):
        wait_until(f"{dc} to know that all is free", lambda dc=dc: all_free(lab, dc), deadline, 0.2)


# -- what the ospfd of a gateway heard

FIELDS = {"Link-ID": "to", "Traffic Engineering Metric": "metric", "Maximum Bandwidth": "max_bps",
          "Maximum Reservable Bandwidth": "reservable_bps", "Normal Average Link Delay": "delay_us",
          "Resource class/color": "admin_group"}


def heard(lab, gateway):
    """The TE links that a gateway's ospfd knows, by (area, router id, local address)."""
    text = lab.exec(gateway, "vtysh", "-d", "ospfd", "-c", "show ip ospf database opaque-area")
    found = {}
    for area, body in re.findall(r"Opaque-LSA \(Area (\S+)\)\n(.*?)(?=\n +Area-Local|\Z)", text, re.DOTALL):
        for lsa in body.split("  LS age: ")[1:]:
            if "Local Interface IP" in lsa and not lsa.startswith("3600"):
                router = re.search(r"Advertising Router: (\S+)", lsa)[1]
                local, remote = re.findall(r"#0: (\S+)", lsa)
                found[area, router, local] = {"remote": remote, **te_fields(lsa)}
    return found


def te_fields(lsa):
    link = {"admin_group": 0, "unreserved_bps": [0] * PRIORITIES}
    for label, value in re.findall(r"^  ([^:\n]+): (\S+)", lsa, re.MULTILINE):
        if label in FIELDS:
            name = FIELDS[label]
            link[name] = value if name == "to" else bits(value) if name.endswith("_bps") else int(value, 0)
    for priority, rate in re.findall(r"\[(\d)\]: (\S+) \(Bytes/sec\)", lsa):
        link["unreserved_bps"][int(priority)] = bits(rate)
    return link


# -- what passes on links

# Packets from the servers' migration NICs, 10.254.0.0/24: bare, in a VLAN, in a label, in both; by the type's place.
MIGRATION = " or ".join(f"(ether[{place}:2] = 0x0800 and ether[{place + 14}:4] & 0xffffff00 = 0x0afe0000)"
                        for place in (12, 16, 30, 34))


# Where the type of a VM's frame stands in the fabric: bare, in a VLAN, in two labels.
TYPE_PLACES = (12, 16, 34)


def udp_to(port):
    """A filter for datagrams to a port, as they pass in a fabric."""
    return " or ".join(f"(ether[{place}:2] = 0x0800 and ether[{place + 11}] = 17 and ether[{place + 24}:2] = {port})"
                       for place in TYPE_PLACES)


def arp_of(address):
    """A filter for ARP that says that an address is its sender's, as it passes in a fabric."""
    sender = int.from_bytes(socket.inet_aton(address), "big")
    return " or ".join(f"(ether[{place}:2] = 0x0806 and ether[{place + 16}:4] = {sender})" for place in TYPE_PLACES)


class Counter:
    """Counts the frames that match a filter at link ends, in both directions, from the moment that this returns.

    The kernel counts. Nothing is read, so nothing is missed, however much passes.
    """

    def __init__(self, lab, ends, expression):
        program = packet_filter(expression)
        where = {end: node for node, facts in lab.status()["nodes"].items() for end in facts["interfaces"]}
        self.sockets, self.seen = {}, dict.fromkeys(ends, 0)
        for end in ends:
            with lab.inside(where[end]):
                self.sockets[end] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)     # hears nothing yet
            attach(self.sockets[end], program)
            self.sockets[end].bind((end, ETH_P_ALL))

    def counts(self):
        for end, one in self.sockets.items():   # the kernel's count starts anew when it is asked
            self.seen[end] += struct.unpack("II", one.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[0]
        return dict(self.seen)

    def close(self):
        for one in self.sockets.values():
            one.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def packet_filter(expression):
    """A filter of tcpdump's as the kernel takes it: struct sock_filter, one behind the other."""
    done = subprocess.run(["tcpdump", "-y", "EN10MB", "-ddd", expression], capture_output=True, text=True, check=True)
    return b"".join(struct.pack("HBBI", *map(int, line.split())) for line in done.stdout.splitlines()[1:])


def attach(one, program):
    instruction = struct.calcsize("HBBI")
    buffer = ctypes.create_string_buffer(program)
    one.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                   struct.pack("HP", len(program) // instruction, ctypes.addressof(buffer)))
