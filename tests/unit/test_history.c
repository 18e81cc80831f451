/* SPDX-License-Identifier: Apache-2.0 */
/* How long a gateway remembers migrations that have ended, and what it tells its peer of those that it has forgotten.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "circuit_world.h"

#define KEPT 10
#define DAY_MS ((int64_t) 24 * 3600 * 1000)

static bool count(void *arg, const struct store_migration *migration)
{
    *(unsigned *) arg += migration->ended;
    return true;
}

static unsigned ended(struct circuit_world *w)
{
    unsigned n = 0;

    assert_int_equal(store_migration_each(w->store, false, count, &n, NULL), 0);
    return n;
}

/* n orders that B gives and that cannot be carried out: there is no way to their user. */
static void fail_orders(struct circuit_world *w, unsigned n)
{
    while (n-- > 0) {
        order_from_peer(w, "ce5", NULL);
        assert_string_equal(state_of(w, w->peer_order), "rolled_back");
        pass_ms(w, 10);
    }
}

static void no_way_to_users(struct circuit_world *w)
{
    w->config.history.migrations = KEPT;
    link_down(w, CE_PE, T1);
    link_down(w, CE_PE, T2);
}

/* The migration message again; it names the same id. */
static void same_order_again(struct circuit_world *w, const char *id)
{
    json_t *body = peer_message(w, "ce5", NULL);

    json_object_set_new(body, "id", json_string(id));
    w->backend.peer_configure(w->gateway, "scg-b", id, body, next_reply(w));
    json_decref(body);
}

static const char *replied(struct circuit_world *w, const char *member)
{
    const char *text = json_string_value(json_object_get(w->reply_body, member));

    return text ? text : "";
}

static void assert_forgotten(struct circuit_world *w, const char *id)
{
    AUTO_FREE char *text = xasprintf(
        "there is no migration '%s' in data center A; of those that have ended only the last 10 are kept", id);
    struct err err = {0};
    json_t *json = NULL;

    assert_int_equal(w->backend.get(w->gateway, "migrations", id, &json, &err), ERR_NOT_FOUND);
    assert_string_equal(err.text, text);
    assert_int_equal(w->backend.journal(w->gateway, id, &json, &err), ERR_NOT_FOUND);
    assert_string_equal(err.text, text);
    assert_int_equal(w->backend.get(w->gateway, "migrations", NULL, &json, &err), 0);
    assert_int_equal(json_array_size(json_object_get(json, "migrations")), KEPT);
    json_decref(json);
}

static void the_last_ones_are_kept(void **state)
{
    struct circuit_world *w = *state;
    char first[UUID_TEXT_SIZE], second[UUID_TEXT_SIZE];
    json_t *json = NULL;

    no_way_to_users(w);
    fail_orders(w, 1);
    snprintf(first, sizeof first, "%s", w->peer_order);
    fail_orders(w, 1);
    snprintf(second, sizeof second, "%s", w->peer_order);
    fail_orders(w, KEPT - 2);
    assert_string_equal(state_of(w, first), "rolled_back");
    /* The eleventh takes the place of the first, with its end */
    fail_orders(w, 1);
    assert_int_equal(ended(w), KEPT);
    assert_forgotten(w, first);
    assert_string_equal(state_of(w, second), "rolled_back");
    assert_int_equal(w->backend.journal(w->gateway, second, &json, NULL), 0);
    json_decref(json);
    restart(w);
    assert_forgotten(w, first);
    assert_string_equal(state_of(w, second), "rolled_back");
}

static void the_peer_is_still_answered(void **state)
{
    struct circuit_world *w = *state;
    char id[UUID_TEXT_SIZE];

    no_way_to_users(w);
    fail_orders(w, 1);
    snprintf(id, sizeof id, "%s", w->peer_order);
    fail_orders(w, KEPT);
    restart(w);
    pass_ms(w, GATEWAY_GRACE_MS);
    /* B -> gateway: PUT, of a connection that was stuck. It must not begin again */
    same_order_again(w, id);
    assert_int_equal(w->reply_status, 409);
    assert_string_equal(replied(w, "error"), "ERR_CANCELLED");
    assert_non_null(strstr(replied(w, "reason"), " has ended; its message comes too late"));
    /* B -> gateway: how does it stand? undo it; that is B's to ask, not C's */
    w->backend.peer_status(w->gateway, "scg-b", id, next_reply(w));
    assert_int_equal(w->reply_status, 200);
    assert_string_equal(replied(w, "state"), "rolled_back");
    w->backend.peer_abort(w->gateway, "scg-b", id, next_reply(w));
    assert_int_equal(w->reply_status, 200);
    assert_string_equal(replied(w, "state"), "rolled_back");
    assert_true(json_is_true(json_object_get(w->reply_body, "ended")));
    w->backend.peer_status(w->gateway, "scg-c", id, next_reply(w));
    assert_int_equal(w->reply_status, 404);
    assert_int_equal(ended(w), KEPT);
    /* A day later no message of it can be on its way */
    w->now += DAY_MS;
    fail_orders(w, 1);
    w->backend.peer_status(w->gateway, "scg-b", id, next_reply(w));
    assert_int_equal(w->reply_status, 404);
}

static void what_was_called_off_is_never_forgotten(void **state)
{
    static const char id[] = "0d6b8f5e-0000-4000-8000-00000000abcd";
    struct circuit_world *w = *state;

    no_way_to_users(w);
    w->backend.peer_abort(w->gateway, "scg-b", id, next_reply(w));
    assert_int_equal(w->reply_status, 404);
    fail_orders(w, KEPT + 1);
    w->now += DAY_MS;
    fail_orders(w, 1);
    restart(w);
    pass_ms(w, GATEWAY_GRACE_MS);
    same_order_again(w, id);
    assert_int_equal(w->reply_status, 409);
    assert_non_null(strstr(replied(w, "reason"), " was called off before its message came"));
    assert_int_equal(ended(w), KEPT);
}

static void what_is_open_stays(void **state)
{
    struct circuit_world *w = *state;
    char id[UUID_TEXT_SIZE];
    struct err err;
    const char *open;

    no_way_to_users(w);
    open = order(w, "V1", 10, &err);
    assert_non_null(open);
    snprintf(id, sizeof id, "%s", open);
    fail_orders(w, KEPT + 3);
    assert_int_equal(ended(w), KEPT);
    assert_int_not_equal(strcmp(state_of(w, id), "gone"), 0);
    restart(w);
    assert_non_null(migration_find(w->gateway, id, ROLE_SOURCE));
}

/* A store of an older gateway, which has kept them all. */
static void the_rest_goes_in_slices(void **state)
{
    struct circuit_world *w = *state;

    w->config.history.migrations = KEPT;
    for (unsigned i = 0; i < 55; i++) {
        struct store_migration row = {.role = "source",
                                      .peer = "B",
                                      .state = "done",
                                      .document = (char[]) {"{}"},
                                      .created_ms = i,
                                      .updated_ms = i,
                                      .ended = true};

        snprintf(row.id, sizeof row.id, "old-%u", i);
        assert_int_equal(store_migration_put(w->store, &row, NULL), 0);
    }
    restart(w);
    assert_int_equal(ended(w), 55);
    pass_ms(w, 0);
    assert_int_equal(ended(w), 35);
    assert_true(mono_diff(gateway_deadline(w->gateway), (struct mono) {w->now}) > 0);
    pass_ms(w, 100);
    assert_int_equal(ended(w), 15);
    pass_ms(w, 100);
    assert_int_equal(ended(w), KEPT);
    assert_int_equal(w->gateway->prune_at.ms, MONO_NEVER.ms);
}

/* All is done but the target's commit, when the gateway is started. */
static char *nearly_done(const char *id)
{
    struct order order = {.role = ROLE_SOURCE,
                          .source_dc = "A",
                          .target_dc = "B",
                          .target_server = "server-b",
                          .n_vms = 1,
                          .vms = xcalloc(1, sizeof *order.vms)};

    snprintf(order.id, sizeof order.id, "%s", id);
    snprintf(order.vms[0].name, NAME_SIZE, "V7");
    snprintf(order.vms[0].segment, NAME_SIZE, "web");
    snprintf(order.vms[0].server, NAME_SIZE, "server-a");
    snprintf(order.vms[0].source_address, sizeof order.vms[0].source_address, "10.254.0.11");
    order.vms[0].memory_kib = 1024;
    order.vms[0].generation = 1;
    order.vms[0].n_nics = 1;
    order.vms[0].nics[0] = (struct vm_nic) {
        .mac = {{0x52, 0x54, 0, 0, 0, 7}}, .ip = {IP_V4, {10, 100, 0, 17}}, .mtu = 1500};
    order.vms[0].uuid[15] = 7;
    order.vms[0].fate = FATE_CROSSED;

    struct saga *saga = saga_new(&order, &(struct saga_limits) {.transfers = 1});
    for (unsigned i = 0; i < saga->n_steps; i++)
        saga->steps[i].state = saga->steps[i].kind == STEP_TARGET_COMMIT ? STEP_PENDING : STEP_DONE;
    saga->sm.current = SAGA_RELEASED;

    json_t *json = saga_to_json(saga);
    char *text = json_dumps(json, JSON_COMPACT);

    json_decref(json);
    saga_free(saga);
    return text;
}

/* The source was away for so long that its target has forgotten it. */
static void target_that_has_forgotten_has_ended(void **state)
{
    static const char id[] = "0d6b8f5e-0000-4000-8000-00000000beef";
    struct circuit_world *w = *state;
    AUTO_FREE char *document = nearly_done(id);
    struct store_migration row = {.role = "source", .peer = "B", .state = "released", .document = document};

    snprintf(row.id, sizeof row.id, "%s", id);
    assert_int_equal(store_migration_put(w->store, &row, NULL), 0);
    restart(w);
    pass_ms(w, GATEWAY_GRACE_MS);
    /* gateway -> B: commit; B -> gateway: which one? */
    assert_int_equal(w->peer_verb, PEER_COMMIT);
    peer_answers(w, 404, json_pack("{s:s, s:s}", "error", "ERR_NOT_FOUND", "reason", "there is no such migration"));
    assert_string_equal(state_of(w, id), "done");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, circuit_world_setup, circuit_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_last_ones_are_kept), TEST(the_peer_is_still_answered), TEST(what_was_called_off_is_never_forgotten),
        TEST(what_is_open_stays),     TEST(the_rest_goes_in_slices),    TEST(target_that_has_forgotten_has_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
