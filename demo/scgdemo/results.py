# SPDX-License-Identifier: Apache-2.0
"""What the move did, as tables."""

from . import circuits, fabrics
from .facts import LIMIT_KBPS, MOVING, VMS
from .traffic import PLACES

STEPS = {
    "channel-reserve": "there is no channel for the memory yet, so a circuit is set up",
    "policy-collect": "the VM's policy is fetched from the gateway's store or the switch",
    "target-configure": "data center B gets ready: policy on its switch, network, and",
    "circuit-open": "  a circuit from data center B to ce1 is set up",
    "channel-open": "what the servers send each other is led into the channel",
    "transfer": "the running VM's memory is copied; then it goes on over there",
    "target-activate": "users are led to data center B",
    "vm-remove": "rules and entries of the VM leave data center A",
    "segment-close": "networks that no VM here needs any more are closed",
    "circuit-close": "the circuit from data center A to ce1 is taken down",
    "channel-close": "the channel is taken down",
    "target-commit": "data center B is told that all is done",
}
USERS = [("user1", VMS), ("ce1", MOVING)]


class Results:
    def __init__(self, story):
        self.story, self.screen = story, story.screen
        self.before, self.after = story.before, story.after

    def show(self):
        self.screen.heading("6. What happened")
        for part in (self.show_places, self.show_rules, self.show_fabrics, self.show_circuits, self.show_users,
                     self.show_steps):
            part()
            if part != self.show_steps:
                self.screen.line()

    def show_places(self):
        screen, before, after = self.screen, self.before, self.after
        screen.say("""Where the VMs are, as libvirt says on both servers, and where the router of the IP network sends
                   their packets:""")
        screen.table(["VM", "before", "after", "packets before", "packets after"],
                     [[vm.name, before.place(vm), after.place(vm), before.route(vm), after.route(vm)] for vm in VMS])

    def show_rules(self):
        screen, before, after = self.screen, self.before, self.after
        screen.say("Rules of each VM, counted on the switches of the two servers (all / of its policy):")
        screen.table(["VM", "tor-a before", "tor-a after", "tor-b before", "tor-b after", "policy found in"],
                     [[vm.name, *("%d / %d" % facts.of_vm(tor, vm) for tor in ("tor-a", "tor-b")
                                  for facts in (before, after)), policy_source(self.story, vm)] for vm in VMS])

    def show_fabrics(self):
        """The internal channel."""
        screen = self.screen
        modes = [f"{fabrics.WORDS[fabric.mode]} in {dc}" for dc, fabric in self.after.fabrics.items()]
        screen.say(f"""How the VMs' frames pass the switches between ToR and PE, in {' and '.join(modes)}. Data center B
                   had nothing for them before:""")
        rows = []
        for dc in self.after.fabrics:
            for when, facts in (("before", self.before), ("after", self.after)):
                for number, text in enumerate(facts.fabrics[dc].channel()):
                    rows.append([dc if not number else "", when if not number else "", text])
        screen.table(["", "", "internal channel"], rows)
        if any(fabric.mode == fabrics.LABELS for fabric in self.after.fabrics.values()):
            screen.line("  (A VM's frame has two labels: the tunnel's, anew on each link, and the VC label, that of "
                        "the network.)")

    def show_circuits(self):
        screen, old = self.screen, self.story.old_circuit
        screen.say("""Circuits of the transport networks, with their labels from link to link, there and back. The
                   channel for the memory and ce1's circuit to data center B are new, the one to A is gone:""")
        rows = []
        for circuit, gone in self.story.seen.values():
            rows.append([circuit.name, circuit.way, join(circuit.labels), join(circuit.labels_back),
                         f"{circuit.bandwidth} Mbit/s", "up" if circuit == old else "-", "up",
                         "gone" if gone else "up"])
        screen.table(["name", "nodes", "labels", "back", "bandwidth", "before", "during", "after"], rows)
        new = circuits.one_of(self.story.seen, "user", "pe2")
        width = self.after.links.get(("t1", "pe2"), (new.bandwidth,))[0]
        if "t1" not in new.nodes and width < new.bandwidth:
            screen.line(f"  (Why by {new.nodes[1]}: the link from t1 to pe2 has {width} Mbit/s, which is too little.)")
        screen.line()
        screen.say("What circuits have in the switch of each transport node (rules / rate limits):")
        screen.table(["", *circuits.BRIDGES],
                     [[when, *("%d / %d" % (state.flows, len(state.meters)) for state in
                               (facts.nodes[name] for name in circuits.BRIDGES))]
                      for when, facts in (("before", self.before), ("after", self.after))])
        for when, facts in (("before", self.before), ("after", self.after)):
            screen.line(f"  bandwidth taken on links, {when}: {reserved_text(facts.reserved)}")
        within, elsewhere = memory_packets(self.story)
        screen.line(f"  packets between the servers, whose memory they carry: {within:,} in the channel, {elsewhere:,} "
                    "anywhere else")

    def show_users(self):
        screen, reports, measured = self.screen, self.story.reports, self.story.measured
        screen.say("What the users saw. Packets that arrive in the moment in which a VM stands still are lost today:")
        rows = []
        for name, vms in USERS:
            for vm in vms:
                icmp, session = reports["icmp", name, vm.name], reports.get(("session", name, vm.name))
                rows.append([name, vm.name, icmp["sent"], icmp["lost"], f"{icmp['longest_silence_ms']:.0f} ms",
                             f"{session['echoed_bytes']} of {session['sent_bytes']} bytes back" if session else "-",
                             f"{session['longest_stall_ms']:.0f} ms" if session else "-"])
        screen.table(["user", "VM", "pings", "lost", "longest silence", "TCP session", "longest wait"], rows)
        screen.line()
        rows = []
        for name, _ in USERS:
            load, doors = reports["download", name], reports["knock", name].values()
            rows.append([name, f"{load['bytes'] / 1e6:.1f} MB", load["downloads"], f"{load['longest_stall_ms']} ms",
                         sum(door["tried"] for door in doors), sum(door["opened"] for door in doors)])
        screen.table(["user", "downloaded", "complete files", "longest wait", "attempts at port 22", "got through"],
                     rows)
        speeds = [f"{measured[when][0]['kbps'] / 1000:.1f}" for when in ("before", "after")]
        marks = [", ".join(map(str, sorted(measured[when][1]))) or "none" for when in ("before", "after")]
        screen.line(f"  upload to V2, limited to {LIMIT_KBPS // 1000} Mbit/s: {speeds[0]} Mbit/s before, {speeds[1]} "
                    "after")
        screen.line(f"  mark (DSCP) of V2's web pages: {marks[0]} before, {marks[1]} after")

    def show_steps(self):
        screen = self.screen
        screen.say("How long each step took, from the journals of the gateways:")
        journal = self.story.journal("A")
        begin = journal[0]["time"]
        steps = durations(journal)
        steps += [step for step in durations(self.story.journal("B")) if step[2] == "circuit-open"]
        rows = [[f"{(start - begin) / 1000:.2f} s", f"{(end - start) / 1000:.2f} s", step,
                 STEPS.get(step.split()[0], "")] for start, end, step in sorted(steps)]
        screen.table(["began", "took", "step", ""], rows)
        screen.line(f"  in all: {(journal[-1]['time'] - begin) / 1000:.1f} s")


def durations(journal):
    """(begin, end, step) of each step that was done, in milliseconds."""
    begun, found = {}, []
    for entry in journal:
        if entry["event"] == "intent":
            begun.setdefault(entry["step"], entry["time"])
        elif entry["event"] == "done" and entry["step"] in begun:
            found.append((begun.pop(entry["step"]), entry["time"], entry["step"]))
    return found


def policy_source(story, vm):
    words = {"store": "gateway's store", "switch": "switch tor-a"}
    found = {one["name"]: one.get("policy-from") for one in story.source_state()["vms"]}
    return words.get(found.get(vm.name), found.get(vm.name) or "-")


def memory_packets(story):
    """How many passed the channel's first link, and how many anywhere else but on its links and the servers' own."""
    channel = circuits.one_of(story.seen, "migration", "pe3")
    found = {end: count for place in PLACES for end, count in story.reports["memory", place].items()}
    allowed = channel.link_ends() | {"pe3-server-a", "pe4-server-b"}
    return found["-".join(channel.nodes[:2])], sum(count for end, count in found.items() if end not in allowed)


def reserved_text(reserved):
    """Of both directions, when they are alike, once."""
    return ", ".join(f"{one}–{other} {mbps}" for (one, other), mbps in reserved.items()
                     if reserved.get((other, one)) != mbps or one < other) + " Mbit/s" if reserved else "none"


def join(labels):
    return " ".join(map(str, labels))
