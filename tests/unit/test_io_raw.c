/* SPDX-License-Identifier: Apache-2.0 */
/* Raw sockets, over loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "io/raw.h"

#define PROTOCOL 253 /* for experiments: RFC 3692 §2.1 */
#define LOCAL 0x7f000001u
#define OTHER 0x7f000102u

struct world {
    struct loop *loop;
    struct raw *raw;
    struct timer *limit;
    unsigned received, wanted;
    bool free_on_packet;
    struct raw_packet last;
    uint8_t bytes[RAW_PACKET_MAX];
    uint64_t sum; /* of the first bytes */
};

static void received(void *arg, const struct raw_packet *packet)
{
    struct world *w = arg;

    w->last = *packet;
    memcpy(w->bytes, packet->bytes, packet->n);
    w->sum += w->bytes[0];
    if (w->free_on_packet) {
        raw_free(w->raw);
        w->raw = NULL;
    }
    if (++w->received == w->wanted)
        loop_stop(w->loop);
}

static void too_late(void *arg)
{
    (void) arg;
    fail_msg("the packets did not come");
}

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    struct err err;

    w->loop = loop_new();
    w->raw = raw_new(w->loop, PROTOCOL, received, w, &err);
    if (!w->raw)
        fail_msg("%s", err.text);
    w->limit = timer_new(w->loop, too_late, w);
    timer_set(w->limit, mono_add(loop_now(w->loop), 30000));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    raw_free(w->raw);
    timer_free(w->limit);
    loop_free(w->loop);
    free(w);
    return 0;
}

static void run_until(struct world *w, unsigned wanted)
{
    w->wanted = wanted;
    loop_run(w->loop);
}

static void a_packet_says_where_it_came_from(void **state)
{
    struct world *w = *state;
    struct raw_destination to = {.source = OTHER, .destination = LOCAL, .interface = raw_interface("lo"), .ttl = 7};

    assert_int_equal(raw_send(w->raw, &to, "Path", 5, NULL), 0);
    run_until(w, 1);
    assert_int_equal(w->last.source, OTHER);
    assert_int_equal(w->last.destination, LOCAL);
    assert_int_equal(w->last.interface, raw_interface("lo"));
    assert_int_equal(w->last.ttl, 7);
    assert_int_equal(w->last.n, 5);
    assert_string_equal((char *) w->bytes, "Path");
}

static void options_are_no_part_of_the_packet(void **state)
{
    struct world *w = *state;
    struct raw_destination to = {.source = LOCAL, .destination = OTHER, .ttl = 255, .router_alert = true};

    assert_int_equal(raw_send(w->raw, &to, "Path", 5, NULL), 0);
    run_until(w, 1);
    assert_int_equal(w->last.n, 5);
    assert_string_equal((char *) w->bytes, "Path");
}

static void a_long_packet_arrives_whole(void **state)
{
    struct world *w = *state;
    struct raw_destination to = {.source = LOCAL, .destination = OTHER, .ttl = 1};
    uint8_t *bytes = xcalloc(1, RAW_PACKET_MAX + 1);
    struct err err;

    bytes[RAW_PACKET_MAX - 1] = 0xee;
    assert_int_equal(raw_send(w->raw, &to, bytes, RAW_PACKET_MAX, NULL), 0);
    run_until(w, 1);
    assert_int_equal(w->last.n, RAW_PACKET_MAX);
    assert_int_equal(w->bytes[RAW_PACKET_MAX - 1], 0xee);
    assert_int_equal(raw_send(w->raw, &to, bytes, RAW_PACKET_MAX + 1, &err), ERR_TOO_LARGE);
    assert_int_equal(raw_counters(w->raw)->dropped, 1);
    free(bytes);
}

static void many_packets_arrive(void **state)
{
    struct world *w = *state;
    struct raw_destination to = {.source = LOCAL, .destination = OTHER, .ttl = 1};

    for (unsigned i = 0; i < 500; i++)
        assert_int_equal(raw_send(w->raw, &to, &(uint8_t) {(uint8_t) i}, 1, NULL), 0);
    run_until(w, 500);
    assert_int_equal(raw_counters(w->raw)->sent, 500);
    assert_int_equal(w->sum, 255 * 256 / 2 + 243 * 244 / 2);
}

static void the_owner_may_free_it_while_it_reads(void **state)
{
    struct world *w = *state;
    struct raw_destination to = {.source = LOCAL, .destination = OTHER, .ttl = 1};

    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(raw_send(w->raw, &to, "x", 1, NULL), 0);
    w->free_on_packet = true;
    run_until(w, 1);
    assert_int_equal(w->received, 1);
}

static void what_cannot_be_sent_is_told(void **state)
{
    struct world *w = *state;
    struct raw_destination to = {.source = 0x08080808, .destination = LOCAL, .ttl = 1};
    struct err err;

    assert_true(raw_send(w->raw, &to, "x", 1, &err) < 0);
    assert_non_null(strstr(err.text, "127.0.0.1"));
    assert_int_equal(raw_counters(w->raw)->dropped, 1);
    assert_int_equal(raw_interface("no-such-link"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_packet_says_where_it_came_from, setup, teardown),
        cmocka_unit_test_setup_teardown(options_are_no_part_of_the_packet, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_packet_arrives_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(many_packets_arrive, setup, teardown),
        cmocka_unit_test_setup_teardown(the_owner_may_free_it_while_it_reads, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_sent_is_told, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
