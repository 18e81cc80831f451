# SPDX-License-Identifier: Apache-2.0
"""The TED against FRR's zebra and ospfd, in namespaces of their own; the lab is not needed.

      area 0.0.0.1                      area 0.0.0.2

      n3 === n1 --- gw --- n2 === n4          === a TE link    --- a control link of the gateway

n1 to n4 flood the TE links natively. gw's ospfd is in both areas; beside it runs te_watch, which says what is made of
it. One change a test, and what must be heard of it.
"""

import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
from dissect import BUILD

FRR = Path("/usr/lib/frr")
MBIT = 1000 * 1000
# Seconds. An ospfd that starts again counts the sequence numbers of its TE LSAs from the first, one each 5 s, until it
# passes what its neighbours hold, or these forget it after 60 s.
PATIENCE = 90
NODES = {"n1": 1, "n2": 2, "n3": 3, "n4": 4, "gw": 9}
LINKS = [("n1", "n3", 1, True), ("n2", "n4", 2, True), ("gw", "n1", 1, False), ("gw", "n2", 2, False)]


def run(*command, check=True):
    return subprocess.run([str(word) for word in command], check=check, capture_output=True, text=True)


def wait_for(what, probe):
    end = time.monotonic() + PATIENCE
    while not (result := probe()):
        assert time.monotonic() < end, f"still waiting for {what}"
        time.sleep(0.02)
    return result


class Network:
    """Namespaces, links and FRR's daemons."""

    def __init__(self, directory):
        self.directory = directory
        self.interfaces = {node: [] for node in NODES}      # name, area, whether it is a TE link
        self.processes = {}
        frr = pwd.getpwnam("frr")
        for node, number in NODES.items():
            (directory / node).mkdir()
            os.chown(directory / node, frr.pw_uid, frr.pw_gid)
            run("ip", "netns", "add", self.namespace(node))
            self.ip(node, "link", "set", "lo", "up")
            self.ip(node, "addr", "add", f"10.253.0.{number}/32", "dev", "lo")
        for number, (a, b, area, te) in enumerate(LINKS, 1):
            run("ip", "link", "add", f"{a}-{b}", "netns", self.namespace(a), "type", "veth", "peer", "name", f"{b}-{a}",
                "netns", self.namespace(b))
            for host, (node, other) in enumerate(((a, b), (b, a)), 1):
                name = f"{node}-{other}"
                self.ip(node, "addr", "add", f"10.252.{number}.{host}/30", "dev", name)
                self.ip(node, "link", "set", name, "up")
                self.interfaces[node].append((name, area, te))
        for node in NODES:
            (directory / node / "zebra.conf").write_text(self.zebra_conf(node), encoding="ascii")
            (directory / node / "ospfd.conf").write_text(self.ospfd_conf(node), encoding="ascii")
            self.start(node, "zebra", "zserv.api")
            self.start(node, "ospfd", "ospfd.vty")

    @staticmethod
    def namespace(node):
        return f"ospf-{os.getpid()}-{node}"

    def ip(self, node, *words):
        run("ip", "-n", self.namespace(node), *words)

    def zebra_conf(self, node):
        lines = [f"hostname {node}"]
        for name, _, te in self.interfaces[node]:
            if te:
                lines += [f"interface {name}", " bandwidth 1000", " link-params", "  enable", "  metric 10",
                          " exit-link-params"]
        return "\n".join(lines) + "\n"

    def ospfd_conf(self, node):
        lines = [f"hostname {node}"]
        for name, area, _ in self.interfaces[node]:
            lines += [f"interface {name}", " ip ospf network point-to-point", " ip ospf hello-interval 1",
                      " ip ospf dead-interval 4", " ip ospf retransmit-interval 3", f" ip ospf area 0.0.0.{area}"]
        lines += ["router ospf", f" ospf router-id 10.253.0.{NODES[node]}", " capability opaque",
                  " timers throttle spf 0 50 500", " timers lsa min-arrival 100"]
        if node != "gw":
            lines += [" mpls-te on", f" mpls-te router-address 10.253.0.{NODES[node]}"]
        return "\n".join(lines) + "\n"

    def start(self, node, daemon, ready):
        directory = self.directory / node
        (directory / ready).unlink(missing_ok=True)
        with open(directory / f"{daemon}.log", "ab") as log:
            self.processes[node, daemon] = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace(node), FRR / daemon, "-f", directory / f"{daemon}.conf",
                 "-z", directory / "zserv.api", "--vty_socket", directory, "-i", directory / f"{daemon}.pid", "-P", "0",
                 "--log", "stdout", *(["-a"] if daemon == "ospfd" else [])],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        wait_for(f"{daemon} of {node}", lambda: self.is_ready(node, daemon, directory / ready))

    def is_ready(self, node, daemon, file):
        log = self.directory / node / f"{daemon}.log"
        assert self.processes[node, daemon].poll() is None, log.read_text(encoding="utf-8", errors="replace")[-3000:]
        return file.exists()

    def stop(self, node, daemon, how=signal.SIGTERM):
        process = self.processes.pop((node, daemon))
        process.send_signal(how)
        process.wait(PATIENCE)

    def unreserved(self, node, interface, mbits, *options):
        """Have `node` flood so many Mbit/s for each priority."""
        return run(BUILD / "tests" / "zebra_set", self.directory / node / "zebra.vty", interface,
                   *(mbit * MBIT for mbit in mbits), *options, check=False)

    def down(self):
        for node, daemon in list(self.processes):
            self.stop(node, daemon, signal.SIGKILL)
        for node in NODES:
            run("ip", "netns", "del", self.namespace(node), check=False)


class Watch:
    """te_watch beside the gateway's ospfd: its lines, and the TED that follows from them."""

    def __init__(self, network):
        self.lines = []
        self.ted = {}
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", network.namespace("gw"), BUILD / "tests" / "te_watch"], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        for text in self.process.stdout:
            line = json.loads(text)
            if line["event"] == "link":
                self.ted[line["from"], line["local"]] = line
            elif line["event"] == "gone":
                del self.ted[line["from"], line["local"]]
            self.lines.append(line)

    def events(self, since=0):
        return [line["event"] for line in self.lines[since:]]

    def link(self, node):
        """The TE link of a node, of which each has one at most."""
        wanted = f"10.253.0.{NODES[node]}"
        return next((line for (router, _), line in self.ted.copy().items() if router == wanted), None)

    def close(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.thread.join()


@pytest.fixture(scope="module")
def network():
    directory = Path(tempfile.mkdtemp(prefix="ospf-"))
    directory.chmod(0o755)              # FRR's user has to get there; pytest keeps its own directories to itself
    made = Network.__new__(Network)
    try:
        made.__init__(directory)
        yield made
    finally:
        made.down()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def watch(network):
    watcher = Watch(network)
    try:
        wait_for("the links of all nodes", lambda: all(map(watcher.link, ("n1", "n2", "n3", "n4"))))
        yield watcher
    finally:
        watcher.close()


def test_links_of_both_areas_are_learned(watch):
    assert len(watch.ted) == 4
    n1, n3, n4 = watch.link("n1"), watch.link("n3"), watch.link("n4")
    assert {key: n1[key] for key in ("area", "from", "to", "local", "remote", "metric", "max", "reservable", "delay")} \
        == {"area": "0.0.0.1", "from": "10.253.0.1", "to": "10.253.0.3", "local": "10.252.1.1", "remote": "10.252.1.2",
            "metric": 10, "max": 1000 * MBIT, "reservable": 1000 * MBIT, "delay": None}
    assert n1["unreserved"] == [1000 * MBIT] * 8
    assert (n3["local"], n3["remote"], n3["to"]) == (n1["remote"], n1["local"], "10.253.0.1")
    assert (n4["area"], n4["to"]) == ("0.0.0.2", "10.253.0.2")


def test_free_bandwidth_is_flooded_and_right_from_the_first_flood_on(network, watch):
    """FRR floods the first of the priorities at once, the others 5 s later."""
    before = len(watch.lines)
    expected = [1000 * MBIT] * 3 + [400 * MBIT] * 5
    assert network.unreserved("n1", "n1-n3", [1000] * 3 + [400] * 5).returncode == 0
    wait_for("the change", lambda: watch.link("n1")["unreserved"] == expected)
    assert watch.events(before) == ["link"]
    # and given back: the best priority at once, all in the end; the link is never away
    assert network.unreserved("n1", "n1-n3", [1000] * 8).returncode == 0
    wait_for("the change back", lambda: watch.link("n1")["unreserved"] == [1000 * MBIT] * 8)
    assert set(watch.events(before)) == {"link"}


def test_other_parameters_are_flooded(network, watch):
    assert network.unreserved("n2", "n2-n4", [1000] * 8, "metric=77", "admin-group=0x80000001",
                              "delay=1234").returncode == 0
    wait_for("the change", lambda: [watch.link("n2")[key] for key in ("metric", "admin-group", "delay")]
             == [77, 0x80000001, 1234])


def test_more_than_the_link_has_is_refused(network, watch):
    result = network.unreserved("n1", "n1-n3", [1001] * 8)
    assert result.returncode == 1
    assert "could not be greater than Maximum Bandwidth" in result.stdout
    assert watch.link("n1")["unreserved"] == [1000 * MBIT] * 8


def test_link_that_fails_is_gone_both_ways_and_comes_back(network, watch):
    network.ip("n4", "link", "set", "n4-n2", "down")
    wait_for("the link's end at n2", lambda: not watch.link("n2"))
    network.ip("n4", "link", "set", "n4-n2", "up")
    wait_for("both ends of the link", lambda: watch.link("n2") and watch.link("n4"))


def test_ospfd_of_the_gateway_starts_again_and_no_link_flaps(network, watch):
    before, ted = len(watch.lines), dict(watch.ted)
    network.stop("gw", "ospfd")
    wait_for("the session's end", lambda: "down" in watch.events(before))
    network.start("gw", "ospfd", "ospfd.vty")
    wait_for("the next session", lambda: "up" in watch.events(before))
    # It had nothing to tell at first. What it has learned since is what was known, and a change gets through.
    assert network.unreserved("n1", "n1-n3", [900] * 8).returncode == 0
    wait_for("the change", lambda: watch.link("n1")["unreserved"] == [900 * MBIT] * 8)
    assert "gone" not in watch.events(before)
    assert watch.ted.keys() == ted.keys()


def test_node_that_starts_again_is_back_with_its_links(network, watch):
    before = len(watch.lines)
    network.stop("n2", "ospfd")
    wait_for("the flush of its LSA", lambda: not watch.link("n2"))
    network.start("n2", "ospfd", "ospfd.vty")
    wait_for("its link", lambda: watch.link("n2"))
    assert "down" not in watch.events(before)


def test_node_that_dies_takes_the_way_to_it_along(network, watch):
    """Its own LSA stays until it is too old, but the other end of its link goes: nobody finds a path over half a
    link."""
    network.stop("n3", "ospfd", signal.SIGKILL)
    wait_for("the other end of its link", lambda: not watch.link("n1"))
