/* SPDX-License-Identifier: Apache-2.0 */
/* The MAC address of the PE's next hop, whatever starts again. fabric_world.h has the map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "fabric_world.h"
#include "rsvp_hex.h"

/* ARP replies: 192.0.2.1, the next hop, is at 02:00:00:00:00:99, or at 02:00:00:00:00:77; 192.0.2.3 is at :99. */
#define ANSWER_99 "025c67000001 020000000099 0806 0001 0800 06 04 0002 020000000099 c0000201 025c67000001 c0000202"
#define ANSWER_77 "025c67000001 020000000077 0806 0001 0800 06 04 0002 020000000077 c0000201 025c67000001 c0000202"
#define STRANGER "025c67000001 020000000099 0806 0001 0800 06 04 0002 020000000099 c0000203 025c67000001 c0000202"

static void comes(struct fabric_world *w, const char *from, const char *hex)
{
    struct event *event = event_push(&w->queue, EVENT_PACKET);
    uint8_t frame[64];

    name_copy(event->name, from);
    event->owns = EVENT_OWNS_PACKET;
    event->packet.size = from_hex(hex, frame);
    event->packet.frame = xmemdup(frame, event->packet.size);
    run(w);
}

/* What the PE does with packets for the IP network, and whether the gateway says that it has been told. */
static void expect(struct fabric_world *w, const char *actions, bool resolved)
{
    AUTO_FREE char *found = xstrdup("");
    json_t *health = NULL;
    struct err err;

    assert_in_range(flows_of(w, PE, COOKIE_NEIGHBOUR), 0, 1);
    for (size_t i = 0; i < w->flows[PE].n; i++) {
        if ((w->flows[PE].flows[i].cookie & COOKIE_KIND_MASK) == cookie_make(COOKIE_NEIGHBOUR, 0)) {
            free(found);
            found = flow_format(&w->flows[PE].flows[i]);
        }
    }
    const char *does = strstr(found, "actions=");
    assert_string_equal(does ? does : "", actions);
    assert_int_equal(w->backend.get(w->gateway, "health", NULL, &health, &err), 0);
    assert_int_equal(json_is_true(json_object_get(health, "next-hop-resolved")), resolved);
    json_decref(health);
}

static void starts_again(struct fabric_world *w)
{
    stop(w);
    start(w);
    links_up(w);
    servers_listed(w);
    assert_true(w->gateway->ready);
}

#define TO_99 "actions=set_field:02:00:00:00:00:99->eth_dst,output:2"
#define TO_77 "actions=set_field:02:00:00:00:00:77->eth_dst,output:2"

static void is_learned(void **state)
{
    struct fabric_world *w = *state;

    expect(w, "", false);
    comes(w, "pe", STRANGER);
    comes(w, "p1", ANSWER_99);
    expect(w, "", false);
    comes(w, "pe", ANSWER_99);
    expect(w, TO_99, true);
    comes(w, "pe", ANSWER_77);
    expect(w, TO_77, true);
}

/* A gateway that starts keeps what was known before, until it is told otherwise. */
static void outlives_the_gateway(void **state)
{
    struct fabric_world *w = *state;

    comes(w, "pe", ANSWER_99);
    starts_again(w);
    expect(w, TO_99, false);
    comes(w, "pe", ANSWER_99);
    expect(w, TO_99, true);
    starts_again(w);
    comes(w, "pe", ANSWER_77);
    expect(w, TO_77, true);
    starts_again(w);
    expect(w, TO_77, false);
}

/* ... also when the PE has lost its flows meanwhile. */
static void outlives_both(void **state)
{
    struct fabric_world *w = *state;

    comes(w, "pe", ANSWER_99);
    stop(w);
    flow_list_free(&w->flows[PE]);
    start(w);
    links_up(w);
    servers_listed(w);
    expect(w, TO_99, false);
}

/* By another configuration, the next hop is another one. */
static void is_of_its_address(void **state)
{
    struct fabric_world *w = *state;
    struct config_edge edges[2] = {w->config.edges[0], w->config.edges[1]};
    char address[] = "192.0.2.3";

    comes(w, "pe", ANSWER_99);
    edges[0].next_hop = address;
    edges[0].next_hop_ip.bytes[3] = 3;
    w->config.edges = edges;
    starts_again(w);
    expect(w, "", false);
    comes(w, "pe", STRANGER);
    expect(w, TO_99, true);
}

static void is_damaged(void **state)
{
    static const char *const texts[] = {"{", "{}", "{\"address\": \"192.0.2.1\", \"mac\": \"99\"}",
                                        "{\"address\": \"one\", \"mac\": \"02:00:00:00:00:99\"}"};
    struct fabric_world *w = *state;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(store_document_put(w->store, "next-hop", "pe", texts[i], NULL), 0);
        starts_again(w);
        expect(w, "", false);
    }
    comes(w, "pe", ANSWER_99);
    starts_again(w);
    expect(w, TO_99, false);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fabric_world_setup, fabric_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(is_learned), TEST(outlives_the_gateway), TEST(outlives_both),
                                       TEST(is_of_its_address), TEST(is_damaged)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
