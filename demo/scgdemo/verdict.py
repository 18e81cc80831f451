# SPDX-License-Identifier: Apache-2.0
"""What must be so after the move."""

import os
import re

from . import circuits, fabrics, rules
from .facts import LIMIT_KBPS, MARK, MOVING, V1, V2, V3, VMS
from .results import USERS, memory_packets, policy_source

# Longest silence of a VM that moves. Its last memory is copied while it stands still: half a second in the lab, whose
# processors are emulated. Five seconds are what a user takes for a hang, so more is a fault, not just a slow machine.
SILENCE_MS = 5000
SOURCE = "A"


class Verdict:
    def __init__(self, story):
        self.story, self.screen, self.lab = story, story.screen, story.lab
        self.before, self.after, self.reports = story.before, story.after, story.reports
        self.checks = []

    def judge(self):
        self.screen.heading("7. What must be so")
        self.judge_places()
        self.judge_policies()
        self.judge_fabrics()
        self.judge_circuits()
        self.judge_users()
        self.judge_gateways()
        failed = self.checks.count(False)
        self.screen.line()
        if failed:
            self.screen.line(f"{failed} of {len(self.checks)} are not so.", "bad")
            self.explain()
        else:
            self.screen.line(f"All {len(self.checks)} are so.", "good")
        return not failed

    def check(self, good, text, found=""):
        self.checks.append(bool(good))
        self.screen.check(good, text, found)

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
        story = self.story
        for vm in MOVING:
            left = self.after.of_vm("tor-a", vm)[0]
            self.check(left == 0, f"no rule of {vm.name} is left on tor-a", f"{left} are")
            witness = rules.difference(self.before.rules("tor-a", vm), self.after.rules("tor-b", vm))
            self.check(witness is None and self.after.of_vm("tor-b", vm)[1],
                       f"tor-b treats every packet of {vm.name} as tor-a did", witness or "it has no rules for it")
        witness = rules.difference(self.before.rules("tor-a", V1), self.after.rules("tor-a", V1))
        self.check(witness is None, "tor-a treats every packet of V1 as before", witness)
        sources = {vm.name: policy_source(story, vm) for vm in MOVING}
        self.check(sources == {V2.name: "gateway's store", V3.name: "switch tor-a"},
                   "the gateway took V2's policy from its store and found V3's on the switch", sources)
        opened = {when: sum(door["opened"] for door in found.values()) for when, found in story.knocked.items()}
        for name, _ in USERS:
            opened[f"{name} during"] = sum(door["opened"] for door in self.reports["knock", name].values())
        self.check(opened.pop("without policy") == len(VMS) and not any(opened.values()),
                   "port 22 was closed before, during and after the move, to both users", opened)
        speeds = [story.measured[when][0] for when in ("before", "after")]
        # A bucket's worth comes on top of the rate.
        self.check(all(one["same"] and one["kbps"] < LIMIT_KBPS * 1.15 for one in speeds),
                   "V2's rate limit holds before and after", speeds)
        marks = [story.measured[when][1] for when in ("before", "after")]
        self.check(marks == [{MARK}, {MARK}], f"V2's web pages carry the mark {MARK} before and after", marks)

    def judge_fabrics(self):
        """V1 stays, and with it the channel in data center A; nothing of what it does not need may be left there."""
        for dc, fabric in self.after.fabrics.items():
            before = self.before.fabrics[dc]
            if fabric.mode == fabrics.VLANS:
                self.check(fabric.vlan, f"the VMs' network has a VLAN in data center {dc}", fabric.channel())
            elif dc == SOURCE:
                self.check(fabric.held == before.held and fabric.labels() == fabric.told(),
                           "the switches of data center A have the labels that V1 needs, and no other", fabric.held)
            else:
                self.check(not before.labels() and fabric.labels() == fabric.told() != set(),
                           "the switches of data center B have the labels of the new tunnels, and no other",
                           fabric.held)

    def judge_circuits(self):
        seen, nodes, old = self.story.seen, self.after.nodes, self.story.old_circuit
        new, channel = circuits.one_of(seen, "user", "pe2"), circuits.one_of(seen, "migration", "pe3")
        places = {name: len(state.cookies) for name, state in nodes.items()}
        self.check(places == {name: int(name in new.nodes) for name in nodes},
                   f"ce1's circuit to data center B stands, {new.way}, and no node has any other", places)
        limits = [nodes[name].meters for name in (new.nodes[0], new.nodes[-1])]
        self.check(limits == [[new.bandwidth * 1000]] * 2, f"pe2 and pe5 hold it to its {new.bandwidth} Mbit/s", limits)
        left = {name: sorted(set(old.labels + old.labels_back) & nodes[name].labels) for name in old.nodes}
        self.check(seen.get(old.name, (old, False))[1] and not any(left.values()),
                   f"its circuit to data center A, {old.way}, is gone; no node knows its labels", left)
        self.check(self.after.reserved == circuits.both_ways(new), "the links have the bandwidth of what is gone back",
                   self.after.reserved)
        self.check(seen[channel.name][1], f"the channel for the memory was there, {channel.way}, and is gone",
                   seen[channel.name])
        within, elsewhere = memory_packets(self.story)
        self.check(within > 1000 and elsewhere == 0, "all of the memory went through the channel, nothing elsewhere",
                   f"{within} packets, and {elsewhere} elsewhere")

    def judge_users(self):
        reports = self.reports
        lost = reports["icmp", "user1", V1.name]["lost"]
        self.check(lost == 0, "V1 answered every ping", f"{lost} were lost")
        for name, _ in USERS:
            for vm in MOVING:
                session = reports["session", name, vm.name]
                silence = reports["icmp", name, vm.name]["longest_silence_ms"]
                self.check(not session["errors"] and session["echoed_bytes"] == session["sent_bytes"] > 0,
                           f"{name}'s TCP session to {vm.name} lived on, every byte in its place", session["errors"])
                self.check(silence < SILENCE_MS, f"{vm.name} was never silent to {name} for {SILENCE_MS // 1000} s",
                           f"{silence} ms")
            load = reports["download", name]
            self.check(load["bytes"] and not load["errors"], f"{name}'s downloads went on, without an error",
                       load["errors"])

    def judge_gateways(self):
        source, target = self.story.source_state(), self.story.target_state()
        self.check(source["state"] == "done" and not source["partial"] and target["state"] == "committed",
                   "the migration is done for both gateways", f"{source['state']}, {target['state']}")
        self.check(not self.after.channel_flows, "pe3 and pe4 have no rule for the memory any more",
                   f"{self.after.channel_flows} rules")

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
