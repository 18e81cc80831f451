/* SPDX-License-Identifier: Apache-2.0 */
/* Internal channels in VPLS mode while VMs, links, switches and the gateway come and go by chance. No flow ever has a
 * label that its switch has not given to just that; in the end, what is wanted stands, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "fabric_world.h"

#define SEEDS 60
#define STEPS 60

struct chance {
    struct fabric_world *w;
    uint64_t seed, random;
    bool vms[4];            /* Va and Vc at tor-a, Vb and Vd at tor-b */
    unsigned opened, ended; /* joins that wait for segments to be closed */
};

static unsigned below(struct chance *c, unsigned n)
{
    c->random ^= c->random << 13;
    c->random ^= c->random >> 7;
    c->random ^= c->random << 17;
    return (unsigned) ((c->random >> 11) % n);
}

/* ---- what must hold ---- */

struct search {
    uint32_t number;
    char owner[2 * NAME_SIZE];
};

static bool compare(void *arg, const char *owner, uint32_t number)
{
    struct search *search = arg;

    if (number == search->number)
        snprintf(search->owner, sizeof search->owner, "%s", owner);
    return true;
}

/* Empty: nobody. */
static struct search owner_of(const struct fabric_world *w, const char *pool, uint32_t number)
{
    struct search search = {.number = number};

    store_number_each(w->store, pool, compare, &search, NULL);
    return search;
}

/* 'sw' has given the label to the one whose cookie the flow of switch 'holder' has. */
static void check_label(const struct chance *c, unsigned holder, const struct flow *flow, const char *sw,
                        uint32_t label)
{
    AUTO_FREE char *pool = xasprintf("label/%s", sw);
    struct search search = owner_of(c->w, pool, label);
    bool tunnel = strncmp(search.owner, "tunnel ", 7) == 0;
    uint64_t cookie = tunnel                               ? cookie_of_name(COOKIE_TUNNEL, search.owner + 7) :
                      strncmp(search.owner, "vc ", 3) == 0 ? cookie_of_name(COOKIE_SEGMENT, search.owner + 3) :
                                                             0;
    AUTO_FREE char *text = flow_format(flow);

    if (cookie != flow->cookie)
        fail_msg("seed %llu: label %u of %s is \"%s\"'s; %s holds %s", (unsigned long long) c->seed, label, sw,
                 search.owner, fabric_names[holder], text);
}

/* Labels that it sets: before a port, of the switch there; before the number of an end, of that. */
static void check_actions(const struct chance *c, unsigned holder, const struct flow *flow)
{
    uint32_t label = 0;

    for (unsigned i = 0; i < flow->n_actions; i++) {
        const struct flow_action *action = &flow->actions[i];

        if (action->type == ACTION_SET_FIELD && action->field.id == FIELD_MPLS_LABEL)
            label = (uint32_t) flow_field_u(&action->field);
        else if (action->type == ACTION_SET_FIELD && action->field.id == FIELD_REG4)
            check_label(c, holder, flow, owner_of(c->w, "end", (uint32_t) flow_field_u(&action->field)).owner, label);
        else if (action->type == ACTION_OUTPUT && label) {
            const struct fabric_link *link = &fabric_links[action->port - FABRIC_LINK_PORT];

            check_label(c, holder, flow, fabric_names[link->a == holder ? link->b : link->a], label);
        }
    }
}

/* Returns how many of its labels a switch has flows for. */
static unsigned check_switch(const struct chance *c, unsigned sw)
{
    unsigned n = 0;

    for (size_t i = 0; i < c->w->flows[sw].n; i++) {
        const struct flow *flow = &c->w->flows[sw].flows[i];
        const struct flow_field *label = match_find(&flow->match, FIELD_MPLS_LABEL);

        if (label)
            check_label(c, sw, flow, fabric_names[sw], (uint32_t) flow_field_u(label));
        check_actions(c, sw, flow);
        n += label != NULL;
    }
    return n;
}

/* ---- what happens ---- */

static void ended(struct gateway *gateway, struct join *join)
{
    (void) gateway;
    ++*(unsigned *) join->context;
}

static void close_unused(struct chance *c)
{
    struct join *join = join_new(ended);

    join->context = &c->ended;
    c->opened++;
    network_close_segments(c->w->gateway, join);
    join_close(c->w->gateway, join);
    run(c->w);
}

static void all_answer(struct chance *c)
{
    c->w->slow = NULL;
    answer_until(c->w, UINT64_MAX);
}

/* LLDP shows every link of switches that are there. */
static void show_links(struct chance *c)
{
    for (unsigned n = 0; n < FABRIC_LINKS; n++) {
        if (c->w->cut[n] || c->w->away[fabric_links[n].a] || c->w->away[fabric_links[n].b])
            continue;
        push_link(c->w, EVENT_LINK, fabric_links[n].a, fabric_links[n].b);
        push_link(c->w, EVENT_LINK, fabric_links[n].b, fabric_links[n].a);
    }
    run(c->w);
}

static void turn_switch(struct chance *c, unsigned sw)
{
    struct fabric_world *w = c->w;

    w->away[sw] = !w->away[sw];
    if (!w->away[sw]) {
        switch_up(w, sw);
        show_links(c);
        return;
    }
    if (w->slow && strcmp(w->slow, fabric_names[sw]) == 0) {
        w->slow = NULL;
        fail_unanswered(w);
    }
    switch_down(w, sw);
}

static void turn_vm(struct chance *c, unsigned i)
{
    c->vms[i] = !c->vms[i];
    vm_is(c->w, (char) ('a' + i), c->vms[i] ? VM_RUNNING : VM_SHUT_OFF);
}

static void turn_mtu(struct chance *c, unsigned link)
{
    static const uint32_t mtus[] = {0, 1500, 1600, 9100};
    unsigned ends[] = {fabric_links[link].a, fabric_links[link].b};

    c->w->vm_mtu = below(c, 2) ? 1500 : 9000;
    c->w->mtu[link] = mtus[below(c, ARRAY_LEN(mtus))];
    for (size_t e = 0; e < ARRAY_LEN(ends); e++) {
        if (!c->w->away[ends[e]])
            push_port(c->w, ends[e], ends[!e], !c->w->cut[link]);
    }
    run(c->w);
}

/* What a switch was asked before is forgotten, but done; VMs may have gone meanwhile. */
static void restart(struct chance *c)
{
    c->w->slow = NULL;
    c->w->n_unanswered = 0;
    c->opened = c->ended = 0;
    stop(c->w);
    start(c->w);
    show_links(c);
    for (unsigned i = 0; i < ARRAY_LEN(c->vms); i++) {
        c->vms[i] = c->vms[i] && below(c, 2);
        if (c->vms[i])
            vm_is(c->w, (char) ('a' + i), VM_RUNNING);
    }
    servers_listed(c->w);
}

static void step(struct chance *c)
{
    struct fabric_world *w = c->w;
    unsigned link = below(c, FABRIC_LINKS);

    if (w->n_unanswered > ARRAY_LEN(w->unanswered) / 2)
        all_answer(c);
    switch (below(c, 26)) {
    case 0:
        restart(c);
        break;
    case 1 ... 6:
        turn_vm(c, below(c, ARRAY_LEN(c->vms)));
        break;
    case 7 ... 10:
        link_set(w, fabric_links[link].a, fabric_links[link].b, w->cut[link]);
        break;
    case 11 ... 14:
        turn_switch(c, below(c, SWITCHES));
        break;
    case 15 ... 16:
        all_answer(c);
        w->slow = fabric_names[below(c, SWITCHES)];
        break;
    case 17:
        all_answer(c);
        break;
    case 18:
        w->slow = NULL;
        fail_unanswered(w);
        break;
    case 19 ... 20:
        pass_ms(w, below(c, 6000));
        break;
    case 21 ... 22:
        close_unused(c);
        break;
    case 23:
        push_link(w, EVENT_LINK_GONE, fabric_links[link].a, fabric_links[link].b);
        run(w);
        break;
    case 24 ... 25:
        turn_mtu(c, link);
        break;
    }
}

static void settle(struct chance *c)
{
    struct fabric_world *w = c->w;

    all_answer(c);
    for (unsigned i = 0; i < SWITCHES; i++) {
        if (w->away[i])
            turn_switch(c, i);
    }
    for (unsigned n = 0; n < FABRIC_LINKS; n++)
        link_set(w, fabric_links[n].a, fabric_links[n].b, true);
    pass_ms(w, 200000);
}

static void check_settled(struct chance *c)
{
    struct fabric_world *w = c->w;
    bool at_a = c->vms[0] || c->vms[2], at_b = c->vms[1] || c->vms[3];

    assert_int_equal(c->ended, c->opened);
    assert_int_equal(w->gateway->tunnels.n_waiters, 0);
    assert_int_equal(strncmp(tunnel(w, "pe:tor-a"), "up", 2) == 0, at_a);
    assert_int_equal(strncmp(tunnel(w, "pe:tor-b"), "up", 2) == 0, at_b);
    for (unsigned i = 0; i < SWITCHES; i++)
        assert_int_equal(check_switch(c, i), labels_of(w, i));
    assert_int_equal(numbers_of(w, "end"), at_a || at_b ? 1 + at_a + at_b : 0);
    assert_int_equal(numbers_of(w, "vlan"), (c->vms[0] || c->vms[1]) + (c->vms[2] || c->vms[3]));
}

static void comes_and_goes(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct chance c = {.seed = seed, .random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1};
        void *world = NULL;

        assert_int_equal(fabric_world_setup(&world), 0);
        c.w = world;
        if (below(&c, 2))
            c.w->vpls.labels.last = 108; /* few, so that a free one is soon another's */
        for (unsigned i = 0; i < STEPS; i++) {
            step(&c);
            for (unsigned sw = 0; sw < SWITCHES; sw++)
                check_switch(&c, sw);
        }
        settle(&c);
        check_settled(&c);
        fabric_world_teardown(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(comes_and_goes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
