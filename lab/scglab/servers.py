# SPDX-License-Identifier: Apache-2.0
"""Servers: libvirtd and lldpd in each, and the guests."""

from pathlib import Path
from xml.sax.saxutils import quoteattr

from .context import GUEST_IMAGES, wait_for
from .daemon import Daemon
from .errors import LabError

METADATA = "https://service-control-gateway.org/xmlns/vm/1"
CONSOLES = "/var/log/libvirt/consoles"
MEMORY_MIB = 128
REAPER = Path(__file__).resolve().parent.parent / "reaper"


def daemons(lab):
    for node in lab.topology.by_role("server"):
        name = node.name
        yield Daemon(name, "libvirtd", [str(REAPER), "libvirtd", "--listen", "-f", "/etc/libvirt/libvirtd.conf"],
                     deadline=30,
                     ready=lambda name=name: virsh(lab, name, "domcapabilities", "--virttype", "qemu", check=False))
        yield Daemon(name, "lldpd", ["lldpd", "-d", "-I", "uplink,mig", "-C", "mgmt"],
                     ready=lambda name=name: lab.private(name, "/run/lldpd.socket").exists())


def prepare(lab):
    for node in lab.topology.by_role("server"):
        for path in ("/run/lldpd", CONSOLES):
            lab.private(node.name, path).mkdir(parents=True, exist_ok=True)
        write_accounts(lab, node.name)
        lab.write(node.name, "/etc/libvirt/libvirtd.conf", libvirtd_conf(node))
        lab.write(node.name, "/etc/libvirt/qemu.conf", qemu_conf(node))
        lab.write(node.name, "/etc/lldpd.d/lab.conf",
                  f"configure system hostname {node.name}\n"
                  "configure lldp portidsubtype ifname\n"
                  f"configure system ip management pattern {node.management_address}\n"
                  "configure lldp tx-interval 2\n")


def write_accounts(lab, node):
    """The host's accounts plus one: libvirtd looks its built-in QEMU user up even if qemu.conf names another.

    The package that creates it, libvirt-daemon-system, would start a libvirtd of the host's own.
    """
    for path, line in (("/etc/passwd", "libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin\n"),
                       ("/etc/group", "libvirt-qemu:x:64055:\n")):
        text = Path(path).read_text(encoding="utf-8")
        if "\nlibvirt-qemu:" not in text:
            text = text.rstrip("\n") + "\n" + line
        lab.write(node, path, text)


def libvirtd_conf(node):
    """TCP without authentication: these addresses exist nowhere but inside the lab's namespaces."""
    return f"""\
listen_tls = 0
listen_tcp = 1
listen_addr = "0.0.0.0"
auth_tcp = "none"
auth_unix_rw = "none"
host_uuid = "{node.host_uuid}"
keepalive_interval = 2
keepalive_count = 3
log_outputs = "2:stderr"
"""


def qemu_conf(node):
    """QEMU plain: no sandbox, cgroup, security driver or mount namespace; its log files written by itself."""
    return f"""\
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
seccomp_sandbox = 0
cgroup_controllers = [ ]
namespaces = [ ]
stdio_handler = "file"
migration_address = "0.0.0.0"
migration_host = "{node.addresses['mig'].split('/')[0]}"
keepalive_interval = 2
keepalive_count = 3
"""


# QEMU 7.2 under TCG loses dirty bits in a migration where RAM is a multiple of 256 KiB, and the guest's kernel crashes
# afterwards, now and then. libvirt rounds memory to MiB, so the odd 64 KiB pass by it.
ODD_MEMORY_KIB = MEMORY_MIB * 1024 + 64


def domain_xml(lab, guest):
    segment = next(one for one in lab.topology.segments if one["name"] == guest.segment)
    gateway, _, length = segment["gateway"].partition("/")
    arguments = (f"console=ttyS0 quiet panic=1 mitigations=off no_timer_check scg.name={guest.name} "
                 f"scg.address={guest.address}/{length} scg.gateway={gateway}")
    ipv6 = ""
    if guest.ipv6:
        arguments += f" scg.ipv6={guest.ipv6}/64"
        ipv6 = f" ipv6={quoteattr(guest.ipv6)}"
    return f"""\
<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{guest.name}</name>
  <uuid>5c670000-0000-4000-8000-{guest.mac.replace(":", "")}</uuid>
  <metadata>
    <scg:vm xmlns:scg={quoteattr(METADATA)} segment={quoteattr(guest.segment)}>
      <scg:interface mac={quoteattr(guest.mac)} address={quoteattr(guest.address)}{ipv6}/>
    </scg:vm>
  </metadata>
  <memory unit='MiB'>{MEMORY_MIB}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{GUEST_IMAGES}/vmlinuz</kernel>
    <initrd>{GUEST_IMAGES}/initrd</initrd>
    <cmdline>{arguments}</cmdline>
  </os>
  <features><acpi/></features>
  <clock offset='utc'/>
  <on_reboot>destroy</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <controller type='usb' model='none'/>
    <interface type='bridge'>
      <mac address={quoteattr(guest.mac)}/>
      <source bridge='br0'/>
      <model type='virtio'/>
      <port isolated='yes'/>
    </interface>
    <serial type='file'>
      <source path='{CONSOLES}/{guest.name}.log' append='on'/>
    </serial>
    <memballoon model='none'/>
  </devices>
  <qemu:commandline>
    <qemu:arg value='-m'/>
    <qemu:arg value='{ODD_MEMORY_KIB}k'/>
    <qemu:arg value='-object'/>
    <qemu:arg value='memory-backend-ram,id=odd.ram,size={ODD_MEMORY_KIB * 1024}'/>
    <qemu:arg value='-machine'/>
    <qemu:arg value='memory-backend=odd.ram'/>
  </qemu:commandline>
</domain>
"""


def virsh(lab, server, *words, **options):
    return lab.run(server, "virsh", "-q", "-c", "qemu:///system", *words, **options)


def start_guests(lab):
    for guest in lab.topology.guests.values():
        file = lab.write(guest.server, f"/run/guests/{guest.name}.xml", domain_xml(lab, guest))
        virsh(lab, guest.server, "define", "/run/guests/" + file.name)
        virsh(lab, guest.server, "start", guest.name, timeout=60)


def console(lab, server, guest):
    return lab.private(server, f"{CONSOLES}/{guest}.log")


def wait_guests(lab, deadline=60):
    for guest in lab.topology.guests.values():
        file = console(lab, guest.server, guest.name)

        def probe(guest=guest, file=file):
            text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
            if f"guest {guest.name} ready" in text:
                return True
            if "Kernel panic" in text:
                raise LabError("its kernel panicked", where=guest.name, fix=f"see {file}")
            return False

        wait_for(f"guest {guest.name} ready", probe, deadline, where=guest.server, fix=f"see {file}")


def whereabouts(lab):
    """Guest -> {server: state} over all servers that answer."""
    found = {name: {} for name in lab.topology.guests}
    for node in lab.topology.by_role("server"):
        text = virsh(lab, node.name, "list", "--all", check=False, timeout=10) or ""
        for line in text.splitlines():
            fields = line.split(None, 2)
            if len(fields) == 3:
                found.setdefault(fields[1], {})[node.name] = fields[2].strip()
    return found
