/* SPDX-License-Identifier: Apache-2.0 */
/* scgd's configuration: what loads and how, and for each edit that spoils tests/data/config/full.yaml the exact
 * sentence that an operator gets. */
#include "scgd/config.h"

#include "config_edits.h"

static struct config *load(const char *name)
{
    AUTO_FREE char *path = xasprintf("%s/config/%s", TEST_DATA, name);

    return config_load_file(path);
}

static void test_every_member_is_loaded(void **state)
{
    struct config *c = load("full.yaml");
    char text[IP_TEXT_SIZE];

    (void) state;
    assert_string_equal(c->dc, "A");
    assert_string_equal(c->rest.address, "127.0.0.1");
    assert_int_equal(c->rest.port, 8080);
    assert_string_equal(c->peer.address, "10.255.0.1");
    assert_int_equal(c->peer.port, 8443);
    assert_string_equal(c->peer.ca, "/etc/scg/ca.pem");
    assert_string_equal(c->peer.certificate, "/etc/scg/a.pem");
    assert_string_equal(c->peer.key, "/etc/scg/a.key");
    assert_string_equal(c->openflow.address, "2001:db8::1");
    assert_int_equal(c->openflow.port, 6653);
    assert_int_equal(c->ovsdb_count, 3);
    assert_string_equal(c->ovsdb[1], "tcp:[2001:db8::3]:6640");
    assert_string_equal(c->store, "/var/lib/scg/scgd.db");
    assert_int_equal(c->log_level, LOG_DEBUG);
    assert_int_equal(c->servers_count, 2);
    assert_string_equal(c->servers[1].name, "server-b");
    assert_string_equal(c->servers[1].uri, "qemu+tcp://10.255.0.12/system");
    assert_string_equal(c->servers[1].migration_uri, "qemu+tcp://10.254.0.12/system");
    assert_string_equal(c->servers[1].migration_address, "10.254.0.12");
    assert_string_equal(c->routes.socket, "/run/scg/bird.ctl");
    assert_string_equal(c->routes.include, "/run/scg/routes.inc");
    assert_int_equal(c->peers_count, 2);
    assert_string_equal(c->peers[1].dc, "C");
    assert_string_equal(c->peers[1].address, "10.255.0.3");
    assert_int_equal(c->peers[1].port, 8443);
    assert_int_equal(c->segments_count, 2);
    assert_string_equal(c->segments[0].name, "web");
    assert_string_equal(ip_format(&c->segments[0].gateway_ip, text), "10.100.0.1");
    assert_int_equal(c->segments[0].length, 24);
    assert_string_equal(mac_format(&c->segments[0].mac, text), "02:5c:67:00:00:01");
    assert_string_equal(ip_format(&c->segments[1].gateway_ip, text), "2001:db8:1::1");
    assert_int_equal(c->segments[1].length, 64);
    assert_int_equal(c->vlan_first, 100);
    assert_int_equal(c->vlan_last, 199);
    assert_int_equal(c->edges_count, 2);
    assert_string_equal(c->edges[0].switch_name, "pe1");
    assert_int_equal(c->edges[0].role, EDGE_IP);
    assert_string_equal(c->edges[0].uplink_port, "pe1-inet");
    assert_string_equal(c->edges[0].router_port, "pe1-r");
    assert_string_equal(ip_format(&c->edges[0].router_ip, text), "192.0.2.2");
    assert_string_equal(ip_format(&c->edges[0].next_hop_ip, text), "192.0.2.1");
    assert_int_equal(c->edges[1].role, EDGE_INTER_DC);
    assert_string_equal(c->edges[0].transport_port, "pe1-patch");
    assert_int_equal(c->edges[0].transport.router, 0x0afd000b);
    assert_int_equal(c->edges[0].transport.client, 1);
    assert_int_equal(c->edges[0].migration_mbps, 0);
    assert_string_equal(c->edges[1].transport_port, "pe3-patch");
    assert_int_equal(c->edges[1].transport.router, 0x0afd000d);
    assert_int_equal(c->edges[1].transport.client, 2);
    assert_int_equal(c->edges[1].migration_mbps, 5000);
    assert_int_equal(c->peers[0].transport.router, 0x0afd000e);
    assert_int_equal(c->peers[0].transport.client, 4);
    assert_null(c->peers[1].transport.router_id);
    assert_int_equal(c->peers[1].transport.client, 0);
    assert_string_equal(c->transport->ospf_api.address, "127.0.0.1");
    assert_int_equal(c->transport->ospf_api.port, 2607);
    assert_string_equal(c->transport->pcep.address, "10.255.0.1");
    assert_int_equal(c->transport->pcep.port, 4189);
    assert_true(c->transport->keep_channels);
    assert_int_equal(c->mode, MODE_VPLS);
    assert_int_equal(c->vpls->labels.first, 16);
    assert_int_equal(c->vpls->labels.last, 1015);
    assert_int_equal(c->vpls->metrics_count, 2);
    assert_string_equal(c->vpls->metrics[1].from, "p1");
    assert_string_equal(c->vpls->metrics[1].to, "pe1");
    assert_int_equal(c->vpls->metrics[1].metric, 2);
    assert_null(c->edges[1].router_port);
    assert_null(c->edges[1].router);
    assert_null(c->edges[1].next_hop);
    assert_int_equal(c->channels_count, 1);
    assert_string_equal(c->channels[0].name, "pe3-pe4");
    assert_string_equal(c->channels[0].peer, "B");
    assert_string_equal(c->channels[0].switch_name, "pe3");
    assert_int_equal(c->channels[0].bandwidth_mbps, 1000);
    assert_int_equal(c->limits.migrations, 3);
    assert_int_equal(c->limits.vms_per_order, 4);
    assert_int_equal(c->limits.transfers, 5);
    assert_int_equal(c->limits.message_bytes, 65536);
    assert_int_equal(c->timeouts.peer, 6);
    assert_int_equal(c->timeouts.transfer, 7);
    assert_int_equal(c->timeouts.switch_, 8);
    assert_int_equal(c->history.migrations, 50);
    assert_int_equal(c->drift.interval, 30);
    assert_true(c->drift.repair);
    config_free(c);
}

static void assert_default_numbers(const struct config *c)
{
    assert_int_equal(c->log_level, LOG_INFO);
    assert_int_equal(c->limits.migrations, 8);
    assert_int_equal(c->limits.vms_per_order, 16);
    assert_int_equal(c->limits.transfers, 2);
    assert_int_equal(c->limits.message_bytes, 1048576);
    assert_int_equal(c->timeouts.peer, 30);
    assert_int_equal(c->timeouts.transfer, 600);
    assert_int_equal(c->timeouts.switch_, 10);
    assert_int_equal(c->history.migrations, 1000);
    assert_int_equal(c->drift.interval, 60);
    assert_false(c->drift.repair);
}

static void test_what_is_omitted_gets_a_default(void **state)
{
    struct config *c = load("minimal.yaml");

    (void) state;
    assert_default_numbers(c);
    assert_int_equal(c->servers_count + c->peers_count + c->segments_count + c->edges_count + c->channels_count, 0);
    assert_int_equal(c->vlan_first, 1);
    assert_int_equal(c->vlan_last, 4094);
    assert_null(c->transport);
    assert_int_equal(c->mode, MODE_ETHERNET);
    assert_null(c->vpls);
    config_free(c);
    config_free(NULL);
}

/* What of the transport networks may be left out. */
static void test_less_transport(void **state)
{
    static const char *const edits[][2] = {
        {"    uplink-port: pe3-t3\n", ""}, /* then no channel can be configured */
        {"channels:\n  - name: pe3-pe4\n    peer: B\n    switch: pe3\n    bandwidth-mbps: 1000\n", ""},
        {"    migration-mbps: 5000\n", ""},
        {"  keep-channels: true\n", ""},
        {"    transport-router-id: 10.253.0.14\n    transport-client: 4\n", ""},
    };
    AUTO_STRBUF struct strbuf full = {0};
    struct err err;

    (void) state;
    config_read_data("full.yaml", &full);
    AUTO_FREE char *text = xstrdup(full.text);
    for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
        char *edited = config_edited(text, edits[i][0], edits[i][1]);

        free(text);
        text = edited;
    }
    struct config *c = config_load_text(text, &err);
    if (!c)
        fail_msg("%s", err.text);
    assert_null(c->edges[1].uplink_port);
    assert_int_equal(c->edges[1].migration_mbps, 1000);
    assert_int_equal(c->edges[0].migration_mbps, 0);
    assert_false(c->transport->keep_channels);
    assert_null(c->peers[0].transport.router_id);
    config_free(c);
}

static void test_example_loads_and_shows_the_defaults(void **state)
{
    struct config *c = config_load_file(TEST_DATA "/../../docs/scgd.example.yaml");

    (void) state;
    assert_default_numbers(c);
    assert_int_equal(c->servers_count, 1);
    assert_int_equal(c->peers_count, 1);
    assert_int_equal(c->segments_count, 1);
    assert_int_equal(c->edges_count, 2);
    assert_int_equal(c->channels_count, 0);
    assert_int_equal(c->edges[1].migration_mbps, 1000);
    assert_false(c->transport->keep_channels);
    config_free(c);
}

/* Of full.yaml. */
static const struct config_edit bad_edits[] = {
    /* keys */
    {"log-level: debug", "log-levle: debug", "FILE:19:1: log-levle: unknown key"},
    {"  port: 8080", "  prot: 8080", "FILE:4:3: rest.prot: unknown key"},
    {"    uri: qemu", "    url: qemu", "FILE:22:5: servers[0].url: unknown key"},
    {"limits:\n", "limits:\n  \"vms\": 3\n", "FILE:74:4: limits.vms: unknown key"},
    {"dc: A\n", "", "FILE:1:1: dc: this key is missing"},
    {"  port: 8443\n  ca", "  ca", "FILE:6:3: peer.port: this key is missing"},
    {"    address: 10.255.0.3\n", "", "FILE:38:5: peers[1].address: this key is missing"},
    {"  first: 100\n", "", "FILE:49:3: vlans.first: this key is missing"},
    {"store: /var/lib/scg/scgd.db", "dc: B", "FILE:18:1: dc: this key stands here twice"},
    /* types */
    {"port: 8080", "port: http", "FILE:4:9: rest.port: not a whole number, or out of range: 'http'"},
    {"port: 8080", "port: 65536", "FILE:4:9: rest.port: not a whole number, or out of range: '65536'"},
    {"port: 8080", "port: -1", "FILE:4:9: rest.port: not a whole number, or out of range: '-1'"},
    {"port: 8080", "port: 80.5", "FILE:4:9: rest.port: not a whole number: '80.5'"},
    {"port: 8080", "port: 8080/tcp", "FILE:4:9: rest.port: not a whole number: '8080/tcp'"},
    {"port: 8080", "port: 010", "FILE:4:9: rest.port: not a whole number: '010'"},
    {"bandwidth-mbps: 1000", "bandwidth-mbps: 1G", "FILE:72:21: channels[0].bandwidth-mbps: not a whole number: '1G'"},
    {"transfers: 5", "transfers: 0x5", "FILE:76:14: limits.transfers: not a whole number: '0x5'"},
    {"port: 8080", "port: [8080]", "FILE:4:9: rest.port: a number is expected here, not a list"},
    {"dc: A", "dc: {name: A}", "FILE:1:5: dc: a text is expected here, not a group of keys"},
    {"dc: A", "dc:", "FILE:1:4: dc: this value is empty"},
    {"dc: A", "dc: a0123456789b0123456789c0123456789d0123456789e0123456789f01234567",
     "FILE:1:5: dc: longer than 63: a0123456789b0123456789c0123456789d0123456789e0123456789f01234567"},
    {"routes:\n  socket: /run/scg/bird.ctl\n  include: /run/scg/routes.inc", "routes: /run/scg",
     "FILE:29:9: routes: keys with values are expected here, not a single value"},
    {"limits:\n", "limits: 8\nzzz:\n", "FILE:73:9: limits: keys with values are expected here, not a single value"},
    {"  - tcp:10.255.0.3:6640", "  - [a]", "FILE:15:5: ovsdb[0]: a text is expected here, not a list"},
    {"  - tcp:10.255.0.3:6640\n  - tcp:[2001:db8::3]:6640\n  - unix:/run/openvswitch/db.sock", "  []",
     "FILE:15:3: ovsdb: too few entries (0 of 1 min) in sequence."},
    {"log-level: debug", "log-level: loud", "FILE:19:12: log-level: none of the words that are allowed here: loud"},
    {"log-level: debug", "log-level: 1", "FILE:19:12: log-level: none of the words that are allowed here: 1"},
    {"role: inter-dc", "role: dc", "FILE:62:11: edges[1].role: none of the words that are allowed here: dc"},
    /* syntax */
    {"dc: A\n", "dc: 'A\n", "FILE:108:1: not YAML: found unexpected end of stream"},
    {"dc: A\n", "\tdc: A\n", "FILE:1:1: not YAML: found character that cannot start any token"},
    {"  switch: 8\n", "  switch: 8\n---\ndc: B\n", "FILE: only one document may stand in this file"},
    /* addresses */
    {"address: 127.0.0.1", "address: localhost", "FILE: rest.address: \"localhost\" is not an IP address"},
    {"port: 8080", "port: 0", "FILE: rest.port: 0 is not between 1 and 65535"},
    {"  address: 127.0.0.1\n  port: 8080", "  address: 10.255.0.1\n  port: 8443",
     "FILE: peer.port: 8443 on 10.255.0.1 is what rest listens on already"},
    {"tcp:10.255.0.3:6640", "tcp:10.255.0.3",
     "FILE: ovsdb[0]: \"tcp:10.255.0.3\" is neither tcp:ADDRESS:PORT nor unix:PATH"},
    {"tcp:10.255.0.3:6640", "tcp:10.255.0.3:6640x",
     "FILE: ovsdb[0]: \"tcp:10.255.0.3:6640x\" is neither tcp:ADDRESS:PORT nor unix:PATH"},
    {"tcp:[2001:db8::3]:6640", "tcp:2001:db8::3:6640",
     "FILE: ovsdb[1]: \"tcp:2001:db8::3:6640\" is neither tcp:ADDRESS:PORT nor unix:PATH"},
    {"tcp:10.255.0.3:6640", "tcp:10.255.0.3:70000", "FILE: ovsdb[0]: 70000 is not between 1 and 65535"},
    {"unix:/run/openvswitch/db.sock", "tcp:10.255.0.3:6640",
     "FILE: ovsdb[2]: \"tcp:10.255.0.3:6640\" is ovsdb[0] already"},
    {"unix:/run/openvswitch/db.sock", "unix:db.sock", "FILE: ovsdb[2]: \"db.sock\" does not begin with \"/\""},
    /* files */
    {"key: /etc/scg/a.key", "key: a.key", "FILE: peer.key: \"a.key\" does not begin with \"/\""},
    {"store: /var", "store: var", "FILE: store: \"var/lib/scg/scgd.db\" does not begin with \"/\""},
    {"socket: /run/scg/bird.ctl",
     "socket: /run/abcdefghijklmnopqrstuvwxyz/abcdefghijklmnopqrstuvwxyz/abcdefghijklmnopqrstuvwxyz/"
     "abcdefghijklmnopqrstuvwxyz",
     "FILE: routes.socket: \"/run/abcdefghijklmnopqrstuvwxyz/abcdefghijklmnopqrstuvwxyz/abcdefghijklmnopqrstuvwxyz/"
     "abcdefghijklmnopqrstuvwxyz\" is longer than the 107 bytes that a socket's name may have"},
    /* servers, peers */
    {"name: server-b", "name: server-a", "FILE: servers[1].name: \"server-a\" is the name of servers[0] already"},
    {"uri: qemu+tcp://10.255.0.12/", "uri: qemu+tcp://10.255.0.11/",
     "FILE: servers[1].uri: \"qemu+tcp://10.255.0.11/system\" is the uri of servers[0] already"},
    {"migration-uri: qemu+tcp://10.254.0.12/system", "migration-uri: 10.254.0.12",
     "FILE: servers[1].migration-uri: \"10.254.0.12\" is not a libvirt URI such as qemu+tcp://10.0.0.1/system"},
    {"migration-address: 10.254.0.12", "migration-address: 10.254.0.300",
     "FILE: servers[1].migration-address: \"10.254.0.300\" is not an IP address"},
    {"dc: C", "dc: B", "FILE: peers[1].dc: \"B\" is the dc of peers[0] already"},
    {"dc: C", "dc: A", "FILE: peers[1].dc: \"A\" is this data center itself"},
    {"    address: 10.255.0.3", "    address: 10.255.0.2",
     "FILE: peers[1].address: \"10.255.0.2\" port 8443 is that of peers[0] already"},
    /* segments, VLANs */
    {"gateway: 10.100.0.1/24", "gateway: 10.100.0.1",
     "FILE: segments[0].gateway: \"10.100.0.1\" is not ADDRESS/LENGTH such as 10.100.0.1/24"},
    {"gateway: 10.100.0.1/24", "gateway: 10.100.0.1/33",
     "FILE: segments[0].gateway: \"10.100.0.1/33\" is not ADDRESS/LENGTH such as 10.100.0.1/24"},
    {"gateway: 10.100.0.1/24", "gateway: 10.100.0.0/24",
     "FILE: segments[0].gateway: \"10.100.0.0/24\" is the address of the network itself, not of a gateway in it"},
    {"gateway: 10.100.0.1/24", "gateway: 10.100.0.255/24",
     "FILE: segments[0].gateway: \"10.100.0.255/24\" is the broadcast address of the network, not of a gateway in it"},
    {"gateway: 10.100.0.1/24", "gateway: 10.100.0.1/31",
     "FILE: segments[0].gateway: \"10.100.0.1/31\" is no prefix that a segment of VMs could have"},
    {"02:5c:67:00:00:01", "02:5c:67:00:01",
     "FILE: segments[0].gateway-mac: \"02:5c:67:00:01\" is not a MAC address such as 02:00:00:00:00:01"},
    {"02:5c:67:00:00:01", "03:5c:67:00:00:01",
     "FILE: segments[0].gateway-mac: \"03:5c:67:00:00:01\" is not the address of one station"},
    {"name: db", "name: web", "FILE: segments[1].name: \"web\" is the name of segments[0] already"},
    {"gateway: 2001:db8:1::1/64", "gateway: 10.100.128.1/16",
     "FILE: segments[1].gateway: \"10.100.128.1/16\" overlaps \"10.100.0.1/24\" of segments[0]"},
    {"first: 100", "first: 0", "FILE: vlans.first: 0 is not between 1 and 4094"},
    {"last: 199", "last: 4095", "FILE: vlans.last: 4095 is not between 1 and 4094"},
    {"last: 199", "last: 99", "FILE: vlans.last: 99 is less than vlans.first, which is 100"},
    /* edges, channels */
    {"    router: 192.0.2.2\n", "", "FILE: edges[0].router: this key is missing, and an edge of role ip needs it"},
    {"    uplink-port: pe3-t3\n", "    uplink-port: pe3-t3\n    next-hop: 192.0.2.1\n",
     "FILE: edges[1].next-hop: \"192.0.2.1\": only an edge of role ip has this key"},
    {"next-hop: 192.0.2.1", "next-hop: 2001:db8::1",
     "FILE: edges[0].next-hop: \"2001:db8::1\" and the router \"192.0.2.2\" are of different IP versions"},
    {"next-hop: 192.0.2.1", "next-hop: 192.0.2.2", "FILE: edges[0].next-hop: \"192.0.2.2\" is the router itself"},
    {"router-port: pe1-r", "router-port: pe1-inet", "FILE: edges[0].router-port: \"pe1-inet\" is the uplink-port too"},
    {"channels:\n", "  - {switch: pe3, role: inter-dc, uplink-port: x}\nchannels:\n",
     "FILE: edges[2].switch: \"pe3\" has this role in edges[1] already"},
    {"channels:\n", "  - {switch: pe1, role: inter-dc, uplink-port: pe1-inet}\nchannels:\n",
     "FILE: edges[2].uplink-port: \"pe1-inet\" is the uplink-port of edges[0] already"},
    {"peer: B", "peer: D", "FILE: channels[0].peer: \"D\" is not the dc of any of the peers"},
    {"peer: B\n    switch: pe3", "peer: B\n    switch: pe1",
     "FILE: channels[0].switch: \"pe1\" is not the switch of any edge of role inter-dc with an uplink-port"},
    {"bandwidth-mbps: 1000", "bandwidth-mbps: 0", "FILE: channels[0].bandwidth-mbps: 0 is not between 1 and 1000000"},
    {"limits:\n", "  - {name: pe3-pe4, peer: C, switch: pe3, bandwidth-mbps: 1}\nlimits:\n",
     "FILE: channels[1].name: \"pe3-pe4\" is the name of channels[0] already"},
    /* transport networks */
    {"transport:\n  ospf-api:", "transport:\n  ospf:", "FILE:83:3: transport.ospf: unknown key"},
    {"  pcep:\n    address: 10.255.0.1\n    port: 4189\n", "", "FILE:83:3: transport.pcep: this key is missing"},
    {"keep-channels: true", "keep-channels: maybe",
     "FILE:89:18: transport.keep-channels: none of the words that are allowed here: maybe"},
    {"transport-client: 1", "transport-client: one",
     "FILE:60:23: edges[0].transport-client: not a whole number, or out of range: 'one'"},
    {"    port: 2607", "    port: 0", "FILE: transport.ospf-api.port: 0 is not between 1 and 65535"},
    {"    address: 127.0.0.1\n    port: 2607", "    address: ospfd\n    port: 2607",
     "FILE: transport.ospf-api.address: \"ospfd\" is not an IP address"},
    {"    port: 4189", "    port: 0", "FILE: transport.pcep.port: 0 is not between 1 and 65535"},
    {"    port: 4189", "    port: 8443",
     "FILE: transport.pcep.port: 8443 on 10.255.0.1 is what peer listens on already"},
    {"    transport-router-id: 10.253.0.14\n", "",
     "FILE: peers[0].transport-router-id: this key is missing, and transport-client needs it"},
    {"    transport-client: 4\n", "",
     "FILE: peers[0].transport-client: this key is missing or 0; it is the id of the client port at 10.253.0.14"},
    {"10.253.0.14", "pe4", "FILE: peers[0].transport-router-id: \"pe4\" is not a router id such as 10.253.0.11"},
    {"10.253.0.14", "0.0.0.0",
     "FILE: peers[0].transport-router-id: \"0.0.0.0\" is not a router id such as 10.253.0.11"},
    {"10.253.0.11", "pe1", "FILE: edges[0].transport-router-id: \"pe1\" is not a router id such as 10.253.0.11"},
    {"    transport-client: 1\n", "    transport-client: 0\n",
     "FILE: edges[0].transport-client: this key is missing or 0; it is the id of the client port at 10.253.0.11"},
    {"    transport-port: pe1-patch\n", "",
     "FILE: edges[0].transport-port: this key is missing, and transport-router-id needs it"},
    {"    transport-router-id: 10.253.0.11\n    transport-client: 1\n", "",
     "FILE: edges[0].transport-router-id: this key is missing, and transport-port needs it"},
    {"transport:\n  ospf-api:\n    address: 127.0.0.1\n    port: 2607\n  pcep:\n    address: 10.255.0.1\n"
     "    port: 4189\n  keep-channels: true\n",
     "", "FILE: edges[0].transport-port: \"pe1-patch\" is of no use without the section 'transport'"},
    {"transport-port: pe1-patch", "transport-port: pe1-inet",
     "FILE: edges[0].transport-port: \"pe1-inet\" is the uplink-port too"},
    {"transport-port: pe1-patch", "transport-port: pe1-r",
     "FILE: edges[0].transport-port: \"pe1-r\" is the router-port too"},
    {"    uplink-port: pe1-inet\n", "",
     "FILE: edges[0].uplink-port: this key is missing, and an edge of role ip needs it"},
    {"    uplink-port: pe3-t3\n    transport-port: pe3-patch\n    transport-router-id: 10.253.0.13\n"
     "    transport-client: 2\n",
     "", "FILE: edges[1].uplink-port: this key is missing, and there is no transport-port either"},
    {"    uplink-port: pe3-t3\n", "",
     "FILE: channels[0].switch: \"pe3\" is not the switch of any edge of role inter-dc with an uplink-port"},
    {"transport-port: pe1-patch", "migration-mbps: 1\n    transport-port: pe1-patch",
     "FILE: edges[0].migration-mbps: only an edge of role inter-dc has this key"},
    {"migration-mbps: 5000", "migration-mbps: 1000001",
     "FILE: edges[1].migration-mbps: 1000001 is not between 1 and 1000000"},
    {"transport-client: 2", "transport-client: 1\n    # both ends",
     NULL}, /* another node has a port of that number, too */
    {"transport-router-id: 10.253.0.13\n    transport-client: 2",
     "transport-router-id: 10.253.0.11\n    transport-client: 1",
     "FILE: edges[1].transport-client: 1 at 10.253.0.11 is that of edges[0] already"},
    /* mode */
    {"mode: vpls", "mode: mpls", "FILE:90:7: mode: none of the words that are allowed here: mpls"},
    {"mode: vpls", "mode: ethernet", "FILE: vpls: this section is of no use without 'mode: vpls'"},
    {"vpls:\n  labels:\n    first: 16\n    last: 1015\n  metrics:\n    - from: p1\n      to: p2\n      metric: 10\n"
     "    - from: p1\n      to: pe1\n      metric: 2\n",
     "", "FILE: vpls: this section is missing, and 'mode: vpls' needs it, for the labels"},
    {"first: 16", "first: 15", "FILE: vpls.labels.first: 15 is not between 16 and 1048575"},
    {"last: 1015", "last: 1048576", "FILE: vpls.labels.last: 1048576 is not between 16 and 1048575"},
    {"first: 16", "first: 1016", "FILE: vpls.labels.last: 1015 is less than vpls.labels.first, which is 1016"},
    {"metric: 2", "metric: 0", "FILE: vpls.metrics[1].metric: 0 is not between 1 and 65535"},
    {"to: p2", "to: p1", "FILE: vpls.metrics[0].to: \"p1\" is the switch at the other end, too"},
    {"from: p1\n      to: pe1", "from: p2\n      to: p1",
     "FILE: vpls.metrics[1].to: the metric between \"p2\" and \"p1\" is that of vpls.metrics[0] already"},
    /* limits, timeouts, history, drift */
    {"migrations: 3", "migrations: 0", "FILE: limits.migrations: 0 is not between 1 and 1000"},
    {"vms-per-order: 4", "vms-per-order: 1001", "FILE: limits.vms-per-order: 1001 is not between 1 and 1000"},
    {"transfers: 5", "transfers: 0", "FILE: limits.transfers: 0 is not between 1 and 100"},
    {"message-bytes: 65536", "message-bytes: 100", "FILE: limits.message-bytes: 100 is not between 4096 and 67108864"},
    {"timeouts:\n  peer: 6", "timeouts:\n  peer: 0", "FILE: timeouts.peer: 0 is not between 1 and 3600"},
    {"transfer: 7", "transfer: 86401", "FILE: timeouts.transfer: 86401 is not between 1 and 86400"},
    {"  switch: 8", "  switch: 0", "FILE: timeouts.switch: 0 is not between 1 and 3600"},
    {"migrations: 50", "migrations: 9", "FILE: history.migrations: 9 is not between 10 and 1000000"},
    {"interval: 30", "interval: 86401", "FILE: drift.interval: 86401 is not between 0 and 86400"},
    {"migrations: 50", "migrations: 1000001", "FILE: history.migrations: 1000001 is not between 10 and 1000000"},
};

static void test_bad_edits(void **state)
{
    (void) state;
    config_assert_edits("full.yaml", bad_edits, ARRAY_LEN(bad_edits));
}

static void assert_unreadable(const char *path, int code, const char *sentence)
{
    struct err err = {0};

    assert_null(config_load(path, &err));
    assert_int_equal(err.code, code);
    assert_string_equal(err.text, sentence);
}

static void test_files_that_are_none(void **state)
{
    AUTO_STRBUF struct strbuf large = {0};
    struct err err;

    (void) state;
    assert_unreadable("/nonexistent.yaml", ERR_NOT_FOUND,
                      "/nonexistent.yaml: cannot be read: No such file or directory");
    assert_unreadable("/tmp", ERR_IO, "/tmp: cannot be read: Is a directory");
    assert_null(config_load_text("", &err));
    assert_string_equal(err.text, "FILE: the file is empty");
    assert_null(config_load_text("# nothing\n", &err));
    assert_string_equal(err.text, "FILE: the file is empty");
    assert_null(config_load_text("- dc\n", &err));
    assert_string_equal(err.text, "FILE:1:1: keys with values are expected here, not a list");
    while (large.length <= 1024 * 1024)
        strbuf_puts(&large, "# a comment of some length, again and again\n");
    assert_null(config_load_text(large.text, &err));
    assert_string_equal(err.text, "FILE: larger than 1048576 bytes; this is no configuration file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_member_is_loaded),
        cmocka_unit_test(test_what_is_omitted_gets_a_default),
        cmocka_unit_test(test_less_transport),
        cmocka_unit_test(test_example_loads_and_shows_the_defaults),
        cmocka_unit_test(test_bad_edits),
        cmocka_unit_test(test_files_that_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
