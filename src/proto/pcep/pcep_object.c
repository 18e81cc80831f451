/* SPDX-License-Identifier: Apache-2.0 */
/* The objects (RFC 5440 §7): bodies, without the header. Section numbers are of RFC 5440 where no other is named. */
#include <string.h>

#include "base/alloc.h"
#include "proto/pcep/pcep_internal.h"

#define METRIC_BOUND 0x1 /* §7.8 */
#define METRIC_COMPUTED 0x2
#define LSPA_LOCAL_PROTECTION 0x1 /* §7.11 */
#define SRP_REMOVE 0x1            /* RFC 8281 §5.2 */
#define OPEN_VERSION_SHIFT 5

/* Bandwidth specification types are C-Types of SENDER_TSPEC, RFC 8779 §2.3. */
enum { SPEC_INTSERV = 2, SPEC_ETHERNET = 6 };
enum { ETHERNET_BANDWIDTH_PROFILE = 2 }; /* RFC 6003 §4.1 */

static void open_get(struct wire *r, struct pcep_message *message, struct pcep_item *item, struct err *err)
{
    struct pcep_open *open = &message->open;

    (void) item;
    *open = (struct pcep_open) {.version = wire_get_u8(r) >> OPEN_VERSION_SHIFT};
    open->keepalive_s = wire_get_u8(r);
    open->dead_s = wire_get_u8(r);
    open->sid = wire_get_u8(r);
    message->has_open = true;
    pcep_open_tlvs_get(r, open, err);
}

static void open_put(struct wire *w, const struct pcep_message *message, const struct pcep_item *item)
{
    const struct pcep_open *open = &message->open;

    (void) item;
    wire_put_u8(w, (uint8_t) (open->version << OPEN_VERSION_SHIFT));
    wire_put_u8(w, open->keepalive_s);
    wire_put_u8(w, open->dead_s);
    wire_put_u8(w, open->sid);
    pcep_open_tlvs_put(w, open);
}

static void rp_get(struct wire *r, struct pcep_message *message, struct pcep_item *item, struct err *err)
{
    (void) message;
    wire_skip(r, 1);
    item->rp_flags = wire_get_u24(r);
    item->id = wire_get_u32(r);
    pcep_setup_tlv_get(r, item, err);
}

static void rp_put(struct wire *w, const struct pcep_message *message, const struct pcep_item *item)
{
    (void) message;
    wire_put_u8(w, 0);
    wire_put_u24(w, item->rp_flags);
    wire_put_u32(w, item->id);
    pcep_setup_tlv_put(w, item);
}

static void no_path_get(struct wire *r, struct pcep_message *message, struct pcep_item *item, struct err *err)
{
    (void) message;
    item->no_path = wire_get_u8(r);
    wire_skip(r, 3);
    pcep_no_path_tlvs_get(r, item, err);
}

static void no_path_put(struct wire *w, const struct pcep_message *message, const struct pcep_item *item)
{
    (void) message;
    wire_put_u8(w, item->no_path);
    wire_put_u24(w, 0);
    pcep_no_path_tlvs_put(w, item);
}

static void endpoints_get(struct wire *r, struct pcep_message *message, struct pcep_item *item, struct err *err)
{
    (void) message;
    (void) err;
    item->endpoints.source = wire_get_u32(r);
    item->endpoints.destination = wire_get_u32(r);
}

static void endpoints_put(struct wire *w, const struct pcep_message *message, const struct pcep_item *item)
{
    (void) message;
    wire_put_u32(w, item->endpoints.source);
    wire_put_u32(w, item->endpoints.destination);
}

/* RFC 8779 §2.5.1; endpoint type 0 is point-to-point. */
static void generalized_endpoints_get(struct wire *r, struct pcep_message *message, struct pcep_item *item,
                                      struct err *err)
{
    (void) message;
    wire_skip(r, 3);
    if (wire_get_u8(r) != 0) {
        wire_fail(r, ERR_UNSUPPORTED);
        err_set(err, r->error, "only point-to-point is supported");
        return;
    }
    pcep_endpoints_tlvs_get(r, &item->endpoints, err);
}

static void generalized_endpoints_put(struct wire *w, const struct pcep_message *message, const struct pcep_item *item)
{
    (void) message;
    wire_put_u32(w, 0);
    pcep_endpoints_tlvs_put(w, &item->endpoints);
}

static void bandwidth_get(struct wire *r, struct pcep_message *message, struct pcep_item *item, struct err *err)
{
    (void) message;
    (void) err;
    item->bandwidth_bps = bps_from_float_bits(wire_get_u32(r));
}

static void bandwidth_put(struct wire *w, const struct pcep_message *message, const struct pcep_item *item)
{
    (void) message;
    wire_put_u32(w, bps_to_float_bits(item->bandwidth_bps));
}

/* What an LSP has today, before a new path: nothing here needs it. */
static void existing_bandwidth_get(struct wire *r, struct pcep_message *message, struct pcep_item *item,
                                   struct err *err)
{
    (void) r;
    (void) message;
    (void) item;
    (void) err;
}

static uint32_t ethernet_rate(struct wire *spec)
{
    wire_skip(spec, 4); /* switching granularity, MTU */
    while (wire_ok(spec) && wire_left(spec) > 0) {
        uint16_t type = wire_get_u16(spec), length = wire_get_u16(spec);

        if (length < 4) {
            wire_fail(spec, ERR_MALFORMED);
            break;
        }
        struct wire value = wire_sub(spec, length - 4u);

        if (type != ETHERNET_BANDWIDTH_PROFILE || wire_left(&value) < 8)
            continue;
        wire_skip(&value, 4);
        return wire_get_u32(&value); /* CIR */
    }
    return 0;
}

static void generalized_bandwidth_get(struct wire *r, struct pcep_message *message, struct pcep_item *item,
                                      struct err *err)
{
    uint16_t length = wire_get_u16(r), reverse = wire_get_u16(r);
    uint8_t type = wire_get_u8(r);

    (void) message;
    wire_skip(r, 3);
    struct wire spec = wire_sub(r, length);

    wire_skip(r, reverse); /* an LSP of ours has the same both ways */
    if (type == SPEC_INTSERV) {
        wire_skip(&spec, 12); /* headers of message, service and parameter, RFC 2210 §3.1 */
        item->bandwidth_bps = bps_from_float_bits(wire_get_u32(&spec));
    } else if (type == SPEC_ETHERNET) {
        item->bandwidth_bps = bps_from_float_bits(ethernet_rate(&spec));
    } else {
        wire_fail(r, ERR_UNSUPPORTED);
        err_set(err, r->error, "traffic parameters of type %u", type);
    }
    if (!wire_ok(&spec))
        wire_fail(r, spec.error);
}

static void metric_get(struct wire *r, struct pcep_message *message, struct pcep_item *item, struct err *err)
{
    (void) message;
    if (item->n_metrics == PCEP_METRICS_MAX) {
        wire_fail(r, ERR_TOO_LARGE);
        err_set(err, r->error, "more than %d of them", PCEP_METRICS_MAX);
        return;
    }
    wire_skip(r, 2);
    struct pcep_metric *metric = &item->metrics[item->n_metrics++];
    uint8_t flags = wire_get_u8(r);

    metric->bound = flags & METRIC_BOUND;
    metric->computed = flags & METRIC_COMPUTED;
    metric->type = wire_get_u8(r);
    uint32_t bits = wire_get_u32(r);

    memcpy(&metric->value, &bits, sizeof bits);
}

static void metric_put(struct wire *w, const struct pcep_metric *metric)
{
    uint32_t bits;

    memcpy(&bits, &metric->value, sizeof bits);
    wire_put_u16(w, 0);
    wire_put_u8(w, (metric->bound ? METRIC_BOUND : 0) | (metric->computed ? METRIC_COMPUTED : 0));
    wire_put_u8(w, metric->type);
    wire_put_u32(w, bits);
}

/* One object a metric: this writes the header of all but the first. */
static void metrics_put(struct wire *w, const struct pcep_message *message, const struct pcep_item *item)
{
    (void) message;
    for (unsigned i = 0; i < item->n_metrics; i++) {
        if (i > 0) {
            wire_put_u8(w, CLASS_METRIC);
            wire_put_u8(w, 1 << 4);
            wire_put_u16(w, OBJECT_HEADER_SIZE + 8);
        }
        metric_put(w, &item->metrics[i]);
    }
}

static void ero_get(struct wire *r, struct pcep_message *message, struct pcep_item *item, struct err *err)
{
    (void) message;
    pcep_ero_get(r, item, err);
}

static void ero_put(struct wire *w, const struct pcep_message *message, const struct pcep_item *item)
{
    (void) message;
    pcep_ero_put(w, item);
}

static void rro_get(struct wire *r, struct pcep_message *message, struct pcep_item *item, struct err *err)
{
    (void) message;
    pcep_rro_get(r, item, err);
}

static void rro_put(struct wire *w, const struct pcep_message *message, const struct pcep_item *item)
{
    (void) message;
    pcep_rro_put(w, item);
}

static void lspa_get(struct wire *r, struct pcep_message *message, struct pcep_item *item, struct err *err)
{
    (void) message;
    (void) err;
    item->exclude_any = wire_get_u32(r);
    item->include_any = wire_get_u32(r);
    item->include_all = wire_get_u32(r);
    item->setup_priority = wire_get_u8(r);
    item->holding_priority = wire_get_u8(r);
    item->local_protection = wire_get_u8(r) & LSPA_LOCAL_PROTECTION;
}

static void lspa_put(struct wire *w, const struct pcep_message *message, const struct pcep_item *item)
{
    (void) message;
    wire_put_u32(w, item->exclude_any);
    wire_put_u32(w, item->include_any);
    wire_put_u32(w, item->include_all);
    wire_put_u8(w, item->setup_priority);
    wire_put_u8(w, item->holding_priority);
    wire_put_u8(w, item->local_protection ? LSPA_LOCAL_PROTECTION : 0);
    wire_put_u8(w, 0);
}

static void notification_get(struct wire *r, struct pcep_message *message, struct pcep_item *item, struct err *err)
{
    (void) item;
    (void) err;
    wire_skip(r, 2);
    message->notification_type = wire_get_u8(r);
    message->notification_value = wire_get_u8(r);
}

static void notification_put(struct wire *w, const struct pcep_message *message, const struct pcep_item *item)
{
    (void) item;
    wire_put_u16(w, 0);
    wire_put_u8(w, message->notification_type);
    wire_put_u8(w, message->notification_value);
}

static void error_get(struct wire *r, struct pcep_message *message, struct pcep_item *item, struct err *err)
{
    (void) message;
    (void) err;
    wire_skip(r, 2);
    item->error_type = wire_get_u8(r);
    item->error_value = wire_get_u8(r);
}

static void error_put(struct wire *w, const struct pcep_message *message, const struct pcep_item *item)
{
    (void) message;
    wire_put_u16(w, 0);
    wire_put_u8(w, item->error_type);
    wire_put_u8(w, item->error_value);
}

static void close_get(struct wire *r, struct pcep_message *message, struct pcep_item *item, struct err *err)
{
    (void) item;
    (void) err;
    wire_skip(r, 3);
    message->close_reason = wire_get_u8(r);
}

static void close_put(struct wire *w, const struct pcep_message *message, const struct pcep_item *item)
{
    (void) item;
    wire_put_u24(w, 0);
    wire_put_u8(w, message->close_reason);
}

static void lsp_get(struct wire *r, struct pcep_message *message, struct pcep_item *item, struct err *err)
{
    uint32_t word = wire_get_u32(r);

    (void) message;
    item->plsp_id = word >> 12;
    item->state = word >> 4 & 7;
    item->flags = word & (PCEP_DELEGATE | PCEP_SYNC | PCEP_REMOVE | PCEP_ADMIN_UP | PCEP_CREATE);
    pcep_lsp_tlvs_get(r, item, err);
}

static void lsp_put(struct wire *w, const struct pcep_message *message, const struct pcep_item *item)
{
    (void) message;
    wire_put_u32(w, item->plsp_id << 12 | (uint32_t) (item->state & 7) << 4 | item->flags);
    pcep_lsp_tlvs_put(w, item);
}

static void srp_get(struct wire *r, struct pcep_message *message, struct pcep_item *item, struct err *err)
{
    (void) message;
    item->remove = wire_get_u32(r) & SRP_REMOVE;
    item->id = wire_get_u32(r);
    pcep_setup_tlv_get(r, item, err);
}

static void srp_put(struct wire *w, const struct pcep_message *message, const struct pcep_item *item)
{
    (void) message;
    wire_put_u32(w, item->remove ? SRP_REMOVE : 0);
    wire_put_u32(w, item->id);
    pcep_setup_tlv_put(w, item);
}

static const struct pcep_object objects[] = {
    {CLASS_OPEN, 1, "OPEN", 4, 0, open_get, open_put},                                       /* §7.3 */
    {CLASS_RP, 1, "RP", 8, PCEP_HAS_RP, rp_get, rp_put},                                     /* §7.4 */
    {CLASS_NO_PATH, 1, "NO-PATH", 4, PCEP_HAS_NO_PATH, no_path_get, no_path_put},            /* §7.5 */
    {CLASS_ENDPOINTS, 1, "END-POINTS", 8, PCEP_HAS_ENDPOINTS, endpoints_get, endpoints_put}, /* §7.6 */
    {CLASS_ENDPOINTS, 5, "END-POINTS", 4, PCEP_HAS_GENERALIZED_ENDPOINTS, generalized_endpoints_get,
     generalized_endpoints_put},                                                               /* RFC 8779 §2.5 */
    {CLASS_BANDWIDTH, 1, "BANDWIDTH", 4, PCEP_HAS_BANDWIDTH, bandwidth_get, bandwidth_put},    /* §7.7 */
    {CLASS_BANDWIDTH, 2, "BANDWIDTH", 4, 0, existing_bandwidth_get, NULL},                     /* §7.7 */
    {CLASS_BANDWIDTH, 3, "BANDWIDTH", 8, PCEP_HAS_BANDWIDTH, generalized_bandwidth_get, NULL}, /* RFC 8779 §2.3 */
    {CLASS_BANDWIDTH, 4, "BANDWIDTH", 8, 0, existing_bandwidth_get, NULL},                     /* RFC 8779 §2.3 */
    {CLASS_METRIC, 1, "METRIC", 8, PCEP_HAS_METRIC, metric_get, metrics_put},                  /* §7.8 */
    {CLASS_ERO, 1, "ERO", 0, PCEP_HAS_ERO, ero_get, ero_put},                                  /* §7.9 */
    {CLASS_RRO, 1, "RRO", 0, PCEP_HAS_RRO, rro_get, rro_put},                                  /* §7.10 */
    {CLASS_LSPA, 1, "LSPA", 16, PCEP_HAS_LSPA, lspa_get, lspa_put},                            /* §7.11 */
    {CLASS_NOTIFICATION, 1, "NOTIFICATION", 4, 0, notification_get, notification_put},         /* §7.14 */
    {CLASS_ERROR, 1, "PCEP-ERROR", 4, PCEP_HAS_ERROR, error_get, error_put},                   /* §7.15 */
    {CLASS_CLOSE, 1, "CLOSE", 4, 0, close_get, close_put},                                     /* §7.17 */
    {CLASS_LSP, 1, "LSP", 4, PCEP_HAS_LSP, lsp_get, lsp_put},                                  /* RFC 8231 §7.3 */
    {CLASS_SRP, 1, "SRP", 8, PCEP_HAS_SRP, srp_get, srp_put},                                  /* RFC 8231 §7.2 */
};

/* Of IANA's registry "PCEP Objects"; those above and those that are only known to exist. */
static const char *const classes[] = {
    [CLASS_OPEN] = "OPEN",
    [CLASS_RP] = "RP",
    [CLASS_NO_PATH] = "NO-PATH",
    [CLASS_ENDPOINTS] = "END-POINTS",
    [CLASS_BANDWIDTH] = "BANDWIDTH",
    [CLASS_METRIC] = "METRIC",
    [CLASS_ERO] = "ERO",
    [CLASS_RRO] = "RRO",
    [CLASS_LSPA] = "LSPA",
    [10] = "IRO",
    [11] = "SVEC",
    [CLASS_NOTIFICATION] = "NOTIFICATION",
    [CLASS_ERROR] = "PCEP-ERROR",
    [14] = "LOAD-BALANCING",
    [CLASS_CLOSE] = "CLOSE",
    [16] = "PATH-KEY",
    [17] = "XRO",
    [19] = "MONITORING",
    [20] = "PCC-REQ-ID",
    [21] = "OF",
    [22] = "CLASSTYPE",
    [24] = "GLOBAL-CONSTRAINTS",
    [25] = "PCE-ID",
    [26] = "PROC-TIME",
    [27] = "OVERLOAD",
    [28] = "UNREACH-DESTINATION",
    [29] = "SERO",
    [30] = "SRRO",
    [31] = "BNC",
    [CLASS_LSP] = "LSP",
    [CLASS_SRP] = "SRP",
    [34] = "VENDOR-INFORMATION",
    [35] = "BU",
    [36] = "INTER-LAYER",
    [37] = "SWITCH-LAYER",
    [38] = "REQ-ADAP-CAP",
    [39] = "SERVER-INDICATION",
    [40] = "ASSOCIATION",
    [41] = "S2LS",
};

const struct pcep_object *pcep_object_find(uint8_t class, uint8_t type)
{
    for (size_t i = 0; i < ARRAY_LEN(objects); i++)
        if (objects[i].class == class && objects[i].type == type)
            return &objects[i];
    return NULL;
}

enum pcep_class_use pcep_class_use(uint8_t class)
{
    for (size_t i = 0; i < ARRAY_LEN(objects); i++)
        if (objects[i].class == class)
            return CLASS_READ;
    return class < ARRAY_LEN(classes) && classes[class] ? CLASS_KNOWN : CLASS_UNKNOWN;
}

const char *pcep_class_name(uint8_t class)
{
    return class < ARRAY_LEN(classes) && classes[class] ? classes[class] : "an object";
}
