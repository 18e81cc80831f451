# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests that need the lab. They need root, and Debian's python: /usr/bin/python3 -m pytest tests/lab"""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from labtool import ROOT, LabTool       # noqa: E402


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="network namespaces need root"))


@pytest.fixture(scope="session")
def lab():
    """The lab, brought up once; one that was up before is used, and left up."""
    tool = LabTool()
    was_up = tool.status()["state"] == "up"
    try:
        tool.up(*([] if (ROOT / "build" / "scgd").exists() else ["--no-scgd"]))
        yield tool
    finally:
        if not was_up:
            tool.down()


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
