# SPDX-License-Identifier: Apache-2.0
"""What tshark and our decoders say of the same packets, to be held against each other.

Our decoders are reached by small programs, build/tests/*_tool, that print one line of JSON a message:

    {"frame": 3, "fields": {"rsvp.msg": [1], "rsvp.session.ip": ["10.253.0.5"]}}     read, under tshark's names
    {"frame": 4, "refused": "why"}                                                   not read

A field has all its values, in the order of the packet."""

import json
import os
import subprocess
from collections import defaultdict
from pathlib import Path

from labtool import ROOT

DATA = ROOT / "tests" / "data"
BUILD = Path(os.environ.get("SCG_BUILD_DIR", ROOT / "build"))
BETWEEN_FIELDS, BETWEEN_VALUES = "\t", "\x1f"   # neither is in a value
DIGITS = 1e-5                                   # tshark prints six of a float


def tshark(pcap, fields, display_filter="", options=()):
    """Dissect `pcap`: for each frame that `display_filter` lets through, a dictionary by field, of lists of the texts
    of all its values. `options` go to tshark, as in ("-d", "udp.port==49998,lmp")."""
    command = ["tshark", "-n", "-r", str(pcap), "-Y", display_filter, *options, "-T", "fields",
               "-E", f"separator={BETWEEN_FIELDS}", "-E", f"aggregator={BETWEEN_VALUES}", "-E", "occurrence=a"]
    for field in fields:
        command += ["-e", field]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    rows = (line.split(BETWEEN_FIELDS) for line in result.stdout.split("\n")[:-1])
    return [{field: text.split(BETWEEN_VALUES) if text else [] for field, text in zip(fields, row)} for row in rows]


def malformed(pcap, options=()):
    """The frames that tshark calls malformed, or finds an error in: number, and what it says."""
    faults = "_ws.malformed || _ws.expert.severity == error"
    rows = tshark(pcap, ("frame.number", "_ws.expert.message"), faults, options)
    return [(int(row["frame.number"][0]), *row["_ws.expert.message"]) for row in rows]


def tool(name, *arguments):
    """The lines that build/tests/`name` prints."""
    command = [str(word) for word in (BUILD / "tests" / name, *arguments)]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def by_frame(lines):
    """Our messages of each frame as one: by frame number, a dictionary by field of all values. None was refused."""
    frames = defaultdict(lambda: defaultdict(list))
    for line in lines:
        assert "refused" not in line, line
        for field, values in line["fields"].items():
            frames[line["frame"]][field] += values
    return frames


def same(ours, text):
    """Whether a value of ours is what tshark prints."""
    if isinstance(ours, bool):
        return text in (("1", "True") if ours else ("0", "False"))
    if isinstance(ours, int):
        return int(text, 0) == ours
    if isinstance(ours, float):
        return abs(float(text) - ours) <= DIGITS * abs(ours)
    return ours == text


def differences(pcap, ours, fields, display_filter, aliases=None, options=()):
    """Where our reading of `pcap` (`ours`, of by_frame) differs from tshark's in any of `fields`; [] if they agree.
    `aliases` names further fields of tshark that hold what is one field to us: {"field": ("other field", ...)}."""
    names = {field: (field, *(aliases or {}).get(field, ())) for field in fields}
    rows = tshark(pcap, ("frame.number", *sorted(set().union(*names.values()))), display_filter, options)
    found = []
    for row in rows:
        frame = int(row["frame.number"][0])
        if frame not in ours:
            found.append((frame, "only tshark has it"))
            continue
        for field, theirs in names.items():
            texts = [text for name in theirs for text in row[name]]
            values = ours[frame].get(field, [])
            if len(values) != len(texts) or not all(map(same, values, texts)):
                found.append((frame, field, values, texts))
    theirs = {int(row["frame.number"][0]) for row in rows}
    return found + [(frame, "only we have it") for frame in ours if frame not in theirs]
