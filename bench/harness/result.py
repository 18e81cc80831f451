# SPDX-License-Identifier: Apache-2.0
"""What a row found: two sides, their ratio, and whether that is good enough."""

import operator
import statistics
from dataclasses import dataclass, field

COMPARE = {"<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True)
class Goal:
    """For the ratio ours : other."""
    relation: str
    ratio: float

    def holds(self, ratio):
        return COMPARE[self.relation](ratio, self.ratio)

    def __str__(self):
        return f"{self.relation} {self.ratio:g}"


@dataclass
class Side:
    what: str                           # e.g. "virsh migrate --p2p"
    values: list                        # in the order in which they were measured; one value if it is a fixed limit

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def spread(self):
        return quartiles(self.values)


@dataclass
class Check:
    """A goal beside the row's own, for another ratio of the same measurement."""
    what: str                           # e.g. "igraph : ours"
    ratios: list                        # of each round
    goal: Goal

    @property
    def ratio(self):
        return statistics.median(self.ratios)

    @property
    def holds(self):
        return self.goal.holds(self.ratio)


@dataclass
class Result:
    """`ratios` holds one number for each round of runs close together in time, so that the machine's other load, which
    comes and goes, is in both of its sides; their median is the row's ratio."""
    unit: str
    ours: Side
    other: Side
    ratios: list
    notes: list = field(default_factory=list)   # lines for the reader
    raw: dict = field(default_factory=dict)     # what else was recorded
    checks: list = field(default_factory=list)  # all have to hold, too

    @property
    def ratio(self):
        return statistics.median(self.ratios)

    def holds(self, goal):
        """Without a goal for the ratio, what the checks say."""
        return (not goal or goal.holds(self.ratio)) and all(check.holds for check in self.checks)


def quartiles(values):
    """(first, third), the values themselves if there are too few to tell."""
    if len(values) < 2:
        return values[0], values[0]
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, third
