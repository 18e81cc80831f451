# SPDX-License-Identifier: Apache-2.0
"""The control planes of the transport nodes: FRR's ospfd, and gmplsd. And the ospfd of each gateway, to listen."""

import json
import os

import yaml

from . import frr, gateway, switches
from .context import wait_for
from .daemon import Daemon
from .errors import LabError

HOME = "/run/gmplsd"
STATUS_PORT = 8081
HELLO, DEAD, RETRANSMIT = 1, 4, 3       # seconds


def speakers(lab):
    """The nodes that run ospfd."""
    return [*lab.topology.by_role("transport"), *lab.topology.by_role("gateway")]


def zebras(lab):
    for node in speakers(lab):
        yield frr.daemon(lab, node, "zebra")


def daemons(lab):
    for node in speakers(lab):
        yield frr.daemon(lab, node, "ospfd", *([] if node.te else ["-a"]))


def signallers(lab):
    """gmplsd of each transport node, if it is built."""
    program = gateway.programs(lab) / "gmplsd"
    if os.access(program, os.X_OK):
        for node in lab.topology.by_role("transport"):
            yield Daemon(node.name, "gmplsd", [program, f"{HOME}/gmplsd.yaml"],
                         ready=lambda node=node: in_charge(lab, node))


def view(lab, node):
    """What a transport node's gmplsd tells of it; None if it does not answer."""
    text = lab.run(node.name, "curl", "-fsS", "-m", "2", f"http://127.0.0.1:{STATUS_PORT}/v1/node", check=False)
    return json.loads(text) if text else None


def in_charge(lab, node):
    """Its bridge is there, and holds what gmplsd wants."""
    found = view(lab, node)
    return found and found["bridge"]["connected"] and found["bridge"]["settled"]


def hears_neighbours(lab, node):
    found = view(lab, node)
    return found and all(link["neighbour"] for link in found["links"])


def ingresses(lab, dc):
    """Router ids of the nodes that ask the gateway of a data center for paths."""
    return {node.router_id for node in lab.topology.by_role("transport") if dc.gateway in node.te.pces}


def wait_signalling(lab, deadline=20):
    """All of a transport node's own, and what gateways need of them."""
    for node in lab.topology.by_role("transport"):
        wait_for("its RSVP neighbours", lambda node=node: hears_neighbours(lab, node), deadline, where=node.name,
                 fix=f"see {lab.log_file(node.name, 'gmplsd')}")
    for dc in lab.topology.datacenters.values():
        def known(dc=dc):
            found = gateway.ask(lab, dc, "/v1/transport")
            return found and found["synced"] and ingresses(lab, dc) <= set(found["ingresses"])

        wait_for("the topology, and a session with every ingress", known, deadline, where=dc.gateway,
                 fix=f"see {lab.log_file(dc.gateway, 'scgd')}")


def prepare(lab, log_level="info"):
    for node in speakers(lab):
        frr.prepare(lab, node, {"zebra": zebra_conf(lab, node), "ospfd": ospfd_conf(lab, node)})
    for node in lab.topology.by_role("transport"):
        text = "# Made by `lab up` from lab/topology.yaml.\n" + yaml.safe_dump(
            configuration(lab, node, log_level), sort_keys=False, default_flow_style=False)
        lab.write(node.name, f"{HOME}/gmplsd.yaml", text)


def zebra_conf(lab, node):
    """What OSPF tells of the node's TE links. All bandwidths follow from the interface's, which has to be said: FRR 8.4
    takes a veth for 10 Gbit/s. Those from 2^32 bit/s have to be said one by one, as it counts them in 32 bits there."""
    lines = [f"hostname {node.name}"]
    for own, _, link in lab.topology.te_ends(node) if node.te else ():
        lines += [f"interface c-{own.interface}", f" bandwidth {link.te.bandwidth_mbps}", " link-params", "  enable",
                  f"  metric {link.te.metric}", *bandwidths(link.te.bandwidth_mbps * 1_000_000),
                  *([f"  admin-grp {link.te.admin_group:#x}"] if link.te.admin_group else []),
                  f"  delay {link.te.delay_us}", " exit-link-params", "exit"]
    return "\n".join(lines) + "\n"


def bandwidths(rate):
    if rate < 1 << 32:
        return []
    rate //= 8                          # bytes a second
    return [f"  max-bw {rate}", f"  max-rsv-bw {rate}", *(f"  unrsv-bw {priority} {rate}" for priority in range(8))]


def ospfd_conf(lab, node):
    """A network is an area. That a gateway is in both does not join them: neither of them is the backbone."""
    lines = [f"hostname {node.name}"]
    if node.te:
        lines += ["interface lo", f" ip ospf area {node.te.area}", "exit"]
    for end, link in lab.topology.ospf_ends(node.name):
        lines += [f"interface {end.interface}", f" ip ospf area {link.area}", " ip ospf network point-to-point",
                  f" ip ospf hello-interval {HELLO}", f" ip ospf dead-interval {DEAD}",
                  f" ip ospf retransmit-interval {RETRANSMIT}", "exit"]
    lines += ["router ospf", f" ospf router-id {node.router_id}", " timers throttle spf 0 50 500",
              " timers lsa min-arrival 100", " capability opaque"]
    if node.te:
        lines += [" mpls-te on", f" mpls-te router-address {node.router_id}"]
    return "\n".join([*lines, "exit", ""])


def configuration(lab, node, log_level):
    nodes, te = lab.topology.nodes, node.te
    return {
        "node": te.name,
        "router-id": te.router_id,
        "openflow": {"address": node.management_address, "port": switches.OPENFLOW_PORT},
        "bridge": {"datapath-id": lab.topology.bridges[te.bridge].datapath_id},
        "store": f"{HOME}/gmplsd.db",
        "log-level": log_level,
        "zebra-vty": f"{frr.RUN}/zebra.vty",
        "status": {"address": "127.0.0.1", "port": STATUS_PORT},
        "pces": [{"address": nodes[name].management_address, "port": gateway.PCEP_PORT} for name in te.pces],
        "te-links": [te_link(nodes, own, other, link) for own, other, link in lab.topology.te_ends(node)],
        "clients": te.clients,
        "timers": {"hello-ms": 1000, "hello-miss": 3, "refresh-ms": 30000, "restart-ms": 10000, "recovery-ms": 10000},
    }


def te_link(nodes, own, other, link):
    """The control channel's addresses are what the link is called by; its ends are in the order of the link's."""
    ends = {end.interface: nodes[end.node].addresses[end.interface].split("/")[0] for end in link.control.ends}
    return {"name": own.interface, "port": own.interface, "interface": "c-" + own.interface,
            "local": ends["c-" + own.interface], "remote": ends["c-" + other.interface],
            "bandwidth-mbps": link.te.bandwidth_mbps, "labels": link.te.labels}


def neighbours(lab, node):
    """OSPF neighbour (router id) -> state, as the node's ospfd sees it; empty if it does not answer."""
    try:
        found = json.loads(frr.ask(lab, node, "ospfd", "show ip ospf neighbor json")).get("neighbors", {})
    except (LabError, ValueError):
        return {}
    return {peer: facts[0]["nbrState"].partition("/")[0] for peer, facts in found.items()}


def full(lab, node):
    states = list(neighbours(lab, node.name).values())
    return len(states) == len(lab.topology.ospf_ends(node.name)) and set(states) == {"Full"}


def heard(lab, gateway):
    """How many TE links the gateway's ospfd knows; each direction is one."""
    try:
        return frr.ask(lab, gateway, "ospfd", "show ip ospf database opaque-area").count("Local Interface IP Address")
    except LabError:
        return 0


def wait_routed(lab, deadline=20):
    for node in speakers(lab):
        wait_for("OSPF neighbours full", lambda node=node: full(lab, node), deadline, where=node.name,
                 fix=f"lab exec {node.name} vtysh -d ospfd -c 'show ip ospf neighbor'")
    directions = 2 * sum(1 for link in lab.topology.links if link.te)
    for node in lab.topology.by_role("gateway"):
        wait_for("every TE link heard", lambda node=node: heard(lab, node.name) == directions, deadline,
                 where=node.name, fix=f"lab exec {node.name} vtysh -d ospfd -c 'show ip ospf database opaque-area'")
