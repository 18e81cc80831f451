/* SPDX-License-Identifier: Apache-2.0 */
#include "model/rsvp.h"

#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"

#define IPV4_TEXT_SIZE 16

bool rsvp_unknown_equal(const struct rsvp_unknown *a, unsigned n_a, const struct rsvp_unknown *b, unsigned n_b)
{
    if (n_a != n_b)
        return false;
    for (unsigned i = 0; i < n_a; i++) {
        if (a[i].class != b[i].class || a[i].ctype != b[i].ctype || a[i].size != b[i].size ||
            (a[i].size && memcmp(a[i].body, b[i].body, a[i].size) != 0))
            return false;
    }
    return true;
}

void rsvp_message_free(struct rsvp_message *message)
{
    lsp_route_free(&message->ero);
    lsp_route_free(&message->rro);
    free(message->labels);
    free(message->acks);
    free(message->srefresh);
    message->labels = NULL;
    message->acks = NULL;
    message->srefresh = NULL;
    message->n_labels = message->n_acks = message->n_srefresh = 0;
    for (unsigned i = 0; i < message->n_unknown; i++)
        free(message->unknown[i].body);
    message->n_unknown = 0;
}

static void *copy_array(const void *array, size_t n, size_t element_size)
{
    return n ? xmemdup(array, n * element_size) : NULL;
}

struct rsvp_message rsvp_message_copy(const struct rsvp_message *message)
{
    struct rsvp_message copy = *message;

    copy.ero = lsp_route_copy(&message->ero);
    copy.rro = lsp_route_copy(&message->rro);
    copy.labels = copy_array(message->labels, message->n_labels, sizeof *message->labels);
    copy.acks = copy_array(message->acks, message->n_acks, sizeof *message->acks);
    copy.srefresh = copy_array(message->srefresh, message->n_srefresh, sizeof *message->srefresh);
    for (unsigned i = 0; i < message->n_unknown; i++)
        copy.unknown[i].body = copy_array(message->unknown[i].body, message->unknown[i].size, 1);
    return copy;
}

const char *rsvp_type_name(uint8_t type)
{
    static const char *const names[] = {
        [RSVP_PATH] = "Path",          [RSVP_RESV] = "Resv",          [RSVP_PATH_ERR] = "PathErr",
        [RSVP_RESV_ERR] = "ResvErr",   [RSVP_PATH_TEAR] = "PathTear", [RSVP_RESV_TEAR] = "ResvTear",
        [RSVP_RESV_CONF] = "ResvConf", [RSVP_BUNDLE] = "Bundle",      [RSVP_ACK] = "Ack",
        [RSVP_SREFRESH] = "Srefresh",  [RSVP_HELLO] = "Hello",        [RSVP_NOTIFY] = "Notify",
    };

    return type < ARRAY_LEN(names) && names[type] ? names[type] : "unknown message";
}

static void format_route(struct strbuf *text, const char *name, const struct lsp_route *route)
{
    AUTO_FREE char *hops = lsp_route_format(route);

    strbuf_printf(text, " %s [%s]", name, hops);
}

static void format_address(struct strbuf *text, const char *name, uint32_t address)
{
    char buffer[IPV4_TEXT_SIZE];

    strbuf_printf(text, " %s %s", name, ipv4_format(address, buffer));
}

/* Which LSP it is about, and between which nodes it passes. */
static void format_state(struct strbuf *text, const struct rsvp_message *m)
{
    char address[IPV4_TEXT_SIZE];

    if (m->has & RSVP_HAS_SESSION)
        strbuf_printf(text, " %s/%u", ipv4_format(m->session.destination, address), m->session.tunnel_id);
    if (m->has & RSVP_HAS_SENDER)
        strbuf_printf(text, " from %s/%u", ipv4_format(m->sender.source, address), m->sender.lsp_id);
    if (m->has & RSVP_HAS_HOP) {
        format_address(text, "hop", m->hop.address);
        if (m->hop.if_type != RSVP_IF_NONE)
            format_address(text, "interface", m->hop.if_address);
        if (m->hop.if_type == RSVP_IF_INDEX)
            strbuf_printf(text, "/%u", m->hop.if_id);
    }
    if (m->has & RSVP_HAS_ERROR) {
        AUTO_FREE char *error = lsp_error_format(&m->error);

        strbuf_printf(text, " error %s%s", error, m->error.path_state_removed ? ", path state removed" : "");
    }
    if (m->has & RSVP_HAS_ERO)
        format_route(text, "ERO", &m->ero);
    if (m->has & RSVP_HAS_RRO)
        format_route(text, "RRO", &m->rro);
}

static void format_labels(struct strbuf *text, const struct rsvp_message *m)
{
    const struct {
        uint32_t has;
        uint32_t label;
        const char *name;
    } labels[] = {
        {RSVP_HAS_LABEL, m->label, "label"},
        {RSVP_HAS_UPSTREAM_LABEL, m->upstream_label, "upstream label"},
        {RSVP_HAS_SUGGESTED_LABEL, m->suggested_label, "suggested label"},
        {RSVP_HAS_RECOVERY_LABEL, m->recovery_label, "recovery label"},
    };

    for (size_t i = 0; i < ARRAY_LEN(labels); i++)
        if (m->has & labels[i].has)
            strbuf_printf(text, " %s %u", labels[i].name, labels[i].label);
    if (m->has & (RSVP_HAS_LABEL_SET | RSVP_HAS_ACCEPTABLE_LABELS)) {
        strbuf_puts(text, m->has & RSVP_HAS_LABEL_SET ? " label set [" : " acceptable labels [");
        for (size_t i = 0; i < m->n_labels; i++)
            strbuf_printf(text, "%s%u", i ? " " : "", m->labels[i]);
        strbuf_puts(text, "]");
    }
    if (m->has & RSVP_HAS_ADMIN_STATUS)
        strbuf_printf(text, " admin status%s%s%s%s", m->admin_status & RSVP_ADMIN_REFLECT ? " R" : "",
                      m->admin_status & RSVP_ADMIN_TESTING ? " T" : "", m->admin_status & RSVP_ADMIN_DOWN ? " A" : "",
                      m->admin_status & RSVP_ADMIN_DELETION ? " D" : "");
}

/* What is between neighbours only. */
static void format_neighbour(struct strbuf *text, const struct rsvp_message *m)
{
    if (m->has & RSVP_HAS_MESSAGE_ID)
        strbuf_printf(text, " id %x/%u%s", m->message_id.epoch, m->message_id.id,
                      m->message_id.flags & RSVP_MESSAGE_ID_ACK_DESIRED ? " ack desired" : "");
    for (size_t i = 0; i < m->n_acks; i++)
        strbuf_printf(text, " %s %x/%u", m->acks[i].nack ? "nack" : "ack", m->acks[i].epoch, m->acks[i].id);
    if (m->n_srefresh)
        strbuf_printf(text, " refreshes %x/", m->srefresh_epoch);
    for (size_t i = 0; i < m->n_srefresh; i++)
        strbuf_printf(text, "%s%u", i ? "," : "", m->srefresh[i]);
    if (m->has & RSVP_HAS_HELLO)
        strbuf_printf(text, " %s %x to %x", m->hello.ack ? "ack" : "request", m->hello.source_instance,
                      m->hello.destination_instance);
    if (m->has & RSVP_HAS_RESTART_CAP)
        strbuf_printf(text, " restart %u ms recovery %u ms", m->restart_cap.restart_ms, m->restart_cap.recovery_ms);
}

char *rsvp_message_format(const struct rsvp_message *message)
{
    struct strbuf text = {0};

    strbuf_puts(&text, rsvp_type_name(message->type));
    format_state(&text, message);
    format_labels(&text, message);
    format_neighbour(&text, message);
    for (unsigned i = 0; i < message->n_unknown; i++)
        strbuf_printf(&text, " object %u/%u", message->unknown[i].class, message->unknown[i].ctype);
    return strbuf_take(&text);
}
