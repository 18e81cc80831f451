# SPDX-License-Identifier: Apache-2.0
"""The lab as tests see it: the command line of lab/lab, sockets in its nodes, and waiting with a deadline."""

import contextlib
import ctypes
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

import libvirt

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "lab" / "lab"
PROBE = ROOT / "lab" / "probe"
FLOWS = ("ovs-ofctl", "-O", "OpenFlow13")
GATEWAYS = {"A": ("scg-a", "10.255.0.1"), "B": ("scg-b", "10.255.0.2")}
REST_PORT = 8080
ETHERNET, VPLS = "ethernet", "vpls"     # modes of a fabric
SERVERS = {"server-a": "10.255.0.11", "server-b": "10.255.0.12"}
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
libvirt.registerErrorHandler(lambda *_: None, None)     # it prints what it raises


def wait_until(what, probe, deadline=10, interval=0.05):
    """Call `probe` until it returns something true; return that, or fail naming `what` and the last value."""
    end = time.monotonic() + deadline
    while True:
        value = probe()
        if value:
            return value
        assert time.monotonic() < end, f"{what}: not within {deadline} s; last: {value!r}"
        time.sleep(interval)


class Probe:
    """A running lab/probe; `finish` ends it and returns its report."""

    def __init__(self, process):
        self.process = process

    def wait_answered(self, deadline=10):
        """Block until the first answer came: the line on standard error. A probe that ended instead is quoted."""
        spoke = select.select([self.process.stderr], [], [], deadline)[0]
        assert spoke, f"{self.process.args}: no answer within {deadline} s"
        line = self.process.stderr.readline()
        assert line.startswith("probe: answered"), f"{self.process.args}: {line}{self.process.communicate()}"
        return self

    def finish(self, deadline=20):
        self.process.send_signal(signal.SIGTERM)
        return self.report(deadline)

    def report(self, deadline=60):
        out, complaint = self.process.communicate(timeout=deadline)
        assert out, complaint
        return json.loads(out)


class Capture:
    """A running tcpdump that writes a file, from the moment that this returns."""

    def __init__(self, process, file):
        self.process, self.file = process, file
        line = process.stderr.readline()
        while "listening on" not in line:
            assert line, "tcpdump ended"
            line = process.stderr.readline()

    def finish(self):
        self.process.terminate()
        self.process.communicate(timeout=10)
        return self

    def count(self, *words):
        done = subprocess.run(["tcpdump", "-nr", self.file, *words], capture_output=True, text=True, check=True)
        return sum(not line.startswith("\t") for line in done.stdout.splitlines())      # but for dumps of their bytes


class LabTool:
    def __init__(self, directory=None, prefix=None):
        self.options = [*(["--dir", str(directory)] if directory else []), *(["--prefix", prefix] if prefix else [])]
        self.directory = Path(directory or os.environ.get("SCG_LAB_DIR") or ROOT / "build" / "lab")
        self.prefix = prefix or os.environ.get("SCG_LAB_PREFIX") or "scg-"
        self.build = Path(os.environ.get("SCG_BUILD_DIR") or ROOT / "build")
        self.libvirts = {}
        self.daemons = None

    def modes(self):
        """Data center -> mode of its fabric, in the lab that is up, else in the one that SCG_LAB_MODE asks for."""
        try:
            return json.loads((self.directory / "lab.json").read_text(encoding="utf-8"))["modes"]
        except (OSError, ValueError, KeyError):
            words = os.environ.get("SCG_LAB_MODE", ETHERNET).split(",")
            return dict(zip(GATEWAYS, words * len(GATEWAYS)))

    def command(self, *words):
        return [str(TOOL), *self.options, *map(str, words)]

    def run(self, *words, check=True, timeout=120):
        """`lab WORDS`: the finished process, whose status must be 0 unless `check` is off."""
        done = subprocess.run(self.command(*words), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout, check=False)
        assert not check or done.returncode == 0, f"lab {' '.join(map(str, words))}: {done.stdout}{done.stderr}"
        return done

    def pid(self, daemon, node):
        """Of a running daemon, or None. `status` tells the same, and much more, in a second."""
        try:
            pid = int((self.directory / "run" / f"{node}-{daemon}.pid").read_text(encoding="ascii").split()[0])
            state = Path("/proc", str(pid), "stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
        except OSError:
            return None
        return None if state in "ZX" else pid

    def dead_daemons(self):
        """(name, node) of each daemon that the lab has and that does not run."""
        if self.daemons is None:
            self.daemons = [(one["name"], one["node"]) for one in self.status()["daemons"]]
        return [one for one in self.daemons if self.pid(*one) is None]

    def popen(self, *words, **options):
        return subprocess.Popen(self.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **options)

    def up(self, *words):
        return self.run("up", *words).stdout

    def down(self):
        return self.run("down").stdout

    def status(self):
        return json.loads(self.run("status", "-o", "json", check=False).stdout)

    def exec(self, node, *command, **options):
        """Standard output of COMMAND in the node."""
        return self.run("exec", node, *command, **options).stdout

    def ctl(self, dc, *arguments, **options):
        """The answer of scgctl as an object."""
        return json.loads(self.run("ctl", dc, *arguments, "-o", "json", **options).stdout)

    def virsh(self, server, *words, **options):
        return self.exec(server, "virsh", "-q", "-c", "qemu:///system", *words, **options)

    def namespace(self, node):
        return node if node.startswith(self.prefix) else self.prefix + node

    @contextlib.contextmanager
    def inside(self, node):
        """This thread in the node's network: sockets made within belong there for good."""
        with open("/proc/thread-self/ns/net", encoding="ascii") as home, \
                open(f"/run/netns/{self.namespace(node)}", encoding="ascii") as there:
            assert LIBC.setns(there.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            try:
                yield
            finally:
                assert LIBC.setns(home.fileno(), CLONE_NEWNET) == 0

    def connect(self, node, address, timeout=15):
        """A TCP connection from the node."""
        with self.inside(node):
            return socket.create_connection(address, timeout)

    def rest(self, dc, method, path, body=None, headers=None, timeout=15):
        """(status, headers, body) of a request to a gateway; a `body` that is not bytes is sent as JSON."""
        node, address = GATEWAYS[dc]
        client = http.client.HTTPConnection(address, REST_PORT)
        client.sock = self.connect(node, (address, REST_PORT), timeout)
        try:
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            client.request(method, path, data, headers or {})
            answer = client.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            client.close()

    def get(self, dc, path):
        """What a gateway shows at a path; it must be there."""
        status, _, body = self.rest(dc, "GET", path)
        assert status == 200, f"{dc} {path}: {status} {body.decode()}"
        return json.loads(body)

    def probe(self, node, *words):
        return Probe(self.popen("exec", node, PROBE, *words))

    def libvirt(self, server):
        """A connection to the server's libvirtd, kept for later calls."""
        try:
            self.libvirts[server].getLibVersion()
        except (KeyError, libvirt.libvirtError):        # not yet, or it was restarted
            with self.inside(server):
                self.libvirts[server] = libvirt.open(f"qemu+tcp://{SERVERS[server]}/system")
        return self.libvirts[server]

    def server_of(self, guest):
        """Where the guest runs; None if it does not, an assertion if it runs twice."""
        places = [server for server in SERVERS
                  if any(one.name() == guest and one.state()[0] == libvirt.VIR_DOMAIN_RUNNING
                         for one in self.libvirt(server).listAllDomains())]
        assert len(places) <= 1, f"{guest} runs in two places: {places}"
        return places[0] if places else None

    def capture(self, link, file, *words):
        return Capture(self.popen("capture", link, file, *words), file)

    def leftovers(self):
        """What a lab must not leave: namespaces of its prefix and the claim to them, its directory, processes that have
        it mounted."""
        names = [f"namespace {name}" for name in os.listdir("/run/netns") if name.startswith(self.prefix)] \
            if os.path.isdir("/run/netns") else []
        names += [f"claim {file}" for file in Path("/run/scg-lab").glob(f"{self.prefix}.json")]
        if self.directory.exists():
            names.append(f"directory {self.directory}")
        mine = str(self.directory) + "/nodes"
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                if mine in Path("/proc", entry, "mountinfo").read_text(encoding="utf-8"):
                    command = Path("/proc", entry, "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    names.append(f"process {entry} {command}")
            except OSError:
                pass
        return names
