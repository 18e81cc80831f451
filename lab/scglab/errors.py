# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in the lab, told to the person at the terminal."""


class LabError(Exception):
    """A failure with the three things its reader needs: what, where, and the way out."""

    def __init__(self, what, where=None, fix=None):
        self.what, self.where, self.fix = what, where, fix
        super().__init__(what)

    def __str__(self):
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}\n  try: {self.fix}" if self.fix else text
