/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/ospf/ospf_api.h"

#include <limits.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/sm.h"
#include "base/strbuf.h"
#include "base/wire.h"

#define VERSION 1
#define TYPE_BIT(type) (UINT32_C(1) << ((type) -1))
#define TYPE_MASK (TYPE_BIT(1) | TYPE_BIT(10)) /* router LSAs, area-local opaque ones */
#define ORIGIN_ANY 2
#define REQUEST_MAX 64 /* bytes */
#define REQUESTS_MAX 8 /* that wait for their replies */

enum { DISCONNECTED, WAITING, REGISTERING, SYNCHRONISING, SYNCED };

static const struct sm_state states[] = {
    [DISCONNECTED] = {"disconnected", SM_TO(DISCONNECTED) | SM_TO(WAITING), false},
    [WAITING] = {"waiting", SM_TO(DISCONNECTED) | SM_TO(REGISTERING), false},
    [REGISTERING] = {"registering", SM_TO(DISCONNECTED) | SM_TO(SYNCHRONISING), false},
    [SYNCHRONISING] = {"synchronising", SM_TO(DISCONNECTED) | SM_TO(SYNCED), false},
    [SYNCED] = {"synchronised", SM_TO(DISCONNECTED), false},
};

struct request {
    uint32_t sequence;
    uint8_t type;
};

struct ospf_api {
    struct sm sm;
    uint32_t timeout_ms;
    struct mono deadline;
    bool up[2];       /* by enum ospf_api_stream */
    bool told;        /* SYNC_LSDB was answered */
    bool told_to_end; /* and the router id that was asked for after it has come */
    uint32_t end;     /* number of that request */
    uint32_t sequence;
    struct request requests[REQUESTS_MAX];
    size_t n_requests;
    struct strbuf output;
    struct ospf_api_event *events;
    size_t first_event, n_events, cap_events;
};

struct ospf_api *ospf_api_new(uint32_t timeout_ms)
{
    struct ospf_api *api = xcalloc(1, sizeof *api);

    api->sm = (struct sm) {states, ARRAY_LEN(states), DISCONNECTED};
    api->timeout_ms = timeout_ms;
    api->deadline = MONO_NEVER;
    return api;
}

static void drop_events(struct ospf_api *api)
{
    struct ospf_api_event event;

    while (ospf_api_event(api, &event))
        ospf_api_event_free(&event);
}

void ospf_api_free(struct ospf_api *api)
{
    if (!api)
        return;
    drop_events(api);
    free(api->events);
    strbuf_free(&api->output);
    free(api);
}

/* ---- Events and requests ---- */

static void push(struct ospf_api *api, enum ospf_api_event_type type, const struct ospf_api_notice *notice)
{
    struct ospf_api_event event = {.type = type};

    if (notice) {
        event.notice = *notice;
        event.notice.lsa = notice->lsa ? xmemdup(notice->lsa, notice->lsa_size) : NULL;
    }
    api->events = array_reserve(api->events, api->n_events, &api->cap_events, sizeof *api->events);
    api->events[api->n_events++] = event;
}

bool ospf_api_event(struct ospf_api *api, struct ospf_api_event *event)
{
    if (api->first_event == api->n_events) {
        api->first_event = api->n_events = 0;
        return false;
    }
    *event = api->events[api->first_event++];
    return true;
}

void ospf_api_event_free(struct ospf_api_event *event)
{
    free((void *) (uintptr_t) event->notice.lsa);
    event->notice.lsa = NULL;
}

/* All requests that we make have a body of four bytes. */
static void request(struct ospf_api *api, uint8_t type, uint32_t body)
{
    uint8_t bytes[REQUEST_MAX];
    struct wire w = wire_writer(bytes, sizeof bytes);

    if (api->n_requests == REQUESTS_MAX)
        return; /* ospfd answers nothing: the deadline, or the caller's, ends that */
    api->requests[api->n_requests++] = (struct request) {++api->sequence, type};
    wire_put_u8(&w, VERSION);
    wire_put_u8(&w, type);
    wire_put_u16(&w, sizeof body);
    wire_put_u32(&w, api->sequence);
    wire_put_u32(&w, body);
    strbuf_add(&api->output, bytes, w.pos);
}

/* Type mask, origin, and the number of areas that follow: none stands for all. */
static uint32_t filter(void)
{
    return TYPE_MASK << 16 | ORIGIN_ANY << 8;
}

char *ospf_api_output(struct ospf_api *api, size_t *n)
{
    *n = api->output.length;
    return *n ? strbuf_take(&api->output) : NULL;
}

void ospf_api_probe(struct ospf_api *api)
{
    if (ospf_api_synced(api))
        request(api, OSPF_API_SYNC_ROUTER_ID, 0);
}

/* ---- States ---- */

void ospf_api_up(struct ospf_api *api, enum ospf_api_stream stream, struct mono now)
{
    api->up[stream] = true;
    if (api->sm.current == DISCONNECTED) {
        sm_move(&api->sm, WAITING);
        api->deadline = mono_add(now, api->timeout_ms);
    }
    if (api->sm.current == WAITING && api->up[OSPF_API_SYNC] && api->up[OSPF_API_ASYNC]) {
        sm_move(&api->sm, REGISTERING);
        request(api, OSPF_API_REGISTER_EVENT, filter());
    }
}

void ospf_api_down(struct ospf_api *api)
{
    sm_move(&api->sm, DISCONNECTED);
    api->deadline = MONO_NEVER;
    api->up[OSPF_API_SYNC] = api->up[OSPF_API_ASYNC] = false;
    api->told = api->told_to_end = false;
    api->n_requests = 0;
    drop_events(api);
    strbuf_clear(&api->output);
}

int ospf_api_tick(struct ospf_api *api, struct mono now, struct err *err)
{
    if (!mono_reached(api->deadline, now))
        return 0;
    return err_set(err, ERR_TIMEOUT, "ospfd's API did not come to %s within %u ms",
                   api->sm.current == WAITING ? "connect back to the port next to ours" : "tell all its LSAs",
                   api->timeout_ms);
}

struct mono ospf_api_deadline(const struct ospf_api *api)
{
    return api->deadline;
}

bool ospf_api_synced(const struct ospf_api *api)
{
    return api->sm.current == SYNCED;
}

static void registered(struct ospf_api *api)
{
    sm_move(&api->sm, SYNCHRONISING);
    push(api, OSPF_API_EVENT_SYNC_BEGINS, NULL);
    request(api, OSPF_API_SYNC_LSDB, filter());
    request(api, OSPF_API_SYNC_ROUTER_ID, 0);
    api->end = api->sequence;
}

static void synced_if_told(struct ospf_api *api)
{
    if (api->sm.current != SYNCHRONISING || !api->told || !api->told_to_end)
        return;
    sm_move(&api->sm, SYNCED);
    api->deadline = MONO_NEVER;
    push(api, OSPF_API_EVENT_SYNCED, NULL);
}

/* ---- Messages from ospfd ---- */

static const char *reply_text(int code)
{
    static const char *const texts[] = {
        "no error",           "no such interface",          "no such area", "no such LSA",   "illegal type of LSA",
        "opaque type in use", "opaque type not registered", "not ready",    "out of memory", "error",
        "undefined"};

    return code <= 0 && (size_t) -code < ARRAY_LEN(texts) ? texts[-code] : "unknown code";
}

static const char *request_name(uint8_t type)
{
    return type == OSPF_API_REGISTER_EVENT ? "REGISTER_EVENT" :
           type == OSPF_API_SYNC_LSDB      ? "SYNC_LSDB" :
                                             "SYNC_ROUTER_ID";
}

static int handle_reply(struct ospf_api *api, uint32_t sequence, struct wire *body, struct err *err)
{
    int code = (int8_t) wire_get_u8(body);

    if (!wire_ok(body))
        return err_set(err, ERR_MALFORMED, "ospfd's API sent a reply without a code");
    /* ospfd handles requests one after the other, so replies come in their order. */
    if (api->n_requests == 0 || api->requests[0].sequence != sequence)
        return err_set(err, ERR_MALFORMED, "ospfd's API answered request %u, which was not made", sequence);
    const uint8_t type = api->requests[0].type;
    for (size_t i = 1; i < api->n_requests; i++)
        api->requests[i - 1] = api->requests[i];
    api->n_requests--;
    if (code < 0)
        return err_set(err, ERR_REFUSED, "ospfd's API refused %s: code %d, %s", request_name(type), code,
                       reply_text(code));
    if (type == OSPF_API_REGISTER_EVENT)
        registered(api);
    api->told |= type == OSPF_API_SYNC_LSDB;
    synced_if_told(api);
    return 0;
}

static void ready_decode(struct wire *r, struct ospf_api_notice *notice)
{
    notice->lsa_type = wire_get_u8(r);
    notice->opaque_type = wire_get_u8(r);
    wire_skip(r, 2);
    notice->interface = wire_get_u32(r);
}

static void lsa_decode(struct wire *r, struct ospf_api_notice *notice)
{
    notice->interface = wire_get_u32(r);
    notice->area = wire_get_u32(r);
    notice->self_originated = wire_get_u8(r);
    wire_skip(r, 3);
    notice->lsa_size = wire_left(r);
    notice->lsa = r->data + r->pos;
}

static void new_interface_decode(struct wire *r, struct ospf_api_notice *notice)
{
    notice->interface = wire_get_u32(r);
    notice->area = wire_get_u32(r);
}

static void del_interface_decode(struct wire *r, struct ospf_api_notice *notice)
{
    notice->interface = wire_get_u32(r);
}

static void ism_decode(struct wire *r, struct ospf_api_notice *notice)
{
    notice->interface = wire_get_u32(r);
    notice->area = wire_get_u32(r);
    notice->status = wire_get_u8(r);
}

static void nsm_decode(struct wire *r, struct ospf_api_notice *notice)
{
    notice->interface = wire_get_u32(r);
    notice->neighbour = wire_get_u32(r);
    notice->router = wire_get_u32(r);
    notice->status = wire_get_u8(r);
}

static void reachable_decode(struct wire *r, struct ospf_api_notice *notice)
{
    notice->n_reachable = wire_get_u16(r);
    notice->n_unreachable = wire_get_u16(r);
    wire_skip(r, 4 * ((size_t) notice->n_reachable + notice->n_unreachable));
}

static void router_id_decode(struct wire *r, struct ospf_api_notice *notice)
{
    notice->router = wire_get_u32(r);
}

static const struct notice_row {
    uint8_t type;
    uint16_t least; /* bytes of the body */
    void (*decode)(struct wire *r, struct ospf_api_notice *notice);
} rows[] = {
    {OSPF_API_READY_NOTIFY, 8, ready_decode},
    {OSPF_API_LSA_UPDATE, 12 + 20, lsa_decode},
    {OSPF_API_LSA_DELETE, 12 + 20, lsa_decode},
    {OSPF_API_NEW_INTERFACE, 8, new_interface_decode},
    {OSPF_API_DEL_INTERFACE, 4, del_interface_decode},
    {OSPF_API_ISM_CHANGE, 9, ism_decode},
    {OSPF_API_NSM_CHANGE, 13, nsm_decode},
    {OSPF_API_REACHABLE_CHANGE, 4, reachable_decode},
    {OSPF_API_ROUTER_ID_CHANGE, 4, router_id_decode},
};

int ospf_api_notice_decode(uint8_t type, const uint8_t *body, size_t size, struct ospf_api_notice *notice,
                           struct err *err)
{
    const struct notice_row *row = NULL;

    for (size_t i = 0; i < ARRAY_LEN(rows) && !row; i++) {
        if (rows[i].type == type)
            row = &rows[i];
    }
    if (!row)
        return err_set(err, ERR_UNSUPPORTED, "message type %u of ospfd's API is no notification that is known", type);
    struct wire r = wire_reader(body, size);
    struct ospf_api_notice decoded = {.type = type};

    row->decode(&r, &decoded);
    if (!wire_ok(&r) || size < row->least)
        return err_set(err, ERR_MALFORMED, "ospfd's API sent a message of type %u with %zu bytes, expected %u at least",
                       type, size, row->least);
    *notice = decoded;
    return 0;
}

static int handle_notice(struct ospf_api *api, uint8_t type, uint32_t sequence, const struct wire *body,
                         struct err *err)
{
    struct ospf_api_notice notice;
    int status = ospf_api_notice_decode(type, body->data, body->size, &notice, err);

    /* Later versions of ospfd may have further ones. */
    if (status == ERR_UNSUPPORTED && type > OSPF_API_ROUTER_ID_CHANGE)
        return 0;
    if (status < 0)
        return status;
    push(api, OSPF_API_EVENT_NOTICE, &notice);
    if (type == OSPF_API_ROUTER_ID_CHANGE && sequence == api->end && api->sm.current == SYNCHRONISING) {
        api->told_to_end = true;
        synced_if_told(api);
    }
    return 0;
}

static int handle_message(struct ospf_api *api, enum ospf_api_stream stream, uint8_t type, uint32_t sequence,
                          struct wire *body, struct err *err)
{
    if (stream == OSPF_API_ASYNC)
        return handle_notice(api, type, sequence, body, err);
    if (type != OSPF_API_REPLY)
        return err_set(err, ERR_MALFORMED, "ospfd's API sent message type %u where a reply was expected", type);
    return handle_reply(api, sequence, body, err);
}

int ospf_api_input(struct ospf_api *api, enum ospf_api_stream stream, const uint8_t *bytes, size_t n, struct err *err)
{
    struct wire r = wire_reader(bytes, n < INT_MAX ? n : INT_MAX);

    while (wire_left(&r) >= OSPF_API_HEADER_SIZE) {
        const size_t start = r.pos;
        uint8_t version = wire_get_u8(&r), type = wire_get_u8(&r);
        uint16_t length = wire_get_u16(&r);
        uint32_t sequence = wire_get_u32(&r);

        if (version != VERSION)
            return err_set(err, ERR_UNSUPPORTED, "ospfd's API speaks version %u, expected %u", version, VERSION);
        if (wire_left(&r) < length)
            return (int) start;
        struct wire body = wire_sub(&r, length);
        int status = handle_message(api, stream, type, sequence, &body, err);
        if (status < 0)
            return status;
    }
    return (int) r.pos;
}
