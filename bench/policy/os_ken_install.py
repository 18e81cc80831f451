#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""os_ken_install.py PORT FILE: a controller made with os-ken, as its documentation shows it. Sends the flows of the
file (of policies, in the form of ovs-ofctl) to the first switch that connects, then a barrier, and prints the
nanoseconds until its answer. Reading the file is before the clock starts; making messages of it is not."""

import json
import os
import sys
import time

from os_ken import cfg
from os_ken.base import app_manager
from os_ken.controller import ofp_event
from os_ken.controller.handler import MAIN_DISPATCHER, set_ev_cls
from os_ken.lib import hub
from os_ken.ofproto import ofproto_v1_3

NAMES = {"ip_src": "ipv4_src", "ip_dst": "ipv4_dst"}


def value_of(name, text):
    return text if name in NAMES.values() else int(text, 0)


def parse(line):
    """(numbers of the flow, its match, its actions)"""
    head, actions = line.strip().split(",actions=", 1)
    numbers, match = {}, {}
    for word in head.split(","):
        name, text = word.split("=", 1)
        if name in ("cookie", "table", "priority"):
            numbers[name] = int(text, 0)
            continue
        name = NAMES.get(name, name)
        value, slash, mask = text.partition("/")
        match[name] = (value_of(name, value), value_of(name, mask)) if slash else value_of(name, value)
    return numbers, match, [] if actions == "drop" else actions.split(",")


def instructions(parser, words):
    actions, rest = [], []
    for word in words:
        name, _, text = word.partition(":")
        if name == "goto_table":
            rest.append(parser.OFPInstructionGotoTable(int(text)))
        elif name == "set_field":
            value, field = text.split("->")
            actions.append(parser.OFPActionSetField(**{field: int(value, 0)}))
        else:
            raise ValueError(word)
    if actions:
        rest.insert(0, parser.OFPInstructionActions(ofproto_v1_3.OFPIT_APPLY_ACTIONS, actions))
    return rest


class Install(app_manager.OSKenApp):
    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]
    flows = []
    begin = 0

    @set_ev_cls(ofp_event.EventOFPStateChange, MAIN_DISPATCHER)
    def connected(self, event):
        datapath = event.datapath
        parser = datapath.ofproto_parser
        Install.begin = time.monotonic_ns()
        for numbers, match, words in self.flows:
            datapath.send_msg(parser.OFPFlowMod(
                datapath=datapath, cookie=numbers["cookie"], table_id=numbers["table"],
                priority=numbers["priority"], match=parser.OFPMatch(**match),
                instructions=instructions(parser, words)))
        datapath.send_msg(parser.OFPBarrierRequest(datapath))

    @set_ev_cls(ofp_event.EventOFPErrorMsg, MAIN_DISPATCHER)
    def refused(self, event):
        print(f"os-ken: refused: type {event.msg.type}, code {event.msg.code}", file=sys.stderr)
        os._exit(1)

    @set_ev_cls(ofp_event.EventOFPBarrierReply, MAIN_DISPATCHER)
    def done(self, _):
        print(json.dumps({"ns": time.monotonic_ns() - Install.begin}), flush=True)
        os._exit(0)


def main():
    port, file = sys.argv[1:]
    with open(file, encoding="ascii") as lines:
        Install.flows = [parse(line) for line in lines]
    cfg.CONF([], project="os_ken")
    cfg.CONF.set_override("ofp_listen_host", "127.0.0.1")
    cfg.CONF.set_override("ofp_tcp_listen_port", int(port))
    manager = app_manager.AppManager.get_instance()
    manager.load_apps(["os_ken.controller.ofp_handler"])
    manager.applications_cls["install"] = Install
    contexts = manager.create_contexts()
    services = manager.instantiate_apps(**contexts)
    hub.sleep(0.1)                                      # it listens now
    print("ready", flush=True)
    hub.joinall(services)


if __name__ == "__main__":
    main()
