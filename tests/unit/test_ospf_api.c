/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions with the OSPF API: the one that was captured with FRR 8.4.4, and scripted ones in which things go wrong.
 *   -> a request of ours, <- its reply, <~ a notification on the other stream */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/wire.h"
#include "proto/ospf/ospf_api.h"
#include "proto/ospf/ospf_lsdb.h"
#include "ospf_vectors.h"

#define TIMEOUT 5000

static const struct mono start = {1000};

static struct ospf_api *connected(void)
{
    struct ospf_api *api = ospf_api_new(TIMEOUT);

    ospf_api_up(api, OSPF_API_SYNC, start);
    ospf_api_up(api, OSPF_API_ASYNC, start);
    return api;
}

/* What the session sends now is exactly this, in hex; "" for nothing. */
static void expect_output(struct ospf_api *api, const char *hex)
{
    size_t n;
    AUTO_FREE char *output = ospf_api_output(api, &n);
    char text[256] = "";

    assert_true(2 * n < sizeof text);
    for (size_t i = 0; i < n; i++)
        snprintf(text + 2 * i, 3, "%02x", (uint8_t) output[i]);
    assert_string_equal(text, hex);
}

static struct vector message(uint8_t type, uint32_t sequence, const void *body, size_t size)
{
    struct vector v = {0};
    struct wire w = wire_writer(v.bytes, sizeof v.bytes);

    wire_put_u8(&w, 1);
    wire_put_u8(&w, type);
    wire_put_u16(&w, (uint16_t) size);
    wire_put_u32(&w, sequence);
    wire_put(&w, body, size);
    assert_true(wire_ok(&w));
    v.size = w.pos;
    return v;
}

static void give(struct ospf_api *api, enum ospf_api_stream stream, const struct vector *v)
{
    struct err err;

    if (ospf_api_input(api, stream, v->bytes, v->size, &err) != (int) v->size)
        fail_msg("%s", err.text);
}

static void reply(struct ospf_api *api, uint32_t sequence)
{
    struct vector v = message(OSPF_API_REPLY, sequence, "\0\0\0", 4);

    give(api, OSPF_API_SYNC, &v);
}

static int reply_code(struct ospf_api *api, uint32_t sequence, int8_t code, struct err *err)
{
    const int8_t body[4] = {code, 0, 0, 0};
    struct vector v = message(OSPF_API_REPLY, sequence, body, sizeof body);

    return ospf_api_input(api, OSPF_API_SYNC, v.bytes, v.size, err);
}

static void router_id(struct ospf_api *api, uint32_t sequence)
{
    struct vector v = message(OSPF_API_ROUTER_ID_CHANGE, sequence, "\x0a\xfd\x00\x09", 4);

    give(api, OSPF_API_ASYNC, &v);
}

static void expect_event(struct ospf_api *api, enum ospf_api_event_type type, uint8_t notice)
{
    struct ospf_api_event event;

    assert_true(ospf_api_event(api, &event));
    assert_int_equal(event.type, type);
    assert_int_equal(event.notice.type, notice);
    ospf_api_event_free(&event);
}

static void expect_no_event(struct ospf_api *api)
{
    struct ospf_api_event event;

    assert_false(ospf_api_event(api, &event));
}

#define REGISTER "010300040000000102010200" /* types 1 and 10, bits 0 and 9; any origin; all areas */
#define SYNC "010400040000000202010200"
#define ROUTER_ID "011300040000000300000000" /* four bytes that mean nothing: none at all would crash ospfd */

/* Both streams up -> REGISTER_EVENT; <- ok -> SYNC_LSDB, SYNC_ROUTER_ID; <~ LSAs; <- ok, ok; <~ ROUTER_ID */
static void test_session(void **state)
{
    (void) state;
    struct ospf_te_lsa lsa = te_lsa(1, 1, 2, 1000000);
    struct vector v = te_lsa_vector(&lsa);
    uint8_t body[VECTOR_MAX] = {[7] = 1};
    struct ospf_api *api = ospf_api_new(TIMEOUT);
    struct ospf_api_event event;

    assert_int_equal(ospf_api_deadline(api).ms, MONO_NEVER.ms);
    ospf_api_up(api, OSPF_API_ASYNC, start);
    expect_output(api, "");
    ospf_api_up(api, OSPF_API_SYNC, start);
    assert_int_equal(ospf_api_deadline(api).ms, start.ms + TIMEOUT);
    expect_output(api, REGISTER);
    expect_output(api, "");
    reply(api, 1);
    expect_output(api, SYNC ROUTER_ID);
    expect_event(api, OSPF_API_EVENT_SYNC_BEGINS, 0);
    /* The replies overtake the LSAs; another router id does not end them */
    reply(api, 2);
    reply(api, 3);
    router_id(api, 0);
    assert_false(ospf_api_synced(api));
    memcpy(body + 12, v.bytes, v.size);
    struct vector update = message(OSPF_API_LSA_UPDATE, 2, body, 12 + v.size);
    give(api, OSPF_API_ASYNC, &update);
    router_id(api, 3);
    assert_true(ospf_api_synced(api));
    assert_int_equal(ospf_api_deadline(api).ms, MONO_NEVER.ms);

    expect_event(api, OSPF_API_EVENT_NOTICE, OSPF_API_ROUTER_ID_CHANGE);
    assert_true(ospf_api_event(api, &event));
    assert_int_equal(event.notice.type, OSPF_API_LSA_UPDATE);
    assert_int_equal(event.notice.area, 1);
    assert_int_equal(event.notice.lsa_size, v.size);
    assert_memory_equal(event.notice.lsa, v.bytes, v.size);
    ospf_api_event_free(&event);
    expect_event(api, OSPF_API_EVENT_NOTICE, OSPF_API_ROUTER_ID_CHANGE);
    expect_event(api, OSPF_API_EVENT_SYNCED, 0);
    expect_no_event(api);

    ospf_api_probe(api);
    expect_output(api, "011300040000000400000000");
    reply(api, 4);
    ospf_api_free(api);
}

/* The LSAs may as well be told before the replies are there. */
static void test_replies_last(void **state)
{
    (void) state;
    struct ospf_api *api = connected();

    reply(api, 1);
    router_id(api, 3);
    reply(api, 2);
    assert_true(ospf_api_synced(api));
    reply(api, 3);
    expect_event(api, OSPF_API_EVENT_SYNC_BEGINS, 0);
    expect_event(api, OSPF_API_EVENT_NOTICE, OSPF_API_ROUTER_ID_CHANGE);
    expect_event(api, OSPF_API_EVENT_SYNCED, 0);
    expect_no_event(api);
    ospf_api_free(api);
}

struct captured {
    size_t messages, updates, deletions, interfaces, neighbours;
};

/* What FRR sent, message by message and never a part of one taken; its LSAs go on into the database. */
static struct captured replay(const char *path, struct ospf_lsdb *lsdb)
{
    static struct vector vectors[VECTORS_MAX];
    struct captured got = {.messages = vectors_read(path, vectors)};
    struct ospf_api *api = connected();
    struct ospf_api_event event;
    struct err err;

    for (size_t i = 0; i < got.messages; i++) {
        const struct vector *v = &vectors[i];

        if (strcmp(v->tag, "sync") == 0 && v->bytes[7] <= 3) /* our session asks less */
            give(api, OSPF_API_SYNC, v);
        if (strcmp(v->tag, "async") != 0)
            continue;
        for (size_t size = 0; size < v->size; size++)
            assert_int_equal(ospf_api_input(api, OSPF_API_ASYNC, v->bytes, size, &err), 0);
        give(api, OSPF_API_ASYNC, v);
    }
    while (ospf_api_event(api, &event)) {
        const struct ospf_api_notice *notice = &event.notice;

        if (notice->type == OSPF_API_LSA_UPDATE && ++got.updates)
            assert_int_equal(ospf_lsdb_update(lsdb, notice->area, notice->lsa, notice->lsa_size, start, &err), 0);
        if (notice->type == OSPF_API_LSA_DELETE && ++got.deletions)
            assert_int_equal(ospf_lsdb_delete(lsdb, notice->area, notice->lsa, notice->lsa_size, start, &err), 0);
        if (notice->type == OSPF_API_NSM_CHANGE && ++got.neighbours)
            assert_true(notice->status == 5 || notice->status == 9); /* its own, full */
        if (notice->type == OSPF_API_ISM_CHANGE && ++got.interfaces)
            assert_true(notice->status == 2 || notice->status == 4); /* loopback, point-to-point */
        ospf_api_event_free(&event);
    }
    ospf_api_free(api);
    return got;
}

static void test_captured(void **state)
{
    (void) state;
    struct ospf_lsdb *lsdb = ospf_lsdb_new(OSPF_LSDB_HOLD_MS);
    struct ospf_lsdb_event change;
    struct captured got = replay(TEST_DATA "/ospf/ospfapi-te.hex", lsdb);

    assert_int_equal(got.updates, 6);
    assert_int_equal(got.deletions, 0);
    assert_int_equal(got.interfaces, 3);
    assert_int_equal(got.neighbours, 4);
    /* Its neighbour had been killed by then: the router LSA of the other end has lost it. That is not known of the
     * unnumbered link. */
    assert_true(ospf_lsdb_event(lsdb, &change) && !change.gone);
    assert_int_equal(change.link.key.local_id, 9);
    assert_false(ospf_lsdb_event(lsdb, &change));

    /* Area-local opaque LSAs, but not of traffic engineering, are passed over */
    got = replay(TEST_DATA "/ospf/ospfapi.hex", lsdb);
    assert_int_equal(got.updates, 8);
    assert_int_equal(got.deletions, 6);
    assert_false(ospf_lsdb_event(lsdb, &change));
    assert_int_equal(ospf_lsdb_ted(lsdb)->n_links, 1);
    ospf_lsdb_free(lsdb);
}

static void test_refusals(void **state)
{
    (void) state;
    struct err err;
    struct ospf_api *api = connected();

    assert_int_equal(reply_code(api, 1, -9, &err), ERR_REFUSED);
    assert_non_null(strstr(err.text, "REGISTER_EVENT"));
    assert_non_null(strstr(err.text, "code -9, error"));
    ospf_api_free(api);

    api = connected();
    reply(api, 1);
    assert_int_equal(reply_code(api, 2, -128, &err), ERR_REFUSED);
    assert_non_null(strstr(err.text, "SYNC_LSDB"));
    assert_non_null(strstr(err.text, "unknown code"));
    ospf_api_free(api);

    /* A reply that nobody waits for, one out of turn */
    api = connected();
    assert_int_equal(reply_code(api, 7, 0, &err), ERR_MALFORMED);
    reply(api, 1);
    assert_int_equal(reply_code(api, 3, 0, &err), ERR_MALFORMED);
    ospf_api_free(api);
}

static void test_wrong(void **state)
{
    (void) state;
    static const struct {
        enum ospf_api_stream stream;
        uint8_t type;
        size_t size;
        int code;
    } wrong[] = {
        {OSPF_API_SYNC, OSPF_API_REPLY, 0, ERR_MALFORMED},
        {OSPF_API_SYNC, OSPF_API_LSA_UPDATE, 40, ERR_MALFORMED},
        {OSPF_API_ASYNC, OSPF_API_LSA_UPDATE, 31, ERR_MALFORMED},
        {OSPF_API_ASYNC, OSPF_API_LSA_DELETE, 11, ERR_MALFORMED},
        {OSPF_API_ASYNC, OSPF_API_NSM_CHANGE, 12, ERR_MALFORMED},
        {OSPF_API_ASYNC, OSPF_API_ROUTER_ID_CHANGE, 3, ERR_MALFORMED},
        {OSPF_API_ASYNC, OSPF_API_REPLY, 4, ERR_UNSUPPORTED},
        {OSPF_API_ASYNC, 0, 4, ERR_UNSUPPORTED},
    };
    const uint8_t zeros[64] = {0}, many[4] = {0, 2, 0, 1};
    struct ospf_api *api = connected();
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct vector v = message(wrong[i].type, 0, zeros, wrong[i].size);

        assert_int_equal(ospf_api_input(api, wrong[i].stream, v.bytes, v.size, &err), wrong[i].code);
    }
    struct vector v = message(OSPF_API_REACHABLE_CHANGE, 0, many, sizeof many);
    assert_int_equal(ospf_api_input(api, OSPF_API_ASYNC, v.bytes, v.size, &err), ERR_MALFORMED);
    v.bytes[0] = 2;
    assert_int_equal(ospf_api_input(api, OSPF_API_ASYNC, v.bytes, v.size, &err), ERR_UNSUPPORTED);
    /* A kind of notification that later versions may send */
    v = message(99, 0, zeros, 4);
    give(api, OSPF_API_ASYNC, &v);
    expect_no_event(api);
    ospf_api_free(api);
}

static void test_time(void **state)
{
    (void) state;
    struct ospf_api *api = ospf_api_new(TIMEOUT);
    struct err err;

    ospf_api_up(api, OSPF_API_SYNC, start);
    assert_int_equal(ospf_api_tick(api, mono_add(start, TIMEOUT - 1), &err), 0);
    assert_int_equal(ospf_api_tick(api, mono_add(start, TIMEOUT), &err), ERR_TIMEOUT);
    assert_non_null(strstr(err.text, "connect back"));
    /* Down and up again: nothing is left of the first time */
    ospf_api_up(api, OSPF_API_ASYNC, start);
    ospf_api_down(api);
    expect_output(api, "");
    assert_int_equal(ospf_api_deadline(api).ms, MONO_NEVER.ms);
    ospf_api_up(api, OSPF_API_SYNC, start);
    expect_output(api, "");
    ospf_api_up(api, OSPF_API_ASYNC, start);
    expect_output(api, "010300040000000202010200");
    reply(api, 2);
    ospf_api_down(api);
    expect_no_event(api);
    /* Before it is synchronised there is nothing to probe */
    ospf_api_probe(api);
    expect_output(api, "");
    ospf_api_free(api);
    ospf_api_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session),  cmocka_unit_test(test_replies_last), cmocka_unit_test(test_captured),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_wrong),        cmocka_unit_test(test_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
