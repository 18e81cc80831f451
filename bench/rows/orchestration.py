# SPDX-License-Identifier: Apache-2.0
"""What a whole migration by SCG takes, beside libvirt's alone. docs/bench.md has the protocol and its reasons."""

import json
import re
import statistics
import time
from dataclasses import dataclass

from harness.result import Goal, Result, Side, quartiles
from scglab.context import wait_for
from scglab.errors import LabError
from scglab.gateway import control_command, server as server_configuration

TITLE = "a whole migration of an idle 128 MiB guest"
GOAL = Goal("<=", 1.15)
ROUNDS = 8
GUEST = "V2"
RULES = 50
SETTLE_S = 1.0          # after each migration, whoever did it
COOKIE = "0xbe7c"       # of the flows that let bare migrations through
FLOWS = """\
cookie={cookie},priority=100,in_port={inner},vlan_tci=0,ip,nw_src={here},nw_dst={there},actions={enter}
cookie={cookie},priority=100,in_port={inner},vlan_tci=0,arp,arp_spa={here},arp_tpa={there},actions={enter}
cookie={cookie},priority=100,in_port={outer},dl_vlan={vlan},ip,nw_src={there},nw_dst={here},actions={leave}
cookie={cookie},priority=100,in_port={outer},dl_vlan={vlan},arp,arp_spa={there},arp_tpa={here},actions={leave}
"""
# The parts of ours, by the source's journal: each from the end of the one before.
PARTS = ("order", "prepare", "transfer", "after", "exit")


@dataclass
class Leg:
    """One migration."""
    seconds: float
    downtime_ms: int                    # as libvirt tells; -1: it does not
    job_ms: int
    parts: dict                         # of ours: milliseconds by PARTS


@dataclass
class Site:
    dc: object
    server: str
    uri: str                            # for the other site's libvirtd
    address: str                        # of migration streams


def site_of(bench, dc):
    keys = server_configuration(bench.lab.topology.nodes[dc.servers[0]])
    return Site(dc, keys["name"], keys["migration-uri"], keys["migration-address"])


def policy():
    rules = [{"direction": "to-vm", "action": "allow", "protocol": "icmp"}]
    rules += [{"direction": "to-vm", "action": "allow", "protocol": "tcp", "remote": f"198.51.{100 + i}.0/24",
               "destination-port": 80} for i in range(RULES - 1)]
    return {"policy": GUEST, "default": {"from-vm": "allow", "to-vm": "deny"},
            "rate-limit": {"from-vm": {"kbps": 50000}, "to-vm": {"kbps": 50000}}, "rules": rules}


class Sites:
    """The two ends, and both ways to move the guest between them."""

    def __init__(self, bench):
        self.bench, self.lab = bench, bench.lab
        self.sites = [site_of(bench, dc) for dc in bench.lab.topology.datacenters.values()]
        self.guest = bench.lab.topology.guests[GUEST]

    def home_first(self):
        """The site where the guest is becomes the first."""
        self.sites.sort(key=lambda site: not self.is_at(site))
        if not self.is_at(self.sites[0]):
            raise LabError(f"{GUEST} runs nowhere", fix="`lab down`, then again")

    def is_at(self, site):
        text = self.bench.virsh(site.server, "list", "--name", "--state-running")
        return GUEST in text.split()

    def legs(self):
        home, away = self.sites
        return (home, away), (away, home)

    # -- bare

    def let_through(self):
        """A channel as gateways would set one up, and the flows that put the servers' traffic into it."""
        home, away = self.sites
        channel = json.loads(self.bench.scgctl(home.dc, "-o", "json", "channel", "create", away.dc.name))["name"]

        def up():
            found = json.loads(self.bench.scgctl(home.dc, "-o", "json", "channel", "show", channel))
            return found["state"] == "up" and found

        found = wait_for(f"channel {channel} to be up", up, 20)
        for (here, there), vlan in zip(self.legs(), (found["ingress-vlan"], found["egress-vlan"])):
            edge = here.dc.migration_edge
            inner, outer = f"{edge['switch']}-{here.server}", edge["transport-port"]
            flows = FLOWS.format(cookie=COOKIE, inner=inner, outer=outer, vlan=vlan, here=here.address,
                                 there=there.address, leave=f"pop_vlan,output:{inner}",
                                 enter=f"push_vlan:0x8100,set_field:{vlan | 0x1000}->vlan_vid,output:{outer}")
            self.lab.run(here.dc.switches, "ovs-ofctl", "-O", "OpenFlow13", "add-flows", edge["switch"], "-",
                         text_in=flows)
        return channel

    def shut(self, channel):
        for site in self.sites:
            self.lab.run(site.dc.switches, "ovs-ofctl", "-O", "OpenFlow13", "del-flows",
                         site.dc.migration_edge["switch"], f"cookie={COOKIE}/-1")
        home = self.sites[0].dc
        self.bench.scgctl(home, "channel", "delete", channel)
        wait_for(f"channel {channel} to be gone",
                 lambda: not json.loads(self.bench.scgctl(home, "-o", "json", "channel", "list"))["channels"], 20)

    def bare(self, here, there):
        begin, end = self.bench.timed(here.server, "virsh", "-q", "-c", "qemu:///system", "migrate", "--live", "--p2p",
                                      "--persistent", "--undefinesource", GUEST, there.uri, f"tcp://{there.address}")
        return self.leg(there, end - begin, {})

    def bare_round(self):
        channel = self.let_through()
        try:
            return [self.bare(here, there) for here, there in self.legs()]
        finally:
            self.shut(channel)

    # -- ours

    def ours(self, here, there):
        order = ["migrate", GUEST, "--to", f"{there.dc.name}/{there.server}", "--watch"]
        begin, end = self.bench.timed(here.dc.gateway, *control_command(self.lab, here.dc, order))
        latest = json.loads(self.bench.scgctl(here.dc, "-o", "json", "migration", "list"))["migrations"][0]["id"]
        journal = json.loads(self.bench.scgctl(here.dc, "-o", "json", "migration", "journal", latest))["journal"]
        return self.leg(there, end - begin, parts_of(journal, begin * 1000, end * 1000))

    def ours_round(self):
        found = []
        for here, there in self.legs():
            found.append(self.ours(here, there))
            self.bench.wait_answers(self.guest)
        return found

    # -- both

    def leg(self, there, seconds, parts):
        if not self.is_at(there):
            raise LabError(f"{GUEST} did not arrive", where=there.server)
        text = self.bench.virsh(there.server, "domjobinfo", GUEST, "--completed")

        def job(what):
            found = re.search(rf"^{what}:\s+(\d+)", text, re.MULTILINE)
            return int(found.group(1)) if found else -1

        time.sleep(SETTLE_S)
        return Leg(seconds, job("Total downtime"), job("Time elapsed"), parts)

    def wait_home(self):
        """Until the home gateway has taken the guest back, and users reach it."""
        home = self.sites[0]

        def known():
            vm = json.loads(self.bench.scgctl(home.dc, "-o", "json", "vm", "show", GUEST))
            return vm["state"] == "running" and vm["server"] == home.server

        wait_for(f"the gateway of {home.dc.name} sees {GUEST}", known, 20)
        self.bench.wait_answers(self.guest)


def parts_of(journal, begin_ms, end_ms):
    def moment(step, event):
        return next(entry["time"] for entry in journal if (entry["step"], entry["event"]) == (step, event))

    moments = [begin_ms, journal[0]["time"], moment(f"transfer {GUEST}", "intent"),
               moment(f"transfer {GUEST}", "done"), journal[-1]["time"], end_ms]
    return {part: later - earlier for part, earlier, later in zip(PARTS, moments, moments[1:])}


def total(legs):
    return sum(leg.seconds for leg in legs)


def notes_on(ours, bare):
    median = {part: statistics.median(leg.parts[part] for leg in ours) for part in PARTS}
    share = [leg.parts["transfer"] / leg.seconds / 10 for leg in ours]
    beyond = [sum(leg.parts[part] for part in PARTS if part != "transfer") for leg in ours]
    yield (f"of ours libvirt's call is {statistics.median(share):.0f} %; beyond it "
           f"{statistics.median(beyond):.0f} ms [{quartiles(beyond)[0]:.0f} .. {quartiles(beyond)[1]:.0f}]:")
    yield (f"  {median['order']:.0f} until the order is taken, {median['prepare']:.0f} until the transfer begins, "
           f"{median['after']:.0f} after it, {median['exit']:.0f} until scgctl ends")
    for label, legs in (("ours", ours), ("other", bare)):
        pauses, jobs = [leg.downtime_ms for leg in legs], [leg.job_ms for leg in legs]
        first, third = quartiles(pauses)
        yield (f"{label}: the guest pauses {statistics.median(pauses):.0f} ms [{first:.0f} .. {third:.0f}], "
               f"libvirt's job takes {statistics.median(jobs):.0f} ms")


def measure(bench):
    sites = Sites(bench)
    bench.wait_idle()
    sites.home_first()
    bench.scgctl(sites.sites[0].dc, "policy", "apply", "-", text_in=json.dumps(policy()))
    sites.ours_round(), sites.bare_round(), sites.wait_home()           # unrecorded: caches, ARP, code
    rounds = []
    count = bench.count(ROUNDS)
    for i in range(count):
        bench.progress(f"orchestration: round {i + 1} of {count}")
        found = {}
        for kind in ("ours", "bare") if i % 2 == 0 else ("bare", "ours"):
            found[kind] = sites.ours_round() if kind == "ours" else sites.bare_round()
            sites.wait_home()
        rounds.append(found)
    bench.progress("")
    ours = [leg for found in rounds for leg in found["ours"]]
    bare = [leg for found in rounds for leg in found["bare"]]
    return Result("s", Side("scgctl migrate --watch", [leg.seconds for leg in ours]),
                  Side("virsh migrate --live --p2p", [leg.seconds for leg in bare]),
                  [total(found["ours"]) / total(found["bare"]) for found in rounds], list(notes_on(ours, bare)),
                  {side: [vars(leg) for leg in legs] for side, legs in (("ours-legs", ours), ("other-legs", bare))})
