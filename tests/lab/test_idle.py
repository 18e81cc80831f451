# SPDX-License-Identifier: Apache-2.0
"""A gateway that has nothing to do does nothing, and is small."""

import re
import time
from pathlib import Path

import pytest
from labtool import GATEWAYS
from moving import SWITCHES

# What wakes an idle gateway in five seconds: its echo request to each switch and the answer, each switch's own echo;
# LLDP to all ports, and of what it sent the copies that come back (each end of seven links); lldpd of a server, every
# 2 s on two ports; libvirt's keepalive both ways, and a look at the server's memory; timers of its own.
PERIOD, WINDOW = 5, 10
WAKE_UPS = 3 * max(map(len, SWITCHES.values())) + 1 + 2 * 7 + 2 * 3 + 6 + 5


def wake_ups(pid):
    """How often the threads of a process have slept until something came."""
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)$", (task / "status").read_text(), re.MULTILINE)[1])
               for task in Path("/proc", str(pid), "task").iterdir())


@pytest.mark.parametrize("dc", GATEWAYS)
def test_memory(home, dc):
    pid = home.pid("scgd", GATEWAYS[dc][0])
    text = Path("/proc", str(pid), "status").read_text(encoding="ascii")
    assert int(re.search(r"^VmRSS:\s+(\d+) kB$", text, re.MULTILINE)[1]) < 20 << 10


def test_wake_ups(home):
    """Only timers and what they bring about: no polling, no busy loop."""
    pids = [home.pid("scgd", node) for node, _ in GATEWAYS.values()]
    before = [wake_ups(pid) for pid in pids]
    time.sleep(WINDOW)                  # the length of what is measured
    for pid, first in zip(pids, before):
        assert wake_ups(pid) - first <= WAKE_UPS * WINDOW / PERIOD
