# SPDX-License-Identifier: Apache-2.0
"""One Open vSwitch whose bridge connects to bench/policy, which is its controller as scgd is, and measures."""

import contextlib

from harness.spaces import REALTIME, SWITCHES, Spaces

BRIDGE, ADDRESS = "tor", "127.0.0.1"
GATEWAY, BLAST, OS_KEN, NOBODY = 6653, 6654, 6655, 6656


class OneSwitch(Spaces):
    CONTROLLERS = f"tcp:{ADDRESS}:{GATEWAY}", f"ptcp:{BLAST}:{ADDRESS}"

    def __init__(self, bench):
        super().__init__(bench, "policy", [SWITCHES], ["bench/policy"])

    def up(self):
        self.start_switch(REALTIME)
        self.vsctl("add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath_type=netdev", "fail_mode=secure",
                   "protocols=OpenFlow13", "other_config:disable-in-band=true")
        self.begin()

    def begin(self):
        """With a meter that has done nothing yet."""
        if self.meter:
            self.meter.kill()
            self.meter.wait()
        # Another one meanwhile: a bridge that loses its last controller loses its flows, too.
        self.vsctl("set-controller", BRIDGE, f"tcp:{ADDRESS}:{NOBODY}")
        self.start_meter(SWITCHES, "policy", ADDRESS, GATEWAY, BLAST, f"unix:{self.directory}/db.sock", BRIDGE,
                         before=REALTIME)
        self.vsctl("set-controller", BRIDGE, *self.CONTROLLERS)
        self.order(do="await")

    @contextlib.contextmanager
    def also_connected_to(self, port):
        """What is added connects at once; what could not connect before would wait."""
        self.vsctl("set-controller", BRIDGE, *self.CONTROLLERS, f"tcp:{ADDRESS}:{port}")
        yield
        self.vsctl("set-controller", BRIDGE, *self.CONTROLLERS)

    @property
    def management(self):
        return f"unix:{self.directory}/{BRIDGE}.mgmt"
