# SPDX-License-Identifier: Apache-2.0
"""docs/openapi.yaml, and whether an answer is what it says. Knows what that file uses of OpenAPI, and nothing else: an
unknown keyword is an error, so that no promise goes unchecked."""

import yaml
from labtool import ROOT

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}
PASSIVE = {"description", "type"}


class OpenApi:
    def __init__(self, path=ROOT / "docs" / "openapi.yaml"):
        with open(path, encoding="utf-8") as file:
            self.document = yaml.safe_load(file)

    def operations(self):
        """{(method, path): operation}"""
        return {(method.upper(), path): operation for path, item in self.document["paths"].items()
                for method, operation in item.items() if method != "parameters"}

    def resolve(self, schema):
        while "$ref" in schema:
            value = self.document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                value = value[part]
            schema = value
        return schema

    def content(self, method, path, status):
        """(media type, schema) of an answer; (None, None) if it has no body. An undocumented status fails."""
        responses = self.operations()[method, path]["responses"]
        assert str(status) in responses, f"{method} {path} answered {status}, documented are {list(responses)}"
        response = self.resolve(responses[str(status)])
        return next(((kind, one["schema"]) for kind, one in response.get("content", {}).items()), (None, None))

    def body_schema(self, method, path):
        return self.operations()[method, path]["requestBody"]["content"]["application/json"]["schema"]

    def complaints(self, schema, value, where="$"):
        """Why the value is not what the schema says."""
        schema = self.resolve(schema)
        found = []
        kind = schema.get("type")
        if kind and (not isinstance(value, TYPES[kind]) or isinstance(value, bool) and kind != "boolean"):
            return [f"{where} is no {kind}: {value!r}"]
        for keyword, wanted in schema.items():
            if keyword in PASSIVE:
                continue
            check = getattr(self, "check_" + keyword, None)
            assert check, f"{where}: the validator does not know '{keyword}'"
            found += check(schema, wanted, value, where)
        return found

    def check_properties(self, _schema, wanted, value, where):
        return [one for name, schema in wanted.items() if name in value
                for one in self.complaints(schema, value[name], f"{where}.{name}")]

    def check_additionalProperties(self, schema, wanted, value, where):     # pylint: disable=invalid-name
        more = [name for name in value if name not in schema.get("properties", {})]
        if wanted is False:
            return [f"{where}.{name} is not documented" for name in more]
        return [one for name in more for one in self.complaints(wanted, value[name], f"{where}.{name}")]

    def check_oneOf(self, _schema, wanted, value, where):                   # pylint: disable=invalid-name
        results = [self.complaints(schema, value, where) for schema in wanted]
        return [] if results.count([]) == 1 else [f"{where} fits {results.count([])} of {len(wanted)}: {results}"]

    def check_items(self, _schema, wanted, value, where):
        return [one for i, item in enumerate(value) for one in self.complaints(wanted, item, f"{where}[{i}]")]

    @staticmethod
    def check_required(_schema, wanted, value, where):
        return [f"{where}.{name} is missing" for name in wanted if name not in value]

    @staticmethod
    def check_enum(_schema, wanted, value, where):
        return [] if value in wanted else [f"{where} is {value!r}, not one of {wanted}"]

    @staticmethod
    def check_minimum(_schema, wanted, value, where):
        return [] if value >= wanted else [f"{where} is {value}, less than {wanted}"]

    @staticmethod
    def check_maximum(_schema, wanted, value, where):
        return [] if value <= wanted else [f"{where} is {value}, more than {wanted}"]

    @staticmethod
    def check_minItems(_schema, wanted, value, where):                      # pylint: disable=invalid-name
        return [] if len(value) >= wanted else [f"{where} has {len(value)} items, less than {wanted}"]
