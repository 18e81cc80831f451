/* SPDX-License-Identifier: Apache-2.0 */
/* gmplsd's configuration: what loads and how, and for each edit that spoils tests/data/config/gmplsd.yaml the exact
 * sentence that an operator gets. What libcyaml's complaints become is held in test_config.c. */
#include "gmplsd/config.h"

#include "config_edits.h"

static void test_every_member_is_loaded(void **state)
{
    struct config *c = config_load_file(TEST_DATA "/config/gmplsd.yaml");

    (void) state;
    assert_string_equal(c->node, "t1");
    assert_int_equal(c->router, 0x0afd0001);
    assert_string_equal(c->openflow.address, "10.255.0.31");
    assert_int_equal(c->openflow.port, 6653);
    assert_int_equal(c->bridge.dpid, 0x00005c670000c001);
    assert_string_equal(c->store, "/run/gmplsd/gmplsd.db");
    assert_int_equal(c->log_level, LOG_DEBUG);
    assert_string_equal(c->zebra_vty, "/run/frr/zebra.vty");
    assert_int_equal(c->pces_count, 2);
    assert_string_equal(c->pces[1].address, "10.255.0.2");
    assert_int_equal(c->pces[1].port, 4190);
    assert_int_equal(c->te_links_count, 2);
    assert_string_equal(c->te_links[0].name, "t1-t2");
    assert_string_equal(c->te_links[0].interface, "c-t1-t2");
    assert_int_equal(c->te_links[0].remote_router_id, 0x0afd0002);
    assert_string_equal(c->te_links[1].port, "t1-pe5");
    assert_int_equal(c->te_links[1].local_address, 0x0afc0201);
    assert_int_equal(c->te_links[1].remote_address, 0x0afc0202);
    assert_int_equal(c->te_links[1].remote_router_id, 0);
    assert_int_equal(c->te_links[1].bandwidth_mbps, 100);
    assert_int_equal(c->te_links[1].labels.first, 16);
    assert_int_equal(c->te_links[1].labels.last, 1048575);
    assert_int_equal(c->clients_count, 2);
    assert_string_equal(c->clients[0].port, "x-pe1");
    assert_int_equal(c->clients[0].mode, NODE_CLIENT_VLAN);
    assert_int_equal(c->clients[0].vlans->first, 200);
    assert_int_equal(c->clients[0].vlans->last, 299);
    assert_int_equal(c->clients[1].id, 4294967295);
    assert_int_equal(c->clients[1].mode, NODE_CLIENT_BRIDGE);
    assert_null(c->clients[1].vlans);
    assert_int_equal(c->timers.hello_ms, 11);
    assert_int_equal(c->timers.hello_miss, 4);
    assert_int_equal(c->timers.refresh_ms, 12000);
    assert_int_equal(c->timers.retry_ms, 130);
    assert_int_equal(c->timers.retries, 5);
    assert_int_equal(c->timers.restart_ms, 14000);
    assert_int_equal(c->timers.recovery_ms, 15000);
    assert_int_equal(c->timers.setup_ms, 16000);
    assert_int_equal(c->timers.link_hold_ms, 1700);
    assert_int_equal(c->timers.client_hold_ms, 1800);
    assert_int_equal(c->timers.openflow_hold_ms, 19000);
    assert_string_equal(c->status->address, "127.0.0.1");
    assert_int_equal(c->status->port, 8081);
    config_free(c);
}

static void assert_defaults(const struct config *c)
{
    assert_int_equal(c->log_level, LOG_INFO);
    assert_int_equal(c->timers.hello_ms, 1000);
    assert_int_equal(c->timers.hello_miss, 3);
    assert_int_equal(c->timers.refresh_ms, 30000);
    assert_int_equal(c->timers.retry_ms, 500);
    assert_int_equal(c->timers.retries, 3);
    assert_int_equal(c->timers.restart_ms, 10000);
    assert_int_equal(c->timers.recovery_ms, 10000);
    assert_int_equal(c->timers.setup_ms, 10000);
    assert_int_equal(c->timers.link_hold_ms, 0);
    assert_int_equal(c->timers.client_hold_ms, 10000);
    assert_int_equal(c->timers.openflow_hold_ms, 15000);
}

static void test_what_is_omitted_gets_a_default(void **state)
{
    struct err err;
    struct config *c = config_load_text("node: t1\nrouter-id: 10.253.0.1\nopenflow: {address: 127.0.0.1, port: 6653}\n"
                                        "bridge: {datapath-id: 00005c670000c001}\nstore: /x\nte-links: []\n",
                                        &err);

    (void) state;
    if (!c)
        fail_msg("%s", err.text);
    assert_defaults(c);
    assert_null(c->zebra_vty);
    assert_null(c->status);
    assert_int_equal(c->pces_count + c->te_links_count + c->clients_count, 0);
    config_free(c);
    config_free(NULL);
}

static void test_example_loads_and_shows_the_defaults(void **state)
{
    struct config *c = config_load_file(TEST_DATA "/../../docs/gmplsd.example.yaml");

    (void) state;
    assert_defaults(c);
    assert_int_equal(c->pces_count, 1);
    assert_int_equal(c->te_links_count, 1);
    assert_int_equal(c->clients_count, 2);
    config_free(c);
}

/* Of gmplsd.yaml. */
static const struct config_edit bad_edits[] = {
    /* keys and types */
    {"log-level: debug", "log-levle: debug", "FILE:9:1: log-levle: unknown key"},
    {"node: t1\n", "", "FILE:1:1: node: this key is missing"},
    {"  datapath-id: ", "  dpid: ", "FILE:7:3: bridge.dpid: unknown key"},
    {"    interface: c-t1-pe5\n", "", "FILE:25:5: te-links[1].interface: this key is missing"},
    {"    local: 10.252.1.1", "    local: [10.252.1.1]",
     "FILE:20:12: te-links[0].local: a text is expected here, not a list"},
    {"port: 6653", "port: openflow", "FILE:5:9: openflow.port: not a whole number, or out of range: 'openflow'"},
    {"port: 6653", "port: 6.6", "FILE:5:9: openflow.port: not a whole number: '6.6'"},
    {"labels: {first: 1000", "labels: {first: 0x3e8",
     "FILE:24:21: te-links[0].labels.first: not a whole number: '0x3e8'"},
    {"mode: vlan", "mode: trunk", "FILE:36:11: clients[0].mode: none of the words that are allowed here: trunk"},
    {"timers:\n", "timers: 5\nzzz:\n", "FILE:42:9: timers: keys with values are expected here, not a single value"},
    {"node: t1", "node: t0123456789a123456789b123456789c1",
     "FILE:1:7: node: longer than 31: t0123456789a123456789b123456789c1"},
    {"port: t1-t2", "port: t1-t2-of-the-core", "FILE:18:11: te-links[0].port: longer than 15: t1-t2-of-the-core"},
    {"    port: 4190\n", "    port: 4190\n  - {address: 10.255.0.3, port: 4189}\n",
     "FILE:12:3: pces: too many entries (2 max) in sequence."},
    /* the node */
    {"router-id: 10.253.0.1", "router-id: t1", "FILE: router-id: \"t1\" is not an IP address"},
    {"router-id: 10.253.0.1", "router-id: 2001:db8::1",
     "FILE: router-id: \"2001:db8::1\" is not the IPv4 address of a node or an interface"},
    {"router-id: 10.253.0.1", "router-id: 0.0.0.0",
     "FILE: router-id: \"0.0.0.0\" is not the IPv4 address of a node or an interface"},
    {"address: 10.255.0.31", "address: any", "FILE: openflow.address: \"any\" is not an IP address"},
    {"port: 6653", "port: 0", "FILE: openflow.port: 0 is not between 1 and 65535"},
    {"00005c670000c001", "5c670000c001",
     "FILE: bridge.datapath-id: \"5c670000c001\" is not the 16 hexadecimal digits of a datapath id"},
    {"00005c670000c001", "0x005c670000c001",
     "FILE: bridge.datapath-id: \"0x005c670000c001\" is not the 16 hexadecimal digits of a datapath id"},
    {"00005c670000c001", "0000000000000000",
     "FILE: bridge.datapath-id: \"0000000000000000\" is not the 16 hexadecimal digits of a datapath id"},
    {"/run/gmplsd/gmplsd.db", "gmplsd.db", "FILE: store: \"gmplsd.db\" does not begin with \"/\""},
    {"/run/frr/zebra.vty", "zebra.vty", "FILE: zebra-vty: \"zebra.vty\" does not begin with \"/\""},
    {"address: 10.255.0.2", "address: 10.255.0.1",
     "FILE: pces[1].address: \"10.255.0.1\" is the address of pces[0] already"},
    {"port: 4190", "port: 0", "FILE: pces[1].port: 0 is not between 1 and 65535"},
    {"port: 8081", "port: 0", "FILE: status.port: 0 is not between 1 and 65535"},
    /* links */
    {"name: t1-pe5", "name: t1-t2", "FILE: te-links[1].name: \"t1-t2\" is the name of te-links[0] already"},
    {"port: t1-pe5", "port: t1-t2", "FILE: te-links[1].port: \"t1-t2\" is the port of te-links[0] already"},
    {"interface: c-t1-pe5", "interface: c-t1-t2",
     "FILE: te-links[1].interface: \"c-t1-t2\" is the interface of te-links[0] already"},
    {"local: 10.252.2.1", "local: 10.252.1.1",
     "FILE: te-links[1].local: \"10.252.1.1\" is the local of te-links[0] already"},
    {"remote: 10.252.2.2", "remote: 10.252.1.2",
     "FILE: te-links[1].remote: \"10.252.1.2\" is the remote of te-links[0] already"},
    {"remote: 10.252.1.2", "remote: 10.252.1.1", "FILE: te-links[0].remote: \"10.252.1.1\" is the local address, too"},
    {"remote-router: 10.253.0.2", "remote-router: t2", "FILE: te-links[0].remote-router: \"t2\" is not an IP address"},
    {"bandwidth-mbps: 1000", "bandwidth-mbps: 0", "FILE: te-links[0].bandwidth-mbps: 0 is not between 1 and 1000000"},
    {"first: 1000", "first: 15", "FILE: te-links[0].labels.first: 15 is not between 16 and 1048575"},
    {"last: 1999", "last: 1048576", "FILE: te-links[0].labels.last: 1048576 is not between 16 and 1048575"},
    {"last: 1999", "last: 999", "FILE: te-links[0].labels.last: 999 is less than labels.first, which is 1000"},
    /* clients */
    {"name: ce1", "name: pe1", "FILE: clients[1].name: \"pe1\" is the name of clients[0] already"},
    {"port: t1-ce1", "port: x-pe1", "FILE: clients[1].port: \"x-pe1\" is the port of clients[0] already"},
    {"port: t1-ce1", "port: t1-t2", "FILE: clients[1].port: \"t1-t2\" is the port of te-links[0] already"},
    {"id: 1\n", "id: 0\n", "FILE: clients[0].id: 0 is no interface id"},
    {"id: 4294967295", "id: 1", "FILE: clients[1].id: 1 is the id of clients[0] already"},
    {"    vlans: {first: 200, last: 299}\n", "",
     "FILE: clients[0].vlans: this key is missing, and a client of mode vlan needs it"},
    {"mode: vlan", "mode: bridge", "FILE: clients[0].vlans: only a client of mode vlan has this key"},
    {"first: 200", "first: 0", "FILE: clients[0].vlans.first: 0 is not between 1 and 4094"},
    {"last: 299", "last: 4095", "FILE: clients[0].vlans.last: 4095 is not between 1 and 4094"},
    {"last: 299", "last: 199", "FILE: clients[0].vlans.last: 199 is less than vlans.first, which is 200"},
    /* timers */
    {"hello-ms: 11", "hello-ms: 0", "FILE: timers.hello-ms: 0 is not between 5 and 600000"},
    {"hello-miss: 4", "hello-miss: 1", "FILE: timers.hello-miss: 1 is not between 2 and 100"},
    {"refresh-ms: 12000", "refresh-ms: 5", "FILE: timers.refresh-ms: 5 is not between 100 and 3600000"},
    {"retry-ms: 130", "retry-ms: 1", "FILE: timers.retry-ms: 1 is not between 10 and 60000"},
    {"retries: 5", "retries: 17", "FILE: timers.retries: 17 is not between 1 and 16"},
    {"restart-ms: 14000", "restart-ms: 3600001", "FILE: timers.restart-ms: 3600001 is not between 0 and 3600000"},
    {"recovery-ms: 15000", "recovery-ms: 0", "FILE: timers.recovery-ms: 0 is not between 1 and 3600000"},
    {"setup-ms: 16000", "setup-ms: 99", "FILE: timers.setup-ms: 99 is not between 100 and 600000"},
    {"link-hold-ms: 1700", "link-hold-ms: 600001", "FILE: timers.link-hold-ms: 600001 is not between 0 and 600000"},
    {"client-hold-ms: 1800", "client-hold-ms: 3600001",
     "FILE: timers.client-hold-ms: 3600001 is not between 0 and 3600000"},
    {"openflow-hold-ms: 19000", "openflow-hold-ms: 999",
     "FILE: timers.openflow-hold-ms: 999 is not between 1000 and 3600000"},
};

static void test_bad_edits(void **state)
{
    (void) state;
    config_assert_edits("gmplsd.yaml", bad_edits, ARRAY_LEN(bad_edits));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_member_is_loaded),
        cmocka_unit_test(test_what_is_omitted_gets_a_default),
        cmocka_unit_test(test_example_loads_and_shows_the_defaults),
        cmocka_unit_test(test_bad_edits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
