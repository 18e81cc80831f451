# SPDX-License-Identifier: Apache-2.0
"""The registry of rows, in the order in which they are measured: what is measured at rest comes first.

A row is a module with TITLE (one line), GOAL (harness.result.Goal) and measure(bench) -> harness.result.Result. What it
cannot measure it says with LabError.
"""

from . import idle_rss, idle_wakeups, orchestration

ROWS = {
    "idle-rss": idle_rss,
    "idle-wakeups": idle_wakeups,
    "orchestration": orchestration,
}
