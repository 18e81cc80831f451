# SPDX-License-Identifier: Apache-2.0
"""Where a lab keeps its things, and how commands run in its nodes."""

import json
import os
import shlex
import subprocess
import time
from pathlib import Path

from .errors import LabError
from .topology import Topology

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent

# Directories that programs have built into them: each node sees its own, so that the host's daemons of the same kind,
# and the other nodes', stay out of sight. Mounted by every command that enters the node (see Lab.enter). Only
# directories that exist on the host can be here (a mount needs a place): all of /var, since not every package makes
# its own part of it.
PRIVATE = {
    "management": [],
    "user": [],
    "router": ["/run", "/etc/frr"],
    "gateway": ["/run", "/etc/frr"],
    "transport": ["/run", "/etc/frr"],
    "switches": ["/run", "/var", "/etc/openvswitch"],
    "server": ["/run", "/var", "/etc/libvirt", "/etc/lldpd.d"],
}
GUEST_IMAGES = "/var/lib/libvirt/guest"
CLAIMS = Path("/run/scg-lab")           # as short-lived as the namespaces: both go when the machine starts again


class Lab:
    """One lab: a topology, a prefix, a directory."""

    def __init__(self, directory=None, prefix=None, topology=None):
        self.topology = Topology(topology or HERE / "topology.yaml")
        self.prefix = prefix or os.environ.get("SCG_LAB_PREFIX") or self.topology.prefix
        self.dir = Path(directory or os.environ.get("SCG_LAB_DIR") or ROOT / "build" / "lab").absolute()
        self.build = ROOT / "build"
        self.guest_cache = self.build / "guest"
        self.old_logs = self.dir.with_name(self.dir.name + "-log")
        self.topology.set_modes((self.record() or {}).get("modes", {}))

    # -- paths

    @property
    def record_file(self):
        return self.dir / "lab.json"

    def capabilities(self, server):
        return self.guest_cache / "capabilities" / server

    def log_file(self, node, daemon):
        return self.dir / "log" / f"{node}-{daemon}.log"

    def private(self, node, path):
        """The file behind PATH as the node sees it."""
        return self.dir / "nodes" / node / path.lstrip("/")

    def make_private(self):
        for node in self.topology.nodes.values():
            for path in PRIVATE[node.role]:
                self.private(node.name, path).mkdir(parents=True, exist_ok=True)
                if path == "/var":
                    for name, target in (("run", "/run"), ("lock", "/run/lock")):
                        self.private(node.name, "/var/" + name).symlink_to(target)
            if node.role == "server":
                for path in (GUEST_IMAGES, "/var/cache/libvirt"):
                    self.private(node.name, path).mkdir(parents=True)
                self.capabilities(node.name).mkdir(parents=True, exist_ok=True)

    def write(self, node, path, text):
        file = self.private(node, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    # -- the record: what this directory owns, written before anything is made

    def record(self):
        try:
            return json.loads(self.record_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError:              # cut short by a crash: it still says that the directory is ours
            return {"state": "broken"}

    def save_record(self, **keys):
        record = self.record() or {}
        record.update(keys)
        draft = self.record_file.with_suffix(".new")
        draft.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        draft.replace(self.record_file)

    # -- the claim: which directory's lab made the namespaces of a prefix, for labs in other directories to see

    @property
    def claim_file(self):
        return CLAIMS / f"{self.prefix}.json"

    def claim(self):
        try:
            return json.loads(self.claim_file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None

    def save_claim(self, **keys):
        CLAIMS.mkdir(exist_ok=True)
        self.claim_file.write_text(json.dumps({"directory": str(self.dir), **keys}), encoding="utf-8")

    def drop_claim(self):
        self.claim_file.unlink(missing_ok=True)

    # -- nodes

    def namespace(self, node):
        """`scg-user1` for user1; a name that has the prefix already keeps it as it is."""
        return node if node.startswith(self.prefix) else self.prefix + node

    def node(self, name):
        if name in self.topology.nodes:
            return self.topology.nodes[name]
        if name in self.topology.guests:
            guest = self.topology.guests[name]
            raise LabError(f"{name} is a guest: it has no namespace and no shell",
                           fix=f"reach it over the network, e.g. `lab exec user1 ping {guest.address}`; "
                               f"its console is `lab console {name}`")
        if name in self.topology.bridges:
            owner, controller = self.topology.bridges[name].node, self.topology.bridges[name].controller
            raise LabError(f"{name} is a bridge of node {owner}",
                           fix=f"`lab exec {owner} ovs-ofctl -O OpenFlow13 dump-flows {name}`" +
                               (f"; its control plane is node {controller}" if controller else ""))
        raise LabError(f"no node {name}", fix="use one of " + ", ".join(self.topology.nodes))

    def enter(self, name, command):
        """The argument list that runs COMMAND inside a node.

        Each entry makes a mount namespace of its own and binds the node's private directories: nothing stays mounted
        when the command ends, and there is no namespace to be pinned or cleaned up. Every step is an exec, so the
        process that one starts is the process of COMMAND.
        """
        node = self.node(name)
        binds = [(self.private(name, path), path) for path in PRIVATE[node.role]]
        if node.role == "server":
            # Asking QEMU what it can do takes seconds under TCG: the answers are kept with the guests' images.
            binds += [(self.guest_cache, GUEST_IMAGES), (self.capabilities(name), "/var/cache/libvirt")]
            binds += [(self.private(name, path), path) for path in ("/etc/passwd", "/etc/group")]
        binds.append((self.dir / "hosts", "/etc/hosts"))
        steps = [f"hostname {shlex.quote(name)}"]
        for source, target in binds:
            steps.append(f"mount --bind {shlex.quote(str(source))} {shlex.quote(target)}")
        steps.append('exec "$@"')
        return ["ip", "netns", "exec", self.namespace(name),
                "unshare", "--uts", "sh", "-c", " && ".join(steps), "sh", *map(str, command)]

    def run(self, node, *command, check=True, timeout=30, text_in=None):
        """Run COMMAND in the node, return its standard output."""
        return run(*self.enter(node, command), check=check, timeout=timeout, text_in=text_in,
                   shown=f"{node}: {shlex.join(map(str, command))}")


def run(*command, check=True, timeout=30, text_in=None, shown=None):
    """Run a command on the host, return its standard output; None if it failed and `check` is off."""
    shown = shown or shlex.join(map(str, command))
    try:
        done = subprocess.run([str(word) for word in command], input=text_in, capture_output=True, text=True,
                              timeout=timeout, check=False,
                              **({} if text_in is not None else {"stdin": subprocess.DEVNULL}))
    except FileNotFoundError as error:
        raise LabError(f"{error.filename} is not installed", where=shown,
                       fix="`make deps` installs what packaging/packages.txt lists") from error
    except subprocess.TimeoutExpired as error:
        if not check:
            return None
        raise LabError(f"no answer in {timeout} s", where=shown) from error
    if done.returncode != 0:
        if not check:
            return None
        raise LabError((done.stderr or done.stdout).strip() or f"exit status {done.returncode}", where=shown)
    return done.stdout


def wait_for(what, probe, deadline, where=None, fix=None, interval=0.1):
    """Call `probe` until it returns something true, and return that.

    `probe` may raise LabError or return a false value; the last complaint, if any, is part of the error.
    """
    end = time.monotonic() + deadline
    while True:
        complaint = None
        try:
            result = probe()
        except LabError as error:
            result, complaint = None, str(error)
        if result:
            return result
        if time.monotonic() >= end:
            raise LabError(f"{what}: not within {deadline} s" + (f" ({complaint})" if complaint else ""),
                           where=where, fix=fix)
        time.sleep(interval)
