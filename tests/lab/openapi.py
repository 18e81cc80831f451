# SPDX-License-Identifier: Apache-2.0
"""docs/openapi.yaml, and what a gateway answers held against it.

Of OpenAPI 3.0 only what that file uses is understood; a keyword beyond that is an error, so that no rule is passed
over.
"""

import json
import pathlib
import re

import yaml

PATH = pathlib.Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml"

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}
KEYWORDS = {"type", "enum", "required", "properties", "additionalProperties", "items", "minItems", "maxItems",
            "minimum", "maximum", "minProperties", "maxProperties", "pattern", "oneOf", "default", "description",
            "example", "$ref"}


class Api:
    def __init__(self, path=PATH):
        self.document = yaml.safe_load(path.read_text())

    def operations(self):
        """All (method, path pattern) that are described, e.g. ("GET", "/v1/vms/{name}")."""
        return [(method.upper(), pattern) for pattern, item in self.document["paths"].items() for method in item
                if method != "parameters"]

    def resolve(self, node):
        while "$ref" in node:
            target = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    def operation(self, method, path):
        for pattern, item in self.document["paths"].items():
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path.split("?")[0]) and method.lower() in item:
                return item[method.lower()]
        raise AssertionError(f"{method} {path} is not described in {PATH.name}")

    def check(self, method, path, status, content_type, body):
        """Asserts that the answer (its body as bytes or str) is one that is described; returns it parsed.

        Of a stream of lines, each is checked, and the list of them is returned.
        """
        responses = self.operation(method, path)["responses"]
        where = f"{method} {path}: {status}"
        assert str(status) in responses, f"{where} is not described; {sorted(responses)} are"
        content = self.resolve(responses[str(status)]).get("content")
        if content is None:
            assert not body, f"{where}: a body that is not described"
            return None
        media = content_type.split(";")[0].strip()
        assert media in content, f"{where}: {media} is not described; {sorted(content)} are"
        schema = content[media]["schema"]
        if media == "application/x-ndjson":
            values = [json.loads(line) for line in body.splitlines()]
            problems = [problem for number, value in enumerate(values, 1)
                        for problem in self.problems(schema, value, f"line {number}")]
        else:
            text = body.decode() if isinstance(body, bytes) else body
            values = json.loads(text) if media == "application/json" else text
            problems = list(self.problems(schema, values, "body"))
        assert not problems, f"{where}: " + "; ".join(problems)
        return values

    def problems(self, schema, value, where):
        """Sentences on how 'value' departs from 'schema'."""
        schema = self.resolve(schema)
        unknown = set(schema) - KEYWORDS
        assert not unknown, f"{PATH.name} uses {sorted(unknown)}, which this does not understand"
        if "oneOf" in schema:
            fits = [not list(self.problems(one, value, where)) for one in schema["oneOf"]]
            if fits.count(True) != 1:
                yield f"{where}: fits {fits.count(True)} of {len(fits)} alternatives"
            return
        if "type" in schema:
            expected = TYPES[schema["type"]]
            if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
                yield f"{where}: expected {schema['type']}, found {value!r}"
                return
        if "enum" in schema and value not in schema["enum"]:
            yield f"{where}: {value!r} is none of {schema['enum']}"
        if "minimum" in schema and value < schema["minimum"]:
            yield f"{where}: {value} is less than {schema['minimum']}"
        if "maximum" in schema and value > schema["maximum"]:
            yield f"{where}: {value} is more than {schema['maximum']}"
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{where}: {value!r} does not match {schema['pattern']}"
        if isinstance(value, list):
            if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
                yield f"{where}: has {len(value)} members"
            for number, member in enumerate(value):
                yield from self.problems(schema.get("items", {}), member, f"{where}[{number}]")
        if isinstance(value, dict):
            if not schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value)):
                yield f"{where}: has {len(value)} members"
            yield from self.object_problems(schema, value, where)

    def object_problems(self, schema, value, where):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        for name in schema.get("required", []):
            if name not in value:
                yield f"{where}.{name}: missing"
        for name, member in value.items():
            if name in properties:
                yield from self.problems(properties[name], member, f"{where}.{name}")
            elif others is False:
                yield f"{where}.{name}: is not described"
            elif isinstance(others, dict):
                yield from self.problems(others, member, f"{where}.{name}")
