# SPDX-License-Identifier: Apache-2.0
"""The gateways: certificates, configuration, scgd, and the way to their command line."""

import json
import os
from pathlib import Path

import yaml

from .context import run
from .daemon import Daemon
from .routing import BIRD_SOCKET, ROUTES
from .switches import OPENFLOW_PORT, OVSDB_PORT

REST_PORT = 8080
PEER_PORT = 8443
PCEP_PORT = 4189
OSPF_API_PORT = 2607
LABELS = {"first": 100000, "last": 199999}      # of VPLS; a switch has its own
HOME = "/run/scg"                       # of everything that belongs to a gateway, as the gateway sees it


def programs(lab):
    """The directory of scgd and scgctl: what `up` found, else SCG_BUILD_DIR, else build/."""
    return Path((lab.record() or {}).get("programs") or os.environ.get("SCG_BUILD_DIR") or lab.build).absolute()


def daemons(lab):
    for dc in lab.topology.datacenters.values():
        yield Daemon(dc.gateway, "scgd", [programs(lab) / "scgd", f"{HOME}/scgd.yaml"],
                     ready=lambda dc=dc: healthy(lab, dc))


def url(lab, dc):
    return f"http://{lab.topology.nodes[dc.gateway].management_address}:{REST_PORT}"


def ask(lab, dc, path):
    """What the gateway shows there; None if it does not answer."""
    text = lab.run(dc.gateway, "curl", "-fsS", "-m", "2", url(lab, dc) + path, check=False)
    return json.loads(text) if text else None


def healthy(lab, dc):
    return ask(lab, dc, "/healthz") is not None


def control_command(lab, dc, arguments):
    return [programs(lab) / "scgctl", "--url", url(lab, dc), *arguments]


def prepare(lab, log_level="info"):
    authority = lab.dir / "ca"
    authority.mkdir(parents=True, exist_ok=True)
    openssl("-subj", "/CN=SCG lab CA", "-keyout", authority / "ca.key", "-out", authority / "ca.pem",
            "-addext", "basicConstraints=critical,CA:TRUE")
    for dc in lab.topology.datacenters.values():
        home = lab.private(dc.gateway, HOME)
        home.mkdir(parents=True, exist_ok=True)
        address = lab.topology.nodes[dc.gateway].management_address
        openssl("-subj", f"/CN={dc.gateway}", "-CA", authority / "ca.pem", "-CAkey", authority / "ca.key",
                "-keyout", home / f"{dc.gateway}.key", "-out", home / f"{dc.gateway}.pem",
                "-addext", f"subjectAltName=DNS:{dc.gateway},IP:{address}",
                "-addext", "basicConstraints=critical,CA:FALSE",
                "-addext", "extendedKeyUsage=serverAuth,clientAuth")
        (home / "ca.pem").write_bytes((authority / "ca.pem").read_bytes())
        text = "# Made by `lab up` from lab/topology.yaml.\n" + yaml.safe_dump(
            configuration(lab, dc, log_level), sort_keys=False, default_flow_style=False)
        lab.write(dc.gateway, f"{HOME}/scgd.yaml", text)


def openssl(*words):
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc",
        "-days", "365", *words)


def configuration(lab, dc, log_level):
    nodes = lab.topology.nodes
    address = nodes[dc.gateway].management_address
    return {
        "dc": dc.name,
        "mode": dc.mode,
        **({"vpls": {"labels": LABELS}} if dc.mode == "vpls" else {}),
        "rest": {"address": address, "port": REST_PORT},
        "peer": {"address": address, "port": PEER_PORT, "ca": f"{HOME}/ca.pem",
                 "certificate": f"{HOME}/{dc.gateway}.pem", "key": f"{HOME}/{dc.gateway}.key"},
        "openflow": {"address": address, "port": OPENFLOW_PORT},
        "ovsdb": [f"tcp:{nodes[dc.switches].management_address}:{OVSDB_PORT}"],
        "store": f"{HOME}/scgd.db",
        "log-level": log_level,
        "servers": [server(nodes[name]) for name in dc.servers],
        "routes": {"socket": BIRD_SOCKET, "include": ROUTES},
        "transport": {"ospf-api": {"address": "127.0.0.1", "port": OSPF_API_PORT},
                      "pcep": {"address": address, "port": PCEP_PORT},
                      "keep-channels": False},
        "peers": [peer(nodes, other) for other in lab.topology.datacenters.values() if other is not dc],
        "segments": lab.topology.segments,
        "vlans": {"first": 100, "last": 199},
        "edges": dc.edges,
        "limits": {"migrations": 8, "vms-per-order": 16, "transfers": 2, "message-bytes": 1048576},
        "history": {"migrations": 1000},
        "drift": {"interval": 30, "repair": False},
        "timeouts": {"peer": 30, "transfer": 600, "switch": 10},
    }


def peer(nodes, dc):
    """The other gateway, and where channels to its data center end."""
    return {"dc": dc.name, "name": dc.gateway, "address": nodes[dc.gateway].management_address, "port": PEER_PORT,
            **{key: dc.migration_edge[key] for key in ("transport-router-id", "transport-client")}}


def server(node):
    migration = node.addresses["mig"].split("/")[0]
    return {"name": node.name,
            "uri": f"qemu+tcp://{node.management_address}/system",
            "migration-uri": f"qemu+tcp://{migration}/system",
            "migration-address": migration}


def missing_programs(lab):
    return [str(programs(lab) / name) for name in ("scgd", "scgctl") if not os.access(programs(lab) / name, os.X_OK)]


