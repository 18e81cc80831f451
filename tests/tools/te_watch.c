/* SPDX-License-Identifier: Apache-2.0 */
/* te_watch [ADDRESS]: what the ospfd of this namespace makes of the TED, as lines of JSON, until it is told to end.
 *   {"event": "link", "area": "0.0.0.1", "from": ..., "to": ..., "local": ..., "remote": ..., "unreserved": [...], ...}
 *   {"event": "gone", "area": ..., "from": ..., "local": ...}    {"event": "up", "links": 4}
 *   {"event": "down", "why": ...} */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "south/transport_ospf.h"

static void put_ip(json_t *object, const char *name, uint32_t address)
{
    char text[IPV4_TEXT_SIZE];

    json_object_set_new(object, name, json_string(ipv4_format(address, text)));
}

static json_t *event_of(const char *name, const struct te_link_key *key)
{
    json_t *object = json_pack("{s:s}", "event", name);

    put_ip(object, "area", key->area);
    put_ip(object, "from", key->from);
    put_ip(object, "local", key->local_ip);
    json_object_set_new(object, "local-id", json_integer(key->local_id));
    return object;
}

/* Takes 'object' over. */
static void print(json_t *object)
{
    AUTO_FREE char *text = json_dumps(object, JSON_COMPACT);

    puts(text);
    fflush(stdout);
    json_decref(object);
}

static void on_link(void *arg, const struct te_link *link)
{
    json_t *object = event_of("link", &link->key), *unreserved = json_array();

    (void) arg;
    for (size_t p = 0; p < TE_PRIORITIES; p++)
        json_array_append_new(unreserved, json_integer((json_int_t) link->unreserved_bps[p]));
    put_ip(object, "to", link->to);
    put_ip(object, "remote", link->remote_ip);
    json_object_set_new(object, "unreserved", unreserved);
    json_object_set_new(object, "max", json_integer((json_int_t) link->max_bps));
    json_object_set_new(object, "reservable", json_integer((json_int_t) link->reservable_bps));
    json_object_set_new(object, "metric", json_integer(link->metric));
    json_object_set_new(object, "admin-group", json_integer(link->admin_group));
    json_object_set_new(object, "delay", link->delay_us == TE_DELAY_NONE ? json_null() : json_integer(link->delay_us));
    print(object);
}

static void on_gone(void *arg, const struct te_link_key *key)
{
    (void) arg;
    print(event_of("gone", key));
}

static void on_up(void *arg)
{
    struct te_feed **feed = arg;

    print(json_pack("{s:s, s:I}", "event", "up", "links", (json_int_t) te_feed_ted(*feed)->n_links));
}

static void on_down(void *arg, const struct err *reason)
{
    (void) arg;
    print(json_pack("{s:s, s:s}", "event", "down", "why", reason->text));
}

int main(int argc, char **argv)
{
    static const struct te_feed_callbacks callbacks = {
        .link = on_link, .link_gone = on_gone, .up = on_up, .down = on_down};
    const struct te_feed_config config = {.address = argc > 1 ? argv[1] : NULL, .timeout_ms = 3000};
    struct loop *loop = loop_new();
    struct te_feed *feed;
    struct err err;

    feed = te_feed_new(loop, &config, &callbacks, &feed, &err);
    if (!feed) {
        fprintf(stderr, "te_watch: %s\n", err.text);
        loop_free(loop);
        return 1;
    }
    loop_handle_signals(loop);
    loop_run(loop);
    te_feed_free(feed);
    loop_free(loop);
    return 0;
}
