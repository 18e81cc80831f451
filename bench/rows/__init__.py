# SPDX-License-Identifier: Apache-2.0
"""The registry of rows, in the order in which they are measured: what is measured at rest comes first.

A row is a module, or an object, with TITLE (one line), GOAL (harness.result.Goal; None: the ratio is only told) and
measure(bench) -> harness.result.Result. What it cannot measure it says with LabError.
"""

from . import cspf, idle_rss, idle_wakeups, lsp_rate, lsp_setup, orchestration, policy_install, policy_proof

ROWS = {
    "cspf-1k": cspf.SMALL,
    "cspf-10k": cspf.MEDIUM,
    "cspf-100k": cspf.LARGE,
    "lsp-setup": lsp_setup,
    "lsp-rate": lsp_rate,
    "policy-install-100": policy_install.SMALL,
    "policy-install-1000": policy_install.LARGE,
    "policy-proof": policy_proof.PROOF,
    "policy-read": policy_proof.READ,
    "idle-rss": idle_rss,
    "idle-wakeups": idle_wakeups,
    "orchestration": orchestration,
}
