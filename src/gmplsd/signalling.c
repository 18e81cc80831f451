/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/log.h"
#include "gmplsd/daemon.h"
#include "io/raw.h"
#include "proto/rsvp/rsvp.h"

#define COMPLAINTS_PER_SECOND 5 /* a peer must not fill the log */

struct signalling {
    struct daemon *daemon;
    struct raw *raw;
    unsigned interfaces[NODE_LINKS_MAX]; /* indices of the links' control channels; 0: there is none now */
    struct mono looked_up;
    struct mono complained; /* when counting began */
    unsigned complaints, complaints_left_out;
    uint64_t sent, received, malformed, strangers;
    uint8_t buffer[RSVP_MESSAGE_MAX];
};

static void complain(struct signalling *s, enum log_fault fault, const char *whom, const char *text)
{
    struct mono now = loop_now(s->daemon->loop);

    if (mono_diff(now, s->complained) >= 1000) {
        if (s->complaints_left_out)
            log_warn(FAULT_PEER, NULL, "%u more complaints about RSVP were left out", s->complaints_left_out);
        s->complained = now;
        s->complaints = s->complaints_left_out = 0;
    }
    if (s->complaints++ < COMPLAINTS_PER_SECOND)
        log_warn(fault, whom, "%s", text);
    else
        s->complaints_left_out++;
}

static const char *link_name(const struct signalling *s, int link)
{
    return link == NODE_LINK_NONE ? "no neighbour" : s->daemon->config->te_links[link].name;
}

/* ---- receiving ---- */

/* Control channels may come after us, and come again with another index. */
static void look_interfaces_up(struct signalling *s)
{
    const struct config *config = s->daemon->config;

    s->looked_up = loop_now(s->daemon->loop);
    for (unsigned i = 0; i < config->te_links_count; i++)
        s->interfaces[i] = raw_interface(config->te_links[i].interface);
}

static int link_of_interface(const struct signalling *s, unsigned interface)
{
    for (unsigned i = 0; i < s->daemon->config->te_links_count; i++)
        if (s->interfaces[i] == interface)
            return (int) i;
    return NODE_LINK_NONE;
}

static int link_of(struct signalling *s, const struct raw_packet *packet)
{
    int link = link_of_interface(s, packet->interface);

    if (link == NODE_LINK_NONE && mono_diff(loop_now(s->daemon->loop), s->looked_up) >= 1000) {
        look_interfaces_up(s);
        link = link_of_interface(s, packet->interface);
    }
    return link;
}

/* What comes from a stranger by a control channel is no message of that neighbour's, unless its RSVP_HOP names it: RFC
 * 2205 §3.1.3 has Path sent from the ingress's address. */
static bool is_of_neighbour(const struct signalling *s, int link, const struct raw_packet *packet,
                            const struct rsvp_message *message)
{
    uint32_t neighbour;

    if (link == NODE_LINK_NONE)
        return false;
    neighbour = s->daemon->config->te_links[link].remote_address;
    return packet->source == neighbour || (message->has & RSVP_HAS_HOP && message->hop.address == neighbour);
}

static void take_message(struct signalling *s, int link, const struct raw_packet *packet, struct rsvp_message *message)
{
    struct mono now = loop_now(s->daemon->loop);

    if (message->type != RSVP_NOTIFY && is_of_neighbour(s, link, packet, message)) {
        node_receive(s->daemon->node, link, message, now);
    } else if (message->type == RSVP_NOTIFY || message->type == RSVP_ACK) {
        node_receive_routed(s->daemon->node, packet->source, message, now);
    } else {
        s->strangers++;
        rsvp_message_free(message);
    }
}

static void take_refusal(struct signalling *s, int link, const struct raw_packet *packet,
                         const struct rsvp_refusal *refusal, const struct err *err)
{
    struct rsvp_message about = refusal->about;
    char address[16];

    s->malformed++;
    AUTO_FREE char *text = xasprintf("an RSVP message from %s is dropped: %s", ipv4_format(packet->source, address),
                                     err->text);
    complain(s, FAULT_PEER, link_name(s, link), text);
    if (refusal->answer && is_of_neighbour(s, link, packet, &about))
        node_refuse(s->daemon->node, link, &about, refusal->code, refusal->value, loop_now(s->daemon->loop));
}

static void received(void *arg, const struct raw_packet *packet)
{
    struct signalling *s = arg;
    struct rsvp_packet in = {.data = packet->bytes, .size = packet->n};
    int link = link_of(s, packet);

    for (;;) {
        struct rsvp_message message;
        struct rsvp_refusal refusal; /* set if the message is refused, and 'err', too */
        struct err err;
        int status = rsvp_decode(&in, &message, &refusal, &err);

        if (status == 0)
            break;
        s->received++;
        if (status > 0)
            take_message(s, link, packet, &message);
        else
            take_refusal(s, link, packet, &refusal, &err);
    }
    daemon_drain(s->daemon);
}

/* ---- sending ---- */

/* RFC 2205 §3.1: what travels to the egress asks each router on its way to look at it, RFC 2113. */
static bool wants_alert(uint8_t type)
{
    return type == RSVP_PATH || type == RSVP_PATH_TEAR || type == RSVP_RESV_CONF;
}

static struct raw_destination destination_of(const struct signalling *s, const struct node_action *send)
{
    const struct rsvp_message *message = send->message;
    int link = send->link;

    if (link == NODE_LINK_NONE)
        return (struct raw_destination) {.source = send->source, .destination = send->destination, .ttl = message->ttl};
    return (struct raw_destination) {.source = s->daemon->config->te_links[link].local_address,
                                     .destination = s->daemon->config->te_links[link].remote_address,
                                     .interface = s->interfaces[link],
                                     .ttl = message->ttl,
                                     .router_alert = wants_alert(message->type)};
}

void signalling_send(struct signalling *s, const struct node_action *send)
{
    const struct rsvp_message *message = send->message;
    int link = send->link;
    struct err err = {0};
    int size = rsvp_encode(message, s->buffer, sizeof s->buffer, &err);

    if (size < 0) {
        AUTO_FREE char *text = rsvp_message_format(message);

        AUTO_FREE char *complaint = xasprintf("cannot encode %s: %s", text, err.text);

        complain(s, FAULT_OURS, link_name(s, link), complaint);
        return;
    }
    if (link != NODE_LINK_NONE && !s->interfaces[link])
        s->interfaces[link] = raw_interface(s->daemon->config->te_links[link].interface);

    struct raw_destination to = destination_of(s, send);
    if (link != NODE_LINK_NONE && !to.interface)
        return; /* the control channel is not there: the neighbour will be found silent */
    if (raw_send(s->raw, &to, s->buffer, (size_t) size, &err) < 0) {
        if (link != NODE_LINK_NONE)
            s->interfaces[link] = 0; /* it may have been made anew */
        if (message->type != RSVP_HELLO)
            complain(s, FAULT_PEER, link_name(s, link), err.text);
        return;
    }
    s->sent++;
}

/* ---- life ---- */

struct signalling *signalling_new(struct daemon *daemon, struct err *err)
{
    struct signalling *s = xcalloc(1, sizeof *s);

    s->daemon = daemon;
    s->raw = raw_new(daemon->loop, RSVP_PROTOCOL, received, s, err);
    if (!s->raw) {
        free(s);
        return NULL;
    }
    look_interfaces_up(s);
    for (unsigned i = 0; i < daemon->config->te_links_count; i++)
        if (!s->interfaces[i])
            log_warn(FAULT_OPERATOR, daemon->config->te_links[i].name,
                     "there is no interface %s for its control channel", daemon->config->te_links[i].interface);
    return s;
}

void signalling_free(struct signalling *s)
{
    if (!s)
        return;
    raw_free(s->raw);
    free(s);
}

json_t *signalling_view(const struct signalling *s)
{
    const struct raw_counters *counters = raw_counters(s->raw);

    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "sent", (json_int_t) s->sent, "received",
                     (json_int_t) s->received, "malformed", (json_int_t) s->malformed, "strangers",
                     (json_int_t) s->strangers, "queued", (json_int_t) counters->queued, "dropped",
                     (json_int_t) counters->dropped);
}
