/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the gateway of data center B answers, and what is told of that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "circuit_world.h"
#include "circuit_world_internal.h"

#define LONG_MS 60000

static void expect_health(struct circuit_world *w, const char *status, int peers_up)
{
    json_t *health = NULL;
    struct err err;

    assert_int_equal(view_get(w->gateway, "health", NULL, &health, &err), 0);
    assert_string_equal(json_string_value(json_object_get(health, "status")), status);
    assert_int_equal(json_integer_value(json_object_get(health, "peers-up")), peers_up);
    assert_int_equal(json_integer_value(json_object_get(health, "peers")), 1);
    json_decref(health);
}

static void tells_whether_a_peer_answers(void **state)
{
    struct circuit_world *w = *state;

    w->config.peers_count = 1;
    assert_string_equal(shown(w, "peers", "B", "state"), "unknown");
    expect_health(w, "degraded", 0);
    peer_watch_begin(w->gateway);
    pass_ms(w, 1);
    assert_int_equal(w->peer_verb, PEER_STATUS);
    peer_answers(w, 404, NULL);
    assert_string_equal(shown(w, "peers", "B", "state"), "reachable");
    assert_string_equal(shown(w, "peers", "B", "error"), "");
    expect_health(w, "ok", 1);
    pass_ms(w, LONG_MS);
    peer_away(w);
    assert_string_equal(shown(w, "peers", "B", "state"), "unreachable");
    assert_true(shown(w, "peers", "B", "error")[0] != 0);
    expect_health(w, "degraded", 0);
    pass_ms(w, LONG_MS);
    peer_answers(w, 404, NULL);
    assert_string_equal(shown(w, "peers", "B", "state"), "reachable");
    expect_health(w, "ok", 1);
}

/* It answers, but not to us. */
static void a_refusal_is_no_answer(void **state)
{
    struct circuit_world *w = *state;

    w->config.peers_count = 1;
    peer_watch_begin(w->gateway);
    pass_ms(w, 1);
    peer_answers(w, 403, json_pack("{s:s, s:s}", "error", "ERR_REFUSED", "reason", "this certificate is nobody's"));
    assert_string_equal(shown(w, "peers", "B", "state"), "unreachable");
    assert_non_null(strstr(shown(w, "peers", "B", "error"), "nobody's"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, circuit_world_setup, circuit_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(tells_whether_a_peer_answers), TEST(a_refusal_is_no_answer)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
