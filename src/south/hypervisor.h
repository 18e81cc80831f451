/* SPDX-License-Identifier: Apache-2.0 */
/* The hypervisors of a DC: the contract that the libvirt driver and the tests' dummy fulfil.
 *
 * No function blocks. Each request ends in one EVENT_DONE with its number. The driver also appends
 * EVENT_SERVER_UP/DOWN, EVENT_SERVER_LISTED, EVENT_VM and EVENT_VM_GONE on its own, from libvirt's life-cycle events,
 * and EVENT_PROGRESS during transfers. What is not told before EVENT_SERVER_LISTED is not known to be absent. */
#ifndef SOUTH_HYPERVISOR_H
#define SOUTH_HYPERVISOR_H

#include "model/event.h"

struct hypervisor_driver;

struct hypervisor_transfer {
    char vm[NAME_SIZE];
    uint8_t uuid[UUID_SIZE];
    char server[NAME_SIZE];            /* that it runs on */
    char target_uri[256];              /* libvirt URI of the target's libvirtd, as the source's libvirtd reaches it */
    char target_address[IP_TEXT_SIZE]; /* where the memory stream goes: tcp://ADDRESS */
    uint64_t bandwidth_mbps;           /* megabit/s that the stream may take; 0: libvirt's default */
    uint32_t max_downtime_ms;          /* 0: libvirt's default */
};

struct hypervisor_ops {
    /* Migrates a running VM live, peer to peer, persistent at the target and undefined at the source. EVENT_DONE comes
     * when libvirt has finished on both sides; EVENT_VM with CAUSE_MIGRATION_PAUSED long before it. On failure the VM
     * runs at the source unless libvirt could not tell: ask with 'locate' on both sides. */
    void (*transfer)(struct hypervisor_driver *driver, uint64_t request, const struct hypervisor_transfer *transfer);

    /* Aborts a running transfer of the VM; the transfer's own EVENT_DONE follows with ERR_CANCELLED. */
    void (*abort)(struct hypervisor_driver *driver, uint64_t request, const char *server,
                  const uint8_t uuid[UUID_SIZE]);

    /* Where that server's hypervisor says that the VM is; done event: 'location', with err set if PLACE_UNKNOWN. */
    void (*locate)(struct hypervisor_driver *driver, uint64_t request, const char *server,
                   const uint8_t uuid[UUID_SIZE]);

    void (*free)(struct hypervisor_driver *driver);
};

struct hypervisor_driver {
    const struct hypervisor_ops *ops;
};

#endif
