# SPDX-License-Identifier: Apache-2.0
"""The demo, told in order: the lab, policies, two users, the move, and what can be seen of it afterwards."""

import re
import subprocess
import time
from pathlib import Path

from . import circuits, home
from .facts import CE1_FORBIDDEN, FORBIDDEN, HAND_METER, MOVING, V2, V3, VMS, Facts, measure
from .lab import ROOT, DemoError, wait_until
from .results import Results
from .traffic import Traffic, user
from .verdict import Verdict

DEMO = Path(__file__).resolve().parent.parent
POLICIES, USERS = DEMO / "policies", DEMO / "users"
OLD_CIRCUIT = "A:user:ce1"

INTRO = """
Two data centers, A and B, on this one machine: real switches (Open vSwitch), real routers (FRR, BIRD) and real virtual
machines (QEMU under libvirt), each in a network of its own. A gateway, scgd, runs each data center. Three virtual
machines (VMs) run on server-a. V2 and V3 will move to server-b while two users work with them. V1 stays.
"""

PICTURE = """
   data center A                                                data center B
  ┌──────────────────────┐            user1             ┌──────────────────────┐
  │ server-a             │              │               │             server-b │
  │  V1 V2 V3            │          IP network          │                 │    │
  │    │                 │           │      │           │                 │    │
  │  tor-a ─ switches ─ pe1 ─────────┘      └───────── pe2 ─ switches ─ tor-b  │
  │             │        ╚══════════ t1, t2 ════════════╝       │              │
  │             │        │             ║                │       │              │
  │             │        │          pe5 ─ ce1           │       │              │
  │             │        │                              │       │              │
  │             └─────  pe3 ════════ t3, t4 ══════════ pe4 ─────┘              │
  └──────────────────────┘                              └──────────────────────┘
"""

NETWORKS = """
user1 is somewhere in the IP network. ce1 hangs off a transport network (double lines), as do the servers for the memory
of VMs that move. A transport network carries circuits: paths that are set up node by node when somebody needs them,
with bandwidth that is theirs alone, and that are taken down again. A program in each of its nodes, gmplsd, does that
(by a protocol named RSVP-TE); the gateways choose the paths.
"""


class Story:
    def __init__(self, lab, screen, modes):
        self.lab, self.screen, self.modes = lab, screen, modes
        self.migration = self.before = self.after = self.reports = None
        self.old_circuit = None
        self.seen = {}                  # circuits, by name: (circuit, whether it went)
        self.knocked = {}
        self.measured = {}

    def tell(self):
        """Whether everything was as it must be."""
        screen = self.screen
        screen.line("Two virtual machines move to another data center, and nobody has to hang up", "head")
        self.set_up()
        self.set_policies()
        self.set_user()
        with circuits.Recorder(self.lab) as recorder:
            with Traffic(self.lab) as traffic:
                self.work(traffic)
                time.sleep(1)
                self.move()
                time.sleep(2)
                self.reports = traffic.reports()
            self.look_back()
            self.seen = recorder.seen(self.old_circuit)
        Results(self).show()
        return Verdict(self).judge()

    # -- before

    def set_up(self):
        self.screen.heading("1. The lab")
        self.screen.say(INTRO)
        self.screen.line(PICTURE)
        self.screen.say(NETWORKS)
        self.screen.line()
        home.prepare(self.lab, self.screen, self.modes)

    def set_policies(self):
        screen, lab = self.screen, self.lab
        screen.heading("2. Policies: who may talk to a VM, and how fast")
        screen.say("""A VM's policy is kept by the switch that its server is plugged into (tor-a: the "top of rack"
                   switch). So far there is none, and port 22 of each VM is open to everybody:""")
        self.knocked["without policy"] = self.show_knock()
        screen.line()
        screen.say("V1 and V2 get theirs the usual way: a file, given to the gateway.")
        files = [POLICIES / "v1.yaml", POLICIES / "v2.yaml"]
        words = ["ctl", "A", "policy", "apply", *files]
        screen.command("lab/lab ctl A policy apply " + " ".join(str(file.relative_to(ROOT)) for file in files))
        screen.indented(lab.run(*words))
        screen.command("lab/lab ctl A policy show V2")
        screen.indented(lab.run("ctl", "A", "policy", "show", "V2"))
        screen.line()
        screen.say("""V3's was written into the switch by an administrator, past the gateway, which knows nothing of it.
                   It has to find these rules when V3 moves.""")
        file = POLICIES / "v3.flows"
        meter = f"meter={HAND_METER},kbps,burst,band=type=drop,rate=40000,burst_size=4000"
        screen.command(f"lab/lab exec dc-a ovs-ofctl -O OpenFlow13 add-meter tor-a {meter}")
        lab.ofctl("dc-a", "add-meter", "tor-a", meter)
        screen.command(f"lab/lab exec dc-a ovs-ofctl -O OpenFlow13 add-flows tor-a {file.relative_to(ROOT)}")
        lab.ofctl("dc-a", "add-flows", "tor-a", file)
        for line in file.read_text(encoding="utf-8").splitlines():
            if not line.startswith("#"):
                screen.indented(re.sub(r"cookie=\S+ |(?<= ) +", "", line), "dim")
        screen.line()
        screen.say("Now port 22 is closed:")
        self.knocked["before"] = self.show_knock()
        self.measured["before"] = measure(lab, V2)

    def show_knock(self):
        found = user(self.lab, "knock", "--rounds", 1, *FORBIDDEN)
        self.screen.line("  " + "   ".join(f"{vm.name}: {'open' if found[door]['opened'] else 'closed'}"
                                           for vm, door in zip(VMS, FORBIDDEN)))
        return found

    def set_user(self):
        screen, lab = self.screen, self.lab
        screen.heading("3. A user with a circuit of its own")
        file = USERS / "ce1.yaml"
        screen.say("""ce1 works with V2 and V3, too. The gateway is told so; it chooses a path from pe1 to pe5, where
                   ce1 is, and has a circuit set up along it:""")
        words = ["ctl", "A", "user", "apply"]
        screen.command(f"lab/lab {' '.join(words)} {file.relative_to(ROOT)}")
        screen.indented(lab.run(*words, file))
        self.old_circuit = wait_until("ce1's circuit comes up", lambda: circuits.up(lab, "A", OLD_CIRCUIT), 30)
        screen.command(f"lab/lab ctl A channel show {OLD_CIRCUIT}")
        screen.indented(lab.run("ctl", "A", "channel", "show", OLD_CIRCUIT))
        addresses = {name: address for address, name in circuits.NAMES.items()}
        names = ", ".join(f"{name} is {addresses[name]}" for name in self.old_circuit.nodes)
        screen.line()
        screen.say(f"""Here {names}. A label is the number that the circuit's frames carry on a link, there (LABEL) and
                   back (UPSTREAM-LABEL); by it alone the next node knows where to send them.""")
        wait_until("OSPF tells the gateway of the bandwidth that ce1's circuit took",
                   lambda: circuits.reserved(lab) == circuits.both_ways(self.old_circuit), 30)
        self.before = Facts(lab)

    def work(self, traffic):
        screen = self.screen
        screen.heading("4. Users at work")
        moving = {vm.name: vm.address for vm in MOVING}
        traffic.add_user("user1", {vm.name: vm.address for vm in VMS}, moving, (V2.name, traffic.USER1_DOWNLOAD),
                         FORBIDDEN)
        traffic.add_user("ce1", moving, moving, (V3.name, traffic.CE1_DOWNLOAD), CE1_FORBIDDEN)
        traffic.wait_answered()
        screen.say(f"""From now on user1 pings V1, V2 and V3, and ce1 pings V2 and V3, {1000 // Traffic.INTERVAL_MS}
                   times a second each. Both hold TCP sessions to V2 and V3 in which every byte must come back, download
                   from one of them, and try port 22 of every VM once a second.""")

    # -- the move

    def move(self):
        screen = self.screen
        screen.heading("5. The move")
        words = ["ctl", "A", "migrate", V2.name, V3.name, "--to", "B/server-b", "--watch"]
        screen.command("lab/lab " + " ".join(words))
        earlier = {one["id"] for one in self.lab.ctl("A", "migration", "list")["migrations"]}
        status = self.lab.show(*words) if screen.is_terminal else self.watch_quietly(words)
        found = [one for one in self.lab.ctl("A", "migration", "list")["migrations"] if one["id"] not in earlier]
        if not found:
            raise DemoError("the order was refused")
        self.migration = found[0]["id"]
        if status:
            raise DemoError(f"the migration did not move both VMs (exit status {status}); see "
                            f"`lab/lab ctl A migration show {self.migration}`")

    def watch_quietly(self, words):
        """The same for a log: of the lines about copied memory one for each quarter is enough."""
        process = self.lab.popen(*words, stderr=subprocess.STDOUT)
        shown = set()
        for line in process.stdout:
            percent = re.search(r"(\S+) transfer (\d+) %", line)
            quarter = (percent[1], int(percent[2]) // 25) if percent else line
            if quarter not in shown:
                shown.add(quarter)
                self.screen.indented(line)
        return process.wait()

    def look_back(self):
        lab = self.lab
        self.knocked["after"] = user(lab, "knock", "--rounds", 1, *FORBIDDEN)
        self.knocked["ce1 after"] = user(lab, "knock", "--rounds", 1, *CE1_FORBIDDEN, node="ce1")
        wait_until("gateway B ends the migration", lambda: self.target_state()["ended"])
        self.measured["after"] = measure(lab, V2)
        self.await_flooding()
        self.after = Facts(lab)

    def await_flooding(self):
        """OSPF tells of bandwidth every 5 s at most."""
        new = circuits.up(self.lab, "B", "B:user:ce1")
        end = time.monotonic() + 15
        while new and time.monotonic() < end and circuits.reserved(self.lab) != circuits.both_ways(new):
            time.sleep(0.3)

    def source_state(self):
        return self.lab.ctl("A", "migration", "show", self.migration)

    def target_state(self):
        return self.lab.ctl("B", "migration", "show", self.migration)

    def journal(self, dc):
        return self.lab.ctl(dc, "migration", "journal", self.migration)["journal"]
