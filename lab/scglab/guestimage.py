# SPDX-License-Identifier: Apache-2.0
"""The guests' kernel and initramfs, built once into build/guest and kept there.

The kernel is Debian's cloud kernel, taken out of its package without installing it; the initramfs is a static busybox,
a few modules and the init script beside this file.
"""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from .context import run
from .errors import LabError

META_PACKAGE = "linux-image-cloud-amd64"
BUSYBOX = "/bin/busybox"
# In this order: virtio.ko resolves against virtio_ring.ko.
MODULES = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci",
           "failover", "net_failover", "virtio_net")
INIT = Path(__file__).resolve().parent.parent / "guest-init"


def ensure(lab):
    """build/guest/vmlinuz and build/guest/initrd exist and are up to date."""
    cache = lab.guest_cache
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / ".lock", "w", encoding="ascii") as lock:      # two labs may share the cache
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (cache / "vmlinuz").exists() or not (cache / "modules").is_dir():
            fetch_kernel(cache)
        initrd = cache / "initrd"
        newest = max(os.path.getmtime(path) for path in (INIT, BUSYBOX, __file__, cache / "modules"))
        if not initrd.exists() or initrd.stat().st_mtime <= newest:
            build_initrd(cache)


def fetch_kernel(cache):
    depends = run("apt-cache", "depends", META_PACKAGE, timeout=60)
    package = next((line.split()[1] for line in depends.splitlines()
                    if line.strip().startswith("Depends: linux-image-")), None)
    if package is None:
        raise LabError(f"apt knows no kernel behind {META_PACKAGE}", fix="apt-get update")
    with tempfile.TemporaryDirectory(dir=cache) as work:
        try:
            run("sh", "-c", 'cd "$1" && apt-get -o APT::Sandbox::User=root download "$2"', "sh", work, package,
                timeout=300)
        except LabError as error:
            raise LabError(f"the guests' kernel {package} cannot be downloaded: {error.what}",
                           fix=f"apt-get update; without a network, put the package's vmlinuz and modules into {cache}"
                           ) from error
        archive = next(Path(work).glob("*.deb"))
        run("dpkg-deb", "-x", archive, f"{work}/tree", timeout=120)
        modules = Path(work) / "modules"
        modules.mkdir()
        for name in MODULES:
            found = next(Path(work, "tree/lib/modules").rglob(f"{name}.ko"), None)
            if found is None:
                raise LabError(f"{package} has no module {name}", where=str(cache),
                               fix="correct MODULES in lab/scglab/guestimage.py")
            shutil.copy(found, modules)
        shutil.rmtree(cache / "modules", ignore_errors=True)
        modules.rename(cache / "modules")
        next(Path(work, "tree/boot").glob("vmlinuz-*")).rename(cache / "vmlinuz")


def build_initrd(cache):
    with tempfile.TemporaryDirectory(dir=cache) as work:
        root = Path(work) / "root"
        for name in ("bin", "dev", "proc", "sys", "modules", "www"):
            (root / name).mkdir(parents=True)
        shutil.copy(BUSYBOX, root / "bin/busybox")
        shutil.copy(INIT, root / "init")
        (root / "init").chmod(0o755)
        (root / "modules/order").write_text("\n".join(MODULES) + "\n", encoding="ascii")
        for name in MODULES:
            shutil.copy(cache / "modules" / f"{name}.ko", root / "modules")
        run("sh", "-c", 'cd "$1" && find . | cpio --quiet -o -H newc | gzip -1 > "$2"', "sh", root, f"{work}/initrd")
        Path(work, "initrd").rename(cache / "initrd")
