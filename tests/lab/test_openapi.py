# SPDX-License-Identifier: Apache-2.0
"""docs/openapi.yaml fits the server's table of routes and the data of the unit tests. No lab is needed."""

import copy
import json
import pathlib
import re

import pytest
from openapi import KEYWORDS, Api

ROOT = pathlib.Path(__file__).resolve().parents[2]
FACTS = json.loads((ROOT / "tests/data/scgctl/gateway.json").read_text())
COLLECTIONS = ["vms", "servers", "switches", "links", "segments", "tunnels", "channels", "users", "peers", "policies",
               "address-sets", "migrations"]


@pytest.fixture(scope="module")
def api():
    return Api()


def check(api, path, value, method="GET", status=200):
    return api.check(method, path, status, "application/json", json.dumps(value))


def test_routes(api):
    rows = re.findall(r'\{"([A-Z]+)", "([^"]+)", \w+\}', (ROOT / "src/north/rest.c").read_text())
    assert len(rows) > 20
    assert sorted(rows) == sorted((method, re.sub(r"\{\w+\}", "{}", pattern)) for method, pattern in api.operations())


def test_references_and_keywords(api):
    def walk(node):
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                api.resolve(node)
            if isinstance(node.get("type"), str):
                assert set(node) <= KEYWORDS
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(api.document)


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_collections(api, collection):
    check(api, f"/v1/{collection}", {collection: FACTS[collection]})
    if collection != "links":
        for member in FACTS[collection]:
            check(api, f"/v1/{collection}/x", member)


def test_others(api):
    check(api, "/healthz", FACTS["health"])
    check(api, "/v1/plans", FACTS["plan"], "POST")
    check(api, "/v1/migrations", FACTS["migrations"][0], "POST", 202)
    check(api, "/v1/vms/x", {"error": "ERR_NOT_FOUND", "reason": "no"}, status=404)
    for journal in FACTS["journal"].values():
        check(api, "/v1/migrations/x/journal", {"journal": journal})
    assert api.check("DELETE", "/v1/policies/x", 204, "", b"") is None
    assert api.check("GET", "/metrics", 200, "text/plain; version=0.0.4", b"x 1\n") == "x 1\n"
    check(api, "/v1/transport", FACTS["transport"])
    check(api, "/v1/channels", FACTS["channels"][3], method="POST", status=202)
    lines = [{"type": "vm", "data": FACTS["vms"][0]}, {"type": "migration", "data": FACTS["migrations"][0]},
             *({"type": "channel", "data": channel} for channel in FACTS["channels"]),
             {"type": "channel", "data": {"name": "A:channel:B:1", "state": "removed"}}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    assert api.check("GET", "/v1/events?migration=x", 200, "application/x-ndjson", text) == lines


@pytest.mark.parametrize("spoil, complaint", [
    (lambda vm: vm.pop("uuid"), "body.uuid: missing"),
    (lambda vm: vm.update(colour="green"), "body.colour: is not described"),
    (lambda vm: vm.update(state="flying"), "body.state: 'flying' is none of"),
    (lambda vm: vm.update({"memory-kib": -1}), "body.memory-kib: -1 is less than 0"),
    (lambda vm: vm.update({"memory-kib": True}), "body.memory-kib: expected integer, found True"),
    (lambda vm: vm["interfaces"][0].pop("mac"), r"body.interfaces\[0\].mac: missing"),
])
def test_complaints(api, spoil, complaint):
    vm = copy.deepcopy(FACTS["vms"][0])
    spoil(vm)
    with pytest.raises(AssertionError, match=complaint):
        check(api, "/v1/vms/V1", vm)


def test_undescribed(api):
    with pytest.raises(AssertionError, match="is not described"):
        check(api, "/v2/vms", {})
    with pytest.raises(AssertionError, match="418 is not described"):
        check(api, "/v1/vms", {}, status=418)
    with pytest.raises(AssertionError, match="text/html is not described"):
        api.check("GET", "/v1/vms", 200, "text/html", "{}")
