# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests that need the lab. They need root, and Debian's python: /usr/bin/python3 -m pytest tests/lab"""

import os
import re
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2] / "lab")]

from labtool import ETHERNET, GATEWAYS, Capture, LabTool    # noqa: E402
from moving import PCE_GONE, go_home            # noqa: E402
from transport import EVERY_NODE, control       # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "complaints(*patterns): warnings and errors that daemons may log in this test")
    config.addinivalue_line("markers", "needs_lab: uses the lab of the session; set by itself on every test that does")
    config.addinivalue_line("markers", "mode(reason, A=MODE, B=MODE): the modes of the fabrics that the test is about")


@pytest.hookimpl(tryfirst=True)             # -m chooses by what it marks
def pytest_collection_modifyitems(config, items):
    """SCG_LAB_MODE, which `lab up --mode` is given, chooses tests, too. Those that are about fabrics of another mode
    are left out. So are, but in Ethernet mode, those that do not use the lab of the session: they never differ."""
    modes = LabTool().modes()
    left_out = [item for item in items if not concerned(item, modes)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    for item in items:
        if "lab" in item.fixturenames:
            item.add_marker(pytest.mark.needs_lab)
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="network namespaces need root"))


def concerned(item, modes):
    wanted = {dc: mode for mark in item.iter_markers("mode") for dc, mode in mark.kwargs.items()}
    return all(modes[dc] == mode for dc, mode in wanted.items()) and \
        ("lab" in item.fixturenames or set(modes.values()) == {ETHERNET})


class Logs:
    """What scgd and gmplsd logged; each line is looked at once."""

    LINE = re.compile(r"\S+Z (?P<level>\w+) (?P<fault>\S+) \[[^]]*\] ")

    def __init__(self, lab, was_up):
        logs = [f"{node}-scgd.log" for node, _ in GATEWAYS.values()]
        logs += [f"{control(name)}-gmplsd.log" for name in EVERY_NODE]
        self.files = {lab.directory / "log" / name: 0 for name in logs}
        if was_up:                      # what was before is not ours to judge
            self.files = {file: file.stat().st_size if file.exists() else 0 for file in self.files}

    def complaints(self, expected):
        """New lines that are no information, but for warnings and errors that were expected. A fault of ours never is,
        nor is a line that the logger did not write: an abort, a sanitizer."""
        found = []
        for file, offset in self.files.items():
            if not file.exists():
                continue
            text = file.read_bytes()
            end = text.rfind(b"\n") + 1
            if end < offset:            # another lab
                offset = 0
            self.files[file] = end
            for line in text[offset:end].decode().splitlines():
                parts = self.LINE.match(line)
                told = parts and (parts["level"] in ("info", "debug") or parts["fault"] != "ours"
                                  and any(re.search(one, line) for one in (*expected, PCE_GONE)))
                if not told:
                    found.append(f"{file.name}: {line}")
        return found


@pytest.fixture(scope="session")
def lab():
    """The lab, brought up once; one that was up before is used, and left up."""
    tool = LabTool()
    was_up = tool.status()["state"] == "up"
    try:
        tool.logs = Logs(tool, was_up)
        mode = os.environ.get("SCG_LAB_MODE")
        tool.up(*(["--mode", mode] if mode else []), *([] if (tool.build / "scgd").exists() else ["--no-scgd"]))
        yield tool
    finally:
        if not was_up:
            tool.down()


@pytest.fixture(scope="session")
def wire(lab, tmp_path_factory):
    """OpenFlow between the gateways and their switches, from the session's beginning: by data center, a capture."""
    directory = tmp_path_factory.mktemp("wire")
    captures = {dc: Capture(lab.popen("exec", node, "tcpdump", "-Z", "root", "-U", "-i", "mgmt", "-w",
                                      directory / f"{node}.pcap", "tcp", "port", "6653"), directory / f"{node}.pcap")
                for dc, (node, _) in GATEWAYS.items()}
    yield captures
    for capture in captures.values():
        capture.finish()


@pytest.fixture(autouse=True)
def daemons_do_not_complain(request):
    """Of every test that uses the lab: no unexpected warning, no error of ours."""
    if "lab" not in request.fixturenames:
        yield
        return
    lab = request.getfixturevalue("lab")
    request.getfixturevalue("wire")
    yield
    expected = [one for mark in request.node.iter_markers("complaints") for one in mark.args]
    assert lab.logs.complaints(expected) == []


@pytest.fixture
def home(lab):
    """The lab with every guest at server-a under its policy of moving.POLICIES, and afterwards again."""
    go_home(lab)
    yield lab
    go_home(lab)


@pytest.fixture(scope="module")
def bare_lab(tmp_path_factory):
    """A second lab beside it, without gateways: its switches have only the flows that a test installs."""
    tool = LabTool(tmp_path_factory.mktemp("bare") / "lab", "sclab-")
    try:
        tool.up("--no-scgd")
        yield tool
    finally:
        tool.down()
    assert not tool.leftovers()


@pytest.fixture
def spare_lab(tmp_path):
    """A second lab that is down: for tests of up and down themselves."""
    tool = LabTool(tmp_path / "lab", "scspare-")
    yield tool
    tool.down()
    assert not tool.leftovers()
