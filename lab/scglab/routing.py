# SPDX-License-Identifier: Apache-2.0
"""The routes to the data centers: FRR's bgpd in the routers, BIRD beside the gateways."""

import json

from . import frr
from .context import wait_for
from .daemon import Daemon
from .errors import LabError

BIRD_SOCKET = "/run/scg/bird.ctl"
ROUTES = "/run/scg/routes.inc"


def zebras(lab):
    for node in lab.topology.by_role("router"):
        yield frr.daemon(lab, node, "zebra")


def daemons(lab):
    for node in lab.topology.by_role("router"):
        yield frr.daemon(lab, node, "bgpd")
    for dc in lab.topology.datacenters.values():
        yield Daemon(dc.gateway, "bird",
                     ["bird", "-f", "-R", "-c", "/run/scg/bird.conf", "-s", BIRD_SOCKET, "-P", "/run/scg/bird.pid"],
                     ready=lambda name=dc.gateway: lab.private(name, BIRD_SOCKET).exists())


def prepare(lab):
    for node in lab.topology.by_role("router"):
        frr.prepare(lab, node, {"zebra": f"hostname {node.name}\n", "bgpd": bgpd_conf(node)})
    for dc in lab.topology.datacenters.values():
        lab.write(dc.gateway, "/run/scg/bird.conf", bird_conf(lab, dc))
        lab.write(dc.gateway, ROUTES, "")


def bgpd_conf(node):
    """Everything at once: no advertisement interval, no coalescing, short retries. The lab measures moves, not MRAI."""
    bgp = node.bgp
    lines = [f"hostname {node.name}",
             f"router bgp {bgp['as']}",
             f" bgp router-id {bgp['router-id']}",
             " no bgp ebgp-requires-policy",
             " no bgp network import-check",
             " coalesce-time 0",
             " timers bgp 3 9"]
    for address, number in bgp["neighbors"].items():
        lines += [f" neighbor {address} remote-as {number}",
                  f" neighbor {address} advertisement-interval 0",
                  f" neighbor {address} timers connect 1"]
    lines.append(" address-family ipv4 unicast")
    lines += [f"  network {network}" for network in bgp.get("networks", [])]
    lines += ["  maximum-paths 1", " exit-address-family", ""]
    return "\n".join(lines)


def bird_conf(lab, dc):
    own, peer = lab.topology.nodes[dc.gateway], lab.topology.nodes[dc.route_peer]
    number = peer.bgp["as"]
    return f"""\
# The gateway writes a host route a line into {ROUTES} and says `configure soft`.
log stderr all;
router id {own.management_address};

protocol device {{
}}

protocol static hosts {{
  ipv4;
include "{ROUTES}";
}}

protocol bgp edge {{
  local {own.management_address} as {number};
  neighbor {peer.management_address} as {number};
  hold time 9;
  keepalive time 3;
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 2;
  graceful restart on;
  graceful restart time 30;
  ipv4 {{
    import none;
    export where source = RTS_STATIC;
    next hop self;
  }};
}}
"""


def sessions(lab, node):
    """BGP neighbour -> state, as the router's bgpd sees it; empty if it does not answer."""
    try:
        text = frr.ask(lab, node, "bgpd", "show bgp ipv4 unicast summary json")
        return {peer: facts["state"] for peer, facts in json.loads(text).get("peers", {}).items()}
    except (LabError, ValueError):
        return {}


def established(lab, node, only=None):
    found = sessions(lab, node)
    wanted = only if only is not None else [str(peer) for peer in lab.topology.nodes[node].bgp["neighbors"]]
    return all(found.get(peer) == "Established" for peer in wanted)


def wait_established(lab, with_uplinks, deadline=20):
    """The gateways' sessions; with `with_uplinks` those to the IP network too (they pass the PE's switch)."""
    for dc in lab.topology.datacenters.values():
        gateway = lab.topology.nodes[dc.gateway].management_address
        wait_for("BGP established", lambda dc=dc, gateway=gateway:
                 established(lab, dc.route_peer, None if with_uplinks else [gateway]), deadline, where=dc.route_peer,
                 fix=f"lab exec {dc.route_peer} vtysh -c 'show bgp summary'; "
                     f"does the gateway of {dc.name} pass BGP through its PE?")
