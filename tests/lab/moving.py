# SPDX-License-Identifier: Apache-2.0
"""What tests of migrations share: the guests and their policies, what switches hold, orders, and forbidden traffic."""

import json
import re
import select
import socket
import subprocess
import threading
import time

from labtool import FLOWS, wait_until
from scglab.pipeline import TOR

MACS = {"V1": "52:54:00:00:00:11", "V2": "52:54:00:00:00:12", "V3": "52:54:00:00:00:13"}
ADDRESSES = {"V1": "10.100.0.11", "V2": "10.100.0.12", "V3": "10.100.0.13"}
SWITCHES = {"A": ("tor-a", "pe1", "pe3", "p1", "p2", "p3"), "B": ("tor-b", "pe2", "pe4", "p5", "p6")}
SERVERS = {"A": "server-a", "B": "server-b"}
TORS = {"A": ("dc-a", "tor-a"), "B": ("dc-b", "tor-b")}
INGRESSES = 4                           # pe1 to pe4 have a session with both gateways
FORBIDDEN_TCP, FORBIDDEN_UDP = 22, 9    # a guest echoes on the first, and refuses the second aloud

# What gateways log, and should, when a test takes something away from them (conftest.py).
SWITCH_GONE = r"the OpenFlow session has ended|switch is down|no tunnel: the fabric of data center \S+ is cut"
PCE_GONE = r"no PCEP session: \S+: (closed by the other end|Connection refused)"  # an ingress of a gateway's end
CIRCUIT_GONE = r"(is not up|has failed): |circuit \S+: "
NODE_GONE = r"the neighbour is silent|no longer sets up LSPs"
HYPERVISOR_GONE = r"the connection to libvirtd has failed|hypervisor is down"

# Of each guest that moves: what a test may rely on unless it says otherwise.
POLICIES = {
    "V2": {"policy": "V2", "default": {"from-vm": "allow"},
           "rate-limit": {"from-vm": {"kbps": 20000}, "to-vm": {"kbps": 50000, "burst-kbit": 5000}},
           "rules": [{"direction": "to-vm", "action": "allow", "protocol": "icmp"},
                     {"direction": "to-vm", "action": "allow", "protocol": "tcp", "remote": "198.51.100.0/24",
                      "destination-port": 80, "set-dscp": 46},
                     {"direction": "to-vm", "action": "allow", "protocol": "tcp", "destination-port": 7},
                     {"direction": "to-vm", "action": "deny", "protocol": "udp", "destination-port": "5000-5999"},
                     {"direction": "from-vm", "action": "deny", "protocol": "tcp", "destination-port": 25}]},
    "V3": {"policy": "V3", "default": {"from-vm": "allow"},
           "rules": [{"direction": "to-vm", "action": "allow", "protocol": "icmp"},
                     {"direction": "to-vm", "action": "allow", "protocol": "tcp", "destination-port": 7},
                     {"direction": "to-vm", "action": "allow", "protocol": "tcp", "destination-port": 80}]},
}


# -- switches

def ofctl(lab, node, command, bridge, *words):
    """ovs-ofctl from the host: a bridge's management socket is a file."""
    socket_file = lab.directory / "nodes" / node / "run/openvswitch" / f"{bridge}.mgmt"
    return subprocess.run([*FLOWS, command, f"unix:{socket_file}", *words], capture_output=True, text=True, check=True,
                          timeout=20).stdout


def meters_written_out(text):
    """Flows and meters of a switch with what a meter does in place of its number, which is one that was free."""
    meters = {number: " ".join((flags + " " + band).split())
              for number, flags, band in re.findall(r"^meter=(\d+) (.*?)bands=\n(.*)$", text, re.MULTILINE)}
    text = re.sub(r"^meter=\d+", "meter=", text, flags=re.MULTILINE)
    return re.sub(r"meter:(\d+)", lambda match: f"meter({meters.get(match[1])})", text)


def switch_state(lab):
    """Flows and meters of all switches, without what counts packets and time."""
    found = {}
    for dc, bridges in SWITCHES.items():
        node, _ = TORS[dc]
        for bridge in bridges:
            text = ofctl(lab, node, "dump-flows", bridge, "--no-stats")
            if bridge.startswith("tor"):
                text += ofctl(lab, node, "dump-meters", bridge)
            found[bridge] = sorted(line.strip() for line in meters_written_out(text).splitlines()
                                   if line.strip() and not line.startswith("OFPST_"))
    return found


def difference(before, after):
    """Of two answers of switch_state: what went and what came, for an assertion to show."""
    found = []
    for bridge, lines in before.items():
        found += [f"{bridge} - {line}" for line in lines if line not in after[bridge]]
        found += [f"{bridge} + {line}" for line in after[bridge] if line not in lines]
    return found


def wait_same_switches(lab, before, deadline=20):
    """Until the switches hold what they held before."""
    last = None

    def same():
        nonlocal last
        last = difference(before, switch_state(lab))
        return not last

    try:
        wait_until("switches as before", same, deadline, 0.3)
    except AssertionError:
        raise AssertionError("switches differ from before:\n" + "\n".join(last)) from None


def policy_flows(lab, dc, name):
    """The flows of the policy tables that concern a guest, its meters written out as what they do."""
    node, tor = TORS[dc]
    text = ofctl(lab, node, "dump-flows", tor, "--no-stats") + ofctl(lab, node, "dump-meters", tor)
    found = []
    for line in meters_written_out(text).splitlines():
        if re.search(rf"table=({TOR['POLICY_FROM']}|{TOR['POLICY_TO']}),", line) and \
                re.search(ADDRESSES[name] + r"\b", line):
            found.append(re.sub(r"cookie=\w+, ", "", line.strip()))
    return sorted(found)


def of_guest(lines, name, cookie):
    """Lines of a dump that carry something of the guest: its address, its MAC or its cookie."""
    return [line for line in lines
            if re.search(rf"{re.escape(ADDRESSES[name])}\b|{MACS[name]}|cookie={cookie:#x}\b", line)]


def cookie_of(name):
    """Of a guest's flows: core/pipeline.h."""
    return 0x5c67_03 << 40 | int(MACS[name].replace(":", "")[2:], 16)


# -- guests, policies

def runs_at(lab, name):
    """The data center whose libvirt says that the guest runs there; an assertion if it runs nowhere or twice."""
    server = lab.server_of(name)
    assert server, f"{name} runs nowhere"
    return next(dc for dc, one in SERVERS.items() if one == server)


def stored_policies(lab, dc):
    return {one["policy"]: one for one in lab.get(dc, "/v1/policies")["policies"]}


def put_policy(lab, dc, policy):
    """It is enforced when this returns."""
    name = policy["policy"]
    status, _, body = lab.rest(dc, "PUT", f"/v1/policies/{name}", policy)
    assert status == 200, body
    wait_until(f"the ToR of {name} to have its policy", lambda: is_verified(lab, dc, name))


def verification(lab, dc, name):
    """What the gateway finds at the guest's ToR."""
    status, _, body = lab.rest(dc, "POST", f"/v1/vms/{name}/verification")
    assert status == 200, body
    return json.loads(body)


def verify(lab, *words):
    """(status, what it says) of `scgctl policy verify` in A."""
    done = lab.run("ctl", "A", "policy", "verify", *words, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, done.stdout


def is_verified(lab, dc, name):
    found = verification(lab, dc, name)
    return found["verified"] and all(switch["settled"] for switch in found["switches"])


def put_address_set(lab, dc, name, prefixes):
    status, _, body = lab.rest(dc, "PUT", f"/v1/address-sets/{name}", {"name": name, "prefixes": prefixes})
    assert status == 200, body


def delete_address_set(lab, dc, name):
    status, _, body = lab.rest(dc, "DELETE", f"/v1/address-sets/{name}")
    return status, json.loads(body) if body else None


def delete_policy(lab, dc, name):
    status, _, body = lab.rest(dc, "DELETE", f"/v1/policies/{name}")
    assert status == 204, body


def policies_differ(lab, one, other, directory):
    """None, or a packet that the two policies treat differently."""
    files = []
    for label, policy in (("one", one), ("other", other)):
        files.append(directory / f"{label}.json")
        files[-1].write_text(json.dumps(policy), encoding="utf-8")
    tool = lab.build / "tests" / "policy_tool"
    done = subprocess.run([tool, "equal", *files], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout if done.returncode else None


def reachable(lab, name):
    """The guest's web server answers user1."""
    try:
        with lab.connect("user1", (ADDRESSES[name], 80), 2) as sock:
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            text = b"".join(iter(lambda: sock.recv(4096), b""))
    except OSError:
        return False
    return text.endswith(f"\n{name}\n".encode())


def open_migrations(lab):
    return [one for dc in SERVERS for one in lab.get(dc, "/v1/migrations")["migrations"] if not one["ended"]]


def go_home(lab):
    """The lab as it came up, with the policies of POLICIES: everything alive, guests at server-a, nothing under way."""
    for daemon in lab.dead_daemons():
        lab.run("restart", *daemon)
    for dc in SERVERS:
        wait_ready(lab, dc)
    wait_until("migrations to end", lambda: not open_migrations(lab), 120, 0.3)
    away = [name for name in ADDRESSES if lab.server_of(name) == "server-b"]
    if away:
        order = Order(lab, "B", *away, to="A/server-a")
        assert order.finish() == 0, order.output
    wanted, held = POLICIES, stored_policies(lab, "A")
    for name, policy in held.items():
        if wanted.get(name) != policy:
            delete_policy(lab, "A", name)   # first, so that meters of the other get the lowest numbers again
    for name, policy in wanted.items():
        if held.get(name) != policy:
            put_policy(lab, "A", policy)
    for name in POLICIES:
        wait_until(f"{name} to answer user1", lambda name=name: reachable(lab, name), 30, 0.2)
    assert lab.server_of("V1") == "server-a"


def wait_ready(lab, dc, deadline=40):
    """The gateway answers, and all that it had before is there."""
    servers, switches = 1, len(SWITCHES[dc])

    def ready():
        try:
            health = lab.get(dc, "/healthz")
        except OSError:
            return None
        transport = lab.get(dc, "/v1/transport")
        return (health["servers-up"], health["switches-up"]) == (servers, switches) and health["next-hop-resolved"] \
            and all(server["tor"] for server in lab.get(dc, "/v1/servers")["servers"]) \
            and transport["synced"] and len(transport["ingresses"]) == INGRESSES

    wait_until(f"gateway {dc} to see its data center", ready, deadline, 0.2)


# -- orders

class Order:
    """scgctl migrate --watch, running; and the migration that it began."""

    def __init__(self, lab, dc, *names, to="B/server-b", options=()):
        self.lab, self.dc, self.other = lab, dc, "B" if dc == "A" else "A"
        self.known = {one["id"] for one in lab.get(dc, "/v1/migrations")["migrations"]}
        self.process = lab.popen("ctl", dc, "migrate", *names, "--to", to, "--watch", *options)
        self._id = None
        self.output = None

    @property
    def id(self):
        if self._id is None:
            self._id = wait_until("the order to be accepted", lambda: next(
                (one["id"] for one in self.lab.get(self.dc, "/v1/migrations")["migrations"]
                 if one["id"] not in self.known), None), 10)
        return self._id

    def migration(self, dc=None):
        """As its gateway shows it; None if that does not know it."""
        status, _, body = self.lab.rest(dc or self.dc, "GET", f"/v1/migrations/{self.id}")
        assert status in (200, 404), body
        return json.loads(body) if status == 200 else None

    def wait_transferring(self, least=1 << 20, deadline=40):
        """Until some memory of the first guest has been transferred, and not all of it."""
        def moving():
            migration = self.migration()
            assert not migration["ended"], migration
            progress = migration["vms"][0]["progress"]
            return progress["bytes-processed"] >= least and progress

        progress = wait_until("memory to be transferred", moving, deadline, 0.02)
        assert progress["bytes-remaining"] > 0

    def wait_ended(self, deadline=90):
        """Until both gateways say that it has ended, and agree; the state at its own."""
        def ended(dc):
            try:
                migration = self.migration(dc)
            except OSError:
                return None
            return {"state": "rolled_back"} if migration is None else migration["ended"] and migration

        states = [wait_until(f"migration {self.id} to end in {dc}", lambda dc=dc: ended(dc), deadline, 0.1)["state"]
                  for dc in (self.dc, self.other)]
        assert tuple(states) in {("done", "committed"), ("rolled_back", "rolled_back")}, states
        return states[0]

    def finish(self, deadline=120):
        """The exit status of scgctl; what it said is in `output`."""
        out, complaint = self.process.communicate(timeout=deadline)
        self.output = out + complaint
        return self.process.returncode


# -- traffic

class Knocker(threading.Thread):
    """A user who tries forbidden ports of a guest all the time. A guest that a packet reaches says so: it accepts or
    refuses the connection, or sends an ICMP error for the datagram."""

    def __init__(self, lab, name, tcp=FORBIDDEN_TCP, udp=FORBIDDEN_UDP, node="user1", interval=0.02, patience=1.5):
        super().__init__(daemon=True)
        self.lab, self.node, self.address, self.tcp, self.udp = lab, node, ADDRESSES[name], tcp, udp
        self.interval, self.patience = interval, patience
        self.knocks, self.breaches, self.failure = 0, [], None
        self.ending = threading.Event()
        self.start()

    def run(self):
        try:
            with self.lab.inside(self.node):
                self.knock()
        except Exception as error:      # pylint: disable=broad-except; it shall fail the test, not die unseen
            self.failure = error

    def knock(self):
        waiting = {}
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.setblocking(False)
        datagrams.connect((self.address, self.udp))
        while not (self.ending.is_set() and not waiting):
            now = time.monotonic()
            if not self.ending.is_set():
                knock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                knock.setblocking(False)
                knock.connect_ex((self.address, self.tcp))
                waiting[knock] = now + self.patience
                self.knocks += 2
            for step in (lambda: datagrams.send(b"knock"), lambda: datagrams.recv(100)):
                try:
                    step()
                except BlockingIOError:
                    pass
                except ConnectionRefusedError:
                    self.breaches.append(f"UDP port {self.udp} was refused by the guest")
                except OSError:
                    pass                # no route at this moment: certainly no breach
            for knock in select.select([], list(waiting), [], 0)[1]:
                error = knock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error in (0, 111):
                    self.breaches.append(f"TCP port {self.tcp}: " + ("connected" if error == 0 else "refused"))
                del waiting[knock]
                knock.close()
            for knock in [knock for knock, end in waiting.items() if end <= now]:
                del waiting[knock]
                knock.close()
            self.ending.wait(self.interval) if not self.ending.is_set() else time.sleep(self.interval)

    def finish(self):
        """No packet reached the guest; how many were sent."""
        self.ending.set()
        self.join(10)
        assert not self.is_alive() and self.failure is None, self.failure
        return self.knocks, self.breaches


def inet_route(lab, name):
    """The next hop by which the IP network reaches a guest."""
    text = subprocess.run(["ip", "-n", lab.namespace("inet"), "route", "show", ADDRESSES[name]], capture_output=True,
                          text=True, check=True).stdout
    found = re.search(r"via (\S+)", text)
    return found and found[1]


