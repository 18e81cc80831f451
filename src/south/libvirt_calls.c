/* SPDX-License-Identifier: Apache-2.0 */
#include "south/libvirt_calls.h"

#include <libvirt/virterror.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "south/libvirt_xml.h"

#define KEEPALIVE_SECONDS 5
#define KEEPALIVE_COUNT (LIBVIRT_DEAD_SECONDS / KEEPALIVE_SECONDS - 1)

#define TRANSFER_FLAGS \
    (VIR_MIGRATE_LIVE | VIR_MIGRATE_PEER2PEER | VIR_MIGRATE_PERSIST_DEST | VIR_MIGRATE_UNDEFINE_SOURCE)

static void free_domain(virDomainPtr *domain)
{
    if (*domain)
        virDomainFree(*domain);
}

static void free_connection(virConnectPtr *connection)
{
    if (*connection)
        virConnectClose(*connection);
}

#define AUTO_DOMAIN __attribute__((cleanup(free_domain)))
#define AUTO_CONNECTION __attribute__((cleanup(free_connection)))

static int code_of(const virError *error)
{
    switch (error ? error->code : VIR_ERR_OK) {
    case VIR_ERR_NO_DOMAIN:
        return ERR_NOT_FOUND;
    case VIR_ERR_OPERATION_ABORTED:
        return ERR_CANCELLED;
    case VIR_ERR_OPERATION_INVALID:
        return ERR_CONFLICT;
    case VIR_ERR_OPERATION_TIMEOUT:
        return ERR_TIMEOUT;
    case VIR_ERR_DOM_EXIST:
        return ERR_EXISTS;
    case VIR_ERR_NO_SUPPORT:
    case VIR_ERR_CONFIG_UNSUPPORTED:
    case VIR_ERR_OPERATION_UNSUPPORTED:
    case VIR_ERR_ARGUMENT_UNSUPPORTED:
        return ERR_UNSUPPORTED;
    case VIR_ERR_INVALID_ARG:
    case VIR_ERR_XML_ERROR:
        return ERR_INVALID;
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_AUTH_CANCELLED:
    case VIR_ERR_ACCESS_DENIED:
    case VIR_ERR_OPERATION_DENIED:
    case VIR_ERR_MIGRATE_UNSAFE:
        return ERR_REFUSED;
    case VIR_ERR_NO_CONNECT:
        return ERR_UNREACHABLE;
    case VIR_ERR_SYSTEM_ERROR:
        return error->int1 > 0 ? err_from_errno(error->int1) : ERR_IO;
    default:
        return ERR_IO;
    }
}

static int fill_error(struct err *err, const virError *error, const char *text)
{
    int code = err_set(err, code_of(error), "%.200s: %.300s", text,
                       error && error->message ? error->message : "libvirt gives no reason");

    /* What QEMU has printed comes with its line breaks. */
    for (char *c = err ? strchr(err->text, '\n') : NULL; c; c = strchr(c, '\n'))
        *c = ' ';
    return code;
}

int libvirt_error(struct err *err, const char *format, ...)
{
    char text[ERR_TEXT_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return fill_error(err, virGetLastError(), text);
}

/* Of a call on a domain. Its name has to be asked for, and every call that succeeds clears libvirt's last error. */
static int vm_error(struct err *err, virDomainPtr domain, const char *what)
{
    virErrorPtr error = virSaveLastError();
    AUTO_FREE char *text = xasprintf("VM %s: %s", virDomainGetName(domain), what);
    int code = fill_error(err, error, text);

    virFreeError(error);
    return code;
}

virConnectPtr worker_connect(const char *uri, struct err *err)
{
    virConnectPtr connection = virConnectOpen(uri);

    if (!connection) {
        libvirt_error(err, "libvirtd at %s", uri);
        err->code = ERR_UNREACHABLE;
        return NULL;
    }
    /* Drivers without a wire, such as libvirt's test driver, have no keepalive; nothing is lost. */
    virConnectSetKeepAlive(connection, KEEPALIVE_SECONDS, KEEPALIVE_COUNT);
    return connection;
}

static uint64_t param_u64(virTypedParameterPtr params, int n, const char *name)
{
    unsigned long long value = 0;

    return virTypedParamsGetULLong(params, n, name, &value) == 1 ? value : 0;
}

void progress_from_params(virTypedParameterPtr params, int n, struct transfer_progress *progress)
{
    *progress = (struct transfer_progress) {
        .bytes_total = param_u64(params, n, VIR_DOMAIN_JOB_MEMORY_TOTAL),
        .bytes_processed = param_u64(params, n, VIR_DOMAIN_JOB_MEMORY_PROCESSED),
        .bytes_remaining = param_u64(params, n, VIR_DOMAIN_JOB_MEMORY_REMAINING),
        .rate_bps = param_u64(params, n, VIR_DOMAIN_JOB_MEMORY_BPS),
        .iteration = (uint32_t) param_u64(params, n, VIR_DOMAIN_JOB_MEMORY_ITERATION),
        .elapsed_ms = (uint32_t) param_u64(params, n, VIR_DOMAIN_JOB_TIME_ELAPSED),
    };
}

enum vm_place place_of_vm(const struct vm *vm)
{
    switch (vm->state) {
    case VM_SHUT_OFF:
    case VM_CRASHED:
        return PLACE_ABSENT;
    case VM_INCOMING:
        return PLACE_INCOMING;
    case VM_RUNNING:
        return vm->job_active ? PLACE_MOVING : PLACE_RUNNING;
    case VM_PAUSED:
        return vm->job_active ? PLACE_MOVING : PLACE_PAUSED;
    }
    return PLACE_UNKNOWN;
}

static int worker_read_memory(virConnectPtr connection, struct server *server)
{
    virNodeMemoryStats stats[16];
    int n = 0; /* libvirt wants to be asked for the number, and then for exactly that many */

    if (virNodeGetMemoryStats(connection, VIR_NODE_MEMORY_STATS_ALL_CELLS, NULL, &n, 0) || n > (int) ARRAY_LEN(stats) ||
        virNodeGetMemoryStats(connection, VIR_NODE_MEMORY_STATS_ALL_CELLS, stats, &n, 0))
        return -1;
    for (int i = 0; i < n; i++) {
        const char *field = stats[i].field;

        if (!strcmp(field, VIR_NODE_MEMORY_STATS_TOTAL))
            server->memory_kib = stats[i].value;
        else if (!strcmp(field, VIR_NODE_MEMORY_STATS_FREE) || !strcmp(field, VIR_NODE_MEMORY_STATS_BUFFERS) ||
                 !strcmp(field, VIR_NODE_MEMORY_STATS_CACHED))
            server->memory_free_kib += stats[i].value;
    }
    return 0;
}

int worker_read_node(virConnectPtr connection, struct server *server, struct err *err)
{
    virNodeInfo info;

    if (virNodeGetInfo(connection, &info))
        return libvirt_error(err, "its memory and CPUs cannot be read");
    *server = (struct server) {.cpus = info.cpus, .memory_kib = info.memory};
    if (!worker_read_memory(connection, server))
        return 0;
    /* Only QEMU's driver knows of the host's caches. */
    server->memory_free_kib = virNodeGetFreeMemory(connection) / 1024;
    return server->memory_free_kib ? 0 : libvirt_error(err, "its free memory cannot be read");
}

/* Null, 'err' and '*code' if there is none. */
static virDomainPtr worker_lookup(virConnectPtr connection, const uint8_t uuid[UUID_SIZE], struct err *err, int *code)
{
    virDomainPtr domain = virDomainLookupByUUID(connection, uuid);
    struct err lost;
    char text[UUID_TEXT_SIZE];

    if (domain)
        return domain;
    uuid_format(uuid, text);
    *code = libvirt_error(&lost, "VM %s", text);
    /* libvirt calls a connection that broke an internal error. */
    if (*code == ERR_IO && virConnectIsAlive(connection) != 1)
        *code = lost.code = ERR_UNREACHABLE;
    if (err)
        *err = lost;
    return NULL;
}

/* Whether a job, such as a migration away, is active on a VM that is not shut off, or else a migration to here.
 * libvirt refuses the question during the latter, and that is how a VM on its way in is told from one at the end of
 * its way out: both are paused "by migration". */
static int worker_read_job(virDomainPtr domain, bool *active, bool *incoming, struct err *err)
{
    virTypedParameterPtr params = NULL;
    int n = 0, type = VIR_DOMAIN_JOB_NONE;

    *active = *incoming = false;
    if (!virDomainGetJobStats(domain, &type, &params, &n, 0)) {
        /* One that has completed or failed counts until libvirt has cleaned it up: a VM that is paused at the end of
         * its way out is not simply paused. */
        *active = type != VIR_DOMAIN_JOB_NONE;
        virTypedParamsFree(params, n);
        return 0;
    }
    switch (virGetLastErrorCode()) {
    case VIR_ERR_OPERATION_UNSUPPORTED: /* "migration statistics are available only on the source host" */
        *incoming = true;
        return 0;
    case VIR_ERR_OPERATION_INVALID: /* it is shut off by now */
    case VIR_ERR_NO_SUPPORT:        /* a driver without jobs */
        return 0;
    default:
        return vm_error(err, domain, "its job cannot be read");
    }
}

static enum vm_state state_of(int state, int reason)
{
    switch (state) {
    case VIR_DOMAIN_SHUTOFF:
        return reason == VIR_DOMAIN_SHUTOFF_CRASHED ? VM_CRASHED : VM_SHUT_OFF;
    case VIR_DOMAIN_CRASHED:
        return VM_CRASHED;
    case VIR_DOMAIN_PAUSED:
    case VIR_DOMAIN_PMSUSPENDED:
        return VM_PAUSED;
    default: /* also blocked, and being shut down */
        return VM_RUNNING;
    }
}

static int worker_read_domain_state(virDomainPtr domain, struct vm *vm, struct err *err)
{
    int state = -1, reason = -1, new_state, new_reason;
    bool incoming = false;

    /* State and job are two questions; their answers are of one moment only if the state is the same afterwards. */
    for (unsigned i = 0; i < 5; i++) {
        if (virDomainGetState(domain, &new_state, &new_reason, 0))
            return vm_error(err, domain, "its state cannot be read");
        if (i > 0 && new_state == state && new_reason == reason)
            break;
        state = new_state;
        reason = new_reason;
        vm->state = state_of(state, reason);
        vm->job_active = incoming = false;
        if (vm->state != VM_RUNNING && vm->state != VM_PAUSED)
            return 0;
        int result = worker_read_job(domain, &vm->job_active, &incoming, err);
        if (result)
            return result;
    }
    if (incoming && state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_MIGRATION)
        vm->state = VM_INCOMING;
    return 0;
}

/* IPv4 addresses that the metadata does not name, from the server's ARP table. It may know none: that is no error. */
static void worker_add_addresses(virDomainPtr domain, struct vm *vm)
{
    virDomainInterfacePtr *interfaces = NULL;
    bool missing = false;

    for (unsigned i = 0; i < vm->n_nics; i++)
        missing |= vm->nics[i].ip.family == IP_NONE;
    if (!missing || vm->state != VM_RUNNING)
        return;
    int n = virDomainInterfaceAddresses(domain, &interfaces, VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP, 0);
    for (int i = 0; i < n; i++) {
        struct mac mac;

        for (unsigned k = 0; interfaces[i]->hwaddr && !mac_parse(interfaces[i]->hwaddr, &mac) && k < vm->n_nics; k++)
            if (mac_equal(&mac, &vm->nics[k].mac) && vm->nics[k].ip.family == IP_NONE && interfaces[i]->naddrs &&
                interfaces[i]->addrs[0].type == VIR_IP_ADDR_TYPE_IPV4)
                ip_parse(interfaces[i]->addrs[0].addr, &vm->nics[k].ip);
        virDomainInterfaceFree(interfaces[i]);
    }
    free(interfaces);
}

int worker_read_vm(virConnectPtr connection, const uint8_t uuid[UUID_SIZE], struct vm *vm, struct err *err)
{
    int result;
    AUTO_DOMAIN virDomainPtr domain = worker_lookup(connection, uuid, err, &result);

    if (!domain)
        return result;
    AUTO_FREE char *xml = virDomainGetXMLDesc(domain, 0);
    if (!xml)
        return vm_error(err, domain, "its XML cannot be read");
    result = libvirt_xml_parse(xml, vm, err);
    if (!result)
        result = worker_read_domain_state(domain, vm, err);
    if (!result)
        worker_add_addresses(domain, vm);
    return result;
}

int worker_read_state(virConnectPtr connection, const uint8_t uuid[UUID_SIZE], struct vm *vm, struct err *err)
{
    int result;
    AUTO_DOMAIN virDomainPtr domain = worker_lookup(connection, uuid, err, &result);

    memcpy(vm->uuid, uuid, UUID_SIZE);
    return domain ? worker_read_domain_state(domain, vm, err) : result;
}

int worker_list(virConnectPtr connection, uint8_t (**uuids)[UUID_SIZE], size_t *n, struct err *err)
{
    virDomainPtr *domains = NULL;
    int found = virConnectListAllDomains(connection, &domains, 0);

    if (found < 0)
        return libvirt_error(err, "its VMs cannot be listed");
    *n = (size_t) found;
    *uuids = xcalloc(*n, sizeof **uuids);
    for (size_t i = 0; i < *n; i++) {
        virDomainGetUUID(domains[i], (*uuids)[i]);
        virDomainFree(domains[i]);
    }
    free(domains);
    return 0;
}

static int worker_migrate(virDomainPtr domain, const struct hypervisor_transfer *transfer)
{
    AUTO_FREE char *stream = xasprintf(strchr(transfer->target_address, ':') ? "tcp://[%s]" : "tcp://%s",
                                       transfer->target_address);
    /* libvirt counts in MiB/s. */
    unsigned long long bandwidth = transfer->bandwidth_mbps * 1000000 / 8 / (1 << 20);
    virTypedParameterPtr params = NULL;
    int n = 0, capacity = 0;

    int result = virTypedParamsAddString(&params, &n, &capacity, VIR_MIGRATE_PARAM_URI, stream);
    if (!result && transfer->bandwidth_mbps)
        result = virTypedParamsAddULLong(&params, &n, &capacity, VIR_MIGRATE_PARAM_BANDWIDTH,
                                         bandwidth ? bandwidth : 1);
    if (!result)
        result = virDomainMigrateToURI3(domain, transfer->target_uri, params, (unsigned) n, TRANSFER_FLAGS);
    virTypedParamsFree(params, n);
    return result;
}

/* After a failure: 'err' stays as it is only if the VM surely runs at the source, without a job. */
static int worker_judge_failure(virDomainPtr domain, struct err *err)
{
    struct vm vm = {0};

    if (worker_read_domain_state(domain, &vm, NULL) || vm.state != VM_RUNNING || vm.job_active)
        err->code = ERR_UNKNOWN;
    return err->code;
}

int worker_transfer(const char *uri, const struct hypervisor_transfer *transfer, const atomic_bool *abort,
                    struct err *err)
{
    int result;
    unsigned long long old_downtime = 0;

    AUTO_CONNECTION virConnectPtr connection = worker_connect(uri, err);
    if (!connection)
        return err->code;
    AUTO_DOMAIN virDomainPtr domain = worker_lookup(connection, transfer->uuid, err, &result);
    if (!domain)
        return result;

    struct vm vm = {0};
    result = worker_read_domain_state(domain, &vm, err);
    if (result)
        return result;
    if (vm.state != VM_RUNNING || vm.job_active)
        return err_set(err, ERR_CONFLICT, "VM %s on %s is %s; only a running VM can be transferred", transfer->vm,
                       transfer->server, vm.job_active ? "in another job" : vm_state_name(vm.state));

    /* Only now: libvirt waits without limit for a libvirtd that hangs to take a connection. */
    if (atomic_load(abort))
        return err_set(err, ERR_CANCELLED, "the transfer of VM %s was cancelled before it began", transfer->vm);

    /* Before the job begins, so that a VM of little memory cannot be through before it is set. */
    bool restore = transfer->max_downtime_ms && !virDomainMigrateGetMaxDowntime(domain, &old_downtime, 0) &&
                   !virDomainMigrateSetMaxDowntime(domain, transfer->max_downtime_ms, 0);

    if (!worker_migrate(domain, transfer))
        return 0;
    libvirt_error(err, "transfer of VM %s from %s to %s", transfer->vm, transfer->server, transfer->target_uri);
    if (restore)
        virDomainMigrateSetMaxDowntime(domain, old_downtime, 0);
    return worker_judge_failure(domain, err);
}

int worker_read_progress(virConnectPtr connection, const uint8_t uuid[UUID_SIZE], struct transfer_progress *progress,
                         struct err *err)
{
    int result;
    AUTO_DOMAIN virDomainPtr domain = worker_lookup(connection, uuid, err, &result);

    if (!domain)
        return result;

    virTypedParameterPtr params = NULL;
    int n = 0, type = VIR_DOMAIN_JOB_NONE;
    if (virDomainGetJobStats(domain, &type, &params, &n, 0))
        return vm_error(err, domain, "its job cannot be read");
    if (type == VIR_DOMAIN_JOB_NONE)
        result = err_set(err, ERR_NOT_FOUND, "VM %s has no job", virDomainGetName(domain));
    else {
        progress_from_params(params, n, progress);
        result = 0;
    }
    virTypedParamsFree(params, n);
    return result;
}

int worker_abort(virConnectPtr connection, const uint8_t uuid[UUID_SIZE], struct err *err)
{
    int result;
    AUTO_DOMAIN virDomainPtr domain = worker_lookup(connection, uuid, err, &result);

    if (!domain)
        return result;
    return virDomainAbortJob(domain) ? vm_error(err, domain, "its transfer cannot be aborted") : 0;
}
