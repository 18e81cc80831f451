# SPDX-License-Identifier: Apache-2.0
"""Orders that cannot be carried out are refused by name, and nothing has changed: not a flow, not a meter, no VM."""

import contextlib
import uuid

import libvirt
import pytest
from labtool import VPLS, wait_until
from moving import (ADDRESSES, CIRCUIT_GONE, HYPERVISOR_GONE, MACS, POLICIES, SWITCH_GONE, Order, cookie_of,
                    delete_policy, ofctl, policy_flows, reachable, runs_at, stored_policies, switch_state, wait_ready,
                    wait_same_switches)
from scglab.pipeline import TOR

METADATA = "https://service-control-gateway.org/xmlns/vm/1"


def domain(name, mac="52:54:00:00:00:99", address="10.100.0.99", memory_mib=16):
    """A VM without kernel or disk: it shall not run, or not further than QEMU's own start."""
    return f"""
<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid.uuid4()}</uuid>
  <metadata>
    <scg:vm xmlns:scg='{METADATA}' segment='web'><scg:interface mac='{mac}' address='{address}'/></scg:vm>
  </metadata>
  <memory unit='MiB'>{memory_mib}</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <controller type='usb' model='none'/>
    <interface type='bridge'>
      <mac address='{mac}'/><source bridge='br0'/><model type='virtio'/><port isolated='yes'/>
    </interface>
    <memballoon model='none'/>
  </devices>
</domain>"""


@contextlib.contextmanager
def defined(lab, dc, server, xml, start=False):
    """The domain on the server, known to the gateway; gone afterwards."""
    machine = lab.libvirt(server).defineXML(xml)
    name = machine.name()
    try:
        if start:
            machine.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        wait_until(f"gateway {dc} to see {name}", lambda: of_uuid(lab, dc, machine.UUIDString()))
        if start:
            wait_until(f"gateway {dc} to see {name} started",
                       lambda: of_uuid(lab, dc, machine.UUIDString())["state"] == "paused")
        yield
    finally:
        gone = machine.UUIDString()
        if start:
            machine.destroy()
        machine.undefine()
        wait_until(f"gateway {dc} to forget {name}", lambda: not of_uuid(lab, dc, gone))


def of_uuid(lab, dc, wanted):
    return next((vm for vm in lab.get(dc, "/v1/vms")["vms"] if vm["uuid"] == wanted), None)


def untouched(lab, names=("V2",)):
    """What must be the same after a refusal."""
    return {"switches": switch_state(lab), "policies": stored_policies(lab, "A"), "B": stored_policies(lab, "B"),
            "places": {name: runs_at(lab, name) for name in ADDRESSES},
            "generations": {name: vm["generation"] for name in names for vm in lab.get("A", "/v1/vms")["vms"]
                            if vm["name"] == name},
            "channels": lab.get("A", "/v1/channels"), "vlans": [lab.get(dc, "/v1/segments") for dc in "AB"]}


def planned(lab, *names, to="B/server-b"):
    """What scgctl says of an order that is only planned. Nothing is touched, and no gateway has begun anything."""
    before = untouched(lab, names), [lab.get(dc, "/v1/migrations") for dc in "AB"]
    done = lab.run("ctl", "A", "migrate", *names, "--to", to, "--dry-run", check=False)
    assert (untouched(lab, names), [lab.get(dc, "/v1/migrations") for dc in "AB"]) == before
    return done


def refused_in_plan(lab, *names, words, to="B/server-b"):
    done = planned(lab, *names, to=to)
    assert done.returncode == 1 and not done.stdout
    for word in words:
        assert word in done.stderr


def refused(lab, *names, words, to="B/server-b", accepted=False):
    """The order fails with a sentence that has all of `words`, and everything is as before. `accepted`: only the target
    can know, so a migration was begun, which must be rolled back on both sides."""
    before = untouched(lab, names)
    order = Order(lab, "A", *names, to=to)
    assert order.finish() == 1, order.output
    for word in words:
        assert word in order.output
    if accepted:
        assert order.wait_ended() == "rolled_back"
        migration = order.migration()
        for word in words:
            assert word in migration["reason"]
        assert [vm["fate"] for vm in migration["vms"]] == ["stayed"] * len(names)
        assert not any(vm["began-ms"] for vm in migration["vms"]), "memory was transferred"
    else:
        assert {one["id"] for one in lab.get("A", "/v1/migrations")["migrations"]} == order.known
    assert untouched(lab, names) == before
    for name in names:
        assert name not in ADDRESSES or reachable(lab, name)
    return order


# -- what the source knows itself

@pytest.mark.parametrize("names, to, words", [
    (["V9"], "B/server-b", ["VM 'V9'"]),
    (["V2", "V9"], "B/server-b", ["VM 'V9'"]),
    (["V2"], "C/server-b", ["data center 'C'"]),
    (["V2"], "A/server-a", ["data center A already"]),
    (["V2", "V2"], "B/server-b", ["V2"]),
])
def test_what_does_not_exist(home, names, to, words):
    refused(home, *names, to=to, words=words)


@pytest.mark.parametrize("words", [("migrate", "V2"), ("migrate", "--to", "B/server-b"), ("migrate", "V2", "--to", "B"),
                                   ("migrate", "V2", "--to", "B/"), ("migrate", "V2", "--to", "B/server-b", "--fast")])
def test_wrong_usage(lab, words):
    done = lab.run("ctl", "A", *words, check=False)
    assert done.returncode == 2 and done.stderr.startswith("scgctl: ")


def test_bandwidth_that_no_channel_can_have(home):
    before = untouched(home)
    done = home.run("ctl", "A", "migrate", "V2", "--to", "B/server-b", "--bandwidth", "20000", check=False)
    assert done.returncode == 1 and "20 Gbit/s" in done.stderr and "10 Gbit/s would fit" in done.stderr
    assert "10.252.9.2 (10.253.0.13 to 10.253.0.3) limits it" in done.stderr
    assert untouched(home) == before


def test_vm_that_is_paused(home):
    machine = home.libvirt("server-a").lookupByName("V2")
    machine.suspend()
    try:
        wait_until("A to see V2 paused", lambda: home.get("A", "/v1/vms/V2")["state"] == "paused")
        before = switch_state(home)
        order = Order(home, "A", "V2")
        assert order.finish() == 1
        assert "VM V2 is paused" in order.output
        assert switch_state(home) == before
    finally:
        machine.resume()
    wait_until("A to see V2 running", lambda: home.get("A", "/v1/vms/V2")["state"] == "running")


def test_vm_that_is_off(home):
    with defined(home, "A", "server-a", domain("V8")):
        refused(home, "V8", words=["VM V8 is shut-off"])


@pytest.fixture
def no_policy(home):
    """V3 with neither a stored policy nor one on its switch."""
    delete_policy(home, "A", "V3")
    wait_until("V3's policy to leave its switch", lambda: not policy_flows(home, "A", "V3"))
    return home


@pytest.mark.parametrize("names", [["V3"], ["V2", "V3"]])
def test_vm_without_a_policy(no_policy, names):
    refused_in_plan(no_policy, *names, words=["VM V3 has no policy", "scgctl policy apply"])
    refused(no_policy, *names, accepted=True, words=["VM V3 has no policy", "scgctl policy apply"])


def test_policy_on_the_switch_that_is_none(no_policy):
    """What the source's switch does with V3 cannot be said as a policy: the flow is named."""
    flow = (f"table={TOR['POLICY_TO']},priority=700,tcp,nw_dst=10.100.0.13,nw_ecn=1,"
            f"actions=goto_table:{TOR['FORWARD']}")
    ofctl(no_policy, "dc-a", "add-flow", "tor-a", flow)
    try:
        refused_in_plan(no_policy, "V3", words=["the policy of VM V3 on its switch", "ip_ecn"])
        refused(no_policy, "V3", accepted=True, words=["the policy of VM V3 on its switch", "ip_ecn"])
    finally:
        ofctl(no_policy, "dc-a", "del-flows", "tor-a", flow.partition(",actions")[0], "--strict")


# -- what only the target knows

def test_unknown_server(home):
    refused_in_plan(home, "V2", to="B/server-z", words=["data center B: server server-z"])
    refused(home, "V2", to="B/server-z", accepted=True, words=["server server-z", "data center B"])


@pytest.mark.parametrize("keys, words", [
    ({"name": "V2"}, ["server-b", "called V2"]),
    ({"name": "V7", "mac": MACS["V2"]}, [MACS["V2"], "VM V7 on server-b"]),
    ({"name": "V7", "address": ADDRESSES["V2"]}, [ADDRESSES["V2"], "VM V7 on server-b"]),
], ids=["name", "MAC", "address"])
def test_clash_at_the_target(home, keys, words):
    with defined(home, "B", "server-b", domain(**keys)):
        refused_in_plan(home, "V2", words=["data center B", *words])
        refused(home, "V2", accepted=True, words=["data center B", *words])


def test_group_of_which_one_is_refused(home):
    """V2 could go, V3 clashes: both stay."""
    with defined(home, "B", "server-b", domain("V7", mac=MACS["V3"])):
        refused(home, "V2", "V3", accepted=True, words=["data center B", MACS["V3"], "V7"])


def test_target_without_memory(home):
    """A VM that is paused since its start has its memory booked, but touched none of it."""
    server = home.get("B", "/v1/servers/server-b")
    with defined(home, "B", "server-b", domain("V6", memory_mib=server["memory-kib"] // 1024 - 64), start=True):
        wait_until("B to count V6", lambda: home.get("B", "/v1/servers/server-b")["memory-free-kib"] < 128 << 10)
        refused_in_plan(home, "V2", words=["data center B: server server-b", "memory", "128 MiB"])
        refused(home, "V2", accepted=True, words=["server-b", "memory", "128 MiB"])


def test_plan_of_both_sides(home):
    done = planned(home, "V2")
    assert done.returncode == 0, done.stderr
    here, there = done.stdout.split("\n\n")[1:]
    assert here.startswith("data center A:\nstage 0  channel-reserve ")
    assert there.startswith("data center B:\nstage 0  admit ")


# -- frames that do not fit

JUMBO = 9216        # of the fabrics: topology.yaml


def needed(lab, dc):
    """Of a link of the fabric, for a VM with an MTU of 1500."""
    return 1500 + (22 if lab.modes()[dc] == VPLS else 0)


def set_mtu(lab, node, mtu, *ports):
    """Of switch ports, until the gateway knows it."""
    dc = {"dc-a": "A", "dc-b": "B"}[node]
    lab.exec(node, "sh", "-c", " && ".join(f"ip link set {port} mtu {mtu}" for port in ports))

    def told():
        found = {port["name"]: port.get("mtu") for one in lab.get(dc, "/v1/switches")["switches"]
                 for port in one["ports"]}
        return {found[port] for port in ports} == {mtu}

    wait_until(f"{dc} to know an MTU of {mtu}", told)


def fabric_ports(lab, dc):
    return [port["name"] for one in lab.get(dc, "/v1/switches")["switches"] for port in one["ports"] if port["fabric"]]


def test_mtu_that_is_too_small(home):
    """Of one port on the way between ToR and PE. Where tunnels can go round it, of all of them."""
    wanted = needed(home, "B")
    ports = ["p5-tor-b", "p6-tor-b"] if home.modes()["B"] == VPLS else ["p5-tor-b"]
    words = ["data center B: VM V2 has an MTU of 1500", f"needs {wanted} on every link", "port p", "-tor-b of switch p",
             f"has {wanted - 1}", f"raise it to {wanted}"]
    try:
        for port in ports:
            assert planned(home, "V2").returncode == 0
            set_mtu(home, "dc-b", wanted - 1, port)
        refused_in_plan(home, "V2", words=words)
        refused(home, "V2", accepted=True, words=words)
        set_mtu(home, "dc-b", wanted, *ports)
        assert planned(home, "V2").returncode == 0
    finally:
        set_mtu(home, "dc-b", JUMBO, *ports)


@pytest.mark.complaints("long frames are lost")     # tunnels tell
def test_frames_fit_as_is_said(home):
    """The longest packets of an MTU of 1500 cross a fabric whose links have just what a gateway wants of them, and not
    one with a byte less."""
    ports = fabric_ports(home, "A")

    def crosses():
        return home.run("exec", "user1", "ping", "-c", "1", "-W", "1", "-M", "do", "-s", "1472", ADDRESSES["V2"],
                        check=False).returncode == 0

    try:
        set_mtu(home, "dc-a", needed(home, "A"), *ports)
        wait_until("long packets to cross", crosses)
        set_mtu(home, "dc-a", needed(home, "A") - 1, *ports)
        assert not crosses() and not crosses()
        assert reachable(home, "V2")
    finally:
        set_mtu(home, "dc-a", JUMBO, *ports)
    wait_until("long packets to cross", crosses)


# -- tables that are full

def limit_table(lab, table, flows=None):
    """Of tor-b; until the gateway plans by it, which is at once after OVSDB has told. No `flows`: no limits."""
    words = ["clear", "bridge", "tor-b", "flow_tables"] if flows is None else \
        ["--id=@t", "create", "Flow_Table", f"flow_limit={flows}", "overflow_policy=refuse", "--", "set", "bridge",
         "tor-b", f"flow_tables:{table}=@t"]
    lab.exec("dc-b", "ovs-vsctl", *words)


def test_table_that_is_full(home):
    """Refused before anything moves; and where only the switch knows, none of the VM's flows are left in it."""
    table = TOR["SPOOF"]
    held, wanted = (len(ofctl(home, node, "dump-flows", tor, f"table={table}{of}").splitlines()) - 1
                    for node, tor, of in (("dc-b", "tor-b", ""),
                                          ("dc-a", "tor-a", f",cookie={cookie_of('V2'):#x}/-1")))
    other = f"table={table},priority=1,in_port=60000"
    words = [f"table {table} of switch tor-b takes {held + wanted - 1} flows", f"of which {held} are taken",
             f"the order needs {wanted}"]
    try:
        limit_table(home, table, held + wanted - 1)
        wait_until("the gateway to know the limit", lambda: planned(home, "V2").returncode == 1)
        refused_in_plan(home, "V2", words=words)
        refused(home, "V2", accepted=True, words=words)
        limit_table(home, table, held + wanted)
        wait_until("the gateway to know the limit", lambda: planned(home, "V2").returncode == 0)
        ofctl(home, "dc-b", "add-flow", "tor-b", f"{other},actions=drop")
        refused(home, "V2", accepted=True, words=["OFPFMFC_TABLE_FULL"])
    finally:
        ofctl(home, "dc-b", "del-flows", "tor-b", f"table={table},in_port=60000")
        limit_table(home, table)


# -- somebody does not answer

@pytest.mark.complaints(SWITCH_GONE)    # the lab has switches connect anew to a gateway that it starts
def test_peer_that_is_gone(home):
    home.run("kill", "scgd", "B")
    before = switch_state(home)
    done = home.run("ctl", "A", "migrate", "V2", "--to", "B/server-b", "--dry-run", check=False)
    assert done.returncode == 1 and "data center B" in done.stderr
    order = Order(home, "A", "V2")
    assert order.finish() == 1, order.output
    assert "data center B" in order.output
    assert order.migration()["state"] == "rolled_back"
    assert switch_state(home) == before and runs_at(home, "V2") == "A" and reachable(home, "V2")
    home.run("restart", "scgd", "B")
    wait_ready(home, "B")
    assert order.wait_ended() == "rolled_back"


@pytest.mark.complaints(SWITCH_GONE)
@pytest.mark.parametrize("bridge, word", [("tor-b", "tor-b"), ("pe2", "PE"), ("pe4", "PE")])
def test_target_switch_without_its_gateway(home, bridge, word):
    node = "dc-b"
    target = home.exec(node, "ovs-vsctl", "get-controller", bridge).strip()
    home.exec(node, "ovs-vsctl", "del-controller", bridge)
    try:
        wait_until(f"B to miss {bridge}", lambda: not home.get("B", f"/v1/switches/{bridge}")["up"], 20)
        refused(home, "V2", accepted=True, words=["data center B", word])
    finally:
        connect(home, node, bridge, target)
        wait_ready(home, "B")


def connect(lab, node, bridge, target):
    lab.exec(node, "ovs-vsctl", "set-controller", bridge, target, "--", "set", "Controller", bridge, "max_backoff=1000",
             "inactivity_probe=5000", "connection_mode=out-of-band")


@pytest.mark.complaints(SWITCH_GONE, CIRCUIT_GONE, "refused the cross-connect", "cross-connect .* was not set")
def test_target_switches_that_are_dead(home):
    """ovs-vswitchd killed; when it comes back its gateway gives it all flows again."""
    before = switch_state(home)
    home.run("kill", "ovs-vswitchd", "dc-b")
    wait_until("B to miss its switches",
               lambda: not any(one["up"] for one in home.get("B", "/v1/switches")["switches"]), 20)
    order = Order(home, "A", "V2")
    assert order.finish() == 1, order.output
    assert order.wait_ended() == "rolled_back"
    assert "the switch does not take the cross-connect (23/1) at 10.253.0.14" in order.output       # pe4
    assert runs_at(home, "V2") == "A" and reachable(home, "V2")
    home.run("restart", "ovs-vswitchd", "dc-b")
    wait_ready(home, "B")
    wait_same_switches(home, before)


@pytest.mark.complaints(HYPERVISOR_GONE)
def test_target_hypervisor_that_is_dead(home):
    home.run("kill", "libvirtd", "server-b")
    try:
        wait_until("B to miss server-b", lambda: not home.get("B", "/v1/servers/server-b")["up"], 20)
        before = switch_state(home)
        order = Order(home, "A", "V2")
        assert order.finish() == 1, order.output
        assert order.wait_ended() == "rolled_back"
        assert "server-b" in order.output and "hypervisor" in order.output
        assert switch_state(home) == before
    finally:
        home.run("restart", "libvirtd", "server-b")
        wait_ready(home, "B")
    assert runs_at(home, "V2") == "A" and reachable(home, "V2")


# -- a guest that is on its way already

def test_guest_that_moves_already(home):
    """A second order for it and a change of its policy are refused; so is one for bandwidth of the channel that it
    fills, which it shares with whatever goes between the same servers."""
    before = untouched(home)
    order = Order(home, "A", "V2", options=("--bandwidth", "8"))
    order.wait_transferring()
    second = home.run("ctl", "A", "migrate", "V2", "--to", "B/server-b", check=False)
    assert second.returncode == 1 and f"already in migration {order.id}" in second.stderr
    wide = home.run("ctl", "A", "migrate", "V3", "--to", "B/server-b", "--bandwidth", "1000", check=False)
    assert wide.returncode == 1 and "of which 0 Mbit/s are free" in wide.stderr
    status, _, body = home.rest("A", "PUT", "/v1/policies/V2", POLICIES["V2"])
    assert status == 409 and order.id in body.decode()
    assert not order.migration()["ended"]
    home.run("ctl", "A", "migration", "cancel", order.id)
    assert order.finish() == 1
    assert order.wait_ended() == "rolled_back"
    assert untouched(home) == before
