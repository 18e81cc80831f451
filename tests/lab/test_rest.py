# SPDX-License-Identifier: Apache-2.0
"""The REST interface as docs/openapi.yaml describes it, held against a running gateway; what it says to nonsense."""

import json
import os
import re
import socket

import pytest
import transport
from labtool import ETHERNET, GATEWAYS, REST_PORT, VPLS, wait_until
from moving import POLICIES, Order, go_home, put_policy, switch_state
from openapi import Api

API = Api()
PATHS = API.document["paths"]
NOWHERE = {"vms": ["V2"], "to": {"dc": "B", "server": "server-z"}}     # only B can know that there is none
COLLECTIONS = {"vms": "name", "servers": "name", "switches": "name", "segments": "name", "tunnels": "name",
               "channels": "name", "users": "name", "peers": "name", "policies": "policy", "migrations": "id"}
AT_TIMES = {"channels", "users", "tunnels"}         # what there is only if somebody wants it
CE1 = {"name": "ce1", "segment": "web", "access": {"router": "10.253.0.15", "client": 1}, "bandwidth-mbps": 20,
       "addresses": ["10.100.0.101"], "vms": ["V2", "V3"]}
CALLED = set()


def call(lab, method, template, body=None, query="", dc="A", **names):
    """A request whose answer must be as documented; its status and content."""
    path = re.sub(r"\{(\w+)\}", lambda match: names[match[1]], template)
    status, headers, data = lab.rest(dc, method, path + query, body)
    CALLED.add((method, template, status))
    return status, API.check(method, template, status, headers.get("Content-Type", ""), data)


def fits(schema, value):
    return list(API.problems(schema, value, "$")) == []


@pytest.fixture(scope="module")
def quiet(lab):
    """The lab at home; for tests that leave it as it is."""
    go_home(lab)
    yield lab
    go_home(lab)


@pytest.fixture(scope="module")
def ended(quiet):
    """A migration that there is: refused by B."""
    order = Order(quiet, "A", "V2", to="B/server-z")
    assert order.finish() == 1
    return order


# -- as documented

@pytest.mark.parametrize("dc", GATEWAYS)
@pytest.mark.parametrize("collection, key", COLLECTIONS.items())
def test_collections_and_their_members(quiet, ended, dc, collection, key):
    status, content = call(quiet, "GET", f"/v1/{collection}", dc=dc)
    assert status == 200 and list(content) == [collection]
    if dc == "A" and collection not in AT_TIMES:
        assert content[collection]
    wild = {"id" if key == "id" else "name": None}
    for member in content[collection][:10]:
        wild = dict.fromkeys(wild, member[key])
        assert call(quiet, "GET", f"/v1/{collection}/{{{next(iter(wild))}}}", dc=dc, **wild) == (200, member)
    wild = dict.fromkeys(wild, "there-is-none")
    status, problem = call(quiet, "GET", f"/v1/{collection}/{{{next(iter(wild))}}}", dc=dc, **wild)
    assert (status, problem["error"]) == (404, "ERR_NOT_FOUND") and "there-is-none" in problem["reason"]


def test_lists_are_what_the_lab_is(quiet):
    assert {vm["name"] for vm in call(quiet, "GET", "/v1/vms")[1]["vms"]} == {"V1", "V2", "V3"}
    assert {one["name"]: one["role"] for one in call(quiet, "GET", "/v1/switches")[1]["switches"]} == \
        {"tor-a": "ToR", "p1": "P", "p2": "P", "p3": "P", "pe1": "PE", "pe3": "inter-DC PE"}
    links = {(one["from"], one["to"]) for one in call(quiet, "GET", "/v1/links")[1]["links"]}
    assert {("server-a", "tor-a"), ("server-a", "pe3"), ("tor-a", "p1"), ("p3", "pe3"), ("pe3", "p3")} <= links
    wait_until("all to be up, the other gateway, too",
               lambda: call(quiet, "GET", "/healthz")[1]["status"] == "ok", 30)
    assert [(one["name"], one["state"]) for one in call(quiet, "GET", "/v1/peers")[1]["peers"]] == [("B", "reachable")]


def test_metrics(quiet, ended):
    status, text = call(quiet, "GET", "/metrics")
    assert status == 200 and 'scg_vms 3\n' in text
    for line in text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) \w+ .+|\w+(\{\w+=\"[^\"]*\"(,\w+=\"[^\"]*\")*\})? -?[0-9.e+-]+", line), line


def test_policies(home):
    for policy in POLICIES.values():
        assert fits(PATHS["/v1/policies/{name}"]["put"]["requestBody"]["content"]["application/json"]["schema"], policy)
    assert call(home, "PUT", "/v1/policies/{name}", POLICIES["V2"], name="V2") == (200, POLICIES["V2"])
    assert call(home, "DELETE", "/v1/policies/{name}", name="V2")[0] == 204
    assert call(home, "DELETE", "/v1/policies/{name}", name="V2")[0] == 404
    assert call(home, "PUT", "/v1/policies/{name}", POLICIES["V2"], name="V9")[0] in (400, 404)
    assert call(home, "PUT", "/v1/policies/{name}", {"policy": "V9"}, name="V9")[0] == 404


def test_address_sets(home):
    office = {"name": "office", "prefixes": ["198.51.100.0/24", "2001:db8::/32"]}
    policy = {**POLICIES["V2"], "rules": [{"direction": "to-vm", "action": "allow", "remote": "@office"}]}
    sets, one = "/v1/address-sets", "/v1/address-sets/{name}"
    assert call(home, "PUT", one, office, name="office")[0] == 200
    assert call(home, "PUT", one, office, name="home")[0] == 400
    assert [found["name"] for found in call(home, "GET", sets)[1]["address-sets"]] == ["office"]
    assert call(home, "PUT", "/v1/policies/{name}", policy, name="V2")[0] == 200
    assert call(home, "GET", one, name="office")[1]["prefixes"] == office["prefixes"]
    assert call(home, "DELETE", one, name="office")[0] == 409
    put_policy(home, "A", POLICIES["V2"])
    assert call(home, "DELETE", one, name="office")[0] == 204
    assert call(home, "GET", one, name="office")[0] == 404


def test_verification(quiet):
    status, found = call(quiet, "POST", "/v1/vms/{name}/verification", name="V2")
    assert (status, found["verified"], found["vm"]) == (200, True, "V2")
    status, found = call(quiet, "POST", "/v1/verification")
    assert (status, found["verified"], found["count"]) == (200, True, 0)
    assert call(quiet, "POST", "/v1/vms/{name}/verification", name="V9")[0] == 404


def test_transport(quiet):
    status, topology = call(quiet, "GET", "/v1/transport")
    assert status == 200 and topology["synced"]
    assert {"10.253.0.11", "10.253.0.13"} <= set(topology["ingresses"])
    assert len(topology["links"]) == 2 * len(transport.EVERY_LINK)
    assert {link["from"] for link in topology["links"]} == set(transport.ROUTER_IDS.values())


def gone(lab, template, name):
    wait_until(f"{name} to be gone", lambda: call(lab, "GET", template, name=name)[0] == 404)


def test_channels(home):
    """One that an operator has set up, on a path of two links of transport network 2, and taken down."""
    before = transport.every_te_state(home)
    assert fits(PATHS["/v1/channels"]["post"]["requestBody"]["content"]["application/json"]["schema"],
                {"peer": "B", "bandwidth-mbps": 100})
    status, headers, body = home.rest("A", "POST", "/v1/channels", {"peer": "B", "bandwidth-mbps": 100})
    CALLED.add(("POST", "/v1/channels", status))
    channel = API.check("POST", "/v1/channels", status, headers["Content-Type"], body)
    assert status == 202 and headers["Location"] == f"/v1/channels/{channel['name']}"
    name = channel["name"]
    wait_until("it to be up", lambda: call(home, "GET", "/v1/channels/{name}", name=name)[1]["state"] == "up")
    path = call(home, "GET", "/v1/channels/{name}", name=name)[1]["path"]
    assert [path[0]["node"], path[-1]["node"]] == ["10.253.0.13", "10.253.0.14"] and len(path) == 3
    assert all({"interface", "label", "upstream-label"} <= set(node) for node in path[1:])
    assert call(home, "DELETE", "/v1/channels/{name}", name=name)[0] == 204
    gone(home, "/v1/channels/{name}", name)
    wait_until("the nodes to be as before", lambda: transport.every_te_state(home) == before)


@pytest.mark.parametrize("channel, status, word", [
    ({}, 400, "peer"), ({"peer": 7}, 400, "peer"), ({"peer": "C"}, 404, "C"), ({"peer": "B", "speed": 1}, 400, "speed"),
    ({"peer": "B", "bandwidth-mbps": 0}, 400, "bandwidth-mbps"),
    ({"peer": "B", "bandwidth-mbps": 1000000}, 429, "free"),
])
def test_channels_that_cannot_be(quiet, channel, status, word):
    got, problem = call(quiet, "POST", "/v1/channels", channel)
    assert (got, word in problem["reason"]) == (status, True), problem
    assert call(quiet, "DELETE", "/v1/channels/{name}", name="none")[0] == 404


def test_users(home):
    assert fits(PATHS["/v1/users/{name}"]["put"]["requestBody"]["content"]["application/json"]["schema"], CE1)
    status, user = call(home, "PUT", "/v1/users/{name}", CE1, name="ce1")
    assert status == 200 and {key: user[key] for key in CE1} == CE1
    wait_until("ce1 to be connected", lambda: call(home, "GET", "/v1/users/{name}", name="ce1")[1]["connected"])
    circuit = call(home, "GET", "/v1/channels/{name}", name=user["circuit"])[1]
    assert (circuit["kind"], circuit["user"], circuit["state"]) == ("user", "ce1", "up")
    assert call(home, "DELETE", "/v1/channels/{name}", name=user["circuit"])[0] == 409
    assert call(home, "PUT", "/v1/users/{name}", {**CE1, "bandwidth-mbps": 30}, name="ce1")[0] == 409
    status, problem = call(home, "PUT", "/v1/users/{name}", {**CE1, "name": "ce2", "addresses": ["10.100.0.102"]},
                           name="ce2")
    assert status == 409 and "user ce1" in problem["reason"], problem
    assert call(home, "DELETE", "/v1/users/{name}", name="ce1")[0] == 204
    assert call(home, "DELETE", "/v1/users/{name}", name="ce1")[0] == 404
    gone(home, "/v1/channels/{name}", user["circuit"])


@pytest.mark.parametrize("change, status, word", [
    ({"name": "ce2"}, 400, "ce2"), ({"name": "c e"}, 400, "name"), ({"segment": "lan"}, 404, "lan"),
    ({"vms": ["V9"]}, 404, "V9"), ({"vms": []}, 400, "vms"), ({"bandwidth-mbps": 0}, 400, "bandwidth-mbps"),
    ({"addresses": []}, 400, "addresses"), ({"addresses": ["10.100.0.12"]}, 409, "V2"),
    ({"addresses": ["192.0.2.9"]}, 409, "192.0.2.9"), ({"addresses": ["10.100.0.255"]}, 409, "broadcast"),
    ({"access": {"router": "pe5", "client": 1}}, 400, "pe5"),
    ({"access": {"router": "10.253.0.15"}}, 400, "client"), ({"speed": 1}, 400, "speed"),
])
def test_users_that_cannot_be(quiet, change, status, word):
    got, problem = call(quiet, "PUT", "/v1/users/{name}", {**CE1, **change}, name="ce1")
    assert (got, word in problem["reason"]) == (status, True), problem
    assert call(quiet, "GET", "/v1/users/{name}", name="ce1")[0] == 404


def test_plan_touches_nothing(quiet):
    before = switch_state(quiet), quiet.get("A", "/v1/migrations"), quiet.get("B", "/v1/migrations")
    order = {"vms": ["V2", "V3"], "to": {"dc": "B", "server": "server-b"}, "bandwidth-mbps": 100}
    assert fits(PATHS["/v1/plans"]["post"]["requestBody"]["content"]["application/json"]["schema"], order)
    status, plan = call(quiet, "POST", "/v1/plans", order)
    assert status == 200
    assert [step["stage"] for step in plan["plan"]] == sorted(step["stage"] for step in plan["plan"])
    assert {step["vm"] for step in plan["plan"] if step["step"] == "transfer"} == {"V2", "V3"}
    assert plan["target"]["dc"] == "B" and plan["target"]["asked"]
    assert {step["vm"] for step in plan["target"]["plan"] if step["step"] == "arrival"} == {"V2", "V3"}
    told, here, there = plan["text"].split("\n\n")
    for dc, text, steps in (("A", here, plan["plan"]), ("B", there, plan["target"]["plan"])):
        assert text.startswith(f"data center {dc}:\n") and text.count("\nstage ") == len(steps)
    carried = {VPLS: "web by VPLS through pe2 ", ETHERNET: "web by VLAN"}[quiet.modes()["B"]]
    assert f"\n         {carried}" in there
    assert len(told.splitlines()) == 1 + len(plan["users"]) and plan["channel"]["name"] in told
    assert (switch_state(quiet), quiet.get("A", "/v1/migrations"), quiet.get("B", "/v1/migrations")) == before


def test_order_and_its_events(quiet):
    """202, a Location, and events from how it stands to its end."""
    status, headers, body = quiet.rest("A", "POST", "/v1/migrations", NOWHERE)
    CALLED.add(("POST", "/v1/migrations", status))
    migration = API.check("POST", "/v1/migrations", status, headers["Content-Type"], body)
    assert status == 202 and headers["Location"] == f"/v1/migrations/{migration['id']}"

    status, events = call(quiet, "GET", "/v1/events", query=f"?migration={migration['id']}")
    assert status == 200
    assert {event["data"]["id"] for event in events} == {migration["id"]}
    assert [event["data"]["ended"] for event in events] == [False] * (len(events) - 1) + [True]
    assert events[-1]["data"] == call(quiet, "GET", "/v1/migrations/{id}", id=migration["id"])[1]

    assert call(quiet, "GET", "/v1/migrations/{id}/journal", id=migration["id"])[1]["journal"]
    assert call(quiet, "POST", "/v1/migrations/{id}/cancel", id=migration["id"])[0] == 409
    for words in (("GET", "/v1/migrations/{id}/journal"), ("POST", "/v1/migrations/{id}/cancel")):
        assert call(quiet, *words, id="none")[0] == 404
    assert call(quiet, "GET", "/v1/events", query="?migration=none")[0] == 404


def test_events_of_vms(quiet):
    """Everything that happens, until the client hangs up."""
    node, address = GATEWAYS["A"]
    with quiet.connect(node, (address, REST_PORT)) as sock:
        sock.sendall(b"GET /v1/events HTTP/1.1\r\nHost: a\r\n\r\n")
        stream = sock.makefile("rb")
        while stream.readline().strip():
            pass
        machine = quiet.libvirt("server-a").lookupByName("V3")
        for action, state in ((machine.suspend, "paused"), (machine.resume, "running")):
            action()
            event = {"type": None}
            while event["type"] != "vm" or (event["data"]["name"], event["data"]["state"]) != ("V3", state):
                stream.readline()       # the size of a chunk
                event, = API.check("GET", "/v1/events", 200, "application/x-ndjson", stream.readline())
                stream.readline()


def test_cancel_is_accepted(home):
    order = Order(home, "A", "V2", options=("--bandwidth", "8"))
    order.wait_transferring()
    assert call(home, "POST", "/v1/migrations/{id}/cancel", id=order.id)[0] == 202
    assert order.finish() == 1
    assert order.wait_ended() == "rolled_back"


@pytest.mark.parametrize("path", ["/v1/migrations", "/v1/plans"])
@pytest.mark.parametrize("change, status, word", [
    ({"vms": ["V9"]}, 404, "V9"), ({"vms": []}, 400, "vms"), ({"vms": "V2"}, 400, "vms"), ({"vms": [7]}, 400, "vms[0]"),
    ({"vms": ["V2"] * 17}, 413, "17"), ({"to": {"dc": "C", "server": "server-b"}}, 404, "C"),
    ({"to": {"dc": "B"}}, 400, "server"), ({"to": "B/server-b"}, 400, "to"), ({"speed": 1}, 400, "speed"),
    ({"to": {"dc": "B", "server": "server-b", "rack": 1}}, 400, "rack"),
    ({"bandwidth-mbps": -1}, 400, "bandwidth-mbps"), ({"bandwidth-mbps": 1.5}, 400, "bandwidth-mbps"),
    ({"bandwidth-mbps": 1000000}, 429, "free"),
    ({"to": {"dc": "B", "server": "s" * 300}}, 400, "server"),
])
def test_orders_that_are_wrong(quiet, path, change, status, word):
    before = quiet.get("A", "/v1/migrations")
    got, problem = call(quiet, "POST", path, dict({"vms": ["V2"], "to": {"dc": "B", "server": "server-b"}}, **change))
    assert (got, word in problem["reason"]) == (status, True), problem
    assert quiet.get("A", "/v1/migrations") == before


# -- nonsense

@pytest.mark.parametrize("body", [b"", b"{", b"nonsense", b"[]", b"7", b"null", b'"V2"', b"\xff\xfe", b'{"vms": ["V2"]',
                                  b'{"vms": ["\xc3\x28"]}', b"[" * 100000, b'{"a":' * 5000, b'{"vms": 1, "vms": 2}'])
@pytest.mark.parametrize("method, path", [("PUT", "/v1/policies/{name}"), ("POST", "/v1/migrations"),
                                          ("POST", "/v1/plans"), ("POST", "/v1/channels"), ("PUT", "/v1/users/{name}")])
def test_bodies_that_are_no_orders(quiet, method, path, body):
    status, problem = call(quiet, method, path, body, name="V2")
    assert status == 400 and problem["reason"]


@pytest.mark.parametrize("method, path", [("PUT", "/v1/policies/V2"), ("POST", "/v1/migrations"), ("POST", "/v1/plans"),
                                          ("POST", "/v1/channels"), ("PUT", "/v1/users/ce1")])
def test_body_that_is_too_large(quiet, method, path):
    """Refused for its announced length already."""
    node, address = GATEWAYS["A"]
    with quiet.connect(node, (address, REST_PORT)) as sock:
        sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\n".encode())
        assert sock.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_methods_that_a_path_does_not_have(quiet):
    methods = {}
    for method, path in API.operations():
        methods.setdefault(path, set()).add(method)
    for path, allowed in methods.items():
        real = re.sub(r"\{\w+\}", "V2", path)
        for method in {"GET", "PUT", "POST", "DELETE", "PATCH"} - allowed:
            status, headers, body = quiet.rest("A", method, real, b"{}" if method != "GET" else None)
            assert status == 405, f"{method} {real}: {status}"
            assert set(re.split(r", *", headers["Allow"])) - {"HEAD", "OPTIONS"} == allowed
            assert fits({"$ref": "#/components/schemas/Problem"}, json.loads(body))


@pytest.mark.parametrize("path", ["/", "/v1", "/v2/vms", "/v1/nothing", "/v1/vms/V2/more", "/v1/vms//", "/healthz/x",
                                  "/v1/../etc/passwd", "/v1/vms/" + "x" * 3000])
def test_paths_that_there_are_not(quiet, path):
    status, _, body = quiet.rest("A", "GET", path)
    assert status == 404, body
    assert fits({"$ref": "#/components/schemas/Problem"}, json.loads(body))


@pytest.mark.parametrize("path", ["/v1/vms/%00", "/v1/vms/%zz", "/v1/vms/%", "v1/vms"])
def test_targets_that_are_no_paths(quiet, path):
    assert quiet.rest("A", "GET", path)[0] == 400


@pytest.mark.parametrize("data", [b"\r\n\r\n", b"nonsense\r\n\r\n", bytes(range(256)), b"GET / HTTP/9.9\r\n\r\n",
                                  b"GET /v1/vms HTTP/1.1\r\n" + b"X: y\r\n" * 100000,
                                  b"GET /" + b"a" * 100000, b"POST /v1/plans HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                                  b"POST /v1/plans HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                                  b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
def test_what_is_not_http(quiet, data):
    """Answered with an error, or hung up on; the next client is served."""
    node, address = GATEWAYS["A"]
    with quiet.connect(node, (address, REST_PORT)) as sock:
        answer = b""
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: sock.recv(4096), b""))
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert answer == b"" or re.match(rb"HTTP/1\.[01] [45]\d\d ", answer)
    assert quiet.get("A", "/healthz")["status"] != "starting"


def test_clients_that_leave_are_forgotten(quiet):
    """Half a request, a stream that nobody reads: their descriptors are freed."""
    node, address = GATEWAYS["A"]
    files = f"/proc/{quiet.pid('scgd', node)}/fd"

    def descriptors():
        return len(os.listdir(files))

    seen = []
    wait_until("earlier clients to be forgotten",
               lambda: seen.append(descriptors()) or len(seen) > 5 and len(set(seen[-5:])) == 1)
    before = seen[-1]
    socks = [quiet.connect(node, (address, REST_PORT)) for _ in range(40)]
    for sock in socks[:20]:
        sock.sendall(b"GET /v1/events HTTP/1.1\r\nHost: a\r\n\r\n")
    for sock in socks[20:]:
        sock.sendall(b"POST /v1/plans HTTP/1.1\r\nContent-Length: 10\r\n\r\n{")
    wait_until("them to be connected", lambda: descriptors() >= before + 40)
    for sock in socks:
        sock.close()
    wait_until("them to be forgotten", lambda: descriptors() <= before)


def test_every_operation_was_called(lab):
    """By the tests above; of each at least one answer that is no error."""
    good = {(method, path) for method, path, status in CALLED if status < 300}
    not_there = {("GET", "/v1/tunnels/{name}")} if lab.modes()["A"] == ETHERNET else set()
    assert set(API.operations()) - good - not_there == set()
