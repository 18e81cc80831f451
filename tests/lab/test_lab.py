# SPDX-License-Identifier: Apache-2.0
"""The lab itself: what the other tests in this directory stand on."""

import os
import signal
import subprocess

import pytest
import yaml
import transport
from labtool import ETHERNET, FLOWS, GATEWAYS, PROBE, ROOT, VPLS, LabTool, wait_until
from moving import SWITCHES, TORS

EDGES = {"A": ("tor-a", "pe1", "pe3"), "B": ("tor-b", "pe2", "pe4")}
SPANNING_TREE = "only the fabric of Ethernet mode has a spanning tree"


def test_up_twice(lab):
    words = [] if any(one["name"] == "scgd" for one in lab.status()["daemons"]) else ["--no-scgd"]
    assert "already up" in lab.up(*words)


def test_status(lab):
    facts = lab.status()
    assert facts["state"] == "up"
    assert all(node["exists"] for node in facts["nodes"].values())
    assert [one for one in facts["daemons"] if not one["alive"]] == []
    assert {name: list(places.values()) for name, places in facts["guests"].items()} == \
        {"V1": ["running"], "V2": ["running"], "V3": ["running"]}
    assert facts["bgp"]["pe1-r"]["10.255.0.1"] == "Established"
    assert facts["bgp"]["pe2-r"]["10.255.0.2"] == "Established"
    assert {node: (len(peers), set(peers.values())) for node, peers in facts["ospf"].items()} == \
        {"t1-c": (4, {"Full"}), "t2-c": (4, {"Full"}), "t3-c": (3, {"Full"}), "t4-c": (3, {"Full"}),
         **{f"pe{number}-c": (3, {"Full"}) for number in range(1, 5)}, "pe5-c": (2, {"Full"}),
         "scg-a": (2, {"Full"}), "scg-b": (2, {"Full"})}
    assert "server-a" in lab.run("status").stdout


def test_exec(lab):
    assert lab.exec("user1", "uname", "-n") == "user1\n"
    assert "10.255.0.11" in lab.exec("server-a", "ip", "-4", "addr", "show", "mgmt")
    assert lab.run("exec", "user1", "sh", "-c", "exit 7", check=False).returncode == 7


@pytest.mark.parametrize("words, complaint", [
    (("exec", "V2", "true"), "V2 is a guest"),
    (("exec", "p1", "true"), "p1 is a bridge of node dc-a"),
    (("exec", "nowhere", "true"), "no node nowhere"),
    (("exec", "t1", "true"), "its control plane is node t1-c"),
    (("capture", "p1-p9"), "no link end is called p1-p9"),
    (("capture", "pe1-x"), "pe1-x is a patch port of bridge pe1"),
    (("restart", "ospfd", "inet"), "no daemon ospfd in node inet"),
    (("ctl", "C", "vm", "list"), "no data center C"),
])
def test_complaints(lab, words, complaint):
    done = lab.run(*words, check=False)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_nodes_do_not_see_the_host(lab):
    """The switches of one node only, under the default socket of the tools."""
    assert set(lab.exec("wan", "ovs-vsctl", "list-br").split()) == \
        {"t1", "t2", "t3", "t4", "pe5"}


def test_servers_announce_themselves(lab):
    for end in ("tor-a-server-a", "pe3-server-a"):
        # inbound, for the gateway sends LLDP out of these ports, too
        seen = lab.popen("capture", end, "-", "-v", "-Q", "in", "-c", "1", "ether", "proto", "0x88cc")
        out, complaint = seen.communicate(timeout=10)
        assert "System Name TLV (5), length 8: server-a" in out, complaint


def test_capture_to_file(lab, tmp_path):
    file = tmp_path / "uplink.pcap"
    lab.run("capture", "tor-a-server-a", file, "-Q", "in", "-c", "1", "ether", "proto", "0x88cc", timeout=10)
    pcap_header, record_header, ethernet_header = 24, 16, 14
    assert file.stat().st_size > pcap_header + record_header + ethernet_header


def shape(value):
    """Keys all the way down; a list counts as its first item."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    return [shape(value[0])] if isinstance(value, list) else None


def test_gateway_configuration_is_as_documented(lab):
    with open(ROOT / "docs" / "scgd.example.yaml", encoding="utf-8") as file:
        wanted = yaml.safe_load(file)
    labels = {"labels": {"first": None, "last": None}}      # a comment in the example
    for dc, (node, _) in GATEWAYS.items():
        assert shape(yaml.safe_load(lab.exec(node, "cat", "/run/scg/scgd.yaml"))) == \
            {**shape(wanted), **({"vpls": labels} if lab.modes()[dc] == VPLS else {})}


def test_gateway_certificates(lab):
    for node, address in (("scg-a", "10.255.0.1"), ("scg-b", "10.255.0.2")):
        for check in (("-verify_hostname", node), ("-verify_ip", address)):
            lab.exec(node, "openssl", "verify", "-CAfile", "/run/scg/ca.pem", *check, f"/run/scg/{node}.pem")


@pytest.mark.parametrize("dc", [pytest.param(dc, marks=pytest.mark.mode(SPANNING_TREE, **{dc: ETHERNET}))
                                for dc in EDGES])
def test_edges_are_leaves(lab, dc):
    """One root port and no designated port on each edge, and a spare link for each edge that has two."""
    tree = lab.status()["tree"]
    for edge in EDGES[dc]:
        roles = sorted(port["role"] for name, port in tree.items()
                       if name.startswith(edge + "-") and name.removeprefix(edge + "-").startswith("p"))
        assert roles in (["Root"], ["Alternate", "Root"]), edge


@pytest.mark.parametrize("dc", [pytest.param(dc, marks=pytest.mark.mode("tunnels use all links", **{dc: VPLS}))
                                for dc in EDGES])
def test_fabric_without_spanning_tree(lab, dc):
    node, bridges = TORS[dc][0], SWITCHES[dc]
    assert {lab.exec(node, "ovs-vsctl", "get", "Bridge", bridge, "rstp_enable").strip() for bridge in bridges} == \
        {"false"}
    assert not any(name.startswith(tuple(bridge + "-" for bridge in bridges)) for name in lab.status()["tree"])


@pytest.mark.parametrize("mode, complaint", [
    ("mpls", "no mode mpls"), ("ethernet,mpls", "no mode mpls"), ("", "no mode (nothing)"),
    ("vpls,vpls,vpls", "3 modes in vpls,vpls,vpls"),
])
def test_mode_that_there_is_not(spare_lab, mode, complaint):
    done = spare_lab.run("up", "--mode", mode, check=False)
    assert done.returncode == 1 and complaint in done.stderr and "one of ethernet, vpls" in done.stderr
    assert spare_lab.leftovers() == []


def test_mode_of_a_lab_that_is_up(lab):
    modes = lab.modes()
    assert lab.status()["modes"] == modes
    assert "fabrics: " + ", ".join(f"{mode} in {dc}" for dc, mode in modes.items()) in lab.run("status").stdout
    other = VPLS if modes["B"] == ETHERNET else ETHERNET
    done = lab.run("up", "--mode", f"{modes['A']},{other}", check=False)
    assert done.returncode == 1 and f"data center B is in {modes['B']} mode" in done.stderr


@pytest.fixture(scope="module")
def te_links():
    """From the topology: (area, router id, local address) -> what OSPF should tell, in both directions of each link."""
    with open(ROOT / "lab" / "topology.yaml", encoding="utf-8") as file:
        group = yaml.safe_load(file)["links"]["transport"]
    links = {}
    for pair in group["pairs"]:
        te = {**group["te"], **pair["te"]}
        ids = [transport.ROUTER_IDS[end.removesuffix("-tn")] for end in pair["ends"]]
        area = next(area for area, nodes in transport.NODES.items() if pair["ends"][0] in nodes)
        rate = te["bandwidth-mbps"] * 1_000_000
        for here, there in ((0, 1), (1, 0)):
            links[area, ids[here], f"10.252.{te['number']}.{here + 1}"] = {
                "to": ids[there], "remote": f"10.252.{te['number']}.{there + 1}", "metric": te["metric"],
                "max_bps": rate, "reservable_bps": rate, "unreserved_bps": [rate] * transport.PRIORITIES,
                "delay_us": te["delay-us"], "admin_group": te.get("admin-group", 0)}
    return links


@pytest.mark.parametrize("gateway", ["scg-a", "scg-b"])
def test_gateways_hear_both_transport_networks(lab, te_links, gateway):
    assert len(te_links) == 2 * len(transport.EVERY_LINK)
    wait_until("every TE link as the topology has it", lambda: transport.heard(lab, gateway) == te_links)


def test_control_nodes_reach_each_other_within_their_network(lab):
    def reaches(name):
        return lab.run("exec", "pe1-c", "ping", "-c", "1", "-W", "1", "-I", transport.ROUTER_IDS["pe1"],
                       transport.ROUTER_IDS[name], check=False).returncode == 0

    assert reaches("pe5") and reaches("pe2")
    assert not reaches("pe3")


def test_routing_daemons_take_their_configuration(lab):
    logs = list((lab.directory / "log").glob("*-zebra.log")) + list((lab.directory / "log").glob("*-ospfd.log"))
    assert len(logs) == 25
    assert [file.name for file in logs if "Command returned" in file.read_text(encoding="utf-8")] == []


def test_transport_node_comes_back(lab, te_links):
    """A killed ospfd by the node's own name; its neighbours miss it, and it is heard anew."""
    lab.run("kill", "ospfd", "t1")
    wait_until("its neighbours to miss it", lambda: "t1-c" not in lab.status()["ospf"]
               and transport.ROUTER_IDS["t1"] not in lab.status()["ospf"]["pe5-c"])
    lab.run("restart", "ospfd", "t1")
    wait_until("its neighbours to be full", lambda: set(lab.status()["ospf"]["t1-c"].values()) == {"Full"})
    # It first flushes what its former self has told more often than it has itself.
    wait_until("its links to be heard", lambda: transport.heard(lab, "scg-a") == te_links, 40)


def test_user_of_the_transport_network_is_alone_without_a_circuit(lab):
    assert lab.exec("ce1", "ip", "route") == "10.100.0.0/24 dev ce1-pe5 proto kernel scope link src 10.100.0.101 \n"
    ends = ["pe5-ce1", "pe5-t1", "pe5-t2", "pe1-p1", "pe1-p3"]
    with transport.Counter(lab, ends, "arp host 10.100.0.101") as counter:
        for address in ("10.100.0.1", "10.100.0.12"):
            report = lab.probe("ce1", "icmp", address, "--for", "0.3", "--linger", "0.2").report()
            assert report["received"] == 0 < report["sent"]
        seen = counter.counts()
    assert seen.pop("pe5-ce1") > 0
    assert set(seen.values()) == {0}


def test_dead_daemon_is_told_and_restarted(lab):
    words = ["up"] + ([] if any(one["name"] == "scgd" for one in lab.status()["daemons"]) else ["--no-scgd"])
    lab.run("kill", "lldpd", "server-b")
    done = lab.run(*words, check=False)
    assert done.returncode == 1 and "lldpd of server-b is dead" in done.stderr
    lab.run("restart", "lldpd", "server-b")
    assert "already up" in lab.run(*words).stdout


def test_probe_counts(lab):
    """Against a neighbour that answers everything, and one that is not there."""
    report = lab.probe("scg-a", "icmp", "10.255.0.11", "--for", "0.5").report()
    assert report["sent"] > 250 and report["lost"] == 0 and report["duplicates"] == 0
    report = lab.probe("scg-a", "icmp", "10.255.0.99", "--for", "0.3", "--linger", "0.1").report()
    assert report["received"] == 0 and report["lost"] == report["sent"] > 100
    assert report["longest_silence_ms"] > 250


# -- a lab without gateways, its flows made by hand: the same ways that a gateway will use

GATEWAY_MAC, GATEWAY_HEX, GATEWAY_IP_HEX = "02:5c:67:00:00:01", "0x025c67000001", "0x0a640001"


def guest_flows(mac, address):
    """pe1 as the anycast gateway of one guest: in from the IP network, its ARP answered."""
    return [f"priority=9,in_port=pe1-inet,ip,nw_dst={address},"
            f"actions=mod_dl_src:{GATEWAY_MAC},mod_dl_dst:{mac},dec_ttl,NORMAL"]


def edge_flows(inet_mac):
    return ["priority=10,in_port=pe1-r,actions=output:pe1-inet",
            "priority=10,in_port=pe1-inet,arp,actions=output:pe1-r",
            "priority=10,in_port=pe1-inet,ip,nw_dst=192.0.2.2,actions=output:pe1-r",
            "priority=9,arp,arp_tpa=10.100.0.1,arp_op=1,actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],"
            f"mod_dl_src:{GATEWAY_MAC},load:2->NXM_OF_ARP_OP[],move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],"
            f"move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],load:{GATEWAY_HEX}->NXM_NX_ARP_SHA[],"
            f"load:{GATEWAY_IP_HEX}->NXM_OF_ARP_SPA[],IN_PORT",
            f"priority=8,ip,nw_dst=198.51.100.0/24,actions=mod_dl_src:{GATEWAY_MAC},mod_dl_dst:{inet_mac},"
            "dec_ttl,output:pe1-inet"]


@pytest.fixture(scope="module")
def hand_made(bare_lab):
    """bare_lab with V2 and V3 reachable for user1 through pe1, and the migration network open."""
    for node, bridges in (("dc-a", ("tor-a", "p1", "p2", "p3", "pe3", "pe3-tn")), ("wan", ("t3",)),
                          ("dc-b", ("pe4", "pe4-tn"))):
        for bridge in bridges:
            bare_lab.exec(node, *FLOWS, "add-flow", bridge, "priority=0,actions=NORMAL")
    inet_mac = bare_lab.exec("inet", "cat", "/sys/class/net/inet-pe1/address").strip()
    for flow in [*edge_flows(inet_mac), *guest_flows("52:54:00:00:00:12", "10.100.0.12"),
                 *guest_flows("52:54:00:00:00:13", "10.100.0.13")]:
        bare_lab.exec("dc-a", *FLOWS, "add-flow", "pe1", flow)
    announce(bare_lab, "10.100.0.12", "10.100.0.13")
    wait_until("inet to learn the host routes", lambda: "10.100.0.13 " in routes(bare_lab))
    return bare_lab


def announce(lab, *addresses):
    text = "".join(f"route {address}/32 blackhole;\n" for address in addresses)
    lab.exec("scg-a", "sh", "-c", f"printf '{text}' > /run/scg/routes.inc")
    assert "Reconfigured" in lab.exec("scg-a", "birdc", "-s", "/run/scg/bird.ctl", "configure", "soft")


def routes(lab):
    return lab.exec("inet", "ip", "route", "show", "proto", "bgp")


def downloaded(lab):
    """How long the page is, once one has come as a whole; the machine decides how many do."""
    report = lab.probe("user1", "download", "http://10.100.0.12/big", "--for", "3").report()
    assert report["errors"] == []
    return report["length"]


def test_user_reaches_guest(hand_made):
    lab = hand_made
    assert "10.100.0.12 nhid" in routes(lab) and "via 192.0.2.2" in routes(lab)
    assert lab.exec("user1", "curl", "-sS", "http://10.100.0.12/") == "V2\n"
    pings = lab.probe("user1", "icmp", "10.100.0.12", "--for", "1").report()
    assert pings["lost"] == 0 and pings["duplicates"] == 0
    session = lab.probe("user1", "session", "10.100.0.12", "--for", "1").report()
    assert session["errors"] == [] and session["echoed_bytes"] == session["sent_bytes"] > 100
    assert wait_until("a whole download", lambda: downloaded(lab), 60) == 8 << 20


def test_many_sessions(hand_made):
    """A guest holds many sessions at a time, on the allowed and on the forbidden port."""
    probes = [hand_made.probe("user1", "session", "10.100.0.12", port, "--interval", "100").wait_answered()
              for port in (7, 22) for _ in range(5)]          # one by one: busybox's nc queues two, the rest try again
    for probe in probes:
        assert probe.finish()["errors"] == []


def test_host_route_follows_the_file(hand_made):
    announce(hand_made, "10.100.0.12")
    wait_until("the route to go", lambda: "10.100.0.13 " not in routes(hand_made), deadline=2)
    announce(hand_made, "10.100.0.12", "10.100.0.13")
    wait_until("the route to come back", lambda: "10.100.0.13 " in routes(hand_made), deadline=2)


def test_guests_reach_each_other_by_way_of_the_tor(hand_made):
    """Not over their server's bridge: without a flow that turns frames round on the ToR they do not."""
    def page(name):
        return hand_made.exec("user1", "curl", "-sS", "-m", "8", f"http://10.100.0.12/cgi-bin/{name}?10.100.0.13")

    assert "100% packet loss" in page("ping")
    for flow in ("arp,dl_dst=ff:ff:ff:ff:ff:ff,actions=NORMAL,IN_PORT",
                 "dl_dst=52:54:00:00:00:12,actions=IN_PORT", "dl_dst=52:54:00:00:00:13,actions=IN_PORT"):
        hand_made.exec("dc-a", *FLOWS, "add-flow", "tor-a", "priority=9,in_port=tor-a-server-a," + flow)
    assert " 0% packet loss" in page("ping")
    assert page("get").endswith("\nV3\n")


def test_virsh_migrates_over_the_transport_network(hand_made):
    def bytes_sent():
        return int(hand_made.exec("wan", "cat", "/sys/class/net/t3-pe4/statistics/tx_bytes"))

    before = bytes_sent()
    hand_made.virsh("server-a", "migrate", "--live", "--p2p", "--persistent", "--undefinesource", "V1",
                    "qemu+tcp://10.254.0.12/system", "tcp://10.254.0.12", timeout=60)
    assert hand_made.server_of("V1") == "server-b"
    assert bytes_sent() - before > 20 << 20
    assert "segment=\"web\"" in hand_made.virsh("server-b", "dumpxml", "V1")


# -- up and down

def up_until(lab, stage):
    """The tool killed in the middle of `up`."""
    tool = lab.popen("up", "--no-scgd", "--no-guests")
    text = ""
    while stage not in text:
        piece = tool.stdout.read(1)
        assert piece, f"`up` ended before {stage}: {text}{tool.stderr.read()}"
        text += piece
    tool.kill()
    tool.communicate()


@pytest.mark.parametrize("stage", ["configurations", "nodes,", "Open vSwitch", "bridges", "FRR", "libvirtd answers"])
def test_down_after_crash(spare_lab, stage):
    """What `up` made so far goes away all the same."""
    up_until(spare_lab, stage)
    done = spare_lab.run("up", "--no-scgd", check=False)
    assert done.returncode == 1 and "lab down" in done.stderr
    spare_lab.down()
    assert spare_lab.leftovers() == []


def test_down_twice_and_after_killed_daemons(spare_lab):
    spare_lab.up("--no-scgd", "--no-guests")
    for name, node in (("ovs-vswitchd", "dc-a"), ("ovsdb-server", "dc-b"), ("libvirtd", "server-b"), ("zebra", "inet")):
        spare_lab.run("kill", name, node)
    assert not all(one["alive"] for one in spare_lab.status()["daemons"])
    spare_lab.run("status")
    spare_lab.down()
    assert spare_lab.leftovers() == []
    assert "nothing is up" in spare_lab.down()
    assert spare_lab.status()["state"] == "down"
    assert (spare_lab.directory.parent / "lab-log" / "dc-a-ovs-vswitchd.log").exists()


def test_up_spares_what_is_not_its_own(spare_lab):
    """A namespace of the same name that somebody else made is neither used nor removed."""
    subprocess.run(["ip", "netns", "add", "scspare-user1"], check=True)
    try:
        for word in ("up", "down"):
            done = spare_lab.run(word, *(["--no-scgd"] if word == "up" else []), check=False)
            assert done.returncode == 1 and "scspare-user1" in done.stderr
        assert "scspare-user1" in os.listdir("/run/netns")
    finally:
        subprocess.run(["ip", "netns", "del", "scspare-user1"], check=True)


def test_up_where_another_lab_died(spare_lab, tmp_path):
    """What is left of another directory's lab of the same prefix is removed, but not while anything of it runs; and
    what is made in its place is not that lab's any more."""
    other = LabTool(tmp_path / "other", "scspare-")
    up_until(spare_lab, "bridges")
    try:
        done = other.run("up", "--no-scgd", "--no-guests", check=False)
        assert done.returncode == 1 and f"lab --dir {spare_lab.directory} down" in done.stderr
        for name in (name for name in os.listdir("/run/netns") if name.startswith("scspare-")):
            for pid in subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True,
                                      check=True).stdout.split():
                os.kill(int(pid), signal.SIGKILL)
        wait_until("the lab to be dead", lambda: "nothing runs any more" in
                   other.run("up", "--no-scgd", "--no-guests", check=False).stdout)
        spare_lab.down()
        assert other.status()["state"] == "up" and all(one["alive"] for one in other.status()["daemons"])
    finally:
        other.down()
    assert other.leftovers() == []


def test_lost_probe_does_not_hang(lab):
    """SIGTERM ends a probe that nobody answers."""
    probe = lab.popen("exec", "scg-a", PROBE, "icmp", "10.255.0.99", "--linger", "0.1")
    wait_until("probe to run", lambda: b"probe" in open(f"/proc/{probe.pid}/cmdline", "rb").read())
    wait_until("its signal handler", lambda: caught(probe.pid, signal.SIGTERM))
    probe.terminate()
    assert probe.wait(timeout=10) == 0


def caught(pid, number):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith("SigCgt:"))
    return int(line.split()[1], 16) >> (number - 1) & 1
