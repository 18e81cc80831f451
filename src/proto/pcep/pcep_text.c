/* SPDX-License-Identifier: Apache-2.0 */
/* Names of errors, and messages as text, for logs and tests. */
#include "base/alloc.h"
#include "base/strbuf.h"
#include "proto/pcep/pcep.h"

/* IANA's registry "PCEP-ERROR Object Error Types and Values", what a session may see. Value 0 names the type. */
static const struct {
    uint8_t type, value;
    const char *name;
} errors[] = {
    {1, 0, "session establishment failure"},
    {1, 1, "the first message is no valid Open"},
    {1, 2, "no Open in time"},
    {1, 3, "unacceptable session characteristics, not negotiable"},
    {1, 4, "unacceptable session characteristics, negotiable"},
    {1, 5, "the second Open has unacceptable session characteristics, too"},
    {1, 6, "the PCErr proposes unacceptable session characteristics"},
    {1, 7, "no Keepalive or PCErr in time"},
    {1, 8, "PCEP version not supported"},
    {2, 0, "capability not supported"},
    {3, 0, "unknown object"},
    {3, 1, "unknown object class"},
    {3, 2, "unknown object type"},
    {4, 0, "not supported object"},
    {4, 1, "not supported object class"},
    {4, 2, "not supported object type"},
    {4, 4, "unsupported parameter"},
    {5, 0, "policy violation"},
    {6, 0, "mandatory object missing"},
    {6, 1, "RP object missing"},
    {6, 2, "RRO missing for a reoptimization"},
    {6, 3, "END-POINTS object missing"},
    {6, 8, "LSP object missing"},
    {6, 9, "ERO object missing"},
    {6, 10, "SRP object missing"},
    {6, 11, "LSP-IDENTIFIERS TLV missing"},
    {6, 12, "LSP-DB-VERSION TLV missing"},
    {6, 20, "LABEL-REQUEST TLV missing"},
    {7, 0, "synchronized path computation request missing"},
    {8, 0, "unknown request reference"},
    {9, 0, "attempt to establish a second session"},
    {10, 0, "invalid object"},
    {10, 1, "P flag is not set though it must be"},
    {10, 2, "bad label value"},
    {10, 3, "unsupported number of SR-ERO subobjects"},
    {10, 4, "bad label format"},
    {10, 5, "ERO mixes SR-ERO with other subobjects"},
    {10, 6, "neither SID nor NAI in an SR-ERO"},
    {10, 8, "SYMBOLIC-PATH-NAME TLV missing"},
    {10, 9, "more segments than the maximum SID depth"},
    {10, 11, "malformed object"},
    {10, 12, "SR-PCE-CAPABILITY missing"},
    {10, 31, "GMPLS-CAPABILITY TLV missing"},
    {19, 0, "invalid operation"},
    {19, 1, "the LSP is not delegated"},
    {19, 2, "stateful capability not advertised"},
    {19, 3, "unknown PLSP-ID"},
    {19, 4, "PLSP-ID missing or wrong"},
    {19, 5, "report, but the stateful capability is not advertised"},
    {19, 6, "limit of LSPs that a PCE initiates reached"},
    {19, 7, "delegation of an LSP that a PCE initiated cannot be revoked"},
    {19, 8, "PLSP-ID in a request for a new LSP"},
    {19, 9, "the LSP was not initiated by a PCE"},
    {19, 10, "limit of operations in a time reached"},
    {19, 23, "no LSP state for reoptimization"},
    {19, 24, "no LSP state for route exclusion"},
    {19, 25, "update of a GMPLS LSP, but the capability is not advertised"},
    {19, 26, "report of a GMPLS LSP, but the capability is not advertised"},
    {19, 27, "initiation of a GMPLS LSP, but the capability is not advertised"},
    {19, 28, "generalized endpoints of an LSP that is not GMPLS"},
    {20, 0, "LSP state synchronization error"},
    {20, 1, "a valid report cannot be processed"},
    {20, 5, "the client cannot complete the synchronization"},
    {21, 0, "path setup type"},
    {21, 1, "unsupported path setup type"},
    {21, 2, "mismatched path setup type"},
    {23, 0, "bad parameter value"},
    {23, 1, "symbolic path name in use"},
    {23, 2, "speaker identity for an LSP that no PCE initiated"},
    {24, 0, "LSP instantiation error"},
    {24, 1, "unacceptable instantiation parameters"},
    {24, 2, "internal error"},
    {24, 3, "signaling error"},
};

char *pcep_error_format(uint8_t type, uint8_t value)
{
    const char *name = "an error that we do not know";

    for (size_t i = 0; i < ARRAY_LEN(errors); i++)
        if (errors[i].type == type && (errors[i].value == value || errors[i].value == 0))
            name = errors[i].name;
    /* The row of the type stands before those of its values, which so win. */
    return xasprintf("%s (%u/%u)", name, type, value);
}

const char *pcep_close_name(uint8_t reason)
{
    static const char *const names[] = {"no reason",
                                        "no explanation",
                                        "dead timer expired",
                                        "malformed message received",
                                        "too many unknown requests or replies",
                                        "too many unrecognized messages"};

    return reason < ARRAY_LEN(names) ? names[reason] : "a reason that we do not know";
}

static void open_format(struct strbuf *text, const struct pcep_open *open)
{
    strbuf_printf(text, " version %u keepalive %u s dead %u s sid %u", open->version, open->keepalive_s, open->dead_s,
                  open->sid);
    if (open->stateful)
        strbuf_printf(text, " stateful %s%s(0x%x)", open->stateful_flags & PCEP_LSP_UPDATE ? "update " : "",
                      open->stateful_flags & PCEP_LSP_INITIATE ? "initiate " : "", open->stateful_flags);
    if (open->speaker[0])
        strbuf_printf(text, " speaker %s", open->speaker);
    if (open->has_setups)
        strbuf_printf(text, " setup types 0x%x", open->setups);
    if (open->sr)
        strbuf_printf(text, " SR flags 0x%x depth %u", open->sr_flags, open->sr_depth);
    if (open->gmpls)
        strbuf_printf(text, " GMPLS 0x%x", open->gmpls_flags);
}

static void lsp_format(struct strbuf *text, const struct pcep_item *item)
{
    char a[16], b[16];

    strbuf_printf(text, " LSP %u %s%s%s%s%s%s", item->plsp_id, lsp_state_name(item->state),
                  item->flags & PCEP_DELEGATE ? " delegated" : "", item->flags & PCEP_SYNC ? " sync" : "",
                  item->flags & PCEP_REMOVE ? " removed" : "", item->flags & PCEP_ADMIN_UP ? " admin-up" : "",
                  item->flags & PCEP_CREATE ? " created" : "");
    if (item->has & PCEP_HAS_NAME)
        strbuf_printf(text, " '%s'", item->name);
    if (item->has & PCEP_HAS_IDENTIFIERS)
        strbuf_printf(text, " %s to %s tunnel %u/%u extended %u", ipv4_format(item->identifiers.sender, a),
                      ipv4_format(item->identifiers.endpoint, b), item->identifiers.tunnel_id, item->identifiers.lsp_id,
                      item->identifiers.extended_tunnel_id);
    if (item->has & PCEP_HAS_LSP_ERROR)
        strbuf_printf(text, " error code %u", item->lsp_error);
    if (item->has & PCEP_HAS_RSVP_ERROR) {
        AUTO_FREE char *error = lsp_error_format(&item->error);

        strbuf_printf(text, " RSVP: %s", error);
    }
    if (item->has & PCEP_HAS_EXTENDED)
        strbuf_printf(text, " extended 0x%08x", item->extended);
}

static void endpoints_format(struct strbuf *text, const struct pcep_item *item)
{
    const struct pcep_endpoints *endpoints = &item->endpoints;
    char a[16], b[16];

    if (item->has & PCEP_HAS_ENDPOINTS)
        strbuf_printf(text, " from %s to %s", ipv4_format(endpoints->source, a),
                      ipv4_format(endpoints->destination, b));
    if (item->has & PCEP_HAS_GENERALIZED_ENDPOINTS) {
        strbuf_printf(text, " from %s/%u to %s/%u", ipv4_format(endpoints->source, a), endpoints->source_interface,
                      ipv4_format(endpoints->destination, b), endpoints->destination_interface);
        if (endpoints->has_label_request)
            strbuf_printf(text, " label request %u/%u/%u", endpoints->encoding, endpoints->switching, endpoints->gpid);
    }
}

static void route_format(struct strbuf *text, const struct pcep_item *item)
{
    if (item->has & PCEP_HAS_ERO) {
        AUTO_FREE char *ero = lsp_route_format(&item->ero);

        strbuf_printf(text, " ERO [%s", ero);
        for (size_t i = 0; i < item->n_segments; i++) {
            const struct pcep_segment *segment = &item->segments[i];
            char nai[16];

            strbuf_printf(text, "%s%ssegment", i || *ero ? " " : "", segment->loose ? "loose " : "");
            if (segment->has_sid && segment->mpls)
                strbuf_printf(text, " label %u", segment->sid >> 12);
            else if (segment->has_sid)
                strbuf_printf(text, " index %u", segment->sid);
            if (segment->nai_type)
                strbuf_printf(text, " of %s", ipv4_format(segment->nai[0], nai));
            if (segment->nai_type == 3)
                strbuf_printf(text, "-%s", ipv4_format(segment->nai[1], nai));
        }
        strbuf_puts(text, "]");
        if (item->n_unknown)
            strbuf_printf(text, " of which %u sub-objects are not known", item->n_unknown);
    }
    if (item->has & PCEP_HAS_RRO) {
        AUTO_FREE char *rro = lsp_route_format(&item->rro);

        strbuf_printf(text, " RRO [%s]", rro);
    }
}

static void item_format(struct strbuf *text, const struct pcep_item *item)
{
    if (item->has & PCEP_HAS_SRP)
        strbuf_printf(text, " SRP %u%s", item->id, item->remove ? " remove" : "");
    if (item->has & PCEP_HAS_RP)
        strbuf_printf(text, " RP %u flags 0x%x", item->id, item->rp_flags);
    if (item->has & PCEP_HAS_SETUP)
        strbuf_printf(text, " setup type %u", item->setup);
    if (item->has & PCEP_HAS_ERROR) {
        AUTO_FREE char *error = pcep_error_format(item->error_type, item->error_value);

        strbuf_printf(text, " %s", error);
    }
    if (item->has & PCEP_HAS_NO_PATH)
        strbuf_printf(text, " no path (%u, 0x%x)", item->no_path, item->no_path_vector);
    if (item->has & PCEP_HAS_LSP)
        lsp_format(text, item);
    endpoints_format(text, item);
    route_format(text, item);
    if (item->has & PCEP_HAS_LSPA)
        strbuf_printf(text, " priority %u/%u affinity 0x%x/0x%x/0x%x%s", item->setup_priority, item->holding_priority,
                      item->exclude_any, item->include_any, item->include_all,
                      item->local_protection ? " protected" : "");
    if (item->has & PCEP_HAS_BANDWIDTH)
        strbuf_printf(text, " %llu bit/s", (unsigned long long) item->bandwidth_bps);
    for (unsigned i = 0; i < item->n_metrics; i++)
        strbuf_printf(text, " metric %u %g%s%s", item->metrics[i].type, (double) item->metrics[i].value,
                      item->metrics[i].bound ? " bound" : "", item->metrics[i].computed ? " computed" : "");
}

char *pcep_message_format(const struct pcep_message *message)
{
    struct strbuf text = {0};

    strbuf_puts(&text, pcep_type_name(message->type));
    if (message->has_open)
        open_format(&text, &message->open);
    for (size_t i = 0; i < message->n_items; i++) {
        if (i > 0)
            strbuf_puts(&text, ";");
        item_format(&text, &message->items[i]);
    }
    if (message->type == PCEP_CLOSE)
        strbuf_printf(&text, ": %s (%u)", pcep_close_name(message->close_reason), message->close_reason);
    if (message->type == PCEP_NOTIFICATION)
        strbuf_printf(&text, " %u/%u", message->notification_type, message->notification_value);
    return strbuf_take(&text);
}
