#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares a driver's golden requests with a table of what it uses of a REST interface, and that
table with the interface's public OpenAPI description where there is one.

openapi.py TABLE REQUESTS         the requests are the table's, all of them
openapi.py TABLE --whole VARIABLE the table is the description's, which $VARIABLE names
"""
import json
import os
import sys

SKIPPED = 77
TYPES = {str: "string", bool: "boolean", int: "integer", dict: "object", list: "array"}


def read_table(path):
    base, calls = "", []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            words = line.split()
            if not words or words[0] == "#" or line.startswith("#"):
                continue
            if words[0] == "base":
                base = "".join(words[1:])
            elif words[0] in ("<", ">", "+"):
                calls[-1][words[0]][words[1]] = words[2]
            else:
                calls.append({"method": words[0], "path": words[1], ">": {}, "<": {}, "+": {}})
    return base, calls


def matches(pattern, path):
    wanted, got = pattern.split("/"), path.split("/")
    return len(wanted) == len(got) and all(w == g or w.startswith("{") for w, g in zip(wanted, got))


def members(value, prefix=""):
    for name, item in value.items():
        if isinstance(item, dict):
            yield from members(item, prefix + name + ".")
        else:
            yield prefix + name, TYPES[type(item)]


def check_request(line, base, calls, seen, problems):
    method, path, *body = line.rstrip("\n").split(" ", 2)
    path = path[len(base):]
    for index, call in enumerate(calls):
        if call["method"] != method or not matches(call["path"], path):
            continue
        seen.setdefault(index, set())
        known = call[">"] | call["+"]
        for name, kind in members(json.loads(body[0])) if body else ():
            if known.get(name) != kind:
                problems.append(f"{method} {path}: {name} is {kind}, the table has {known.get(name)}")
            seen[index].add(name)
        return
    problems.append(f"{method} {path}: not in the table")


def check_requests(table, requests):
    base, calls = read_table(table)
    seen, problems = {}, []
    with open(requests, encoding="utf-8") as lines:
        for line in lines:
            check_request(line, base, calls, seen, problems)
    for index, call in enumerate(calls):
        for name in set(call[">"] | call["+"]) - seen.get(index, set()):
            problems.append(f"{call['method']} {call['path']}: no request has {name}")
        if index not in seen:
            problems.append(f"{call['method']} {call['path']}: no request")
    return problems


class Description:
    """OpenAPI 3 or Swagger 2, which place schemas differently."""

    def __init__(self, text):
        import yaml

        self.doc = yaml.safe_load(text)

    def resolve(self, schema):
        while "$ref" in schema:
            node = self.doc
            for part in schema["$ref"].lstrip("#/").split("/"):
                node = node[part]
            schema = node
        return schema

    def operation(self, method, path):
        return self.doc["paths"].get(path, {}).get(method.lower())

    def body(self, operation):
        if "requestBody" in operation:
            return operation["requestBody"]["content"]["application/json"]["schema"]
        return next(p["schema"] for p in operation["parameters"] if p["in"] == "body")

    def answer(self, operation):
        answer = operation["responses"].get(200) or operation["responses"].get("200")
        return answer["content"]["application/json"]["schema"] if "content" in answer else answer["schema"]

    def kind(self, schema, name):
        for part in name.split("."):
            schema = self.resolve(schema)
            schema = schema["additionalProperties"] if part == "{}" else schema.get("properties", {}).get(part)
            if schema is None:
                return None
        schema = self.resolve(schema)
        return schema.get("type", "object")

    def required(self, schema):
        return set(self.resolve(schema).get("required", ()))


def check_call(description, call):
    where = f"{call['method']} {call['path']}"
    operation = description.operation(call["method"], call["path"])
    if operation is None:
        yield f"{where}: not in the description"
        return
    for side, find in ((">", description.body), ("<", description.answer)):
        if not call[side]:
            continue
        schema = find(operation)
        for name, kind in call[side].items():
            if description.kind(schema, name) != kind:
                yield f"{where}: {name} is {kind} in the table, {description.kind(schema, name)} in the description"
        if side == ">":
            for name in description.required(schema) - {n.split(".")[0] for n in call[side]}:
                yield f"{where}: {name} is required"


def check_whole(table, variable):
    path = os.environ.get(variable)
    if not path:
        print(f"skipped: ${variable} names no OpenAPI description")
        sys.exit(SKIPPED)
    try:
        with open(path, encoding="utf-8") as text:
            description = Description(text)
    except ImportError:
        print("skipped: no yaml module for Python")
        sys.exit(SKIPPED)
    return [problem for call in read_table(table)[1] for problem in check_call(description, call)]


def main():
    table, *rest = sys.argv[1:]
    problems = check_whole(table, rest[1]) if rest[0] == "--whole" else check_requests(table, rest[0])
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)


main()
