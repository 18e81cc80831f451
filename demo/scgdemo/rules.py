# SPDX-License-Identifier: Apache-2.0
"""What a switch does to the packets of one VM, told from its flows alone.

Nothing of the gateway is used here, and no order, priority or number of rules is compared: the packets are divided so
finely that no flow of the two sets compared tells two packets of a class apart, then one packet of each class is tried.
"""

import ipaddress
import itertools
import re

from scglab.pipeline import TOR

FROM_VM, TO_VM = TOR["POLICY_FROM"], TOR["POLICY_TO"]
OTHER = 253                             # a protocol that no rule names
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
WORDS = {"ip": (4, None), "icmp": (4, ICMP), "tcp": (4, TCP), "udp": (4, UDP),
         "ipv6": (6, None), "icmp6": (6, ICMPV6), "tcp6": (6, TCP), "udp6": (6, UDP)}
ADDRESSES = {4: (ipaddress.IPv4Address, 32), 6: (ipaddress.IPv6Address, 128)}
ENDS = {4: ("nw_src", "nw_dst"), 6: ("ipv6_src", "ipv6_dst")}


def belongs(flow, vm):
    """Whether a flow is of this VM, by the gateway's cookie or by an address."""
    address = re.search(rf"\b({re.escape(vm.address)}|{vm.mac})\b", flow)
    return f"cookie=0x5c6703{vm.cookie}" in flow or address is not None


def is_policy(flow):
    return re.search(rf"\btable=({FROM_VM}|{TO_VM}),", flow) is not None


def read_ports(text):
    value, _, mask = text.partition("/")
    first, mask = int(value, 0), int(mask, 0) if mask else 0xffff
    return first & mask, first | (~mask & 0xffff)


class Rule:
    def __init__(self, flow, vm, meters):
        head, _, actions = flow.partition(" actions=")
        words = re.split(r"[,\s]+", head)
        fields = dict(word.split("=", 1) for word in words if "=" in word)
        self.table, self.priority = int(fields.pop("table")), int(fields.pop("priority", 32768))
        fields.pop("cookie")
        self.family, self.protocol = next((WORDS[word] for word in words if word in WORDS), (4, None))
        mine, other = ENDS[self.family] if self.table == FROM_VM else ENDS[self.family][::-1]
        self.mine = fields.pop(mine, None) == {4: vm.address, 6: vm.ipv6}[self.family]
        self.remote = ipaddress.ip_network(fields.pop(other, {4: "0.0.0.0/0", 6: "::/0"}[self.family]))
        if "nw_proto" in fields:
            self.protocol = int(fields.pop("nw_proto"))
        self.source = read_ports(fields.pop("tp_src", "0/0"))
        self.destination = read_ports(fields.pop("tp_dst", "0/0"))
        self.icmp_type = int(fields.pop("icmp_type")) if "icmp_type" in fields else None
        self.strange = bool(fields)
        self.outcome = read_actions(actions, meters)

    def matches(self, protocol, remote, source, destination, icmp_type):
        return ((self.protocol is None or self.protocol == protocol) and remote in self.remote and
                self.source[0] <= source <= self.source[1] and
                self.destination[0] <= destination <= self.destination[1] and
                (self.icmp_type is None or self.icmp_type == icmp_type))


def read_actions(actions, meters):
    """("deny",), or ("allow", DSCP or None, (kbit/s, burst) or None)."""
    if "goto_table" not in actions:
        return ("deny",)
    mark = re.search(r"set_field:(\d+)->ip_dscp", actions)
    meter = re.search(r"meter:(\d+)", actions)
    return ("allow", int(mark[1]) if mark else None, meters.get(int(meter[1]), ("unknown",)) if meter else None)


def read(flows, meters, vm):
    """The rules of a VM in a ToR's policy tables, the one that is tried first in front."""
    found = [Rule(flow, vm, meters) for flow in flows if is_policy(flow) and belongs(flow, vm)]
    return sorted(found, key=lambda rule: -rule.priority)


def verdict(rules, packet):
    for rule in rules:
        if rule.matches(*packet):
            return rule.outcome
    return ("allow", None, None)        # as packets that miss every flow of a VM


def starts(ranges, end):
    """The first of each stretch of numbers that no range divides."""
    return sorted({0} | {number for first, last in ranges for number in (first, last + 1) if number <= end})


def difference(one, other):
    """A packet that two sets of rules treat differently, as a sentence; None if they treat all alike."""
    if strange := next((rule for rule in one + other if rule.strange or not rule.mine), None):
        return f"a rule of priority {strange.priority} in table {strange.table} matches what the demo cannot read"
    for (table, name), family in itertools.product(((FROM_VM, "from"), (TO_VM, "to")), ADDRESSES):
        sides = [[rule for rule in side if (rule.table, rule.family) == (table, family)] for side in (one, other)]
        rules = sides[0] + sides[1]
        protocols = {ICMP, TCP, UDP, ICMPV6, OTHER} | {rule.protocol for rule in rules} - {None}
        address, bits = ADDRESSES[family]
        remotes = [address(number) for number in
                   starts([(int(r.remote[0]), int(r.remote[-1])) for r in rules], 2**bits - 1)]
        sources = starts([rule.source for rule in rules], 0xffff)
        destinations = starts([rule.destination for rule in rules], 0xffff)
        types = {rule.icmp_type for rule in rules} - {None} | {250}
        for packet in itertools.product(sorted(protocols), remotes, sources, destinations, types):
            verdicts = [verdict(side, packet) for side in sides]
            if verdicts[0] != verdicts[1]:
                return (f"{name} the VM, protocol {packet[0]}, other end {packet[1]}, ports {packet[2]} to "
                        f"{packet[3]}: {verdicts[0]} became {verdicts[1]}")
    return None
