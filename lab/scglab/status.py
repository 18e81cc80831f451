# SPDX-License-Identifier: Apache-2.0
"""What stands, what does not."""

import json

from . import gateway, lifecycle, routing, servers, switches, transport, wiring
from .context import wait_for

VLAN_LAST = 4094


def collect(lab):
    record = lab.record()
    if not record:
        return {"state": "down", "directory": str(lab.dir)}
    existing = set(wiring.existing(lab))
    result = {"state": record.get("state", "broken"), "directory": str(lab.dir), "prefix": lab.prefix,
              "modes": lab.topology.modes(), "nodes": {}, "daemons": [], "guests": {}, "bgp": {}, "ospf": {},
              "switches": {}, "tree": {}, "circuits": {}, "lsps": {}}
    for node in lab.topology.nodes.values():
        result["nodes"][node.name] = {
            "namespace": lab.namespace(node.name), "exists": lab.namespace(node.name) in existing, "role": node.role,
            "management": node.management_address,
            "interfaces": [end.interface for end, _ in lab.topology.ends_of_node(node.name)]}
    alive = set()
    for daemon in lifecycle.daemons(lab, record.get("scgd", True)):
        pid = daemon.pid(lab)
        result["daemons"].append({"node": daemon.node, "name": daemon.name, "pid": pid, "alive": pid is not None,
                                  "log": str(lab.log_file(daemon.node, daemon.name))})
        if pid:
            alive.add((daemon.node, daemon.name))
    if record.get("guests", True):
        result["guests"] = servers.whereabouts(lab)
    for node in lab.topology.by_role("router"):
        if (node.name, "bgpd") in alive:
            result["bgp"][node.name] = routing.sessions(lab, node.name)
    for node in transport.speakers(lab):
        if (node.name, "ospfd") in alive:
            result["ospf"][node.name] = transport.neighbours(lab, node.name)
    for node in lab.topology.by_role("switches"):
        if (node.name, "ovsdb-server") in alive and (node.name, "ovs-vswitchd") in alive:
            result["switches"].update(switches.connections(lab, node.name))
            result["tree"].update(switches.tree(lab, node.name)[0])
    for dc in lab.topology.datacenters.values():
        if (dc.gateway, "scgd") in alive:
            result["circuits"][dc.name] = (gateway.ask(lab, dc, "/v1/channels") or {}).get("channels", [])
    for node in lab.topology.by_role("transport"):
        if (node.name, "gmplsd") in alive:
            result["lsps"][node.te.name] = (transport.view(lab, node) or {}).get("lsps", [])
    return result


def broken(lab):
    """Sentences about what should be there and is not; for `up` on a lab that is up."""
    facts = collect(lab)
    found = [f"namespace {node['namespace']} is gone" for node in facts["nodes"].values() if not node["exists"]]
    found += [f"{daemon['name']} of {daemon['node']} is dead" for daemon in facts["daemons"] if not daemon["alive"]]
    for guest, places in facts["guests"].items():
        if "running" not in places.values():
            found.append(f"guest {guest} runs nowhere")
    return found


def wait_gateways(lab, deadline=20):
    for daemon in gateway.daemons(lab):
        daemon.wait_ready(lab)
    for dc in lab.topology.datacenters.values():
        wait_for("all switches connected to the gateway", lambda dc=dc: connected(lab, dc), deadline, where=dc.switches,
                 fix=f"see {lab.log_file(dc.gateway, 'scgd')}")


def connected(lab, dc):
    found = switches.connections(lab, dc.switches)
    return all(found.get(bridge.name) for bridge in lab.topology.bridges.values() if bridge.controller == dc.gateway)


def table(headings, lines):
    widths = [max(len(str(line[i])) for line in [headings, *lines]) for i in range(len(headings))]
    for line in [headings, *lines]:
        yield "  ".join(str(cell).ljust(width) for cell, width in zip(line, widths)).rstrip()


def crossing(lsp, side):
    """How an LSP comes in, or goes out."""
    end = lsp.get(side)
    if not end:
        return "-"
    if "link" in end:
        labels = [end.get(key, "-") for key in ("in_label", "out_label")]
        return "{} {}/{}".format(end["link"], *(labels if side == "in" else labels[::-1]))
    return f"client {end['client']}" + (f" VLAN {end['vlan']}" if 0 < end["vlan"] <= VLAN_LAST else "")


def show(lab, as_json=False):
    facts = collect(lab)
    if as_json:
        print(json.dumps(facts, indent=1))
        return 0 if facts["state"] == "up" else 3
    print(f"lab {facts['state']} in {facts['directory']}")
    if facts["state"] == "down":
        return 3
    print("fabrics: " + ", ".join(f"{mode} in {name}" for name, mode in facts["modes"].items()))
    running, names = {}, {node.router_id: node.name for node in transport.speakers(lab)}
    for daemon in facts["daemons"]:
        running.setdefault(daemon["node"], []).append(
            f"{daemon['name']} {daemon['pid']}" if daemon["alive"] else f"{daemon['name']} DEAD")
    sections = [
        table(("NODE", "MANAGEMENT", "DAEMONS"),
              [(name if node["exists"] else name + " GONE", node["management"] or "-",
                ", ".join(running.get(name, ["-"]))) for name, node in facts["nodes"].items()]),
        table(("GUEST", "ADDRESS", "WHERE"),
              [(name, lab.topology.guests[name].address if name in lab.topology.guests else "?",
                ", ".join(f"{server}: {state}" for server, state in places.items()) or "nowhere")
               for name, places in facts["guests"].items()]),
        table(("ROUTER", "BGP NEIGHBOUR", "STATE"),
              [(router, peer, state) for router, peers in facts["bgp"].items() for peer, state in peers.items()]),
        table(("SPEAKER", "OSPF NEIGHBOUR", "STATE"),
              [(speaker, names.get(peer, peer), state)
               for speaker, peers in facts["ospf"].items() for peer, state in peers.items()]),
        table(("BRIDGE", "NODE", "CONTROLLER", "PORTS (RSTP ROLE)"),
              [(bridge.name, bridge.node,
                {True: bridge.controller, False: f"{bridge.controller} NOT CONNECTED",
                 None: "-"}[facts["switches"].get(bridge.name)],
                " ".join(end.interface + (f"({facts['tree'][end.interface]['role']})"
                                          if end.interface in facts["tree"] else "")
                         for end, _ in lab.topology.ends_of_bridge(bridge.name)))
               for bridge in lab.topology.bridges.values()]),
        table(("GATEWAY", "CIRCUIT", "STATE", "MBIT/S", "PATH"),
              [(dc, one["name"], one["state"], one.get("bandwidth-mbps", "?"),
                " ".join(names.get(hop["node"], hop["node"]).removesuffix("-c") for hop in one.get("path", ())) or "-")
               for dc, circuits in facts["circuits"].items() for one in circuits]),
        table(("TRANSPORT NODE", "LSP", "STATE", "IN", "OUT"),
              [(node, lsp["name"], lsp["state"], *(crossing(lsp, side) for side in ("in", "out")))
               for node, lsps in facts["lsps"].items() for lsp in lsps])]
    for section in sections:
        print()
        print("\n".join(section))
    return 0 if facts["state"] == "up" else 3
