/* SPDX-License-Identifier: Apache-2.0 */
/* Links between switches and servers at switches, by LLDP (IEEE 802.1AB). A frame goes out of every port that is up,
 * and names switch and port; where it comes in again, a link ends. What comes in from others' lldpd is a server. Flows
 * that send LLDP to us are the gateway's, not ours. */
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "proto/lldp/lldp.h"
#include "south/switch_internal.h"

#define LIFETIME_ROUNDS 3     /* what was not seen for so many rounds is forgotten */
#define HASTE_MS 100          /* so that several reasons to hasten make one round */
#define ROUND_SPACING_MS 1000 /* at least, so that a port that flaps is no load */

/* Sending */

static void schedule(struct openflow_driver *driver, struct mono due)
{
    driver->lldp_due = due;
    timer_set(driver->lldp_timer, due);
}

void switch_discovery_hasten(struct openflow_driver *driver)
{
    struct mono soon = mono_add(loop_now(driver->loop), HASTE_MS);
    struct mono spaced = mono_add(driver->lldp_sent, ROUND_SPACING_MS);

    if (soon.ms < spaced.ms)
        soon = spaced;
    if (soon.ms < driver->lldp_due.ms)
        schedule(driver, soon);
}

static void send_frame(struct switch_connection *connection, const struct switch_port *port)
{
    uint32_t ttl_s = (LIFETIME_ROUNDS * connection->driver->lldp_interval_ms + 999) / 1000;
    struct lldp lldp = lldp_of_port(connection->info.dpid, port->number, &port->mac,
                                    ttl_s < UINT16_MAX ? (uint16_t) ttl_s : UINT16_MAX);
    uint8_t frame[LLDP_FRAME_MAX];
    int size = lldp_encode(&lldp, frame, sizeof frame);
    struct flow_action output = {.type = ACTION_OUTPUT, .port = port->number};
    struct of_packet_out packet = {
        .in_port = PORT_CONTROLLER, .actions = &output, .n_actions = 1, .frame = frame, .frame_size = (size_t) size};
    struct err err;

    if (of_session_packet_out(connection->openflow.session, &packet, &err) < 0)
        log_warn(FAULT_OURS, connection->info.name, "no LLDP goes out of port %s: %s", port->name, err.text);
}

static void send_frames(struct switch_connection *connection)
{
    const struct switch_info *info = &connection->info;

    for (size_t i = 0; i < info->n_ports; i++) {
        if (info->ports[i].up)
            send_frame(connection, &info->ports[i]);
    }
    openflow_connection_run(&connection->openflow);
}

/* Seeing */

static bool is_at(const struct switch_sighting *s, const char *switch_name, uint32_t port)
{
    if (!s->is_link)
        return strcmp(s->attachment.switch_name, switch_name) == 0 && s->attachment.port == port;
    return (strcmp(s->link.from_switch, switch_name) == 0 && s->link.from_port == port) ||
           (strcmp(s->link.to_switch, switch_name) == 0 && s->link.to_port == port);
}

static void remove_at(struct openflow_driver *driver, size_t i)
{
    driver->sightings[i] = driver->sightings[--driver->n_sightings];
}

void switch_discovery_forget(struct openflow_driver *driver, const char *switch_name, uint32_t port)
{
    for (size_t i = 0; i < driver->n_sightings;) {
        if (is_at(&driver->sightings[i], switch_name, port))
            remove_at(driver, i);
        else
            i++;
    }
}

static bool is_at_switch(const struct switch_sighting *s, const char *switch_name)
{
    if (!s->is_link)
        return strcmp(s->attachment.switch_name, switch_name) == 0;
    return strcmp(s->link.from_switch, switch_name) == 0 || strcmp(s->link.to_switch, switch_name) == 0;
}

/* The port is one of this switch, and is down or gone. */
static bool is_dead(const struct switch_connection *connection, const char *switch_name, uint32_t number)
{
    const struct switch_port *port = switch_connection_port(connection, number);

    return strcmp(switch_name, connection->info.name) == 0 && !(port && port->up);
}

static bool is_at_dead_port(const struct switch_sighting *s, const struct switch_connection *connection)
{
    if (!s->is_link)
        return is_dead(connection, s->attachment.switch_name, s->attachment.port);
    return is_dead(connection, s->link.from_switch, s->link.from_port) ||
           is_dead(connection, s->link.to_switch, s->link.to_port);
}

void switch_discovery_back(struct switch_connection *connection)
{
    struct openflow_driver *driver = connection->driver;

    for (size_t i = 0; i < driver->n_sightings;) {
        struct switch_sighting *s = &driver->sightings[i];

        if (is_at_dead_port(s, connection)) {
            remove_at(driver, i);
            continue;
        }
        if (is_at_switch(s, connection->info.name)) {
            s->heard = loop_now(driver->loop);
            s->again = true;
        }
        i++;
    }
}

/* What identifies both is the same: the 'from' end of links, switch and port of attachments. */
static bool same_place(const struct switch_sighting *a, const struct switch_sighting *b)
{
    if (a->is_link != b->is_link)
        return false;
    if (a->is_link)
        return a->link.from_port == b->link.from_port && strcmp(a->link.from_switch, b->link.from_switch) == 0;
    return a->attachment.port == b->attachment.port &&
           strcmp(a->attachment.switch_name, b->attachment.switch_name) == 0;
}

static bool same_neighbour(const struct switch_sighting *a, const struct switch_sighting *b)
{
    if (a->is_link)
        return a->link.to_port == b->link.to_port && strcmp(a->link.to_switch, b->link.to_switch) == 0;
    return strcmp(a->attachment.server, b->attachment.server) == 0 &&
           strcmp(a->attachment.server_port, b->attachment.server_port) == 0;
}

static void tell(struct openflow_driver *driver, const struct switch_sighting *s)
{
    struct event *event = event_push(driver->events, s->is_link ? EVENT_LINK : EVENT_ATTACHMENT);

    if (s->is_link)
        event->link = s->link;
    else
        event->attachment = s->attachment;
}

/* Bounded by the ports of the switches: each has one place of either kind. */
static void see(struct openflow_driver *driver, struct switch_sighting *seen)
{
    size_t i = 0;

    seen->heard = loop_now(driver->loop);
    while (i < driver->n_sightings && !same_place(&driver->sightings[i], seen))
        i++;
    bool is_known = i < driver->n_sightings && same_neighbour(&driver->sightings[i], seen) &&
                    !driver->sightings[i].again;
    if (i == driver->n_sightings) {
        driver->sightings = array_reserve(driver->sightings, driver->n_sightings, &driver->cap_sightings,
                                          sizeof *driver->sightings);
        driver->n_sightings++;
    }
    driver->sightings[i] = *seen;
    if (!is_known)
        tell(driver, seen);
}

/* Our own frame: false if it is of a switch that is not ours, as another gateway's are. */
static bool read_link(const struct switch_connection *to, uint32_t in_port, uint64_t dpid, uint32_t port,
                      struct switch_sighting *seen)
{
    const struct switch_connection *from = switch_connection_by_dpid(to->driver, dpid);

    if (!from || !from->server || !switch_connection_port(from, port)) {
        log_debug(to->info.name, "LLDP of port %u of %016llx, which is none of ours, at port %u", port,
                  (unsigned long long) dpid, in_port);
        return false;
    }
    *seen = (struct switch_sighting) {.is_link = true};
    seen->link.from_port = port;
    seen->link.to_port = in_port;
    name_copy(seen->link.from_switch, from->info.name);
    name_copy(seen->link.to_switch, to->info.name);
    return true;
}

/* A server's lldpd: the interface's name is its port id, or else (lldpd's default) the port's description. */
static bool read_attachment(const struct switch_connection *at, uint32_t in_port, const struct lldp *lldp,
                            struct switch_sighting *seen)
{
    char id[LLDP_ID_TEXT_SIZE];
    const char *port = lldp_id_format(&lldp->port, LLDP_PORT_MAC, id);

    if (lldp->port.subtype == LLDP_PORT_MAC && lldp->port_description[0])
        port = lldp->port_description;
    *seen = (struct switch_sighting) {.is_link = false};
    seen->attachment.port = in_port;
    name_copy(seen->attachment.switch_name, at->info.name);
    if (!lldp->system_name[0] || name_copy(seen->attachment.server, lldp->system_name) < 0 ||
        name_copy(seen->attachment.server_port, port) < 0) {
        log_debug(at->info.name, "LLDP without a system name, or with names over %d bytes, at port %u", NAME_SIZE - 1,
                  in_port);
        return false;
    }
    return true;
}

void switch_discovery_frame(struct switch_connection *connection, uint32_t in_port, struct of_bytes frame)
{
    struct openflow_driver *driver = connection->driver;
    struct switch_sighting seen;
    struct lldp lldp;
    struct err err;
    uint64_t dpid;
    uint32_t port;

    if (!switch_connection_port(connection, in_port))
        return;
    if (lldp_decode(frame.data, frame.size, &lldp, &err) < 0) {
        log_debug(connection->info.name, "LLDP that cannot be read at port %u: %s", in_port, err.text);
        return;
    }
    if (lldp.ttl == 0) /* IEEE 802.1AB §9.2.7.5: the sender is going */
        switch_discovery_forget(driver, connection->info.name, in_port);
    else if (lldp_is_of_port(&lldp, &dpid, &port) ? read_link(connection, in_port, dpid, port, &seen) :
                                                    read_attachment(connection, in_port, &lldp, &seen))
        see(driver, &seen);
}

static void tell_gone(struct openflow_driver *driver, const struct switch_sighting *s)
{
    log_debug(s->is_link ? s->link.to_switch : s->attachment.switch_name, "no LLDP from %s at port %u any more",
              s->is_link ? s->link.from_switch : s->attachment.server,
              s->is_link ? s->link.to_port : s->attachment.port);
    if (s->is_link)
        event_push(driver->events, EVENT_LINK_GONE)->link = s->link;
}

/* Nothing is heard to or from a switch that is away: its links may well stand. */
static bool is_heard(const struct openflow_driver *driver, const struct switch_sighting *s)
{
    if (!s->is_link)
        return switch_connection_find(driver, s->attachment.switch_name);
    return switch_connection_find(driver, s->link.from_switch) && switch_connection_find(driver, s->link.to_switch);
}

/* Forgets what was not seen for a while, so that it is told again when it comes back. */
static void expire(struct openflow_driver *driver, struct mono now)
{
    int64_t lifetime = (int64_t) LIFETIME_ROUNDS * driver->lldp_interval_ms;

    for (size_t i = 0; i < driver->n_sightings;) {
        const struct switch_sighting *s = &driver->sightings[i];

        if (mono_diff(now, s->heard) <= lifetime || !is_heard(driver, s)) {
            i++;
            continue;
        }
        tell_gone(driver, s);
        remove_at(driver, i);
    }
}

void switch_discovery_round(void *arg)
{
    struct openflow_driver *driver = arg;
    struct mono now = loop_now(driver->loop);
    bool any = false;

    for (struct switch_connection *c = driver->connections, *next; c; c = next) {
        next = c->next;
        if (!c->server)
            continue;
        any = true;
        send_frames(c);
    }
    expire(driver, now);
    driver->lldp_sent = now;
    schedule(driver, any ? mono_add(now, driver->lldp_interval_ms) : MONO_NEVER);
}
