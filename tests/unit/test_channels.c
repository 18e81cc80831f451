/* SPDX-License-Identifier: Apache-2.0 */
/* Migration channels through the transport network: those that an operator sets up, and those of orders. An arrow
 * comment stands for each message; circuit_world.h has the map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "circuit_world.h"

#define CE1 "A:user:ce1"
#define CHANNEL "A:channel:B:1"

/* ce1 is set and its circuit is up by t1, at VLAN 200 of the PE. */
static void connect_ce1(struct circuit_world *w)
{
    struct err err;

    assert_int_equal(put_user(w, "ce1", NULL, &err), 0);
    expect(w, "create A:user:ce1: 11 1 15, 100 Mbit/s, VLAN any/none\n");
    answer_up(w, CE1, 200, CLIENT_VLAN_NONE);
}

/* ---- of an operator ---- */

static int create_channel(struct circuit_world *w, const char *body, struct err *err)
{
    json_t *json = json_loads(body, 0, NULL), *channel = NULL;

    *err = (struct err) {0};
    w->backend.channel_create(w->gateway, json, &channel, err);
    assert_true(err->code ? !channel : channel != NULL);
    json_decref(json);
    json_decref(channel);
    return err->code;
}

static void channel_that_stays(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    assert_int_equal(create_channel(w, "{\"peer\": \"B\"}", &err), 0);
    expect(w, "create A:channel:B:1: 13 1 14, 500 Mbit/s, VLAN any/any\n");
    answer_up(w, CHANNEL, 300, 301);
    assert_string_equal(shown(w, "channels", CHANNEL, "kind"), "migration");
    assert_string_equal(shown(w, "channels", CHANNEL, "keep"), "true");
    assert_string_equal(shown(w, "channels", CHANNEL, "free-mbps"), "500");
    /* What is up is booked until the flood tells: the next one finds the rest */
    assert_int_equal(create_channel(w, "{\"peer\": \"B\", \"bandwidth-mbps\": 600}", &err), 0);
    expect(w, "create A:channel:B:2: 13 2 14, 600 Mbit/s, VLAN any/any\n");
    answer_up(w, "A:channel:B:2", 302, 303);
    /* It stays over a restart, too */
    restart(w);
    topology_up(w);
    report(w, GATE, CHANNEL, LSP_UP, 300, 301);
    report(w, GATE, "A:channel:B:2", LSP_UP, 302, 303);
    ingress_up(w, GATE);
    ingress_up(w, PE);
    pass_ms(w, 60000);
    expect(w, "");
    assert_string_equal(shown(w, "channels", CHANNEL, "keep"), "true");
    /* operator -> gateway: no more */
    assert_int_equal(w->backend.channel_delete(w->gateway, CHANNEL, &err), 0);
    expect(w, "remove A:channel:B:1 at 13\n");
    answer_removed(w, CHANNEL);
    assert_string_equal(shown(w, "channels", CHANNEL, "state"), "gone");
    assert_string_equal(shown(w, "channels", "A:channel:B:2", "state"), "up");
}

static void channels_that_are_refused(void **state)
{
    struct circuit_world *w = *state;
    struct config_channel wan = {(char[]) {"wan"}, (char[]) {"C"}, (char[]) {"gate"}, 100};
    struct err err;
    static const struct {
        const char *body;
        int code;
        const char *text;
    } rows[] = {
        {"{}", ERR_INVALID, "channel.peer: missing"},
        {"{\"peer\": 7}", ERR_INVALID, "channel.peer: expected a string, found a whole number"},
        {"{\"peer\": \"B\", \"bandwidth-mbps\": 0}", ERR_INVALID,
         "channel.bandwidth-mbps: expected 1..1000000, found 0"},
        {"{\"peer\": \"B\", \"bandwith-mbps\": 1}", ERR_INVALID, "channel.bandwith-mbps: unknown member"},
        {"{\"peer\": \"A\"}", ERR_INVALID, "a channel leads to another data center, and 'A' is this one"},
        {"{\"peer\": \"D\"}", ERR_NOT_FOUND, "data center 'D' is not a peer of A; add it under 'peers'"},
        {"{\"peer\": \"C\"}", ERR_NOT_FOUND,
         "no channel to data center C can be set up: the configuration has no transport-router-id of that peer"},
        {"{\"peer\": \"B\", \"bandwidth-mbps\": 1001}", ERR_EXHAUSTED,
         "no path between 10.253.0.13 and 10.253.0.14 has 1.001 Gbit/s free at priority 4: 1 Gbit/s would fit, and "
         "link 10.252.13.1 (10.253.0.13 to 10.253.0.1) limits it"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(create_channel(w, rows[i].body, &err), rows[i].code);
        assert_string_equal(err.text, rows[i].text);
    }
    expect(w, "");
    ingress_down(w, GATE);
    assert_int_equal(create_channel(w, "{\"peer\": \"B\"}", &err), ERR_UNREACHABLE);
    assert_string_equal(err.text, "transport node 10.253.0.13 has no PCEP session with the gateway of data center A");
    ingress_up(w, GATE);
    topology_down(w);
    assert_int_equal(create_channel(w, "{\"peer\": \"B\"}", &err), ERR_UNREACHABLE);
    assert_string_equal(err.text, "the topology of the transport network is not known: no session with ospfd at "
                                  "127.0.0.1 port 2607");
    w->edges[1].transport_port = NULL;
    assert_int_equal(create_channel(w, "{\"peer\": \"B\"}", &err), ERR_NOT_FOUND);
    assert_string_equal(err.text, "no channel to data center B can be set up: the configuration has no inter-dc edge "
                                  "with a transport-port");
    w->config.transport = NULL;
    assert_int_equal(create_channel(w, "{\"peer\": \"B\"}", &err), ERR_NOT_FOUND);
    assert_string_equal(err.text,
                        "no channel to data center B can be set up: the configuration has no section 'transport'");

    w->config.channels = &wan;
    w->config.channels_count = 1;
    assert_int_equal(w->backend.channel_delete(w->gateway, "wan", &err), ERR_CONFLICT);
    assert_string_equal(err.text, "channel wan exists by configuration; remove it there");
    assert_int_equal(w->backend.channel_delete(w->gateway, "lan", &err), ERR_NOT_FOUND);
    assert_string_equal(err.text, "there is no channel 'lan' in data center A");
}

static void deletions_that_are_refused(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    connect_ce1(w);
    assert_int_equal(w->backend.channel_delete(w->gateway, CE1, &err), ERR_CONFLICT);
    assert_string_equal(err.text, "circuit A:user:ce1 belongs to user ce1; delete the user");
    assert_non_null(order(w, "V1", 100, &err));
    assert_int_equal(w->backend.channel_delete(w->gateway, CHANNEL, &err), ERR_CONFLICT);
    assert_string_equal(err.text, "a migration uses channel A:channel:B:1; delete it when that has ended");
}

/* ---- of orders ---- */

static void order_has_a_channel_set_up(void **state)
{
    struct circuit_world *w = *state;
    struct err err;
    unsigned vlan;
    AUTO_FREE char *id = xstrdup(order(w, "V1", 0, &err));

    /* operator -> gateway: V1 to B. gateway -> gate: a channel, of the configured bandwidth */
    expect(w, "create A:channel:B:1: 13 1 14, 500 Mbit/s, VLAN any/any\n");
    assert_string_equal(state_of(w, id), "accepted");
    answer_up(w, CHANNEL, 300, 301);
    assert_string_equal(state_of(w, id), "policy_collected");
    assert_string_equal(shown(w, "migrations", id, "channel"), CHANNEL);
    assert_int_equal(channel_flows(w, &vlan), 0); /* they come when B is ready */
    /* B is away: all is undone, and the channel that was set up for it is taken down */
    peer_away(w);
    expect(w, "remove A:channel:B:1 at 13\n");
    assert_string_equal(state_of(w, id), "rolling_back");
    answer_removed(w, CHANNEL);
    assert_string_equal(state_of(w, id), "rolled_back");
    assert_string_equal(shown(w, "channels", CHANNEL, "state"), "gone");
}

/* A channel that is not to be had now is none that exists: where another one can be set up, that is taken. */
static void channel_that_is_down_is_passed_over(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    assert_int_equal(create_channel(w, "{\"peer\": \"B\"}", &err), 0);
    answer_up(w, CHANNEL, 300, 301);
    link_free(w, GATE, T1, 200);
    link_free(w, GATE, T2, 200);
    strbuf_clear(&w->asked);
    report_failed(w, GATE, CHANNEL, T1, GATE_B);
    assert_string_equal(shown(w, "channels", CHANNEL, "state"), "waiting");
    expect(w, "");
    AUTO_FREE char *id = xstrdup(order(w, "V1", 100, &err));
    expect(w, "create A:channel:B:2: 13 1 14, 100 Mbit/s, VLAN any/any\n");
    answer_up(w, "A:channel:B:2", 302, 303);
    assert_string_equal(state_of(w, id), "policy_collected");
    peer_away(w);
    answer_removed(w, "A:channel:B:2");
    /* Where that cannot be either, the order waits for the one that there is, and says why it is down */
    link_free(w, GATE, T1, 50);
    link_free(w, GATE, T2, 50);
    AUTO_FREE char *second = xstrdup(order(w, "V1", 100, &err));
    assert_string_equal(shown(w, "migrations", second, "channel"), CHANNEL);
    assert_string_equal(state_of(w, second), "rolled_back");
}

static void channels_are_kept_by_configuration(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    w->transport_config.keep_channels = true;
    assert_non_null(order(w, "V1", 100, &err));
    expect(w, "create A:channel:B:1: 13 1 14, 100 Mbit/s, VLAN any/any\n");
    answer_up(w, CHANNEL, 300, 301);
    peer_away(w);
    expect(w, "");
    assert_string_equal(shown(w, "channels", CHANNEL, "state"), "up");
    /* The next one takes it */
    const char *id = order(w, "V1", 60, &err);
    expect(w, "");
    assert_string_equal(state_of(w, id), "policy_collected");
    assert_string_equal(shown(w, "channels", CHANNEL, "free-mbps"), "40");
}

static void order_without_a_path(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    /* What is known to be in vain is refused at once */
    assert_null(order(w, "V1", 2000, &err));
    assert_int_equal(err.code, ERR_EXHAUSTED);
    assert_string_equal(err.text, "no path between 10.253.0.13 and 10.253.0.14 has 2 Gbit/s free at priority 4: 1 "
                                  "Gbit/s would fit, and link 10.252.13.1 (10.253.0.13 to 10.253.0.1) limits it");
    ingress_down(w, GATE);
    assert_null(order(w, "V1", 100, &err));
    assert_int_equal(err.code, ERR_UNREACHABLE);
    assert_string_equal(err.text, "transport node 10.253.0.13 has no PCEP session with the gateway of data center A");
    ingress_up(w, GATE);
    /* What turns out so rolls the order back, with the last refusal as its reason */
    const char *id = order(w, "V1", 900, &err);
    expect(w, "create A:channel:B:1: 13 1 14, 900 Mbit/s, VLAN any/any\n");
    answer_refused(w, CHANNEL, T1, GATE_B);
    expect(w, "create A:channel:B:1: 13 2 14, 900 Mbit/s, VLAN any/any\n");
    answer_refused(w, CHANNEL, T2, GATE_B);
    expect(w, "remove A:channel:B:1 at 13\n");
    answer_removed(w, CHANNEL);
    assert_string_equal(state_of(w, id), "rolled_back");
    assert_string_equal(shown(w, "migrations", id, "reason"),
                        "A:channel:B:1: requested bandwidth unavailable (1/2) at 10.253.0.2, interface 10.252.2.14; no "
                        "other path: the exclusions (0 nodes, 2 links) bar every path between 10.253.0.13 and "
                        "10.253.0.14");
    /* It is not tried again: nobody wants it */
    pass_ms(w, 60000);
    expect(w, "");
}

/* gate's session goes while the channel is being set up. What is undone has to wait for it: something may stand. */
static void ingress_away_in_the_middle(void **state)
{
    struct circuit_world *w = *state;
    struct err err;
    AUTO_FREE char *id = xstrdup(order(w, "V1", 100, &err));

    expect(w, "create A:channel:B:1: 13 1 14, 100 Mbit/s, VLAN any/any\n");
    ingress_down(w, GATE);
    answer_error(w, CHANNEL, ERR_UNKNOWN);
    expect(w, "remove A:channel:B:1 at 13\n");
    answer_error(w, CHANNEL, ERR_UNREACHABLE);
    assert_string_equal(state_of(w, id), "rolling_back");
    ingress_up(w, GATE);
    expect(w, "remove A:channel:B:1 at 13\n");
    answer_removed(w, CHANNEL);
    pass_ms(w, 10000);
    assert_string_equal(state_of(w, id), "rolled_back");
}

static void channel_that_fails_under_an_order(void **state)
{
    struct circuit_world *w = *state;
    struct err err;
    AUTO_FREE char *id = xstrdup(order(w, "V1", 100, &err));

    expect(w, "create A:channel:B:1: 13 1 14, 100 Mbit/s, VLAN any/any\n");
    answer_up(w, CHANNEL, 300, 301);
    /* t1 dies. Both sides know the channel by its VLANs, so they are asked for, as long as it takes */
    report_failed(w, GATE, CHANNEL, T1, 0);
    expect(w, "create A:channel:B:1: 13 2 14, 100 Mbit/s, VLAN 300/301\n");
    answer_error(w, CHANNEL, ERR_REFUSED);
    pass_ms(w, 1000);
    expect(w, "create A:channel:B:1: 13 1 14, 100 Mbit/s, VLAN 300/301\n");
    answer_up(w, CHANNEL, 300, 301);
    assert_string_equal(state_of(w, id), "policy_collected");
    peer_away(w);
    expect(w, "remove A:channel:B:1 at 13\n");
}

static void two_orders_between_the_same_servers(void **state)
{
    struct circuit_world *w = *state;
    struct err err;
    AUTO_FREE char *first = xstrdup(order(w, "V1", 100, &err));

    expect(w, "create A:channel:B:1: 13 1 14, 100 Mbit/s, VLAN any/any\n");
    answer_up(w, CHANNEL, 300, 301);
    /* Their streams cannot be told apart, so a channel of its own would be none */
    assert_null(order(w, "V2", 50, &err));
    assert_int_equal(err.code, ERR_EXHAUSTED);
    AUTO_FREE char *text = xasprintf(
        "migration %s moves VMs between the same servers through channel A:channel:B:1, of "
        "which 0 Mbit/s are free; wait for it, or ask for less than 50",
        first);
    assert_string_equal(err.text, text);
    peer_away(w);
    answer_removed(w, CHANNEL);
    strbuf_clear(&w->asked);

    /* One that leaves room is shared, and goes with the last */
    assert_int_equal(create_channel(w, "{\"peer\": \"B\"}", &err), 0);
    expect(w, "create A:channel:B:1: 13 1 14, 500 Mbit/s, VLAN any/any\n");
    answer_up(w, CHANNEL, 300, 301);
    AUTO_FREE char *one = xstrdup(order(w, "V1", 100, &err)), *other = xstrdup(order(w, "V2", 300, &err));
    expect(w, "");
    assert_string_equal(shown(w, "migrations", one, "channel"), CHANNEL);
    assert_string_equal(shown(w, "migrations", other, "channel"), CHANNEL);
    assert_string_equal(shown(w, "channels", CHANNEL, "free-mbps"), "100");
}

/* What a plan says of an order of V1, when the target has one step. */
static json_t *planned(struct circuit_world *w)
{
    plan(w, "V1");
    peer_answers(w, 200,
                 json_pack("{s:i, s:[{s:i, s:s, s:s}]}", "version", 1, "steps", "stage", 0, "step", "admit", "undo",
                           "give it back"));
    assert_int_equal(w->reply_status, 200);
    return w->reply_body;
}

static void plan_tells_channel_and_users(void **state)
{
    struct circuit_world *w = *state;
    struct err err = {0};

    connect_ce1(w);
    const char *text = json_string_value(json_object_get(planned(w), "text"));
    static const char told[] = "channel A:channel:B:1, to be set up: 10.253.0.13 10.253.0.1 10.253.0.14, 500 Mbit/s\n"
                               "user ce1 (V1): a circuit from data center B\n\ndata center A:\nstage 0  ";
    assert_memory_equal(text, told, strlen(told));
    AUTO_FREE char *channel = json_dumps(json_object_get(w->reply_body, "channel"), JSON_COMPACT);
    assert_string_equal(channel, "{\"name\":\"A:channel:B:1\",\"exists\":false,\"bandwidth-mbps\":500,\"nodes\":"
                                 "[\"10.253.0.13\",\"10.253.0.1\",\"10.253.0.14\"]}");
    expect(w, ""); /* nothing is touched */

    /* One that exists is told with the path that it has */
    link_free(w, GATE, T1, 100);
    assert_int_equal(create_channel(w, "{\"peer\": \"B\"}", &err), 0);
    answer_up(w, CHANNEL, 300, 301);
    link_free(w, GATE, T1, 1000);
    AUTO_FREE char *existing = json_dumps(json_object_get(planned(w), "channel"), JSON_COMPACT);
    assert_string_equal(existing, "{\"name\":\"A:channel:B:1\",\"exists\":true,\"bandwidth-mbps\":500,\"nodes\":"
                                  "[\"10.253.0.13\",\"10.253.0.2\",\"10.253.0.14\"]}");

    /* and one of which nothing is known but that it is there, so */
    struct config_channel wan = {(char[]) {"wan"}, (char[]) {"B"}, (char[]) {"gate"}, 900};
    w->config.channels = &wan;
    w->config.channels_count = 1;
    static const char leased[] = "channel wan, which exists, 900 Mbit/s\n";
    assert_memory_equal(json_string_value(json_object_get(planned(w), "text")), leased, strlen(leased));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, circuit_world_setup, circuit_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(channel_that_stays),
        TEST(channels_that_are_refused),
        TEST(deletions_that_are_refused),
        TEST(order_has_a_channel_set_up),
        TEST(channel_that_is_down_is_passed_over),
        TEST(channels_are_kept_by_configuration),
        TEST(order_without_a_path),
        TEST(ingress_away_in_the_middle),
        TEST(channel_that_fails_under_an_order),
        TEST(two_orders_between_the_same_servers),
        TEST(plan_tells_channel_and_users),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
