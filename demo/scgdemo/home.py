# SPDX-License-Identifier: Apache-2.0
"""The lab as the demo begins: up, three VMs on server-a, no policy, no circuit."""

import os
import time

from .facts import HAND_COOKIE, HAND_METER, SERVERS, VMS
from .lab import DemoError, wait_until
from .traffic import user


def prepare(lab, screen, modes):
    if not lab.status():
        up(lab, modes)
    elif trouble := reuse(lab, screen, modes):
        screen.say(f"The lab is up, but {trouble}. It is made anew.")
        if lab.show("down"):
            raise DemoError("the lab could not be taken down")
        up(lab, modes)
    clear_circuits(lab)
    clear_policies(lab)


def up(lab, modes):
    if lab.show("up", "--mode", ",".join(modes.values())):
        raise DemoError("the lab did not come up")


def trouble_of(lab):
    """Why the demo cannot begin in this lab, as the end of a sentence; None if it can."""
    status = lab.status()
    if not status or status["state"] != "up":
        return "it is not complete"
    for daemon in status["daemons"]:
        if not daemon["alive"]:
            return f"its {daemon['name']} of {daemon['node']} does not run"
        if (daemon["name"] in ("scgd", "gmplsd") and
                os.readlink(f"/proc/{daemon['pid']}/exe").endswith(" (deleted)")):
            return f"its {daemon['name']} is older than the program that was built since"
    for vm in VMS:
        if list(status["guests"].get(vm.name, {}).values()).count("running") != 1:
            return f"{vm.name} does not run once"
        if not user(lab, "knock", "--rounds", 2, f"{vm.address}:80")[f"{vm.address}:80"]["opened"]:
            return f"{vm.name} does not answer"
    return None


def reuse(lab, screen, modes):
    """Brings the lab that is up to where the demo begins. None, or why that is not possible."""
    try:
        if lab.modes() != modes:
            return "its fabrics are in another mode"
        if trouble := trouble_of(lab):
            return trouble
        screen.say("The lab is up already and is used as it is.")
        bring_home(lab, screen)
        return trouble_of(lab)
    except (DemoError, OSError) as error:
        return f"it does not do what it is asked for ({error})"


def bring_home(lab, screen):
    away = [vm.name for vm in VMS if vm.name in lab.domains("server-b")]
    if away:
        screen.say(f"{' and '.join(away)} moved to server-b before, and now move back first.")
        words = ("ctl", "B", "migrate", *away, "--to", "A/server-a", "--watch")
        begin = time.monotonic()
        lab.run(*words, timeout=120)
        screen.line(f"  done in {time.monotonic() - begin:.0f} s")


def clear_circuits(lab):
    """Of users, and channels that somebody had set up to stay."""
    for dc in SERVERS.values():
        for one in lab.ctl(dc, "user", "list")["users"]:
            lab.run("ctl", dc, "user", "delete", one["name"])
        for one in lab.ctl(dc, "channel", "list")["channels"]:
            if one["kind"] == "migration":
                lab.run("ctl", dc, "channel", "delete", one["name"])
    wait_until("circuits go", lambda: not any(lab.ctl(dc, "channel", "list")["channels"] for dc in SERVERS.values()))


def clear_policies(lab):
    for dc in SERVERS.values():
        for policy in lab.ctl(dc, "policy", "list")["policies"]:
            lab.run("ctl", dc, "policy", "delete", policy["policy"])
    lab.ofctl("dc-a", "del-flows", "tor-a", f"cookie={HAND_COOKIE}/-1")
    lab.ofctl("dc-a", "del-meters", "tor-a", f"meter={HAND_METER}")
