# SPDX-License-Identifier: Apache-2.0
"""The demo, told in order: the lab, policies, a user, the move, and what can be seen of it afterwards."""

import os
import re
import subprocess
import time
from pathlib import Path

from . import home, rules
from .facts import FORBIDDEN, HAND_METER, MOVING, V1, V2, V3, VMS, Facts, measure
from .lab import ROOT, DemoError, wait_until
from .traffic import Traffic, user

POLICIES = Path(__file__).resolve().parent.parent / "policies"
LIMIT_KBPS = 8000                       # of policies/v2.yaml
MARK = 26
# Longest silence of a VM that moves. Its last memory is copied while it stands still: half a second in the lab, whose
# processors are emulated. Five seconds are what a user takes for a hang, so more is a fault, not just a slow machine.
SILENCE_MS = 5000

STEPS = {
    "channel-reserve": "a path for the memory between the data centers is chosen and booked",
    "policy-collect": "the VM's policy is fetched: from the gateway's store, or from the switch",
    "target-configure": "data center B gets ready: policy on its switch, network, route",
    "channel-open": "the path for the memory is opened",
    "transfer": "the running VM's memory is copied; at the end it goes on over there",
    "target-activate": "users are led to data center B",
    "vm-remove": "rules and entries of the VM leave data center A",
    "segment-close": "networks that no VM here needs any more are closed",
    "channel-close": "the path for the memory is closed",
    "target-commit": "data center B is told that all is done",
}

INTRO = """
Two data centers, A and B, on this one machine: real switches (Open vSwitch), real routers (FRR, BIRD) and real virtual
machines (QEMU under libvirt), each in a network of its own. A gateway, scgd, runs each data center. Three virtual
machines (VMs) run on server-a. V2 and V3 will move to server-b while a user works with them. V1 stays.
"""

PICTURE = """
                      user1
                        │
                    IP network
                    │        │
  data center A     │        │     data center B
   ┌────────────────┴─┐    ┌─┴────────────────┐
   │ tor-a ─ switches │    │ switches ─ tor-b │
   │   │              │    │              │   │
   │ server-a         │    │       server-b   │
   │  V1  V2  V3 ─────│────│──────>           │
   └──────────────────┘    └──────────────────┘
           the memory takes a path of its own
"""


class Story:
    def __init__(self, lab, screen):
        self.lab, self.screen = lab, screen
        self.checks = []
        self.migration = self.before = self.after = self.reports = None
        self.knocked = {}
        self.measured = {}

    def tell(self):
        """Whether everything was as it must be."""
        screen = self.screen
        screen.line("Two virtual machines move to another data center, and nobody has to hang up", "head")
        self.set_up()
        self.set_policies()
        addresses = {vm.name: vm.address for vm in VMS}
        with Traffic(self.lab, addresses, [vm.name for vm in MOVING], FORBIDDEN) as traffic:
            self.tell_traffic()
            time.sleep(2)
            self.move()
            time.sleep(2)
            self.reports = traffic.reports()
        self.look_back()
        self.show_results()
        return self.judge()

    # -- before

    def set_up(self):
        self.screen.heading("1. The lab")
        self.screen.say(INTRO)
        self.screen.line(PICTURE)
        home.prepare(self.lab, self.screen)

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
        self.before = Facts(lab)

    def show_knock(self):
        found = user(self.lab, "knock", "--rounds", 1, *FORBIDDEN)
        self.screen.line("  " + "   ".join(f"{vm.name}: {'open' if found[door]['opened'] else 'closed'}"
                                           for vm, door in zip(VMS, FORBIDDEN)))
        return found

    def tell_traffic(self):
        screen = self.screen
        screen.heading("3. A user at work")
        screen.say(f"""From now on user1 pings V1, V2 and V3 {1000 // Traffic.PING_MS} times a second each, holds a TCP
                   session to V2 and one to V3 in which every byte must come back, downloads from V2, and tries port 22
                   of every VM once a second.""")

    # -- the move

    def move(self):
        screen = self.screen
        screen.heading("4. The move")
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
        wait_until("gateway B ends the migration", lambda: self.target_state()["ended"])
        self.measured["after"] = measure(lab, V2)
        self.after = Facts(lab)

    def target_state(self):
        return self.lab.ctl("B", "migration", "show", self.migration)

    # -- after

    def show_results(self):
        screen, before, after = self.screen, self.before, self.after
        screen.heading("5. What happened")
        screen.say("""Where the VMs are, as libvirt says on both servers, and where the router of the IP network sends
                   their packets:""")
        screen.table(["VM", "before", "after", "packets before", "packets after"],
                     [[vm.name, before.place(vm), after.place(vm), before.route(vm), after.route(vm)] for vm in VMS])
        screen.line()
        screen.say("Rules of each VM, counted on the switches of the two servers (all / of its policy):")
        screen.table(["VM", "tor-a before", "tor-a after", "tor-b before", "tor-b after", "policy found in"],
                     [[vm.name, *("%d / %d" % facts.of_vm(tor, vm) for tor in ("tor-a", "tor-b")
                                  for facts in (before, after)), self.policy_source(vm)] for vm in VMS])
        vlans = [", ".join(f"{dc}: {number or 'none'}" for dc, number in facts.vlans.items())
                 for facts in (before, after)]
        screen.line(f"  VLAN of the VMs' network, before {vlans[0]}; after {vlans[1]}")
        screen.line()
        self.show_user()
        screen.line()
        self.show_steps()

    def policy_source(self, vm):
        words = {"store": "gateway's store", "switch": "switch tor-a"}
        found = {one["name"]: one.get("policy-from") for one in self.show_migration()["vms"]}
        return words.get(found.get(vm.name), found.get(vm.name) or "-")

    def show_migration(self):
        return self.lab.ctl("A", "migration", "show", self.migration)

    def show_user(self):
        screen, reports = self.screen, self.reports
        screen.say("What the user saw. Packets that arrive in the moment in which a VM stands still are lost today:")
        rows = []
        for vm in VMS:
            icmp, session = reports["icmp", vm.name], reports.get(("session", vm.name))
            rows.append([vm.name, icmp["sent"], icmp["lost"], f"{icmp['longest_silence_ms']:.0f} ms",
                         f"{session['echoed_bytes']} of {session['sent_bytes']} bytes back" if session else "-",
                         f"{session['longest_stall_ms']:.0f} ms" if session else "-"])
        screen.table(["VM", "pings", "lost", "longest silence", "TCP session", "longest wait"], rows)
        load = reports["download", V2.name]
        doors = reports["knock", ""]
        speeds = [f"{self.measured[when][0]['kbps'] / 1000:.1f}" for when in ("before", "after")]
        marks = [", ".join(map(str, sorted(self.measured[when][1]))) or "none" for when in ("before", "after")]
        screen.line(f"  download from V2: {load['bytes'] / 1e6:.1f} MB, {load['downloads']} complete, longest wait "
                    f"{load['longest_stall_ms']} ms")
        screen.line(f"  port 22: {sum(door['tried'] for door in doors.values())} attempts during the move, "
                    f"{sum(door['opened'] for door in doors.values())} got through")
        screen.line(f"  upload to V2, limited to {LIMIT_KBPS // 1000} Mbit/s: {speeds[0]} Mbit/s before, {speeds[1]} "
                    "after")
        screen.line(f"  mark (DSCP) of V2's web pages: {marks[0]} before, {marks[1]} after")

    def show_steps(self):
        screen = self.screen
        journal = self.lab.ctl("A", "migration", "journal", self.migration)["journal"]
        screen.say("How long each step took, from the journal of gateway A:")
        begin, begun, rows = journal[0]["time"], {}, []
        for entry in journal:
            if entry["event"] == "intent":
                begun.setdefault(entry["step"], entry["time"])
            elif entry["event"] == "done" and entry["step"] in begun:
                start = begun.pop(entry["step"])
                name = entry["step"].split()[0]
                rows.append([start, f"{(start - begin) / 1000:.2f} s", f"{(entry['time'] - start) / 1000:.2f} s",
                             entry["step"], STEPS.get(name, "")])
        screen.table(["began", "took", "step", ""], [row[1:] for row in sorted(rows, key=lambda row: row[0])])
        screen.line(f"  in all: {(journal[-1]['time'] - begin) / 1000:.1f} s")

    # -- verdict

    def check(self, good, text, found=""):
        self.checks.append(bool(good))
        self.screen.check(good, text, found)

    def judge(self):
        self.screen.heading("6. What must be so")
        self.judge_places()
        self.judge_policies()
        self.judge_user()
        self.judge_gateways()
        failed = self.checks.count(False)
        self.screen.line()
        if failed:
            self.screen.line(f"{failed} of {len(self.checks)} are not so.", "bad")
            self.explain()
        else:
            self.screen.line(f"All {len(self.checks)} are so.", "good")
        return not failed

    def judge_places(self):
        after = self.after
        for vm in MOVING:
            self.check(after.runs_only_on(vm, "server-b"), f"{vm.name} runs on server-b, and only there",
                       after.place(vm))
        same = self.before.where[V1.name] == after.where[V1.name]
        self.check(same and after.runs_only_on(V1, "server-a"), "V1 runs on server-a, in the same process as before",
                   after.place(V1))
        routes = [after.route(vm)[-1:] for vm in VMS]
        self.check(routes == ["A", "B", "B"], "packets for V2 and V3 go to data center B, those for V1 to A", routes)

    def judge_policies(self):
        for vm in MOVING:
            left = self.after.of_vm("tor-a", vm)[0]
            self.check(left == 0, f"no rule of {vm.name} is left on tor-a", f"{left} are")
            witness = rules.difference(self.before.rules("tor-a", vm), self.after.rules("tor-b", vm))
            self.check(witness is None and self.after.of_vm("tor-b", vm)[1],
                       f"tor-b treats every packet of {vm.name} as tor-a did", witness or "it has no rules for it")
        witness = rules.difference(self.before.rules("tor-a", V1), self.after.rules("tor-a", V1))
        self.check(witness is None, "tor-a treats every packet of V1 as before", witness)
        sources = {vm.name: self.policy_source(vm) for vm in MOVING}
        self.check(sources == {V2.name: "gateway's store", V3.name: "switch tor-a"},
                   "the gateway took V2's policy from its store and found V3's on the switch", sources)
        opened = {when: sum(door["opened"] for door in found.values()) for when, found in self.knocked.items()}
        during = sum(door["opened"] for door in self.reports["knock", ""].values())
        self.check(opened["without policy"] == len(VMS) and opened["before"] == opened["after"] == during == 0,
                   "port 22 was closed before, during and after the move", {**opened, "during": during})
        speeds = [self.measured[when][0] for when in ("before", "after")]
        # A bucket's worth comes on top of the rate.
        self.check(all(one["same"] and one["kbps"] < LIMIT_KBPS * 1.15 for one in speeds),
                   "V2's rate limit holds before and after", speeds)
        marks = [self.measured[when][1] for when in ("before", "after")]
        self.check(marks == [{MARK}, {MARK}], f"V2's web pages carry the mark {MARK} before and after", marks)

    def judge_user(self):
        reports = self.reports
        lost = reports["icmp", V1.name]["lost"]
        self.check(lost == 0, "V1 answered every ping", f"{lost} were lost")
        for vm in MOVING:
            session, silence = reports["session", vm.name], reports["icmp", vm.name]["longest_silence_ms"]
            self.check(not session["errors"] and session["echoed_bytes"] == session["sent_bytes"] > 0,
                       f"the TCP session to {vm.name} lived on, every byte in its place", session["errors"])
            self.check(silence < SILENCE_MS, f"{vm.name} was never silent for {SILENCE_MS // 1000} s", f"{silence} ms")
        load = reports["download", V2.name]
        self.check(load["bytes"] and not load["errors"], "the downloads from V2 went on, without an error",
                   load["errors"])

    def judge_gateways(self):
        source, target = self.show_migration(), self.target_state()
        self.check(source["state"] == "done" and not source["partial"] and target["state"] == "committed",
                   "the migration is done for both gateways", f"{source['state']}, {target['state']}")
        channels = self.lab.ctl("A", "channel", "list")["channels"] + self.lab.ctl("B", "channel", "list")["channels"]
        booked = sum(one["bandwidth-mbps"] - one["free-mbps"] for one in channels)
        self.check(not booked and not self.after.channel_flows,
                   "the path for the memory is closed, nothing of it is booked",
                   f"{booked} Mbit/s booked, {self.after.channel_flows} rules")

    def explain(self):
        """What the screen can tell of causes that are not the gateways'."""
        load, processors = os.getloadavg()[0], os.cpu_count()
        if load > 2 * processors:
            self.screen.say(f"""This machine is busy: a load of {load:.0f} with {processors} processors. Packets may
                            have been dropped for want of a processor.""")
        for vm in VMS:
            console = self.lab.run("console", vm.name, check=False).stdout
            if re.search(r"^\[.*(BUG:|Oops|panic)", console, re.MULTILINE):
                self.screen.say(f"""The kernel inside {vm.name} crashed: see `lab/lab console {vm.name}`. QEMU's
                                emulated processors can lose a write to memory in a move; that is not the gateways'
                                doing.""")
