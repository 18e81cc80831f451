# SPDX-License-Identifier: Apache-2.0
"""up and down."""

import fcntl
import os
import shutil
import sys
import time
from contextlib import contextmanager

from . import gateway, guestimage, routing, servers, status, switches, transport, wiring
from .daemon import kill_all, recorded_pid, start_time
from .errors import LabError


def daemons(lab, with_scgd=True):
    """Every daemon of the lab, in the order of their start."""
    found = [*switches.daemons(lab), *servers.daemons(lab), *zebras(lab), *speakers(lab)]
    return [*found, *gateway.daemons(lab), *transport.signallers(lab)] if with_scgd else found


def zebras(lab):
    return [*routing.zebras(lab), *transport.zebras(lab)]


def speakers(lab):
    return [*transport.daemons(lab), *routing.daemons(lab)]


def find_daemon(lab, name, node):
    for dc in lab.topology.datacenters.values():
        if node == dc.name:             # `lab restart scgd A`
            node = dc.gateway
    for control in lab.topology.by_role("transport"):
        if node == control.te.name:     # `lab kill gmplsd t1`
            node = control.name
    lab.node(node)
    for daemon in daemons(lab):
        if (daemon.name, daemon.node) == (name, node):
            return daemon
    here = [daemon.name for daemon in daemons(lab) if daemon.node == node]
    raise LabError(f"no daemon {name} in node {node}", fix="it has " + (", ".join(here) or "none"))


def restart(lab, name, node):
    daemon = find_daemon(lab, name, node)
    daemon.stop(lab)
    if name in ("scgd", "gmplsd"):
        switches.start_controllers(lab, [daemon])
        daemon.wait_ready(lab)
    else:
        daemon.start(lab)


@contextmanager
def locked(lab):
    """One `up` or `down` of a lab at a time; the kernel releases the lock of a tool that was killed."""
    lab.dir.mkdir(parents=True, exist_ok=True)
    handle = os.open(lab.dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabError("another lab tool is at work on it", where=str(lab.dir), fix="wait for it") from None
        yield
    finally:
        os.close(handle)


class Progress:
    """A line for each stage: when it began, what it is, how long it took."""

    def __init__(self):
        self.begin = time.monotonic()

    @contextmanager
    def stage(self, text):
        start = time.monotonic()
        print(f"{start - self.begin:6.1f} s  {text} ...", end="", flush=True)
        try:
            yield
        except BaseException:
            print(" failed", flush=True)
            raise
        print(f" {time.monotonic() - start:.1f} s", flush=True)


def up(lab, modes=None, with_scgd=True, with_guests=True, log_level="info"):
    """`modes`: of the data centers' fabrics, by name; None: as they are, and Ethernet in a lab that is not up."""
    with locked(lab):
        record = lab.record()
        if record:
            return already_up(lab, record, modes, with_scgd)
        lab.topology.set_modes(modes or {})
        remove_dead(lab)
        taken = wiring.existing(lab)
        if taken:
            lab.dir.rmdir()
            raise LabError(f"namespaces exist that this lab did not make: {' '.join(taken)}", where=str(lab.dir),
                           fix=(other_lab(lab) or "take down the lab that made them") +
                           ", or use another --prefix for this one; if its directory is lost, `lab down --force`")
        if with_scgd and gateway.missing_programs(lab):
            lab.dir.rmdir()
            raise LabError("not built: " + ", ".join(gateway.missing_programs(lab)),
                           fix="`make`, or `lab up --no-scgd` for a lab without gateways")
        namespaces = [lab.namespace(name) for name in lab.topology.nodes]
        lab.save_record(state="starting", prefix=lab.prefix, modes=lab.topology.modes(), scgd=with_scgd,
                        guests=with_guests,
                        programs=str(gateway.programs(lab)), namespaces=namespaces)
        lab.save_claim(namespaces=namespaces, pid=os.getpid(), started=start_time(os.getpid()))
        try:
            make(lab, with_scgd, with_guests, log_level)
        except LabError:
            print(f"lab: what stands is left for you to look at; logs are in {lab.dir}/log; `lab down` removes it",
                  file=sys.stderr)
            raise
        lab.save_record(state="up")
    return 0


def other_lab(lab):
    """What takes down the lab in another directory that has the namespaces of this prefix, if that is known."""
    claim = lab.claim()
    return claim and f"`lab --dir {claim['directory']} down`"


def remove_dead(lab):
    """Namespaces that another directory's lab made, of which nothing runs any more: whoever ran it was killed."""
    claim, names = lab.claim(), wiring.existing(lab)
    if claim and names and set(names) <= set(claim["namespaces"]) and start_time(claim["pid"]) != claim["started"] \
            and not wiring.processes(names):
        print(f"lab: nothing runs any more of the lab in {claim['directory']}: its namespaces are removed")
        wiring.remove_namespaces(names)


def make(lab, with_scgd, with_guests, log_level):
    progress = Progress()
    (lab.dir / "hosts").write_text("127.0.0.1 localhost\n" + "\n".join(lab.topology.hosts()) + "\n", encoding="ascii")
    with progress.stage("guest kernel and initramfs"):
        guestimage.ensure(lab)
    with progress.stage("configurations and certificates"):
        lab.make_private()
        for part in (switches, servers, routing):
            part.prepare(lab)
        for part in (transport, gateway):
            part.prepare(lab, log_level)
    with progress.stage(f"{len(lab.topology.nodes)} nodes, {len(lab.topology.links)} links"):
        wiring.make_namespaces(lab)
        wiring.make_links(lab)
    with progress.stage("libvirtd, lldpd, Open vSwitch"):
        for daemon in servers.daemons(lab):     # slow to start, so first; asked for later
            daemon.start(lab, wait=False)
        for daemon in switches.daemons(lab):
            daemon.start(lab)
    with progress.stage(f"{len(lab.topology.bridges)} bridges"):
        switches.configure(lab)
    with progress.stage("FRR, BIRD"):
        for group in (zebras(lab), speakers(lab)):
            for daemon in group:
                daemon.start(lab, wait=False)
            for daemon in group:
                daemon.wait_ready(lab)
    with progress.stage("libvirtd answers"):
        for daemon in servers.daemons(lab):
            daemon.wait_ready(lab)
    if with_guests:
        with progress.stage("guests defined and started"):
            servers.start_guests(lab)
    if any(link.rstp for link in lab.topology.links):
        with progress.stage("spanning trees settled"):
            switches.wait_settled(lab)
    with progress.stage("transport networks known"):
        transport.wait_routed(lab)
    if with_scgd:
        with progress.stage("gateways answer, switches connected"):     # after the servers: its first look finds them
            signallers = list(transport.signallers(lab))
            switches.start_controllers(lab, [*gateway.daemons(lab), *signallers])
            status.wait_gateways(lab)
        with progress.stage("transport nodes have their gateways" if signallers else "gmplsd is not built"):
            for daemon in signallers:
                daemon.wait_ready(lab)
            if signallers:
                transport.wait_signalling(lab)
    else:
        for dc in lab.topology.datacenters.values():
            switches.connect(lab, dc.switches, {dc.gateway})
    if with_guests:
        with progress.stage("guests booted"):
            servers.wait_guests(lab)
    with progress.stage("BGP sessions" if with_scgd else "BGP sessions of the gateways"):
        routing.wait_established(lab, with_uplinks=with_scgd)


def already_up(lab, record, modes, with_scgd):
    if record.get("state") != "up":
        raise LabError("a lab that did not come up entirely is here", where=str(lab.dir), fix="`lab down`, then up")
    if with_scgd and not record.get("scgd"):
        raise LabError("the lab is up, but without gateways", where=str(lab.dir), fix="`lab down`, then up")
    if modes and modes != lab.topology.modes():
        raise LabError("the lab is up, but " + ", ".join(f"data center {name} is in {mode} mode"
                                                         for name, mode in lab.topology.modes().items()
                                                         if mode != modes[name]),
                       where=str(lab.dir), fix="`lab down`, then up")
    broken = status.broken(lab)
    if broken:
        raise LabError("the lab is up, but: " + "; ".join(broken), where=str(lab.dir),
                       fix="`lab restart DAEMON NODE`, or `lab down` and up")
    print(f"lab: already up in {lab.dir}, everything alive")
    return 0


def down(lab, force=False):
    """Remove whatever of the lab exists; nothing to remove is no error."""
    if not lab.dir.exists() and not wiring.existing(lab):
        print("lab: nothing is up")
        return 0
    with locked(lab):
        record = lab.record()
        if record is None:
            foreign = wiring.existing(lab)
            if foreign and not force:
                lab.dir.rmdir()
                raise LabError(f"namespaces without a record here: {' '.join(foreign)}", where=str(lab.dir),
                               fix=other_lab(lab) or
                               "give the --dir or --prefix of the lab that made them, or `lab down --force`")
            record = {}
        claim = lab.claim()
        ours = force or not claim or claim["directory"] == str(lab.dir)
        names = (record.get("namespaces") or [lab.namespace(name) for name in lab.topology.nodes]) if ours else []
        pid_files = list((lab.dir / "run").glob("*.pid"))

        def left():
            return sorted({*wiring.processes(names), *filter(None, map(recorded_pid, pid_files))})

        kill_all(left)
        wiring.remove_namespaces(names)
        if ours:
            lab.drop_claim()
        keep_logs(lab)
        shutil.rmtree(lab.dir)
    print("lab: down" + (f"; logs of this run are in {lab.old_logs}" if lab.old_logs.exists() else ""))
    return 0


def keep_logs(lab):
    logs = lab.dir / "log"
    if not logs.is_dir():
        return
    for server in lab.topology.by_role("server"):
        for guest in lab.topology.guests:
            console = servers.console(lab, server.name, guest)
            if console.exists():
                shutil.copy(console, logs / f"{server.name}-{guest}.console")
        for file in lab.private(server.name, "/var/log/libvirt/qemu").glob("*.log"):
            shutil.copy(file, logs / f"{server.name}-{file.stem}.qemu")
    shutil.rmtree(lab.old_logs, ignore_errors=True)
    shutil.move(logs, lab.old_logs)
