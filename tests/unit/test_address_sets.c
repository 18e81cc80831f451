/* SPDX-License-Identifier: Apache-2.0 */
/* Address sets of the gateway: who uses them, what a change does to VMs, and what leaves with a policy.
 * circuit_world.h has the map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "circuit_world.h"
#include "core/pipeline.h"

#define USES_OFFICE "{'policy': 'V1', 'rules': [{'direction': 'to-vm', 'action': 'allow', 'remote': '@office'}]}"
#define OFFICE(prefixes) "{'name': 'office', 'prefixes': [" prefixes "]}"

typedef int put_fn(void *gateway, const char *name, const json_t *json, struct err *err);

/* 'text' is JSON with single quotes. */
static int put(struct circuit_world *w, put_fn *fn, const char *name, const char *text, struct err *err)
{
    AUTO_FREE char *quoted = xstrdup(text);

    for (char *c = quoted; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    json_t *json = json_loads(quoted, 0, NULL);
    assert_non_null(json);
    *err = (struct err) {0};
    int status = fn(w->gateway, name, json, err);
    json_decref(json);
    pass_ms(w, 0);
    return status;
}

static int put_set(struct circuit_world *w, const char *text, struct err *err)
{
    return put(w, w->backend.address_set_put, "office", text, err);
}

/* Sources that the ToR lets pass to V1, in the order of its flows: "10.1.0.0/16 10.2.0.0/16". Caller frees. */
static char *sources(const struct circuit_world *w)
{
    const struct flow_list *flows = &w->flows[0];
    struct strbuf text = {0};
    char prefix[PREFIX_TEXT_SIZE];

    for (size_t i = 0; i < flows->n; i++) {
        const struct flow *flow = &flows->flows[i];
        const struct flow_field *to = match_find(&flow->match, FIELD_IPV4_DST);
        const struct flow_field *from = match_find(&flow->match, FIELD_IPV4_SRC);

        if (flow->table != TOR_POLICY_TO || !to || flow_field_u(to) != 0x0a64000b || !from)
            continue;
        struct prefix source = {.ip = {.family = IP_V4}};
        memcpy(source.ip.bytes, from->value, 4);
        for (uint64_t mask = flow_field_mask_u(from); mask & 0x80000000; mask <<= 1)
            source.length++;
        strbuf_printf(&text, "%s%s", text.length ? " " : "", prefix_format(&source, prefix));
    }
    return strbuf_take(&text);
}

static void expect_sources(const struct circuit_world *w, const char *expected)
{
    AUTO_FREE char *got = sources(w);

    assert_string_equal(got ? got : "", expected);
}

static void refusals(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    assert_int_equal(put_set(w, "{'name': 'home', 'prefixes': ['10.0.0.0/8']}", &err), ERR_INVALID);
    assert_string_equal(err.text, "set.name is 'home', the request is for 'office'");
    assert_int_equal(put_set(w, "{'name': 'an office', 'prefixes': ['10.0.0.0/8']}", &err), ERR_INVALID);
    assert_string_equal(err.text, "set.name: expected 1..64 letters, digits, '.', '_' or '-', found \"an office\"");
    assert_int_equal(put_set(w, OFFICE(""), &err), ERR_INVALID);
    assert_string_equal(err.text, "set office: prefixes: expected at least one address or prefix, found none");
    assert_int_equal(put_set(w, OFFICE("'10.0.0.0/8', '10.0.0.0/8'"), &err), ERR_INVALID);
    assert_string_equal(err.text, "set office: prefixes: 10.0.0.0/8 is named twice");
    assert_int_equal(put_set(w, "{'name': 'office', 'addresses': ['10.0.0.0/8']}", &err), ERR_INVALID);
    assert_string_equal(err.text, "set.prefixes: missing");
    assert_int_equal(put(w, w->backend.policy_put, "V1", USES_OFFICE, &err), ERR_INVALID);
    assert_string_equal(err.text,
                        "policy V1: rule 1: remote: there is no set \"office\" in the policy, nor among those "
                        "of the gateway; define it under \"sets\"");
    assert_int_equal(w->backend.address_set_delete(w->gateway, "office", &err), ERR_NOT_FOUND);
    assert_string_equal(err.text, "there is no address set 'office' in data center A");
    assert_string_equal(shown(w, "address-sets", "office", "name"), "gone");
}

static void changes_reach_vms_at_once(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    assert_int_equal(put_set(w, OFFICE("'10.1.0.0/16'"), &err), 0);
    assert_int_equal(put(w, w->backend.policy_put, "V1", USES_OFFICE, &err), 0);
    assert_string_equal(shown(w, "policies", "V1", "sets"), "");
    expect_sources(w, "10.1.0.0/16");
    assert_int_equal(put_set(w, OFFICE("'10.1.0.0/16', '10.2.0.0/16'"), &err), 0);
    expect_sources(w, "10.1.0.0/16 10.2.0.0/16");
    assert_int_equal(put_set(w, OFFICE("'10.3.0.0/16'"), &err), 0);
    expect_sources(w, "10.3.0.0/16");
    restart(w);
    topology_up(w);
    pass_ms(w, 0);
    expect_sources(w, "10.3.0.0/16");
}

static void sets_in_use_stay(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    assert_int_equal(put_set(w, OFFICE("'10.1.0.0/16'"), &err), 0);
    assert_int_equal(put(w, w->backend.policy_put, "V1", USES_OFFICE, &err), 0);
    assert_int_equal(put(w, w->backend.policy_put, "V2",
                         "{'policy': 'V2', 'rules': [{'direction': 'to-vm', 'action': 'deny', 'remote': '@office'}]}",
                         &err),
                     0);
    assert_int_equal(w->backend.address_set_delete(w->gateway, "office", &err), ERR_CONFLICT);
    assert_string_equal(err.text, "address set office is used by the policies of V1, V2; change them first");
    expect_sources(w, "10.1.0.0/16");

    /* One of its own does not use the gateway's. */
    assert_int_equal(put(w, w->backend.policy_put, "V1",
                         "{'policy': 'V1', 'sets': {'office': ['10.9.0.0/16']},"
                         " 'rules': [{'direction': 'to-vm', 'action': 'allow', 'remote': '@office'}]}",
                         &err),
                     0);
    expect_sources(w, "10.9.0.0/16");
    assert_int_equal(w->backend.policy_delete(w->gateway, "V2", &err), 0);
    assert_int_equal(w->backend.address_set_delete(w->gateway, "office", &err), 0);
    assert_string_equal(shown(w, "address-sets", "office", "name"), "gone");
    expect_sources(w, "10.9.0.0/16");
}

static void sets_leave_with_a_policy(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    assert_int_equal(put_set(w, OFFICE("'10.1.0.0/16', '2001:db8::/32'"), &err), 0);
    assert_int_equal(put(w, w->backend.policy_put, "V1", USES_OFFICE, &err), 0);
    AUTO_FREE char *id = xstrdup(order(w, "V1", 10, &err));
    for (unsigned i = 0; i < 20 && !w->peer_body; i++) {
        if (w->n_pending)
            answer_up(w, w->pending[0].lsp.name, 200, 0);
        pass_ms(w, 100);
    }
    assert_non_null(w->peer_body);
    AUTO_FREE char *message = json_dumps(w->peer_body, JSON_COMPACT);
    assert_non_null(strstr(message, "\"sets\":{\"office\":[\"10.1.0.0/16\",\"2001:db8::/32\"]}"));

    /* What has left would not be changed any more. */
    AUTO_FREE char *conflict = xasprintf("address set office: VM V1 is in migration %s; change its policy when that "
                                         "has ended",
                                         id);
    assert_int_equal(put_set(w, OFFICE("'10.2.0.0/16'"), &err), ERR_CONFLICT);
    assert_string_equal(err.text, conflict);
    expect_sources(w, "10.1.0.0/16");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, circuit_world_setup, circuit_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(refusals),
        TEST(changes_reach_vms_at_once),
        TEST(sets_in_use_stay),
        TEST(sets_leave_with_a_policy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
