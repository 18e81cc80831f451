# SPDX-License-Identifier: Apache-2.0
"""Namespaces, links, addresses: the part of the lab that is kernel objects only."""

import os
import shlex
from pathlib import Path

from .context import run
from .daemon import start_time
from .errors import LabError

NETNS = Path("/run/netns")


def ip_batch(lines, namespace=None):
    if lines:
        run("ip", *(["-n", namespace] if namespace else []), "-batch", "-", text_in="\n".join(lines) + "\n")


def existing(lab):
    """Namespaces of this lab's names that exist, ours or not."""
    return [lab.namespace(name) for name in lab.topology.nodes if (NETNS / lab.namespace(name)).exists()]


def make_namespaces(lab):
    ip_batch([f"netns add {lab.namespace(name)}" for name in lab.topology.nodes])
    for node in lab.topology.nodes.values():
        settings = ["net/ipv6/conf/all/disable_ipv6=1", "net/ipv6/conf/default/disable_ipv6=1",
                    # The nodes of one host see each other's frames on veth ends that OVS reads: only the NIC that
                    # has the address may answer for it.
                    "net/ipv4/conf/all/arp_ignore=1", "net/ipv4/conf/all/rp_filter=0",
                    "net/ipv4/conf/default/rp_filter=0", "net/ipv4/conf/all/send_redirects=0",
                    "net/ipv4/conf/default/send_redirects=0",
                    f"net/ipv4/ip_forward={int(node.forwarding)}"]
        script = "; ".join("[ -e /proc/sys/{0} ] && echo {1} > /proc/sys/{0}".format(*setting.split("="))
                           for setting in settings)
        run("ip", "netns", "exec", lab.namespace(node.name), "sh", "-c", script + "; ip link set lo up")


def make_links(lab):
    topology, made = lab.topology, []
    for link in (one for one in topology.links if not one.patch):
        one, other = link.ends
        made.append(f"link add {one.interface} netns {lab.namespace(one.node)} mtu {link.mtu} type veth "
                    f"peer name {other.interface} netns {lab.namespace(other.node)} mtu {link.mtu}")
    hub = topology.by_role("management")[0].name
    for node in topology.nodes.values():
        if node.management:
            made.append(f"link add mgmt netns {lab.namespace(node.name)} type veth "
                        f"peer name {node.name} netns {lab.namespace(hub)}")
    ip_batch(made)

    for node in topology.nodes.values():
        lines, plain = [], []
        for end, _ in topology.ends_of_node(node.name):
            plain.append(end.interface)
        if node.role == "management":
            lines.append("link add mgmt type bridge forward_delay 0 stp_state 0 mcast_snooping 0")
            lines.append("link set mgmt up")
            for other in topology.nodes.values():
                if other.management:
                    lines.append(f"link set {other.name} master mgmt up")
        if node.management:
            lines += [f"addr add {node.management} dev mgmt", "link set mgmt up"]
        if node.role == "server":
            lines += server_bridge()
        for interface, address in node.addresses.items():
            lines.append(f"addr add {address} dev {interface}")
        for interface, address in node.ipv6.items():
            run("ip", "netns", "exec", lab.namespace(node.name), "sh", "-c",
                f"cd /proc/sys/net/ipv6/conf/{interface} && echo 0 > accept_ra && echo 0 > disable_ipv6")
            lines.append(f"addr add {address} dev {interface} nodad")
        lines += [f"link set {interface} up" for interface in plain]
        if node.default_route:
            lines.append(f"route add default via {node.default_route}")
        ip_batch(lines, lab.namespace(node.name))
        if node.management:
            plain.append("mgmt")
        offload_off(lab, node.name, plain)


def server_bridge():
    """br0 joins the taps of the guests and the uplink to the ToR, and learns no MAC (so says an ageing time of 0).

    All that guests send goes to the ToR, as their ports are isolated from each other; were a neighbour's MAC known, the
    bridge would find it behind an isolated port and drop the frame instead. All that the ToR sends goes to every tap:
    to guests that have not spoken yet, too, and the sender's MAC does not move when the ToR sends its frame back.
    """
    return ["link add br0 type bridge forward_delay 0 stp_state 0 mcast_snooping 0 ageing_time 0",
            "link set uplink master br0",
            "link set uplink type bridge_slave learning off",
            "link set br0 up"]


def offload_off(lab, node, interfaces):
    """Frames that userspace switches read must carry their checksums and fit the MTU."""
    script = "; ".join(f"ethtool -K {shlex.quote(name)} tx off rx off tso off gso off gro off >/dev/null"
                       for name in interfaces)
    run("ip", "netns", "exec", lab.namespace(node), "sh", "-c", script)


def processes(namespaces):
    """Pids of every process that runs in one of the namespaces, in one pass over /proc."""
    inodes = set()
    for name in namespaces:
        try:
            inodes.add(os.stat(NETNS / name).st_ino)
        except FileNotFoundError:
            pass
    pids = []
    for entry in os.listdir("/proc") if inodes else ():
        if entry.isdigit():
            try:
                if os.stat(f"/proc/{entry}/ns/net").st_ino in inodes and start_time(entry):
                    pids.append(int(entry))
            except OSError:
                pass
    return pids


def remove_namespaces(names):
    for name in names:
        if (NETNS / name).exists():
            run("ip", "netns", "del", name)
    left = [name for name in names if (NETNS / name).exists()]
    if left:
        raise LabError("namespaces that do not go away: " + " ".join(left), fix="ip netns del NAME")
