# SPDX-License-Identifier: Apache-2.0
"""Results for people, and for programs: build/bench.json."""

import json
import os

from .result import quartiles

WIDE = 0.2              # between the quartiles of a ratio: then the machine's other load is most of what was measured


def number(value):
    """Three digits that tell something."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def show_side(label, side, unit):
    first, third = side.spread
    spread = f"  [{number(first)} .. {number(third)}]  n={len(side.values)}" if len(side.values) > 1 else ""
    print(f"  {label:5}  {side.what:42} {number(side.median):>6} {unit}{spread}")


def show_ratio(label, ratios, ratio, goal):
    first, third = quartiles(ratios)
    spread = f"  [{first:.2f} .. {third:.2f}]" if len(ratios) > 1 else ""
    verdict = f"goal {goal}  " + ("holds" if goal.holds(ratio) else "DOES NOT HOLD") if goal else "no goal"
    print(f"  {label}  {ratio:.2f}{spread}  {verdict}")


def show(name, row, result):
    print(f"{name}: {row.TITLE}")
    show_side("ours", result.ours, result.unit)
    show_side("other", result.other, result.unit)
    show_ratio("ratio", result.ratios, result.ratio, row.GOAL)
    for check in result.checks:
        show_ratio(f"also   {check.what}", check.ratios, check.ratio, check.goal)
    for note in result.notes:
        print(f"  {note}")
    first, third = quartiles(result.ratios)
    if third - first > WIDE:
        print("  the ratio differs much from round to round: this machine is busy; a quiet one would tell more")
    print(flush=True)


def save(path, name, row, result, order):
    """Puts the row into the file's list, in the place of an older measurement of it."""
    try:
        found = {entry["row"]: entry for entry in json.loads(path.read_text(encoding="utf-8"))}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        found = {}
    found[name] = {
        "row": name,
        "ours": result.ours.median,
        "other": result.other.median,
        "unit": result.unit,
        "ratio": result.ratio,
        "goal": str(row.GOAL) if row.GOAL else None,
        "holds": result.holds(row.GOAL),
        "checks": [{"what": check.what, "ratio": check.ratio, "goal": str(check.goal), "holds": check.holds}
                   for check in result.checks],
        "raw": {"ours": result.ours.values, "other": result.other.values, "ratios": result.ratios,
                "load": os.getloadavg()[0], **result.raw},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps([found[one] for one in order if one in found], indent=1) + "\n", encoding="utf-8")
    draft.replace(path)
