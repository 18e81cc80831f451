/* SPDX-License-Identifier: Apache-2.0 */
/* The TED's feed against a scripted ospfd on the same loop, which connects back as the real one does.
 *   -> what the feed sends, <- a reply, <~ a notification on the other connection */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/wire.h"
#include "loop_until.h"
#include "ospf_vectors.h"
#include "proto/ospf/ospf_api.h"
#include "south/transport_ospf.h"

#define MBIT UINT64_C(1000000)
#define GRACE_MS 300

struct world {
    struct loop *loop;
    /* ospfd */
    struct listener *listener;
    struct stream *sync, *async;
    bool deaf;           /* does not connect back */
    unsigned ends_asked; /* SYNC_ROUTER_ID */
    struct ospf_te_lsa lsas[4];
    size_t n_lsas;
    /* the feed, and what it has told */
    struct te_feed *feed;
    unsigned links, gone, ups, downs;
    struct err why;
};

/* ---- The scripted ospfd ---- */

static void send_message(struct stream *stream, uint8_t type, uint32_t sequence, const void *body, size_t size)
{
    uint8_t bytes[VECTOR_MAX];
    struct wire w = wire_writer(bytes, sizeof bytes);

    wire_put_u8(&w, 1);
    wire_put_u8(&w, type);
    wire_put_u16(&w, (uint16_t) size);
    wire_put_u32(&w, sequence);
    wire_put(&w, body, size);
    assert_true(wire_ok(&w));
    stream_write(stream, bytes, w.pos);
}

static void send_lsa(struct world *world, uint8_t type, const struct ospf_te_lsa *lsa)
{
    struct vector v = te_lsa_vector(lsa);
    uint8_t body[VECTOR_MAX] = {[7] = 1};

    memcpy(body + 12, v.bytes, v.size);
    send_message(world->async, type, 0, body, 12 + v.size);
}

static size_t ospfd_data(void *arg, const uint8_t *bytes, size_t n)
{
    struct world *world = arg;
    size_t at = 0;

    for (; at + 12 <= n; at += 12) {
        assert_int_equal(bytes[at], 1);
        assert_int_equal(bytes[at + 3], 4); /* never an empty body */
        if (bytes[at + 1] == OSPF_API_SYNC_LSDB) {
            for (size_t i = 0; i < world->n_lsas; i++)
                send_lsa(world, OSPF_API_LSA_UPDATE, &world->lsas[i]);
        }
        if (bytes[at + 1] == OSPF_API_SYNC_ROUTER_ID && ++world->ends_asked)
            send_message(world->async, OSPF_API_ROUTER_ID_CHANGE, bytes[at + 7], "\x0a\xfd\x00\x09", 4);
        send_message(world->sync, OSPF_API_REPLY, bytes[at + 7], "\0\0\0", 4);
    }
    return at;
}

static size_t ospfd_async_data(void *arg, const uint8_t *bytes, size_t n)
{
    (void) arg;
    (void) bytes;
    return n;
}

static void ospfd_sync_down(void *arg, const struct err *reason)
{
    struct world *world = arg;

    (void) reason;
    world->sync = NULL;
}

static void ospfd_async_down(void *arg, const struct err *reason)
{
    struct world *world = arg;

    (void) reason;
    world->async = NULL;
}

static void ospfd_accepted(void *arg, struct stream *stream)
{
    static const struct stream_callbacks sync = {.data = ospfd_data, .down = ospfd_sync_down},
                                         async = {.data = ospfd_async_data, .down = ospfd_async_down};
    struct world *world = arg;
    unsigned port = (unsigned) atoi(strchr(stream_peer(stream), ':') + 1);
    char where[64];
    struct err err;

    assert_null(world->sync);
    world->sync = stream;
    stream_set_callbacks(stream, &sync, world);
    if (world->deaf)
        return;
    snprintf(where, sizeof where, "tcp:127.0.0.1:%u", port + 1);
    world->async = stream_connect(world->loop, where, &async, world, &err);
    assert_non_null(world->async);
}

static void ospfd_hang_up(struct world *world)
{
    if (world->sync)
        stream_close(world->sync);
    if (world->async)
        stream_close(world->async);
    world->sync = world->async = NULL;
}

/* ---- The test's loop ---- */

static void on_link(void *arg, const struct te_link *link)
{
    struct world *world = arg;

    assert_non_null(ted_find(te_feed_ted(world->feed), &link->key));
    world->links++;
}

static void on_gone(void *arg, const struct te_link_key *key)
{
    struct world *world = arg;

    assert_null(ted_find(te_feed_ted(world->feed), key));
    world->gone++;
}

static void on_up(void *arg)
{
    struct world *world = arg;

    assert_true(te_feed_is_up(world->feed));
    world->ups++;
}

static void on_down(void *arg, const struct err *reason)
{
    struct world *world = arg;

    assert_false(te_feed_is_up(world->feed));
    world->why = *reason;
    world->downs++;
}

static bool is_up(struct world *world)
{
    return te_feed_is_up(world->feed);
}

static bool is_up_again(struct world *world)
{
    return world->ups == 2;
}

static bool has_three(struct world *world)
{
    return world->links == 3;
}

static bool has_lost_one(struct world *world)
{
    return world->gone == 1;
}

static bool has_lost_two(struct world *world)
{
    return world->gone == 2;
}

static bool is_probed(struct world *world)
{
    return world->ends_asked >= 3; /* the first is for the end of the LSAs */
}

static bool is_called(struct world *world)
{
    return world->sync;
}

static int make_world(void **state)
{
    static const struct te_feed_callbacks callbacks = {
        .link = on_link, .link_gone = on_gone, .up = on_up, .down = on_down};
    struct world *world = calloc(1, sizeof *world);
    struct err err;

    world->loop = loop_new();
    world->listener = listener_new(world->loop, "127.0.0.1", 0, ospfd_accepted, world, &err);
    assert_non_null(world->listener);
    const struct te_feed_config config = {
        .port = listener_port(world->listener), .timeout_ms = 500, .grace_ms = GRACE_MS};
    world->feed = te_feed_new(world->loop, &config, &callbacks, world, &err);
    assert_non_null(world->feed);
    world->lsas[0] = te_lsa(1, 1, 2, 1000 * MBIT);
    world->lsas[1] = te_lsa(1, 2, 1, 1000 * MBIT);
    world->n_lsas = 2;
    *state = world;
    return 0;
}

static int free_world(void **state)
{
    struct world *world = *state;

    te_feed_free(world->feed);
    ospfd_hang_up(world);
    listener_free(world->listener);
    loop_free(world->loop);
    free(world);
    return 0;
}

/* ---- Tests ---- */

/* <~ two LSAs, synchronised; <~ deletion and a new instance; <~ a deletion alone */
static void test_feed(void **state)
{
    struct world *world = *state;
    struct ospf_te_lsa changed = te_lsa(1, 1, 2, 900 * MBIT);

    loop_until(world->loop, is_up, world);
    assert_int_equal(world->links, 2);
    assert_int_equal(te_feed_ted(world->feed)->n_links, 2);
    changed.header.sequence++;
    send_lsa(world, OSPF_API_LSA_DELETE, &world->lsas[0]);
    send_lsa(world, OSPF_API_LSA_UPDATE, &changed);
    loop_until(world->loop, has_three, world);
    assert_int_equal(te_feed_ted(world->feed)->links[0].max_bps, 900 * MBIT);
    assert_int_equal(world->gone, 0);
    send_lsa(world, OSPF_API_LSA_DELETE, &changed);
    loop_until(world->loop, has_lost_one, world);
    assert_int_equal(te_feed_ted(world->feed)->n_links, 1);
    assert_int_equal(world->ups, 1);
    assert_int_equal(world->downs, 0);
}

/* ospfd goes, and knows nothing yet when it is back: what it learns soon has never been away, the rest goes. */
static void test_ospfd_starts_again(void **state)
{
    struct world *world = *state;

    loop_until(world->loop, is_up, world);
    world->n_lsas = 0;
    ospfd_hang_up(world);
    loop_until(world->loop, is_up_again, world);
    assert_int_equal(world->downs, 1);
    assert_int_equal(world->gone, 0);
    assert_int_equal(te_feed_ted(world->feed)->n_links, 2);
    send_lsa(world, OSPF_API_LSA_UPDATE, &world->lsas[0]);
    loop_until(world->loop, has_lost_one, world);
    assert_int_equal(world->links, 2);
    assert_int_equal(te_feed_ted(world->feed)->n_links, 1);
    assert_int_equal(te_feed_ted(world->feed)->links[0].key.from, 0x0afd0001);
}

/* An ospfd that does not connect back is given up, and tried again. */
static void test_no_way_back(void **state)
{
    struct world *world = *state;

    world->deaf = true;
    loop_until(world->loop, is_called, world);
    assert_false(te_feed_is_up(world->feed));
    world->deaf = false;
    loop_until(world->loop, is_up, world);
    assert_int_equal(world->downs, 0);
    assert_int_equal(world->links, 2);
}

/* What is no OSPF API */
static void test_nonsense(void **state)
{
    struct world *world = *state;

    loop_until(world->loop, is_up, world);
    stream_write(world->async, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    loop_until(world->loop, is_up_again, world);
    assert_int_equal(world->downs, 1);
    assert_int_equal(world->why.code, ERR_UNSUPPORTED);
    assert_int_equal(world->links, 2);
    assert_int_equal(world->gone, 0);
}

/* An ospfd that has nothing to say is asked something, and stays connected. */
static void test_silence(void **state)
{
    struct world *world = *state;

    loop_until(world->loop, is_probed, world);
    assert_int_equal(world->ups, 1);
    assert_int_equal(world->downs, 0);
}

/* A malformed LSA is left out, and harms nothing else. */
static void test_malformed(void **state)
{
    struct world *world = *state;

    loop_until(world->loop, is_up, world);
    world->lsas[0].header.sequence++;
    world->lsas[0].links[0].metric = 9;
    world->lsas[0].links[0].present |= OSPF_TE_METRIC;
    struct ospf_te_lsa bad = te_lsa(7, 3, 1, MBIT);
    bad.links[0].present &= ~(uint32_t) OSPF_TE_ID;
    send_lsa(world, OSPF_API_LSA_UPDATE, &bad);
    send_lsa(world, OSPF_API_LSA_UPDATE, &world->lsas[0]);
    loop_until(world->loop, has_three, world);
    assert_int_equal(world->downs, 0);
    send_lsa(world, OSPF_API_LSA_DELETE, &world->lsas[0]);
    send_lsa(world, OSPF_API_LSA_DELETE, &world->lsas[1]);
    loop_until(world->loop, has_lost_two, world);
    assert_int_equal(te_feed_ted(world->feed)->n_links, 0);
}

static void test_addresses(void **state)
{
    struct world *world = *state;
    const struct te_feed_config no_address = {.address = "ospfd"};
    static const struct te_feed_callbacks none = {0};
    struct err err;

    assert_null(te_feed_new(world->loop, &no_address, &none, NULL, &err));
    assert_int_equal(err.code, ERR_INVALID);
    te_feed_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_feed, make_world, free_world),
        cmocka_unit_test_setup_teardown(test_ospfd_starts_again, make_world, free_world),
        cmocka_unit_test_setup_teardown(test_no_way_back, make_world, free_world),
        cmocka_unit_test_setup_teardown(test_nonsense, make_world, free_world),
        cmocka_unit_test_setup_teardown(test_silence, make_world, free_world),
        cmocka_unit_test_setup_teardown(test_malformed, make_world, free_world),
        cmocka_unit_test_setup_teardown(test_addresses, make_world, free_world),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
