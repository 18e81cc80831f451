/* SPDX-License-Identifier: Apache-2.0 */
#include "scgd/probing.h"

#include <string.h>

#include "base/alloc.h"
#include "core/probe.h"

#define BATCH 32         /* Open vSwitch keeps 100 packets for a controller that is slow, and drops the rest */
#define SENTINEL_MS 1000 /* in which a sentinel comes back */
#define SENTINEL_TRIES 5
#define SENTINEL_FIRST 0x8000 /* their ids; those of probes are below */
#define ROUND_FIRST 0         /* of struct probing: everything; later rounds send again what is missing */
#define ROUND_ALONE 4         /* from then on one probe a round */
#define ALONE_TRIES 3
#define BUDGET_MS 8000 /* for what meters let through slowly */

/* By round: so many at once, after such a pause. */
static const struct pace {
    unsigned batch;
    int64_t pause_ms;
} paces[ROUND_ALONE + 1] = {{BATCH, 0}, {BATCH, 0}, {8, 20}, {1, 20}, {1, 1100}};

enum probing_state {
    PROBING_QUEUED,    /* another one is under way at this ToR */
    PROBING_DIVERTING, /* the diverts are being put in place */
    PROBING_SENT,      /* a batch is out; 'due': its sentinel must be back */
    PROBING_PAUSED,    /* until 'due' */
    PROBING_ENDING     /* the diverts are being removed */
};

enum fate { FATE_DROPPED, FATE_PASSED, FATE_REJECTED };

struct probing {
    struct probing *next;
    struct join *join;
    probing_fn *done;
    char tor[NAME_SIZE], vm[NAME_SIZE];
    uint64_t cookie; /* of the VM */
    enum probing_state state;
    struct probe_site site;                /* but for its address */
    struct ip addresses[1 + IP6_LIST_MAX]; /* of the VM */
    unsigned n_addresses;
    struct probe *probes;
    uint8_t *of; /* by probe: which of the addresses it is of */
    size_t n;
    uint8_t *fates; /* by probe */
    size_t *todo;   /* of this round; 'at': begins the batch */
    size_t n_todo, at;
    bool passing;          /* what shall pass is sent; before that, the rest */
    unsigned round, alone; /* how often the first that is missing was sent alone */
    unsigned sentinel, tries;
    struct mono began, part_began, due;
    size_t left;
    struct err err;
};

static enum fate fate_wanted(const struct probe *probe)
{
    switch (probe->packet.verdict) {
    case POLICY_DENY:
        return FATE_DROPPED;
    case POLICY_ALLOW:
        return FATE_PASSED;
    default:
        return FATE_REJECTED;
    }
}

static void probing_free_one(struct probing *p)
{
    free(p->probes);
    free(p->of);
    free(p->fates);
    free(p->todo);
    free(p);
}

static bool is_on(const struct gateway *gateway, const char *tor)
{
    for (const struct probing *p = gateway->network.probings; p; p = p->next) {
        if (p->state != PROBING_QUEUED && strcmp(p->tor, tor) == 0)
            return true;
    }
    return false;
}

void probing_fill(const struct gateway *gateway, const struct switch_info *tor, struct flow_txn *txn)
{
    if (is_on(gateway, tor->name))
        probe_divert(txn);
    else
        probe_divert_end(txn); /* of a gateway that has died meanwhile */
}

/* ---- the end ---- */

static void begin(struct gateway *gateway, struct probing *p);

static void finish(struct gateway *gateway, struct probing *p)
{
    const struct probing_report report = {p->n, p->left, mono_diff(gateway->now, p->began)};
    struct probing **at = &gateway->network.probings;
    struct join *join = p->join;

    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    for (struct probing *other = gateway->network.probings; other; other = other->next) {
        if (strcmp(other->tor, p->tor) == 0 && !is_on(gateway, p->tor))
            begin(gateway, other);
    }
    p->done(gateway, join, &report, p->err.code ? &p->err : NULL);
    probing_free_one(p);
    join_close(gateway, join);
}

/* The switch may or may not have the diverts: as soon as it can, it is brought to what it shall hold. */
static void failed(struct gateway *gateway, const struct err *err)
{
    struct join *join = network_background_join();

    join_fail(join, err);
    join_close(gateway, join);
}

static void ended(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    AUTO_FREE struct probing **p = context;
    (void) join;

    if (event->err.code)
        failed(gateway, &event->err);
    if ((*p)->err.code == 0)
        (*p)->err = event->err;
    finish(gateway, *p);
}

/* A request whose answer 'fn' gets the probing. */
static void send_txn(struct gateway *gateway, struct probing *p, struct flow_txn *txn, answer_fn *fn)
{
    uint64_t request = gateway_request(gateway, p->join, fn, xmemdup(&p, sizeof p));

    network_send(gateway, request, p->tor, txn);
}

static void end(struct gateway *gateway, struct probing *p)
{
    struct flow_txn txn = {0};

    p->state = PROBING_ENDING;
    p->due = MONO_NEVER;
    probe_divert_end(&txn);
    pipeline_state_remove(&txn, p->cookie);
    send_txn(gateway, p, &txn, ended);
}

/* The probe met another fate than it should have. */
static void refute(struct gateway *gateway, struct probing *p, const struct probe *probe, const char *what)
{
    AUTO_FREE char *packet = policy_rule_format(&probe->packet);
    AUTO_FREE char *rule = xasprintf("rule %zu", probe->rule + 1);
    bool by_default = probe->rule == SIZE_MAX;

    if (p->err.code == 0)
        err_set(&p->err, ERR_REFUSED,
                "VM %s is not safe there: %s does not do what its flows say; the probe packet of %s, '%.300s', %s",
                p->vm, p->tor, by_default ? "the policy's default" : rule, packet, what);
    if (p->state != PROBING_ENDING)
        end(gateway, p);
}

/* ---- sending ---- */

static void inject(struct gateway *gateway, const struct probing *p, const struct probe_site *site,
                   const struct policy_rule *packet, uint16_t id, uint32_t in_port, const struct flow *way)
{
    uint8_t frame[PROBE_FRAME_SIZE];
    const struct switch_injection injection = {.in_port = in_port,
                                               .actions = way->actions,
                                               .n_actions = way->n_actions,
                                               .frame = frame,
                                               .size = probe_frame(site, packet, id, frame)};

    gateway->south.switches->ops->inject(gateway->south.switches, p->tor, &injection);
}

static size_t batch_end(const struct probing *p)
{
    size_t batch = paces[p->round].batch;

    return p->n_todo - p->at < batch ? p->n_todo : p->at + batch;
}

static void send_batch(struct gateway *gateway, struct probing *p)
{
    const struct policy_rule any = {.protocol = 255}; /* reserved */
    struct flow ways[2], back;
    uint32_t ports[2];

    for (unsigned d = 0; d < 2; d++)
        ports[d] = probe_way(&p->site, d, &ways[d]);
    probe_way_back(&back);
    for (size_t i = p->at; i < batch_end(p); i++) {
        const struct policy_rule *packet = &p->probes[p->todo[i]].packet;
        struct probe_site site = p->site;
        unsigned d = packet->direction;

        site.ip = p->addresses[p->of[p->todo[i]]];
        inject(gateway, p, &site, packet, (uint16_t) p->todo[i], ports[d], &ways[d]);
    }
    p->sentinel = (p->sentinel + 1) % SENTINEL_FIRST;
    /* By the port of the server: what the switch tells of packets that came in by one port, it tells in their order. */
    inject(gateway, p, &p->site, &any, (uint16_t) (SENTINEL_FIRST + p->sentinel), ports[POLICY_FROM_VM], &back);
    flow_free(&ways[0]);
    flow_free(&ways[1]);
    flow_free(&back);
    p->state = PROBING_SENT;
    p->due = mono_add(gateway->now, SENTINEL_MS);
}

static void pause_or_send(struct gateway *gateway, struct probing *p)
{
    p->tries = 0;
    if (paces[p->round].pause_ms == 0) {
        send_batch(gateway, p);
        return;
    }
    p->state = PROBING_PAUSED;
    p->due = mono_add(gateway->now, paces[p->round].pause_ms);
}

static void find_todo(struct probing *p)
{
    p->n_todo = p->at = 0;
    for (size_t i = 0; i < p->n; i++) {
        enum fate wanted = fate_wanted(&p->probes[i]);
        bool missing = wanted != FATE_DROPPED && p->fates[i] == FATE_DROPPED;

        if ((wanted == FATE_PASSED) == p->passing && (p->round == ROUND_FIRST || missing))
            p->todo[p->n_todo++] = i;
    }
}

static void next_part(struct gateway *gateway, struct probing *p)
{
    if (!p->passing) {
        p->passing = true;
        p->part_began = gateway->now;
        p->round = ROUND_FIRST;
        find_todo(p);
    } else {
        p->n_todo = 0;
    }
    if (p->n_todo)
        pause_or_send(gateway, p);
    else
        end(gateway, p);
}

/* The first that is missing, alone: so often that it is clear, as long as there is time. */
static void send_alone(struct gateway *gateway, struct probing *p, size_t before)
{
    p->alone = p->todo[0] == before ? p->alone + 1 : 1;
    if (p->alone > ALONE_TRIES) {
        refute(gateway, p, &p->probes[p->todo[0]], "was dropped");
    } else if (p->alone == 1 && mono_diff(gateway->now, p->part_began) >= BUDGET_MS) {
        p->left += p->n_todo;
        next_part(gateway, p);
    } else {
        p->n_todo = 1;
        pause_or_send(gateway, p);
    }
}

static void next_round(struct gateway *gateway, struct probing *p)
{
    size_t before = p->round == ROUND_ALONE ? p->todo[0] : SIZE_MAX;

    if (p->round < ROUND_ALONE)
        p->round++;
    find_todo(p);
    if (p->n_todo == 0)
        next_part(gateway, p);
    else if (p->round == ROUND_ALONE)
        send_alone(gateway, p, before);
    else
        pause_or_send(gateway, p);
}

static void batch_is_back(struct gateway *gateway, struct probing *p)
{
    p->at = batch_end(p);
    if (p->at < p->n_todo)
        pause_or_send(gateway, p);
    else
        next_round(gateway, p);
}

/* ---- what comes back ---- */

static void judge(struct gateway *gateway, struct probing *p, size_t i, enum fate fate, int dscp)
{
    static const char *const told[] = {"", "was let through", "was rejected"};
    const struct probe *probe = &p->probes[i];
    int wanted = probe->packet.set_dscp == POLICY_ANY ? probe->packet.dscp : probe->packet.set_dscp;

    p->fates[i] = (uint8_t) fate;
    if (fate != fate_wanted(probe)) {
        refute(gateway, p, probe, told[fate]);
    } else if (fate == FATE_PASSED && dscp != wanted) {
        AUTO_FREE char *what = xasprintf("was let through with DSCP %d in place of %d", dscp, wanted);

        refute(gateway, p, probe, what);
    }
}

bool probing_packet(struct gateway *gateway, const struct event *event)
{
    bool is_divert = (event->packet.cookie & COOKIE_KIND_MASK) == cookie_make(COOKIE_PROBE, 0);

    for (struct probing *p = gateway->network.probings; p; p = p->next) {
        uint16_t id;
        uint8_t dscp;

        if (p->state == PROBING_QUEUED || strcmp(p->tor, event->name) != 0 ||
            !probe_read(event->packet.frame, event->packet.size, p->site.nonce, &id, &dscp))
            continue;
        if (id < p->n)
            judge(gateway, p, id, is_divert ? FATE_PASSED : FATE_REJECTED, dscp);
        else if (p->state == PROBING_SENT && is_divert && id == SENTINEL_FIRST + p->sentinel)
            batch_is_back(gateway, p);
        return true;
    }
    return is_divert; /* of one that has ended */
}

/* ---- the beginning ---- */

static void diverted(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    AUTO_FREE struct probing **pointer = context;
    struct probing *p = *pointer;
    (void) join;

    p->err = event->err;
    if (p->err.code) {
        failed(gateway, &p->err);
        finish(gateway, p);
        return;
    }
    find_todo(p);
    if (p->n_todo)
        pause_or_send(gateway, p);
    else
        next_round(gateway, p);
}

static void begin(struct gateway *gateway, struct probing *p)
{
    struct flow_txn txn = {0};

    p->state = PROBING_DIVERTING;
    p->began = p->part_began = gateway->now;
    probe_divert(&txn);
    pipeline_state_remove(&txn, p->cookie);
    send_txn(gateway, p, &txn, diverted);
}

/* Those of one address more. */
static void add_probes(struct probing *p, const struct policy *policy, const struct probe *probes, size_t n,
                       const struct ip *address)
{
    p->probes = xrealloc(p->probes, p->n + n + 1, sizeof *p->probes);
    p->of = xrealloc(p->of, p->n + n + 1, sizeof *p->of);
    for (size_t i = 0; i < n; i++) {
        p->of[p->n] = (uint8_t) p->n_addresses;
        p->probes[p->n] = probes[i];
        if (probes[i].rule == policy->n_rules)
            p->probes[p->n].rule = SIZE_MAX;
        p->n++;
    }
    p->addresses[p->n_addresses++] = *address;
}

static int choose(struct probing *p, const struct tenant *tenant)
{
    AUTO_FREE struct probe *v4 = NULL;
    AUTO_FREE struct probe *v6 = NULL;
    size_t n;

    if (probe_choose(&tenant->policy, IP_V4, PROBING_MAX, &v4, &n, &p->err) < 0)
        return p->err.code;
    add_probes(p, &tenant->policy, v4, n, &tenant->ip);
    if (tenant->ip6.n && probe_choose(&tenant->policy, IP_V6, PROBING_MAX, &v6, &n, &p->err) < 0)
        return p->err.code;
    for (unsigned i = 0; i < tenant->ip6.n; i++)
        add_probes(p, &tenant->policy, v6, n, &tenant->ip6.items[i]);
    p->fates = xcalloc(p->n + 1, sizeof *p->fates);
    p->todo = xcalloc(p->n + 1, sizeof *p->todo);
    return 0;
}

void probing_start(struct gateway *gateway, const struct switch_info *tor, const struct tenant *tenant,
                   struct join *join, probing_fn *done)
{
    struct probing *p = xcalloc(1, sizeof *p), **at = &gateway->network.probings;
    const struct segment_state *segment = network_segment(gateway, tenant->segment);
    uint8_t random[UUID_SIZE];

    gateway->make_uuid(gateway->make_uuid_arg, random);
    *p = (struct probing) {.join = join, .done = done, .cookie = cookie_of_vm(tenant->uuid), .due = MONO_NEVER};
    memcpy(p->tor, tor->name, NAME_SIZE);
    memcpy(p->vm, tenant->name, NAME_SIZE);
    p->site = (struct probe_site) {.mac = tenant->mac,
                                   .ip = tenant->ip,
                                   .segment = segment ? segment->flows.number : 0,
                                   .nonce = (uint32_t) (random[0] << 16 | random[1] << 8 | random[2])};
    network_tor_seen(gateway, tenant->server, &p->site.server_port);
    join->open++;
    choose(p, tenant);
    bool wait = is_on(gateway, p->tor);
    while (*at)
        at = &(*at)->next;
    *at = p;
    if (p->err.code)
        finish(gateway, p);
    else if (!wait)
        begin(gateway, p);
}

/* ---- time ---- */

static void is_due(struct gateway *gateway, struct probing *p)
{
    if (p->state == PROBING_PAUSED || ++p->tries < SENTINEL_TRIES) {
        send_batch(gateway, p);
        return;
    }
    err_set(&p->err, ERR_TIMEOUT, "%s does not send back packets that the gateway sent to try the policy of VM %s",
            p->tor, p->vm);
    end(gateway, p);
}

void probing_tick(struct gateway *gateway)
{
    for (struct probing *p = gateway->network.probings; p; p = p->next) {
        if (mono_reached(p->due, gateway->now))
            is_due(gateway, p);
    }
}

struct mono probing_deadline(const struct gateway *gateway)
{
    struct mono deadline = MONO_NEVER;

    for (const struct probing *p = gateway->network.probings; p; p = p->next)
        deadline = mono_min(deadline, p->due);
    return deadline;
}

bool probing_waits(const struct gateway *gateway, const struct migration *migration)
{
    const struct probing *p = gateway->network.probings;

    while (p && p->join->migration != migration)
        p = p->next;
    return p != NULL;
}

void probing_free(struct gateway *gateway)
{
    while (gateway->network.probings) {
        struct probing *p = gateway->network.probings;

        gateway->network.probings = p->next;
        join_drop(p->join);
        probing_free_one(p);
    }
}
