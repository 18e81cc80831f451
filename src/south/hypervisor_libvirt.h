/* SPDX-License-Identifier: Apache-2.0 */
/* The hypervisor driver for libvirt 9.0 or newer.
 *
 * EVENT_SERVER_UP comes when a server's libvirtd answers, followed by an EVENT_VM for each VM that is new or changed
 * and an EVENT_VM_GONE for each that went meanwhile; and again, later, when VMs that came or went have changed its free
 * memory. Free memory is what its host has free, caches included, but not more than its VMs leave of the whole.
 * EVENT_SERVER_DOWN comes once for each time that a libvirtd is lost or cannot be reached at first. */
#ifndef SOUTH_HYPERVISOR_LIBVIRT_H
#define SOUTH_HYPERVISOR_LIBVIRT_H

#include "io/loop.h"
#include "south/hypervisor.h"

struct hypervisor_libvirt_server {
    const char *name; /* shorter than NAME_SIZE, no two alike */
    const char *uri;  /* e.g. qemu+tcp://10.255.0.11/system */
};

struct hypervisor_libvirt_config {
    const struct hypervisor_libvirt_server *servers; /* copied */
    size_t n_servers;
    unsigned transfers; /* that may run at once, 1 or more; others wait their turn */
};

/* Begins to connect to all servers. One such driver in a process, for libvirt's event loop is process-wide. Free it on
 * the loop thread, before the queue and the loop, when the loop will not run again: that aborts the transfers that
 * run, and waits for libvirt's calls to return. */
struct hypervisor_driver *hypervisor_libvirt_new(struct loop *loop, struct event_queue *queue,
                                                 const struct hypervisor_libvirt_config *config);

#endif
