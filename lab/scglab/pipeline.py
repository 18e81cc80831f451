# SPDX-License-Identifier: Apache-2.0
"""The numbers of a ToR's tables, for those who read or write its flows beside the gateway."""

import re
from pathlib import Path

HEADER = Path(__file__).resolve().parents[2] / "src" / "core" / "pipeline.h"


def tor_tables():
    """By their names in core/pipeline.h: {"CLASSIFY": 0, ...}."""
    names = re.search(r"enum tor_table \{(.*?)\}", HEADER.read_text(encoding="utf-8"), re.DOTALL)[1]
    found, number = {}, 0
    for name, given in re.findall(r"TOR_(\w+)(?: = (\d+))?", names):
        number = int(given) if given else number
        found[name] = number
        number += 1
    return found


TOR = tor_tables()
