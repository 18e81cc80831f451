/* SPDX-License-Identifier: Apache-2.0 */
/* libvirt's calls, which block until libvirtd answers: for worker threads only. */
#ifndef SOUTH_LIBVIRT_CALLS_H
#define SOUTH_LIBVIRT_CALLS_H

#include <libvirt/libvirt.h>
#include <stdatomic.h>

#include "model/event.h"
#include "south/hypervisor.h"

/* Fills 'err' with "text: libvirt's message" of this thread's last error and the code that is nearest to it; returns
 * the code. */
int libvirt_error(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* libvirtd that has not answered a keepalive for so long is taken for dead. These pings, one every 5 s, are the only
 * wake-ups of an idle connection. */
#define LIBVIRT_DEAD_SECONDS 20

/* A connection with keepalives; virConnectClose() ends it. Null and 'err' (ERR_UNREACHABLE) if there is none. */
virConnectPtr worker_connect(const char *uri, struct err *err);

/* Numbers of a job, as libvirt hands them out; what is absent stays 0. Pure. */
void progress_from_params(virTypedParameterPtr params, int n, struct transfer_progress *progress);

/* Where a VM is, judged by its state and job_active. Pure. */
enum vm_place place_of_vm(const struct vm *vm);

/* Memory, CPUs and memory that is free now, counting the host's caches as free; the rest of '*server' is zero. */
int worker_read_node(virConnectPtr connection, struct server *server, struct err *err);

/* All of '*vm' but its server. ERR_NOT_FOUND: no such domain. ERR_INVALID, ERR_MALFORMED, ERR_TOO_LARGE: its XML or
 * metadata cannot be used. Addresses that are not in the metadata come from the server's ARP table, if there. */
int worker_read_vm(virConnectPtr connection, const uint8_t uuid[UUID_SIZE], struct vm *vm, struct err *err);

/* Only uuid, state and job_active. Errors as above. */
int worker_read_state(virConnectPtr connection, const uint8_t uuid[UUID_SIZE], struct vm *vm, struct err *err);

/* The UUIDs of all domains, running or not. The caller frees '*uuids'. */
int worker_list(virConnectPtr connection, uint8_t (**uuids)[UUID_SIZE], size_t *n, struct err *err);

/* As hypervisor_ops.transfer, over a connection of its own to the source's libvirtd at 'uri'; returns when libvirt has
 * finished. Does not begin if '*abort' is set. ERR_UNKNOWN: the source's libvirtd did not say that the VM runs there
 * still. */
int worker_transfer(const char *uri, const struct hypervisor_transfer *transfer, const atomic_bool *abort,
                    struct err *err);

/* Of the job that is active on the VM. ERR_NOT_FOUND: none is, or there is no such domain. */
int worker_read_progress(virConnectPtr connection, const uint8_t uuid[UUID_SIZE], struct transfer_progress *progress,
                         struct err *err);

/* Aborts the VM's job. ERR_NOT_FOUND: no such domain. ERR_CONFLICT: no job to abort, or it cannot be aborted now. */
int worker_abort(virConnectPtr connection, const uint8_t uuid[UUID_SIZE], struct err *err);

#endif
