# SPDX-License-Identifier: Apache-2.0
#
# What the tables of tests share: files of tests and their names, references to them, results in TAP.
import pathlib
import re
import sys

TESTS = pathlib.Path(__file__).resolve().parent.parent
ISOLATIONS = ("native", "vm")
# What one isolation alone has, in the helpers of the behaviour suite.
ONLY = re.compile(r"^\s*only_(native|vm) [\"'](.*)[\"']", re.M)


class Suite:
    """A file of tests: its names, and in which isolation each runs."""

    def __init__(self, name):
        self.name = name
        parts = name.split("/")
        if parts[0] == "unit":
            self.path = TESTS / f"{name}.c"
            text = self.path.read_text()
            self.bodies = dict.fromkeys(re.findall(r"^static void (\w+)\(void \*\*\w+\)", text, re.M), "")
            return
        self.path = TESTS / (f"behaviour/{name}.bats" if len(parts) == 1 else f"{name}.bats")
        text = self.path.read_text()
        self.bodies = dict(re.findall(r'^@test "(.*?)" *\{\n(.*?)^\}$', text, re.M | re.S))
        self.bodies |= dict(re.findall(r'^@test "(.*?)" \{ (.*) \}$', text, re.M))
        self.helpers = dict(re.findall(r"^(\w+)\(\) \{\n(.*?)^\}$", text, re.M | re.S))
        obstacle = re.search(r'is_vm \|\| echo "vm only: (.*)"', self.helpers.get("obstacle", ""))
        self.obstacle = obstacle and obstacle[1]

    def cells(self, test):
        """Per isolation: "yes", or why not."""
        cells = dict.fromkeys(ISOLATIONS, "yes")
        if "/" in self.name:
            return cells
        body = self.bodies[test]
        called = [self.helpers[w] for w in re.findall(r"^\s*(\w+)", body, re.M) if w in self.helpers]
        if self.obstacle:
            cells["native"] = self.obstacle
        for isolation, reason in ONLY.findall("\n".join([body, *called])):
            cells["vm" if isolation == "native" else "native"] = reason
        return cells


def read_tap(path):
    """By the test's name: "ok", "FAILED", or why it was skipped."""
    found = {}
    for line in path.read_text(errors="replace").splitlines():
        match = re.match(r"(ok|not ok) \d+ (?:- )?(.*?)(?: # (?:SKIP|skip) ?(.*))?$", line)
        if match and match[1] != "ok":
            found[match[2]] = "FAILED"
        elif match:
            found[match[2]] = "ok" if match[3] is None else re.sub(r"^(native|vm) only: ", "", match[3])
    return found


def read_rows(path):
    """Lines but for comments, with their number and the [SECTION] that they stand in."""
    section = None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.strip()
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            yield f"{path.name}:{number}", section, line.split(" | ")


def find_tests(place, text, suites):
    """The tests of "FILE: TEST; FILE: TEST …", each with its suite; of "note: TEXT" the text alone."""
    for reference in text.split("; "):
        file, _, test = reference.partition(": ")
        if file == "note":
            yield None, test
            continue
        try:
            suite = suites.setdefault(file, None) or Suite(file)
        except FileNotFoundError:
            sys.exit(f"{place}: there is no file of tests '{file}'")
        suites[file] = suite
        if test not in suite.bodies:
            sys.exit(f"{place}: '{file}' has no test '{test}'")
        yield suite, test


def escape(text):
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
