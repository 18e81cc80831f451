# SPDX-License-Identifier: Apache-2.0
"""FRR's pathd judges our PCE: it holds a session, is synchronised, and has a segment routing LSP set up, changed and
removed. It knows no RSVP-TE, which the PCE tells by its Open. No lab: a namespace of its own, both ends on
its loopback.

    pathd 10.201.0.1:4189 ── TCP ──> 10.201.0.2:4189 pcep_pce
"""

import json
import os
import pwd
import queue
import subprocess
import threading

import pytest
from dissect import BUILD, by_frame, malformed, tool, tshark
from labtool import Capture, wait_until

SPACE = "pcep-pathd"
PCC, PCE = "10.201.0.1", "10.201.0.2"
FRR = "/usr/lib/frr"
PATHD = f"""\
hostname pathd
segment-routing
 traffic-eng
  policy color 1 endpoint 10.254.0.9
   name asks
   candidate-path preference 100 name DYNAMIC dynamic
    bandwidth 100000
  pcep
   pce-config G1
    source-address ip {PCC}
    timer keep-alive 10
    pce-initiated
   pce PCE1
    config G1
    address ip {PCE}
   pcc
    msd 10
    peer PCE1 precedence 10
"""
REQUEST, REPLY, CLOSE, REPORT, UPDATE, INITIATE = 3, 4, 7, 10, 11, 12


class Space:
    """The namespace, with directories of its own where FRR's daemons want theirs, and what runs in it."""

    def __init__(self, directory):
        self.directory, self.running = directory, []
        owner = pwd.getpwnam("frr")
        for name in ("run", "etc"):
            (directory / name).mkdir()
            os.chown(directory / name, owner.pw_uid, owner.pw_gid)
        (directory / "etc" / "zebra.conf").write_text("hostname pathd\n", encoding="ascii")
        (directory / "etc" / "pathd.conf").write_text(PATHD, encoding="ascii")
        (directory / "etc" / "vtysh.conf").write_text("no service integrated-vtysh-config\n", encoding="ascii")
        subprocess.run(["ip", "netns", "delete", SPACE], check=False, stderr=subprocess.DEVNULL)    # of a killed run
        ip("netns", "add", SPACE)
        ip("-n", SPACE, "link", "set", "lo", "up")
        for address in (f"{PCC}/32", f"{PCE}/32", "2001:db8::1/128"):   # pathd waits for an IPv6 one, whatever it uses
            ip("-n", SPACE, "address", "add", address, "dev", "lo")

    def command(self, *words):
        binds = f"mount --bind {self.directory}/run /run/frr && mount --bind {self.directory}/etc /etc/frr"
        return ["ip", "netns", "exec", SPACE, "unshare", "-m", "sh", "-c", f'{binds} && exec "$@"', "sh",
                *map(str, words)]

    def start(self, *words, **options):
        process = subprocess.Popen(self.command(*words), text=True, **options)
        self.running.append(process)
        return process

    def daemon(self, name, ready, *options):
        with open(self.directory / f"{name}.log", "wb") as log:
            process = self.start(f"{FRR}/{name}", *options, "-f", f"/etc/frr/{name}.conf", "-P", "0", "--log", "stdout",
                                 stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(name, lambda: (self.directory / "run" / ready).exists() or process.poll() is not None)
        assert process.poll() is None, (self.directory / f"{name}.log").read_text(encoding="utf-8")

    def vtysh(self, command):
        return subprocess.run(self.command("vtysh", "-d", "pathd", "-c", command), capture_output=True, text=True,
                              check=True, timeout=10).stdout

    def close(self):
        for process in reversed(self.running):
            process.terminate()
            process.communicate(timeout=10)
        ip("netns", "delete", SPACE)


class Pce:
    """A running pcep_pce; its events in order."""

    def __init__(self, space):
        self.process = space.start(BUILD / "tests" / "pcep_pce", PCE, 4189, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
        self.lines, self.seen = queue.Queue(), []
        threading.Thread(target=self.read, daemon=True).start()
        self.until("listening")

    def read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def until(self, name, deadline=30, **values):
        """The next event of that name and these values; those before it are in `seen`."""
        while True:
            try:
                event = self.lines.get(timeout=deadline)
            except queue.Empty:
                raise AssertionError(f"no {name} {values} within {deadline} s; before: {self.seen}") from None
            self.seen.append(event)
            if event["event"] == name and all(event.get(key) == value for key, value in values.items()):
                return event

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()


def ip(*words):
    subprocess.run(["ip", *words], check=True)


@pytest.fixture
def space(tmp_path):
    space = Space(tmp_path)
    try:
        yield space
    finally:
        space.close()


def labels(frame):
    return [sid >> 12 for sid in frame["pcep.subobj.sr.sid"]]


def test_pathd_and_our_pce(space, tmp_path):
    pcap = tmp_path / "pathd.pcap"
    capture = Capture(space.start("tcpdump", "-Z", "root", "-U", "-i", "lo", "-w", pcap, "tcp port 4189",
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE), pcap)
    pce = Pce(space)
    space.daemon("zebra", "zserv.api")
    space.daemon("pathd", "pathd.vty", "-M", "pathd_pcep")

    # It comes up, and is synchronised: pathd has no LSPs yet.
    up = pce.until("up")
    assert (up["keepalive"], up["dead"], up["setups"], up["depth"]) == (10, 120, 1 << 1, 10)
    pce.until("synced")
    assert not [event for event in pce.seen if event["event"] == "report"]
    wait_until("session", lambda: "PCEP Sessions" in space.vtysh("show sr-te pcep session"))

    # An LSP, by segment routing
    pce.ask("initiate-sr", 1, "SCG-SR", PCC, "10.254.0.7", 16001, 16002)
    done = pce.until("done", request=1)
    assert done["code"] == "OK" and done["report"]["name"] == "SCG-SR"
    assert done["report"]["egress"] == "10.254.0.7"
    report = pce.until("report")
    assert (report["report"]["state"], report["setup"], report["delegated"], report["created"]) == \
        ("going up", 1, True, True)
    assert "SCG-SR" in wait_until("policy", lambda: space.vtysh("show sr-te policy detail"))

    # The same name again, and one by RSVP-TE: nothing is sent.
    pce.ask("initiate-sr", 2, "SCG-SR", PCC, "10.254.0.7", 16003)
    assert pce.until("done", request=2)["code"] == "ERR_EXISTS"
    pce.ask("initiate", 3, "SCG-RSVP", PCC, "10.254.0.7", "10.201.0.2")
    done = pce.until("done", request=3)
    assert done["code"] == "ERR_UNSUPPORTED" and "path setup type 0 (RSVP-TE)" in done["text"]

    # Changed, removed
    pce.ask("update-sr", 4, "SCG-SR", 16005)
    assert pce.until("done", request=4)["code"] == "OK"
    pce.until("report")
    pce.ask("remove", 5, "SCG-SR")
    done = pce.until("done", request=5)
    assert done["code"] == "OK" and done["report"]["removed"]
    wait_until("policy gone", lambda: "SCG-SR" not in space.vtysh("show sr-te policy detail"))

    # Closed by us: pathd comes again, and is synchronised again.
    pce.ask("close")
    pce.until("down", code="ERR_CANCELLED")
    pce.until("up")
    pce.until("synced")
    assert not [event for event in pce.seen if event["event"] == "error" and "we compute none" not in event["text"]]
    capture.finish()
    judge(pcap)


def judge(pcap):
    """What passed, as tshark and our decoder see it."""
    assert malformed(pcap) == []
    ours = by_frame(tool("pcep_tool", "decode", pcap))
    rows = tshark(pcap, ("frame.number", "ip.src", "pcep.msg"), "pcep")
    sent = {int(row["frame.number"][0]) for row in rows if row["ip.src"] == [PCE]}

    def of(kind, by_pce):
        return [frame for number, frame in ours.items() if kind in frame["pcep.msg"] and (number in sent) == by_pce]

    assert [labels(frame) for frame in of(INITIATE, True)] == [[16001, 16002], []]
    assert [labels(frame) for frame in of(UPDATE, True)] == [[16005]]
    assert [16005] in [labels(frame) for frame in of(REPORT, False)]
    # A path was asked for, and the answer was that there is none.
    assert of(REQUEST, False) and of(REPLY, True)
    assert all(frame["pcep.obj.no_path.nature_of_issue"] for frame in of(REPLY, True))
    assert of(CLOSE, True) and not of(CLOSE, False)
    assert not [frame for frame in ours.values() if "pcep.error.type" in frame]
