/* SPDX-License-Identifier: Apache-2.0 */
#include "south/libvirt_server.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "south/libvirt_calls.h"

#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS 10000
#define REREAD_MS 2000

/* What a worker is asked about one server. */
struct server_work {
    struct libvirt_server *server;
    struct libvirt_session *session; /* that is asked, or opened, or to be closed */
    virConnectPtr connection;
    uint64_t begun; /* libvirt_server.clock then */
    uint8_t uuid[UUID_SIZE];
    struct server node;
    struct vm *vms;
    struct err *errs; /* of each VM */
    size_t n_vms;
    int result;
    struct err err;
};

static void read_domain(struct libvirt_server *server, struct libvirt_domain *domain);
static void on_session_event(void *arg, const struct session_event *event);

static struct server_work *work_new(struct libvirt_server *server)
{
    struct server_work *work = xcalloc(1, sizeof *work);

    work->server = server;
    work->session = server->session;
    work->begun = server->clock;
    if (server->session)
        work->connection = server->session->connection;
    /* What holds if the pool is freed before a worker has come to it. */
    work->result = err_set(&work->err, ERR_CANCELLED, "the driver is stopped");
    return work;
}

static void work_free(struct server_work *work)
{
    free(work->vms);
    free(work->errs);
    free(work);
}

/* Whether the answer comes from a session that has ended meanwhile. */
static bool work_outdated(const struct server_work *work)
{
    return !work->server->pool || work->server->session != work->session;
}

static struct libvirt_domain *find_domain(struct libvirt_server *server, const uint8_t uuid[UUID_SIZE])
{
    for (size_t i = 0; i < server->n_domains; i++)
        if (!memcmp(server->domains[i].vm.uuid, uuid, UUID_SIZE))
            return &server->domains[i];
    return NULL;
}

static struct libvirt_domain *add_domain(struct libvirt_server *server, const uint8_t uuid[UUID_SIZE], const char *name)
{
    struct libvirt_domain *domain = find_domain(server, uuid);

    if (domain)
        return domain;
    server->domains = array_reserve(server->domains, server->n_domains, &server->cap_domains, sizeof *server->domains);
    domain = &server->domains[server->n_domains++];
    *domain = (struct libvirt_domain) {.touched = server->clock};
    memcpy(domain->vm.uuid, uuid, UUID_SIZE);
    memcpy(domain->vm.server, server->name, NAME_SIZE);
    name_copy(domain->vm.name, name);
    return domain;
}

static void tell_vm(struct libvirt_server *server, struct libvirt_domain *domain, enum vm_cause cause)
{
    struct event *event = event_push(server->queue, EVENT_VM);

    event->vm = domain->vm;
    event->vm_cause = cause;
    domain->announced = true;
}

static void forget_domain(struct libvirt_server *server, struct libvirt_domain *domain)
{
    if (domain->announced) {
        struct event *event = event_push(server->queue, EVENT_VM_GONE);

        event->vm = domain->vm;
    }
    *domain = server->domains[--server->n_domains];
}

static uint64_t vm_memory(const struct vm *vm)
{
    return vm->state == VM_SHUT_OFF || vm->state == VM_CRASHED ? 0 : vm->memory_kib;
}

/* What another VM may take: what the host has free, and not more than its guests leave of the whole, since a guest
 * touches its memory late. */
static uint64_t memory_free(const struct server *node, uint64_t guests_kib)
{
    uint64_t left = node->memory_kib > guests_kib ? node->memory_kib - guests_kib : 0;

    return left < node->memory_free_kib ? left : node->memory_free_kib;
}

static void tell_up(struct libvirt_server *server, const struct server *node)
{
    struct event *event = event_push(server->queue, EVENT_SERVER_UP);

    event->server = *node;
    event->server.up = true;
    event->server.memory_free_kib = memory_free(node, server->guests_kib);
    memcpy(event->server.name, server->name, NAME_SIZE);
    memcpy(event->name, server->name, NAME_SIZE);
}

static void worker_node(void *arg)
{
    struct server_work *work = arg;

    work->result = worker_read_node(work->connection, &work->node, &work->err);
}

static void node_done(void *arg)
{
    struct server_work *work = arg;

    if (!work_outdated(work) && !work->result)
        tell_up(work->server, &work->node);
    work_free(work);
}

/* Tells the free memory anew if a VM has come, gone, or changed its size. */
static void read_node(struct libvirt_server *server)
{
    uint64_t guests = 0;

    for (size_t i = 0; i < server->n_domains; i++)
        guests += vm_memory(&server->domains[i].vm);
    if (guests == server->guests_kib)
        return;
    server->guests_kib = guests;
    worker_run(server->pool, worker_node, node_done, work_new(server));
}

static bool vm_equal(const struct vm *a, const struct vm *b)
{
    if (strcmp(a->name, b->name) || strcmp(a->segment, b->segment) || a->state != b->state ||
        a->job_active != b->job_active || a->memory_kib != b->memory_kib || a->n_nics != b->n_nics)
        return false;
    for (unsigned i = 0; i < a->n_nics; i++)
        if (!mac_equal(&a->nics[i].mac, &b->nics[i].mac) || !ip_equal(&a->nics[i].ip, &b->nics[i].ip) ||
            !ip6_list_equal(&a->nics[i].ip6, &b->nics[i].ip6))
            return false;
    return true;
}

/* Takes over what a worker has read. */
static void apply_vm(struct libvirt_server *server, struct libvirt_domain *domain, const struct vm *vm)
{
    bool changed = !domain->announced || !vm_equal(vm, &domain->vm);
    bool was_incoming = domain->incoming;

    domain->vm = *vm;
    memcpy(domain->vm.server, server->name, NAME_SIZE);
    domain->incoming = vm->state == VM_INCOMING;
    if (was_incoming && vm->state == VM_RUNNING)
        /* The reading has overtaken the event, or the event was lost with a session. */
        tell_vm(server, domain, CAUSE_MIGRATION_RESUMED);
    else if (changed)
        tell_vm(server, domain, CAUSE_DISCOVERED);
}

/* A domain that cannot be read: unusable XML is the operator's affair, and what was known before stays; all else is
 * tried again. */
static void unread_domain(struct libvirt_server *server, struct libvirt_domain *domain, const struct err *err)
{
    if (err->code == ERR_INVALID || err->code == ERR_MALFORMED || err->code == ERR_TOO_LARGE) {
        log_warn(FAULT_OPERATOR, server->name, "%s; correct its definition", err->text);
        return;
    }
    log_info(server->name, "%s; trying again", err->text);
    domain->unread = true;
    timer_set(server->timer, mono_add(loop_now(server->loop), REREAD_MS));
}

/* Once in a session, when no domain is left that could not be read. */
static void tell_listed(struct libvirt_server *server)
{
    if (server->listed)
        return;
    for (size_t i = 0; i < server->n_domains; i++) {
        if (server->domains[i].unread || server->domains[i].reading)
            return;
    }
    server->listed = true;
    memcpy(event_push(server->queue, EVENT_SERVER_LISTED)->name, server->name, NAME_SIZE);
}

static void worker_domain(void *arg)
{
    struct server_work *work = arg;

    work->result = worker_read_vm(work->connection, work->uuid, work->vms, &work->err);
}

static void domain_done(void *arg)
{
    struct server_work *work = arg;
    struct libvirt_server *server = work->server;
    struct libvirt_domain *domain = find_domain(server, work->uuid);

    if (domain && !work_outdated(work)) {
        domain->reading = false;
        if (domain->stale)
            read_domain(server, domain);
        else if (!work->result)
            apply_vm(server, domain, work->vms);
        else if (work->result == ERR_NOT_FOUND)
            forget_domain(server, domain);
        else
            unread_domain(server, domain, &work->err);
        tell_listed(server);
        read_node(server);
    }
    work_free(work);
}

static void read_domain(struct libvirt_server *server, struct libvirt_domain *domain)
{
    domain->stale = domain->reading;
    domain->unread = false;
    if (domain->reading)
        return;
    struct server_work *work = work_new(server);

    domain->reading = true;
    memcpy(work->uuid, domain->vm.uuid, UUID_SIZE);
    work->vms = xcalloc(1, sizeof *work->vms);
    worker_run(server->pool, worker_domain, domain_done, work);
}

static void worker_close(void *arg)
{
    struct server_work *work = arg;

    worker_session_close(work->session);
    work->session = NULL;
}

static void close_done(void *arg)
{
    struct server_work *work = arg;

    if (work->session)
        worker_session_close(work->session);
    work_free(work);
}

static void retry_later(struct libvirt_server *server)
{
    int64_t wait = RETRY_FIRST_MS;

    for (unsigned i = 0; i < server->failures && wait < RETRY_MAX_MS; i++)
        wait *= 2;
    server->failures++;
    timer_set(server->timer, mono_add(loop_now(server->loop), wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS));
}

static void tell_down(struct libvirt_server *server, const struct err *err)
{
    if (server->told_down)
        return;
    struct event *event = event_push(server->queue, EVENT_SERVER_DOWN);

    memcpy(event->name, server->name, NAME_SIZE);
    event->err = *err;
    err_prefix(&event->err, "server %s", server->name);
    server->told_down = true;
    log_warn(FAULT_PEER, server->name, "%s; trying to connect again", err->text);
}

/* The session has ended. Its domains stay: libvirtd is away, not they. */
static void server_down(struct libvirt_server *server, const struct err *err)
{
    struct server_work *work = work_new(server);

    session_listen(server->session, NULL, NULL);
    server->session = NULL;
    server->listed = false;
    worker_run(server->pool, worker_close, close_done, work);
    for (size_t i = 0; i < server->n_domains; i++) {
        struct libvirt_domain *domain = &server->domains[i];

        domain->reading = domain->stale = domain->unread = false;
    }
    tell_down(server, err);
    retry_later(server);
}

static void worker_discover(void *arg)
{
    struct server_work *work = arg;
    AUTO_FREE uint8_t(*uuids)[UUID_SIZE] = NULL;
    size_t n = 0;

    work->result = worker_read_node(work->connection, &work->node, &work->err);
    if (!work->result)
        work->result = worker_list(work->connection, &uuids, &n, &work->err);
    if (!work->result) {
        work->vms = xcalloc(n, sizeof *work->vms);
        work->errs = xcalloc(n, sizeof *work->errs);
        work->n_vms = n;
    }
    for (size_t i = 0; i < work->n_vms; i++) {
        worker_read_vm(work->connection, uuids[i], &work->vms[i], &work->errs[i]);
        memcpy(work->vms[i].uuid, uuids[i], UUID_SIZE);
    }
}

/* Domains that an event has touched since are left to the readings that the event began. */
static void apply_list(struct libvirt_server *server, const struct server_work *work)
{
    for (size_t i = 0; i < work->n_vms; i++) {
        struct libvirt_domain *domain = find_domain(server, work->vms[i].uuid);

        if (work->errs[i].code == ERR_NOT_FOUND || (domain && domain->touched > work->begun))
            continue;
        domain = add_domain(server, work->vms[i].uuid, work->vms[i].name);
        if (work->errs[i].code)
            unread_domain(server, domain, &work->errs[i]);
        else
            apply_vm(server, domain, &work->vms[i]);
    }
}

static bool list_has(const struct server_work *work, const uint8_t uuid[UUID_SIZE])
{
    for (size_t i = 0; i < work->n_vms; i++)
        if (!memcmp(work->vms[i].uuid, uuid, UUID_SIZE))
            return work->errs[i].code != ERR_NOT_FOUND;
    return false;
}

static void discover_done(void *arg)
{
    struct server_work *work = arg;
    struct libvirt_server *server = work->server;

    if (work_outdated(work)) {
        work_free(work);
        return;
    }
    if (work->result)
        server_down(server, &work->err);
    else {
        server->failures = 0;
        server->told_down = false;
        log_info(server->name, "libvirtd answers; it has %zu VMs", work->n_vms);
        server->guests_kib = 0;
        for (size_t i = 0; i < work->n_vms; i++)
            server->guests_kib += vm_memory(&work->vms[i]);
        tell_up(server, &work->node);
        for (size_t i = server->n_domains; i-- > 0;)
            if (server->domains[i].touched <= work->begun && !list_has(work, server->domains[i].vm.uuid))
                forget_domain(server, &server->domains[i]);
        apply_list(server, work);
        tell_listed(server);
        read_node(server);
    }
    work_free(work);
}

static void worker_open(void *arg)
{
    struct server_work *work = arg;

    work->session = worker_session_open(work->server->events, work->server->uri, &work->err);
    work->result = work->session ? 0 : work->err.code;
}

static void connect_done(void *arg)
{
    struct server_work *work = arg;
    struct libvirt_server *server = work->server;

    if (!server->pool) {
        if (work->session)
            worker_session_close(work->session);
    } else if (work->result) {
        tell_down(server, &work->err);
        retry_later(server);
    } else {
        server->session = work->session;
        session_listen(server->session, on_session_event, server);
        worker_run(server->pool, worker_discover, discover_done, work_new(server));
    }
    work_free(work);
}

static void connect_server(struct libvirt_server *server)
{
    worker_run(server->pool, worker_open, connect_done, work_new(server));
}

static void on_timer(void *arg)
{
    struct libvirt_server *server = arg;

    if (!server->session) {
        connect_server(server);
        return;
    }
    for (size_t i = 0; i < server->n_domains; i++)
        if (server->domains[i].unread)
            read_domain(server, &server->domains[i]);
}

void libvirt_server_reread(struct libvirt_server *server, const uint8_t uuid[UUID_SIZE])
{
    struct libvirt_domain *domain = find_domain(server, uuid);

    if (!domain || !server->session || !server->pool)
        return;
    domain->touched = ++server->clock;
    read_domain(server, domain);
}

static void on_lifecycle(struct libvirt_server *server, const struct session_event *event)
{
    struct libvirt_domain *domain = find_domain(server, event->uuid);
    bool unknown = !domain;

    server->clock++;
    domain = add_domain(server, event->uuid, event->name);
    domain->touched = server->clock;
    if (event->event == VIR_DOMAIN_EVENT_STARTED && event->detail == VIR_DOMAIN_EVENT_STARTED_MIGRATED) {
        domain->vm.state = VM_INCOMING;
        domain->vm.job_active = false;
        domain->incoming = true;
    } else if (event->event == VIR_DOMAIN_EVENT_SUSPENDED && event->detail == VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED &&
               !domain->incoming) {
        domain->vm.state = VM_PAUSED;
        domain->vm.job_active = true;
        tell_vm(server, domain, CAUSE_MIGRATION_PAUSED);
    } else if (event->event == VIR_DOMAIN_EVENT_RESUMED && event->detail == VIR_DOMAIN_EVENT_RESUMED_MIGRATED &&
               (domain->incoming || unknown)) {
        /* A VM that resumes at the source after a failed migration has the same event; it was never incoming. */
        domain->vm.state = VM_RUNNING;
        domain->vm.job_active = false;
        domain->incoming = false;
        tell_vm(server, domain, CAUSE_MIGRATION_RESUMED);
    }
    read_domain(server, domain);
}

static void on_session_event(void *arg, const struct session_event *event)
{
    struct libvirt_server *server = arg;

    switch (event->type) {
    case SESSION_LIFECYCLE:
        on_lifecycle(server, event);
        break;
    case SESSION_JOB:
    case SESSION_ITERATION:
        server->on_job(server->on_job_arg, server, event);
        break;
    case SESSION_CLOSED:
        server_down(server, &event->err);
        break;
    }
}

struct libvirt_server *libvirt_server_new(struct loop *loop, struct event_queue *queue, struct libvirt_events *events,
                                          const char *name, const char *uri, libvirt_job_fn *on_job, void *on_job_arg)
{
    struct libvirt_server *server = xcalloc(1, sizeof *server);

    server->loop = loop;
    server->queue = queue;
    server->events = events;
    server->on_job = on_job;
    server->on_job_arg = on_job_arg;
    name_copy(server->name, name);
    server->uri = xstrdup(uri);
    server->pool = worker_pool_new(loop, 1);
    server->timer = timer_new(loop, on_timer, server);
    connect_server(server);
    return server;
}

void libvirt_server_stop(struct libvirt_server *server)
{
    struct worker_pool *pool = server->pool;

    server->pool = NULL;
    timer_free(server->timer);
    worker_pool_free(pool);
}

void libvirt_server_free(struct libvirt_server *server)
{
    if (server->session) {
        session_listen(server->session, NULL, NULL);
        worker_session_close(server->session);
    }
    free(server->domains);
    free(server->uri);
    free(server);
}

virConnectPtr libvirt_server_connection(const struct libvirt_server *server, struct err *err)
{
    if (server->session)
        return server->session->connection;
    err_set(err, ERR_UNREACHABLE, "server %s: its libvirtd at %s does not answer", server->name, server->uri);
    return NULL;
}
