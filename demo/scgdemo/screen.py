# SPDX-License-Identifier: Apache-2.0
"""Text for a person: colours on a terminal, plain in a log."""

import os
import shutil
import sys
import textwrap
import unicodedata

STYLES = {"bold": "1", "dim": "2", "good": "32", "bad": "31", "head": "1;36"}


class Screen:
    def __init__(self, stream=sys.stdout):
        self.stream = stream
        self.is_terminal = stream.isatty()
        self.colours = self.is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self.width = min(shutil.get_terminal_size((100, 25)).columns, 100) if self.is_terminal else 100

    def paint(self, text, style):
        return f"\033[{STYLES[style]}m{text}\033[0m" if self.colours and style else text

    def line(self, text="", style=None):
        print(self.paint(text, style), file=self.stream, flush=True)

    def say(self, text):
        """A paragraph, wrapped."""
        for line in textwrap.wrap(" ".join(text.split()), self.width):
            self.line(line)

    def heading(self, text):
        self.line()
        self.line(text, "head")
        self.line("─" * min(len(text), self.width), "dim")

    def command(self, text):
        self.line("  $ " + text, "bold")

    def indented(self, text, style=None):
        for line in text.rstrip("\n").splitlines():
            self.line("    " + line, style)

    def table(self, head, rows):
        rows = [[str(cell) for cell in row] for row in rows]
        widths = [max(columns(row[i]) for row in [head, *rows]) for i in range(len(head))]

        def format_row(row):
            return "  " + "  ".join(cell + " " * (width - columns(cell)) for cell, width in zip(row, widths)).rstrip()

        self.line(format_row(head), "bold")
        for row in rows:
            self.line(format_row(row))

    def check(self, good, text, found=""):
        mark = self.paint("✓", "good") if good else self.paint("✗", "bad")
        self.line(f"  {mark} {text}" + ("" if good or not found else f": {found}"))


def columns(text):
    """How many a text takes on the screen."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
