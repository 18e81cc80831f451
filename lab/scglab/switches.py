# SPDX-License-Identifier: Apache-2.0
"""Open vSwitch: one ovsdb-server and ovs-vswitchd for each node of role `switches`."""

import json
from pathlib import Path

from .context import run, wait_for
from .daemon import Daemon

PORTQOS = Path(__file__).resolve().parent.parent / "portqos"
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
DATABASE = "/etc/openvswitch/conf.db"
SOCKET = "/run/openvswitch/db.sock"
OPENFLOW_PORT = 6653
OVSDB_PORT = 6640
TCP_LISTEN = "0A"                       # /proc/net/tcp


def daemons(lab):
    for node in lab.topology.by_role("switches"):
        name = node.name
        yield Daemon(name, "ovsdb-server",
                     ["ovsdb-server", DATABASE, f"--remote=punix:{SOCKET}",
                      f"--remote=ptcp:{OVSDB_PORT}:{node.management_address}", "--pidfile",
                      "-vconsole:info", "-vsyslog:off", "-vfile:off"],
                     ready=lambda name=name: lab.private(name, SOCKET).exists())
        # The kernel's datapath is the host's affair: userspace datapaths only.
        yield Daemon(name, "ovs-vswitchd",
                     ["ovs-vswitchd", f"unix:{SOCKET}", "--pidfile", "--disable-system",
                      "-vconsole:info", "-vsyslog:off", "-vfile:off"],
                     ready=lambda name=name: lab.run(name, "ovs-appctl", "version", check=False))
        yield Daemon(name, "portqos", [str(PORTQOS), SOCKET])


def prepare(lab):
    for node in lab.topology.by_role("switches"):
        for path in ("/run/openvswitch", "/var/log/openvswitch"):
            lab.private(node.name, path).mkdir(parents=True)
        run("ovsdb-tool", "create", lab.private(node.name, DATABASE), SCHEMA)


def configure(lab):
    """All bridges and ports of a node in one transaction."""
    for node in lab.topology.by_role("switches"):
        words = ["set", "Open_vSwitch", ".",
                 # These two are sized after the host's cores; here each switch is small, and there are many.
                 "other_config:n-handler-threads=1", "other_config:n-revalidator-threads=1"]
        for bridge in lab.topology.bridges_of(node.name):
            words += ["--", *bridge_words(lab, bridge)]
            for end, link in lab.topology.ends_of_bridge(bridge.name):
                words += ["--", "add-port", bridge.name, end.interface]
                if link.patch:
                    peer = next(other.interface for other in link.ends if other is not end)
                    words += ["--", "set", "Interface", end.interface, "type=patch", f"options:peer={peer}"]
                if bridge.rstp_priority is not None and not link.rstp:
                    words += ["--", "set", "Port", end.interface, "other_config:rstp-enable=false"]
        lab.run(node.name, "ovs-vsctl", "--timeout=20", *words)


def bridge_words(lab, bridge):
    name = bridge.name
    mac = ":".join(bridge.datapath_id[4:][i:i + 2] for i in range(0, 12, 2))
    mac = "02" + mac[2:]                # locally administered; the RSTP bridge id is made of it
    words = ["add-br", name, "--", "set", "Bridge", name, "datapath_type=netdev",
             f"other_config:datapath-id={bridge.datapath_id}", f'other_config:hwaddr="{mac}"',
             "other_config:disable-in-band=true"]
    if bridge.rstp_priority is not None:
        words += ["rstp_enable=true", f"other_config:rstp-priority={bridge.rstp_priority}",
                  "other_config:rstp-forward-delay=4", "other_config:rstp-max-age=6"]
    if bridge.controller is None:
        return words + ["fail_mode=standalone"]
    return words + ["fail_mode=secure", "protocols=OpenFlow13"]


def listens(lab, daemon):
    """The controller takes OpenFlow connections. Read from /proc: a connection to try would look like a switch."""
    pid = daemon.pid(lab)
    try:
        with open(f"/proc/{pid}/net/tcp", encoding="ascii") as file:
            rows_of_file = [line.split() for line in file.readlines()[1:]]
    except OSError:
        return False
    return any(row[1].endswith(f":{OPENFLOW_PORT:04X}") and row[3] == TCP_LISTEN for row in rows_of_file)


def start_controllers(lab, started):
    """Start controllers, and have their switches connect as soon as these can take them, not when a try is due."""
    for daemon in started:
        daemon.start(lab, wait=False)
    for daemon in started:
        daemon.wait_for(lab, "OpenFlow port", lambda daemon=daemon: listens(lab, daemon))
    controllers = {daemon.node for daemon in started}
    for node in sorted({bridge.node for bridge in lab.topology.bridges.values() if bridge.controller in controllers}):
        connect(lab, node, controllers)


def connect(lab, node, controllers):
    """Point the node's bridges that have one of these controllers to it, now.

    OVS 3.1 heeds max_backoff only while a connection stands: a bridge whose controller was away tries every 8 s. A
    target that reads otherwise (6653 is the default port) makes it try at once. A bridge must not be without a
    controller for a moment: it would drop its flows.
    """
    connected, targets = connections(lab, node), {}
    for row in rows(lab, node, "Controller", ["_uuid", "target"]):
        targets[row["_uuid"]] = row["target"]
    present = {row["name"]: targets.get(row["controller"]) for row in rows(lab, node, "Bridge", ["name", "controller"])
               if isinstance(row["controller"], str)}
    words = []
    for bridge in lab.topology.bridges_of(node):
        if bridge.controller not in controllers or connected.get(bridge.name):
            continue
        target = f"tcp:{lab.topology.nodes[bridge.controller].management_address}:{OPENFLOW_PORT}"
        if present.get(bridge.name) == target:
            target = target.rpartition(":")[0]
        words += ["--", "set-controller", bridge.name, target,
                  "--", "set", "Controller", bridge.name, "max_backoff=1000", "inactivity_probe=5000",
                  "connection_mode=out-of-band"]
    if words:
        lab.run(node, "ovs-vsctl", "--timeout=10", *words[1:])


def rows(lab, node, table, columns):
    """Rows of a table of the node's Open_vSwitch database, as dictionaries."""
    text = lab.run(node, "ovs-vsctl", "--timeout=10", "--format=json", f"--columns={','.join(columns)}", "list", table)
    answer = json.loads(text)
    return [{name: plain(value) for name, value in zip(answer["headings"], row)} for row in answer["data"]]


def plain(value):
    """An OVSDB value (RFC 7047, 5.1) as plain Python."""
    if isinstance(value, list) and value and value[0] in ("map", "set", "uuid"):
        if value[0] == "map":
            return {key: plain(item) for key, item in value[1]}
        return [plain(item) for item in value[1]] if value[0] == "set" else value[1]
    return value


def tree(lab, node):
    """The spanning tree: port -> {role, state} of each port that takes part, and the roots that its bridges name."""
    ports, roots = {}, set()
    taking_part = {end.interface for link in lab.topology.links if link.rstp
                   for end in link.ends if end.node == node}
    for row in rows(lab, node, "Port", ["name", "rstp_status"]):
        if row["name"] in taking_part:
            status = row["rstp_status"] or {}
            ports[row["name"]] = {"role": status.get("rstp_port_role"), "state": status.get("rstp_port_state")}
    for row in rows(lab, node, "Bridge", ["name", "rstp_status"]):
        if lab.topology.bridges[row["name"]].rstp_priority is not None:
            roots.add((row["rstp_status"] or {}).get("rstp_root_id"))
    return ports, roots


def settled(lab, node):
    """Every port has its final role and state, and all bridges agree on the root."""
    final = {("Root", "Forwarding"), ("Designated", "Forwarding"), ("Alternate", "Discarding"),
             ("Backup", "Discarding")}
    ports, roots = tree(lab, node)
    return not ports or (len(roots) == 1 and None not in roots
                         and all((port["role"], port["state"]) in final for port in ports.values()))


def wait_settled(lab, deadline=30):
    for node in lab.topology.by_role("switches"):
        wait_for("the spanning tree to settle", lambda name=node.name: settled(lab, name), deadline,
                 where=node.name, fix=f"lab exec {node.name} ovs-vsctl --columns=name,rstp_status list Port")


def connections(lab, node):
    """Bridge -> whether its controller is connected; bridges without a controller are left out."""
    ours = {row["_uuid"]: row["is_connected"] for row in rows(lab, node, "Controller", ["_uuid", "is_connected"])}
    found = {}
    for row in rows(lab, node, "Bridge", ["name", "controller"]):
        ids = row["controller"] if isinstance(row["controller"], list) else [row["controller"]]
        if ids and ids[0]:
            found[row["name"]] = all(ours.get(one, False) for one in ids)
    return found
