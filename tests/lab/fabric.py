# SPDX-License-Identifier: Apache-2.0
"""A small DC on a scratch Open vSwitch, without gateways: a test installs its flows.

    v1 v2 v3 ─ s1 ┐                       ┌ inet   (a router of the IP network, 198.51.100.1 behind it)
          v4 ─ s2 ┴ tor ─ p1 ─ p3 ─ pe ───┤
                      └── p2 ──┘  (p1─p2, pe─p1, tor2─p3 as well)  └ rtr    (the PE's routing daemon)
    v5, v2moved ─ s3 ─ tor2 ─┘
                  s3 ─ pe3 ─ inet      (a PE between DCs: a server's migration port, and an uplink)

Everything is a network namespace or a veth pair between two. v2moved has the addresses of v2, and is down at first."""

import contextlib
import ctypes
import ipaddress
import os
import shutil
import signal
import socket
import struct
import subprocess
import time

FABRIC = [("tor", "p1"), ("tor", "p2"), ("p1", "p2"), ("p1", "p3"), ("p2", "p3"), ("pe", "p1"), ("pe", "p3"),
          ("tor2", "p2"), ("tor2", "p3")]
PRIORITY = {"tor": 61440, "tor2": 61440, "pe": 61440, "p1": 8192, "p2": 12288, "p3": 4096}
SERVERS = {"s1": "tor", "s2": "tor", "s3": "tor2"}
VMS = {"v1": ("s1", 11), "v2": ("s1", 12), "v3": ("s1", 13), "v4": ("s2", 14), "v5": ("s3", 15), "v2moved": ("s3", 12)}
GATEWAY, GATEWAY_MAC = "10.100.0.1", "02:5c:67:00:00:01"
USER = "198.51.100.1"
VLAN = 100
OFFLOADS = "tx", "rx", "tso", "gso", "gro", "txvlan", "rxvlan"

CLONE_NEWNET = 0x40000000
PACKET_AUXDATA, TP_STATUS_VLAN_VALID = 8, 0x10
LIBC = ctypes.CDLL(None, use_errno=True)


def run(*command, check=True, **keys):
    done = subprocess.run(command, text=True, capture_output=True, **keys)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}{done.stdout}")
    return done.stdout


def poll(condition, seconds=10, what="condition"):
    """Asks until the answer is true, and returns it."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not in {seconds} s: {what}")
        time.sleep(0.02)


def mac_bytes(mac):
    return bytes.fromhex(mac.replace(":", ""))


def ethernet(destination, source, kind, payload, vlan=None):
    tag = struct.pack("!HH", 0x8100, vlan) if vlan is not None else b""
    return mac_bytes(destination) + mac_bytes(source) + tag + struct.pack("!H", kind) + payload


def arp(source, sender_mac, sender_ip, target_ip, destination="ff:ff:ff:ff:ff:ff", op=1, vlan=None):
    return ethernet(destination, source, 0x0806, struct.pack("!HHBBH", 1, 0x0800, 6, 4, op) + mac_bytes(sender_mac) +
                    ipaddress.ip_address(sender_ip).packed + bytes(6) + ipaddress.ip_address(target_ip).packed, vlan)


def ipv4(protocol, source_ip, destination_ip, data, ttl=64):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(data), 0, 0, ttl, protocol, 0,
                         ipaddress.ip_address(source_ip).packed, ipaddress.ip_address(destination_ip).packed)
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xffff) + (total >> 16)
    total = ~((total & 0xffff) + (total >> 16)) & 0xffff
    return header[:10] + struct.pack("!H", total) + header[12:] + data


def udp(destination, source, source_ip, destination_ip, text, port=7777, ttl=64, vlan=None):
    """A UDP datagram without checksum, as RFC 768 allows."""
    data = text.encode()
    return ethernet(destination, source, 0x0800, ipv4(17, source_ip, destination_ip,
                                                      struct.pack("!HHHH", port, port, 8 + len(data), 0) + data, ttl),
                    vlan)


def tcp_syn(destination, source, source_ip, destination_ip, port):
    """From that port, to port 80; without a checksum, so that nobody takes it."""
    return ethernet(destination, source, 0x0800, ipv4(6, source_ip, destination_ip, struct.pack(
        "!HHIIBBHHH", port, 80, 1, 0, 0x50, 0x02, 1024, 0, 0)))


def udp6(destination, source, source_ip, destination_ip, port=7777, text="", vlan=None):
    """A UDP datagram of IPv6; nobody looks at its checksum here."""
    data = text.encode()
    header = struct.pack("!IHBB", 0x60000000, 8 + len(data), 17, 64) + ipaddress.ip_address(source_ip).packed + \
        ipaddress.ip_address(destination_ip).packed
    return ethernet(destination, source, 0x86dd, header + struct.pack("!HHHH", 7777, port, 8 + len(data), 0) + data,
                    vlan)


def solicited_node(address):
    """Solicited-node multicast, RFC 4291 §2.7.1: as MAC and as address."""
    tail = ipaddress.ip_address(address).packed[13:].hex(":")
    return f"33:33:ff:{tail}", f"ff02::1:ff{tail[0:2]}:{tail[3:5]}{tail[6:8]}"


def link_local(mac):
    """RFC 4291 appendix A."""
    m = mac_bytes(mac)
    return ipaddress.ip_address(b"\xfe\x80" + bytes(6) + bytes([m[0] ^ 2]) + m[1:3] + b"\xff\xfe" + m[3:])


def neighbour_discovery(destination, source, kind, source_ip, destination_ip, target, option_mac=None, hops=255,
                        options=b"", vlan=None):
    """A solicitation (135) or advertisement (136), RFC 4861, with the sender's link-layer address if it is given."""
    if option_mac:
        options = bytes([kind - 134, 1]) + mac_bytes(option_mac) + options
    source_ip, destination_ip, target = (ipaddress.ip_address(one).packed
                                         for one in (source_ip, destination_ip, target))
    body = (0x60000000 if kind == 136 else 0).to_bytes(4, "big") + target + options
    pseudo = source_ip + destination_ip + struct.pack("!II", 4 + len(body), 58)
    total = sum(struct.unpack(f"!{(44 + len(body)) // 2}H", pseudo + bytes([kind, 0, 0, 0]) + body))
    total = (total & 0xffff) + (total >> 16)
    total = ~((total & 0xffff) + (total >> 16)) & 0xffff
    return ethernet(destination, source, 0x86dd, struct.pack("!IHBB", 0x60000000, 4 + len(body), 58, hops) +
                    source_ip + destination_ip + struct.pack("!BBH", kind, 0, total) + body, vlan)


class Tap:
    """A packet socket: frames as they were on the wire, with their VLAN tags."""

    def __init__(self, sock):
        self.sock = sock

    def send(self, frame):
        self.sock.send(frame)

    def receive(self, seconds=2):
        """The next frame that came in (not one that was sent here), or None."""
        deadline = time.monotonic() + seconds
        while True:
            self.sock.settimeout(max(deadline - time.monotonic(), 0.0001))
            try:
                frame, ancillary, _, address = self.sock.recvmsg(16384, 256)
            except (TimeoutError, BlockingIOError):
                return None
            if address[2] == socket.PACKET_OUTGOING:
                continue
            for level, kind, data in ancillary:
                status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", data[:20])
                if (level, kind) == (263, PACKET_AUXDATA) and status & TP_STATUS_VLAN_VALID:
                    frame = frame[:12] + struct.pack("!HH", tpid, tci) + frame[12:]
            return frame

    def until(self, wanted, seconds=3):
        """All frames up to the first that 'wanted' is true of; that one has to come."""
        frames = []
        while True:
            frame = self.receive(seconds)
            assert frame is not None, f"the awaited frame did not come, only {[f[:64].hex() for f in frames[-5:]]}"
            frames.append(frame)
            if wanted(frame):
                return frames

    def close(self):
        self.sock.close()


def has(text):
    return lambda frame: text.encode() in frame


class Fabric:
    def __init__(self, directory, dump, prefix=os.environ.get("SCG_TEST_PREFIX", "pipe-")):
        self.directory, self.dump_program, self.prefix = directory, dump, prefix
        self.environment = dict(os.environ, OVS_RUNDIR=str(directory), OVS_LOGDIR=str(directory))
        self.ports = {}
        self.ipv6 = {}                  # by VM: its addresses, for the flows that are installed from then on

    # namespaces and what runs in them

    def ns(self, node, *command, check=True):
        return run("ip", "netns", "exec", self.prefix + node, *command, check=check, env=self.environment)

    def ip(self, node, *lines):
        run("ip", "-n", self.prefix + node, "-batch", "-", input="\n".join(lines) + "\n")

    @contextlib.contextmanager
    def inside(self, node):
        """Sockets made within belong to the namespace, and go on doing so."""
        with open("/proc/self/ns/net", encoding="ascii") as home, \
                open(f"/run/netns/{self.prefix}{node}", encoding="ascii") as there:
            assert LIBC.setns(there.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            try:
                yield
            finally:
                assert LIBC.setns(home.fileno(), CLONE_NEWNET) == 0

    def tap(self, node, interface):
        with self.inside(node):
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            sock.setsockopt(263, PACKET_AUXDATA, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            sock.bind((interface, 3))
        return Tap(sock)

    def socket(self, node, kind, address=None):
        with self.inside(node):
            sock = socket.socket(socket.AF_INET, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.settimeout(1)
        if address:
            sock.bind(address)
        return sock

    def pings(self, node, address, seconds=1):
        done = subprocess.run(["ip", "netns", "exec", self.prefix + node, "ping", "-nqc1", f"-W{seconds}", address],
                              capture_output=True, check=False)
        return done.returncode == 0

    # Open vSwitch

    def vsctl(self, *arguments):
        return run("ovs-vsctl", f"--db=unix:{self.directory}/db.sock", *arguments, env=self.environment)

    def ofctl(self, command, bridge, *arguments, flows=None, check=True):
        return run("ovs-ofctl", "-O", "OpenFlow13", "--no-names", *(["--bundle"] if flows is not None else []), command,
                   f"unix:{self.directory}/{bridge}.mgmt", *arguments, input=flows, check=check, env=self.environment)

    def dump(self, *requests):
        words = []
        for request in requests:
            words += ["+", *map(str, request)]
        return run(str(self.dump_program), *words[1:])

    def install(self, bridge, *requests):
        """What the pipelines say, in one bundle."""
        lines = self.dump(*requests).splitlines(keepends=True)
        for line in lines:
            if line.startswith("meter_add "):
                self.set_meter(bridge, line.split()[1])
        self.ofctl("add-flows", bridge, "-", flows="".join(line for line in lines if not line.startswith("meter_")))
        for line in lines:
            if line.startswith("meter_delete "):
                self.ofctl("del-meters", bridge, line.split()[1])

    def set_meter(self, bridge, meter):
        try:
            self.ofctl("add-meter", bridge, meter)
        except RuntimeError as error:
            if "OFPMMFC_METER_EXISTS" not in str(error):
                raise
            self.ofctl("mod-meter", bridge, meter)

    def flows(self, bridge):
        return sorted(line.strip() for line in self.ofctl("dump-flows", bridge, "--no-stats").splitlines()
                      if "priority" in line or "actions" in line)

    def packets(self, bridge, match):
        """Packets that one flow has seen; 'match' with table and priority, strictly."""
        text = self.ofctl("dump-flows", bridge, match)
        return sum(int(part[10:-1]) for part in text.split() if part.startswith("n_packets="))

    def rstp(self, port):
        text = self.vsctl("get", "port", port, "rstp_status")
        return dict(pair.split("=", 1) for pair in text.strip().strip("{}").replace('"', "").split(", ") if "=" in pair)

    def fabric_ports(self, bridge):
        return [f"{a}-{b}" for pair in FABRIC for a, b in (pair, pair[::-1]) if a == bridge]

    def forwarding(self, bridge):
        return [port for port in self.fabric_ports(bridge) if self.rstp(port).get("rstp_port_state") == "Forwarding"]

    def converged(self):
        states = [self.rstp(port) for bridge in PRIORITY for port in self.fabric_ports(bridge)]
        return all((state.get("rstp_port_role"), state.get("rstp_port_state")) in
                   (("Root", "Forwarding"), ("Designated", "Forwarding"), ("Alternate", "Discarding"),
                    ("Disabled", "Discarding")) for state in states)

    # up and down

    def nodes(self):
        return ["switches", "inet", "rtr", *SERVERS, *VMS]

    def veth(self, a, a_node, b, b_node, mtu):
        run("ip", "link", "add", a, "mtu", str(mtu), "netns", self.prefix + a_node, "type", "veth", "peer", "name", b,
            "mtu", str(mtu), "netns", self.prefix + b_node)
        for interface, node in ((a, a_node), (b, b_node)):
            self.ip(node, f"link set {interface} up")
            self.ns(node, "ethtool", "-K", interface, *(word for feature in OFFLOADS for word in (feature, "off")))

    def add_nodes(self):
        for node in self.nodes():
            run("ip", "netns", "add", self.prefix + node)
            self.ns(node, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
            self.ip(node, "link set lo up")
        self.start_ovs()

    def up(self):
        self.add_nodes()
        for a, b in FABRIC:
            self.veth(f"{a}-{b}", "switches", f"{b}-{a}", "switches", 1600)
        for server, tor in SERVERS.items():
            self.veth(f"{tor}-{server}", "switches", "uplink", server, 1500)
            # Ageing time 0: the bridge learns nothing. With isolated ports, a frame to a VM that it had learned at
            # another of them would be dropped instead of going to the ToR.
            self.ip(server, "link add br0 type bridge ageing_time 0", "link set br0 up", "link set uplink master br0")
        for vm, (server, host) in VMS.items():
            self.veth(vm, server, "eth0", vm, 1500)
            self.ip(server, f"link set {vm} master br0")
            self.ns(server, "bridge", "link", "set", "dev", vm, "isolated", "on")
            self.ip(vm, f"link set eth0 address {self.mac(vm)}", f"addr add {self.address(vm)}/24 dev eth0",
                    f"route add default via {GATEWAY}")
        self.ip("v2moved", "link set eth0 down")
        self.veth("pe-inet", "switches", "pe", "inet", 1500)
        self.veth("pe-rtr", "switches", "uplink", "rtr", 1500)
        self.veth("pe3-mig", "switches", "mig", "s3", 1500)
        self.veth("pe3-far", "switches", "far", "inet", 1500)
        self.ip("inet", "addr add 192.0.2.1/30 dev pe", f"addr add {USER}/32 dev lo",
                "route add 10.100.0.0/24 via 192.0.2.2")
        self.ip("rtr", "addr add 192.0.2.2/30 dev uplink")
        self.add_bridges()

    def start_ovs(self):
        path = str(self.directory)
        run("ovsdb-tool", "create", f"{path}/conf.db", "/usr/share/openvswitch/vswitch.ovsschema")
        for program, *arguments in (("ovsdb-server", f"{path}/conf.db", f"--remote=punix:{path}/db.sock"),
                                    ("ovs-vswitchd", f"unix:{path}/db.sock")):
            files = (f"--{kind}={path}/{program}.{end}" for kind, end in
                     (("pidfile", "pid"), ("log-file", "log"), ("unixctl", "ctl")))
            self.ns("switches", program, *arguments, *files, "--no-chdir", "--detach")
            if program == "ovsdb-server":
                self.vsctl("--no-wait", "init")

    def add_bridges(self):
        words = []
        for bridge, priority in PRIORITY.items():
            words += ["--", "add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev", "fail_mode=secure",
                      "protocols=OpenFlow13", "rstp_enable=true", f"other_config:rstp-priority={priority}"]
            edge = [f"{bridge}-{server}" for server, tor in SERVERS.items() if tor == bridge]
            edge += ["pe-inet", "pe-rtr"] if bridge == "pe" else []
            for number, port in enumerate(self.fabric_ports(bridge) + edge, 1):
                self.ports[port] = number
                words += ["--", "add-port", bridge, port, "--", "set", "interface", port, f"ofport_request={number}"]
                if port in edge:
                    words += ["--", "set", "port", port, "other_config:rstp-enable=false"]
        words += ["--", "add-br", "pe3", "--", "set", "bridge", "pe3", "datapath_type=netdev", "fail_mode=secure",
                  "protocols=OpenFlow13"]
        for number, port in enumerate(("pe3-mig", "pe3-far"), 1):
            self.ports[port] = number
            words += ["--", "add-port", "pe3", port, "--", "set", "interface", port, f"ofport_request={number}"]
        self.vsctl(*words[1:])

    def down(self):
        """Also what an earlier run left, that was killed: whatever lives in these namespaces is a test's."""
        nodes = [self.prefix + node for node in self.nodes()]
        for name in run("ip", "netns", "list").split():
            if name in nodes:
                for pid in run("ip", "netns", "pids", name).split():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGTERM)
                poll(lambda name=name: not run("ip", "netns", "pids", name), what=f"nothing runs in {name} any more")
                run("ip", "netns", "del", name)
        shutil.rmtree(self.directory, ignore_errors=True)

    # names as the pipelines want them

    @staticmethod
    def mac(vm):
        return f"52:54:00:00:00:{VMS[vm][1]}"

    @staticmethod
    def address(vm):
        return f"10.100.0.{VMS[vm][1]}"

    def numbers(self, names):
        return ",".join(str(self.ports[name]) for name in names) or "-"

    def server_ports(self, bridge):
        return self.numbers(f"{bridge}-{server}" for server, tor in SERVERS.items() if tor == bridge)

    def segment(self):
        return 1, VLAN, GATEWAY_MAC, f"{GATEWAY}/24"

    def uplink(self):
        return self.ports["pe-inet"], self.ports["pe-rtr"], "192.0.2.2", "192.0.2.1"

    def vm(self, vm):
        server = VMS[vm][0]
        addresses = ",".join((self.address(vm), *self.ipv6.get(vm, ())))
        return vm, self.mac(vm), addresses, self.ports[f"{SERVERS[server]}-{server}"]

    def vm_tor(self, vm, policy="-", meter=1):
        return ("vm-tor", *self.segment(), *self.vm(vm), policy, meter)

    def install_all(self):
        """The whole DC, as a gateway would, every VM without a policy."""
        for bridge in ("p1", "p2", "p3"):
            self.install(bridge, ("p",))
        for tor in ("tor", "tor2"):
            self.install(tor, ("tor", self.server_ports(tor), self.numbers(self.fabric_ports(tor))),
                         ("segment-tor", *self.segment(), self.server_ports(tor)),
                         *(self.vm_tor(vm) for vm, (server, _) in VMS.items()
                           if SERVERS[server] == tor and vm != "v2moved"))
        mac = self.ns("inet", "cat", "/sys/class/net/pe/address").strip()
        self.install("pe", ("pe", *self.uplink(), self.numbers(self.fabric_ports("pe"))),
                     ("segment-pe", *self.segment()), ("neighbour", *self.uplink(), mac),
                     *(("vm-pe", *self.segment(), *self.vm(vm)) for vm in VMS if vm != "v2moved"))


@contextlib.contextmanager
def standing(fabric):
    """The fabric, from up to down."""
    assert fabric.dump_program.exists(), f"{fabric.dump_program} is not built"
    try:
        fabric.down()
        fabric.directory.mkdir()
        fabric.up()
        yield fabric
    finally:
        fabric.down()


@contextlib.contextmanager
def taps_of(fabric):
    """Opens packet sockets, and closes them."""
    opened = []

    def tap(node, interface="eth0"):
        opened.append(fabric.tap(node, interface))
        return opened[-1]

    yield tap
    for one in opened:
        one.close()
