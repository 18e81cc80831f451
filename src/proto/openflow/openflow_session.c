/* SPDX-License-Identifier: Apache-2.0 */
/* The connection: framing, version, handshake, keep-alive (after Open vSwitch's idea of reconnect.h: time is an
 * argument), and what comes unasked. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/openflow/openflow_session_internal.h"

static const struct sm_state states[] = {
    [SESSION_HELLO] = {"hello", SM_TO(SESSION_HANDSHAKE) | SM_TO(SESSION_DOWN), false},
    [SESSION_HANDSHAKE] = {"handshake", SM_TO(SESSION_UP) | SM_TO(SESSION_DOWN), false},
    [SESSION_UP] = {"up", SM_TO(SESSION_DOWN), false},
    [SESSION_DOWN] = {"down", 0, true},
};

/* Buffers */

#define BUFFER_KEPT (4u * OF_MESSAGE_MAX) /* of which only what is used is in memory */

/* Room for 'size' bytes more at the end. */
static uint8_t *buffer_reserve(struct of_buffer *buffer, size_t size)
{
    if (buffer->start && buffer->start + buffer->length + size > buffer->capacity) {
        memmove(buffer->data, buffer->data + buffer->start, buffer->length);
        buffer->start = 0;
    }
    if (buffer->length + size > buffer->capacity) {
        buffer->capacity = (buffer->capacity + size) * 2;
        buffer->data = xrealloc(buffer->data, buffer->capacity, 1);
    }
    return buffer->data + buffer->start + buffer->length;
}

struct wire of_buffer_room(struct of_buffer *buffer)
{
    return wire_writer(buffer_reserve(buffer, OF_MESSAGE_MAX), OF_MESSAGE_MAX);
}

void of_buffer_commit(struct of_buffer *buffer, const struct wire *w)
{
    buffer->length += w->pos;
}

void of_buffer_add(struct of_buffer *buffer, const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return;
    memcpy(buffer_reserve(buffer, size), bytes, size);
    buffer->length += size;
}

void of_buffer_drop(struct of_buffer *buffer, size_t size)
{
    buffer->start += size;
    buffer->length -= size;
    if (buffer->length > 0)
        return;
    buffer->start = 0;
    /* A large transaction must not leave its buffer behind for the life of the session; what each message needs must
     * not come and go with it, either. */
    if (buffer->capacity > BUFFER_KEPT)
        of_buffer_free(buffer);
}

void of_buffer_free(struct of_buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct of_buffer) {0};
}

/* Events */

struct of_event *of_session_event_add(struct of_session *session, enum of_event_type type)
{
    if (session->first_event == session->n_events)
        session->first_event = session->n_events = 0;
    session->events = array_reserve(session->events, session->n_events, &session->cap_events,
                                    sizeof session->events[0]);
    struct of_event *event = &session->events[session->n_events++];

    memset(event, 0, sizeof *event);
    event->type = type;
    return event;
}

bool of_session_event(struct of_session *session, struct of_event *event)
{
    if (session->first_event == session->n_events)
        return false;
    *event = session->events[session->first_event++];
    return true;
}

void of_event_free(struct of_event *event)
{
    switch (event->type) {
    case OF_EVENT_UP:
        free(event->up.ports);
        event->up.ports = NULL;
        break;
    case OF_EVENT_PACKET_IN:
        free((void *) (uintptr_t) event->packet_in.frame.data);
        event->packet_in.frame = (struct of_bytes) {0};
        break;
    case OF_EVENT_FLOW:
        flow_free(&event->flow);
        break;
    case OF_EVENT_DOWN:
    case OF_EVENT_PORT_STATUS:
    case OF_EVENT_FLOW_UPDATE:
    case OF_EVENT_METER:
    case OF_EVENT_PORT:
    case OF_EVENT_DONE:
    case OF_EVENT_ERROR:
        break;
    }
}

/* Life */

uint32_t of_session_xids(struct of_session *session, size_t n)
{
    if (session->next_xid + n > UINT32_MAX)
        session->next_xid = 1;
    uint32_t first = session->next_xid;

    session->next_xid += (uint32_t) n;
    return first;
}

struct of_session *of_session_new(const struct of_session_config *config, struct mono now)
{
    struct of_session *session = xcalloc(1, sizeof *session);

    session->config = *config;
    session->sm = (struct sm) {.states = states, .n_states = ARRAY_LEN(states), .current = SESSION_HELLO};
    session->next_xid = 1;
    session->next_bundle = 1;
    of_requests_begin(session);
    session->heard = now;
    session->echo_until = MONO_NEVER;
    session->handshake_until = mono_add(now, config->handshake_ms);
    struct wire w = of_buffer_room(&session->output);

    of_hello_encode(&w, of_session_xids(session, 1));
    of_buffer_commit(&session->output, &w);
    return session;
}

static void session_down(struct of_session *session, int code, const char *reason)
{
    if (session->sm.current == SESSION_DOWN)
        return;
    sm_move(&session->sm, SESSION_DOWN);
    of_requests_end(session, reason);
    err_set(&of_session_event_add(session, OF_EVENT_DOWN)->err, code, "%s", reason);
}

void of_session_free(struct of_session *session)
{
    struct of_event event;

    if (!session)
        return;
    of_requests_end(session, "the session ends");
    while (of_session_event(session, &event))
        of_event_free(&event);
    free(session->events);
    free(session->up.ports);
    of_buffer_free(&session->input);
    of_buffer_free(&session->output);
    of_buffer_free(&session->draft);
    free(session);
}

void of_session_closed(struct of_session *session, int code, const char *reason)
{
    session_down(session, code, reason);
}

bool of_session_is_up(const struct of_session *session)
{
    return session->sm.current == SESSION_UP;
}

uint64_t of_session_dpid(const struct of_session *session)
{
    return session->up.features.dpid;
}

const uint8_t *of_session_output(const struct of_session *session, size_t *size)
{
    *size = session->output.length;
    return session->output.length ? session->output.data + session->output.start : NULL;
}

void of_session_sent(struct of_session *session, size_t size)
{
    of_buffer_drop(&session->output, size < session->output.length ? size : session->output.length);
}

/* Handshake */

static void ask(struct of_session *session)
{
    static const enum of_multipart_type multiparts[] = {
        [ASK_DESC] = OFPMP_DESC, [ASK_METERS] = OFPMP_METER_FEATURES, [ASK_PORTS] = OFPMP_PORT_DESC};
    uint32_t first = of_session_xids(session, N_QUESTIONS + 1);
    struct wire w = of_buffer_room(&session->output);

    for (unsigned i = 0; i < N_QUESTIONS; i++) {
        session->question_xids[i] = first + i;
        if (i == ASK_FEATURES)
            of_empty_encode(&w, OFPT_FEATURES_REQUEST, first + i);
        else
            of_multipart_encode(&w, first + i, multiparts[i]);
    }
    of_set_config_encode(&w, first + N_QUESTIONS, OF_CONTROLLER_NO_BUFFER);
    of_buffer_commit(&session->output, &w);
}

static void hello_received(struct of_session *session, const struct of_message *message)
{
    if (of_hello_accepts(&message->header, &message->hello)) {
        sm_move(&session->sm, SESSION_HANDSHAKE);
        ask(session);
        return;
    }
    static const char text[] = "this controller speaks OpenFlow 1.3 only";
    char reason[120];
    struct wire w = of_buffer_room(&session->output);

    of_error_encode(&w, message->header.xid, OFPET_HELLO_FAILED, OFPHFC_INCOMPATIBLE,
                    (struct of_bytes) {(const uint8_t *) text, sizeof text - 1});
    of_buffer_commit(&session->output, &w);
    snprintf(reason, sizeof reason, "the switch speaks no OpenFlow 1.3 (its hello has version 0x%02x); enable it there",
             message->header.version);
    session_down(session, ERR_UNSUPPORTED, reason);
}

static void answered(struct of_session *session, enum of_question question)
{
    session->answered[question] = true;
    for (unsigned i = 0; i < N_QUESTIONS; i++) {
        if (!session->answered[i])
            return;
    }
    sm_move(&session->sm, SESSION_UP);
    struct of_event *event = of_session_event_add(session, OF_EVENT_UP);

    event->up = session->up;
    session->up.ports = NULL;
    session->up.n_ports = 0;
}

static int gather_ports(struct of_session *session, struct wire *body, struct err *err)
{
    struct of_port port;
    int rc;

    while ((rc = of_port_desc_next(body, &port, err)) > 0) {
        if (session->up.n_ports == OF_PORTS_MAX)
            return err_set(err, ERR_TOO_LARGE, "the switch has more than %d ports", OF_PORTS_MAX);
        session->up.ports = array_reserve(session->up.ports, session->up.n_ports, &session->cap_ports, sizeof port);
        session->up.ports[session->up.n_ports++] = port;
    }
    return rc;
}

static int handshake_multipart(struct of_session *session, enum of_question question,
                               const struct of_multipart *multipart, struct err *err)
{
    struct wire body = multipart->body;

    if (question == ASK_DESC && multipart->type == OFPMP_DESC)
        return of_desc_decode(&body, &session->up.desc, err);
    if (question == ASK_METERS && multipart->type == OFPMP_METER_FEATURES)
        return of_meter_features_decode(&body, &session->up.max_meters, err);
    if (question == ASK_PORTS && multipart->type == OFPMP_PORT_DESC)
        return gather_ports(session, &body, err);
    return err_set(err, ERR_MALFORMED, "a multipart reply of type %u answers another question", multipart->type);
}

/* A switch that cannot describe itself or has no meters answers with an error; features and ports it must have. */
static int handshake_error(enum of_question question, const struct of_error *error, struct err *err)
{
    char name[OF_ERROR_TEXT_SIZE];

    if (question == ASK_DESC || question == ASK_METERS)
        return 0;
    return err_set(err, ERR_REFUSED, "the switch does not tell its %s: %s",
                   question == ASK_FEATURES ? "features" : "ports", of_error_format(error, name));
}

static void handshake_message(struct of_session *session, const struct of_message *message)
{
    struct err err = {0};
    unsigned question = 0;
    int rc = 0;

    while (question < N_QUESTIONS && session->question_xids[question] != message->header.xid)
        question++;
    if (question == N_QUESTIONS || session->answered[question])
        return;
    if (message->header.type == OFPT_ERROR) {
        rc = handshake_error(question, &message->error, &err);
    } else if (message->header.type == OFPT_FEATURES_REPLY && question == ASK_FEATURES) {
        session->up.features = message->features;
        if (message->features.auxiliary_id)
            rc = err_set(&err, ERR_UNSUPPORTED, "the switch opened an auxiliary connection; only main ones are used");
    } else if (message->header.type == OFPT_MULTIPART_REPLY) {
        rc = handshake_multipart(session, question, &message->multipart, &err);
        if (rc == 0 && message->multipart.more)
            return;
    } else {
        return;
    }
    if (rc < 0)
        session_down(session, rc, err.text);
    else
        answered(session, question);
}

/* What comes unasked */

static void complain(struct of_session *session, const struct of_message *message)
{
    char name[OF_ERROR_TEXT_SIZE];
    struct of_event *event = of_session_event_add(session, OF_EVENT_ERROR);
    struct of_header about = {0};

    of_error_format(&message->error, name);
    if (of_header_decode(message->error.data.data, message->error.data.size, &about) == 0)
        err_set(&event->err, ERR_REFUSED, "switch %016llx refused an %s with %s",
                (unsigned long long) of_session_dpid(session), of_type_name(about.type), name);
    else
        err_set(&event->err, ERR_REFUSED, "switch %016llx sent an error: %s",
                (unsigned long long) of_session_dpid(session), name);
}

void of_session_monitor_flows(struct of_session *session)
{
    if (!of_session_is_up(session))
        return;
    struct wire w = of_buffer_room(&session->output);

    session->monitor_xid = of_session_xids(session, 1);
    of_flow_monitor_encode(&w, session->monitor_xid, session->monitor_xid);
    of_buffer_commit(&session->output, &w);
}

/* True if the message was about the flow monitor. Updates have xid 0. */
static bool monitor_message(struct of_session *session, const struct of_message *message)
{
    struct of_flow_update update;
    struct wire body;
    struct err err;
    int rc;

    if (message->header.type == OFPT_ERROR)
        return session->monitor_xid && message->header.xid == session->monitor_xid; /* it does not know how */
    if (message->header.type != OFPT_MULTIPART_REPLY || !of_flow_monitor_begin(&message->multipart, &body))
        return false;
    while ((rc = of_flow_update_next(&body, &update, &err)) > 0) {
        if (update.event != OF_FLOW_ABBREVIATED)
            of_session_event_add(session, OF_EVENT_FLOW_UPDATE)->flow_update = update;
    }
    if (rc < 0)
        of_session_event_add(session, OF_EVENT_ERROR)->err = err;
    return true;
}

static void up_message(struct of_session *session, const struct of_message *message)
{
    struct of_event *event;

    if (monitor_message(session, message))
        return;
    switch (message->header.type) {
    case OFPT_PORT_STATUS:
        of_session_event_add(session, OF_EVENT_PORT_STATUS)->port_status = message->port_status;
        return;
    case OFPT_PACKET_IN:
        event = of_session_event_add(session, OF_EVENT_PACKET_IN);
        event->packet_in = message->packet_in;
        event->packet_in.frame.data = xmemdup(message->packet_in.frame.data, message->packet_in.frame.size);
        return;
    default:
        if (!of_requests_message(session, message) && message->header.type == OFPT_ERROR)
            complain(session, message);
    }
}

static void hello_state_message(struct of_session *session, const struct of_message *message)
{
    char name[OF_ERROR_TEXT_SIZE], reason[160];

    if (message->header.type == OFPT_HELLO) {
        hello_received(session, message);
        return;
    }
    if (message->header.type == OFPT_ERROR)
        snprintf(reason, sizeof reason, "the switch refused our hello: %s", of_error_format(&message->error, name));
    else
        snprintf(reason, sizeof reason, "the switch began with %s, not with a hello",
                 of_type_name(message->header.type));
    session_down(session, message->header.type == OFPT_ERROR ? ERR_REFUSED : ERR_MALFORMED, reason);
}

static void message_received(struct of_session *session, const struct of_message *message)
{
    if (session->sm.current == SESSION_HELLO) {
        hello_state_message(session, message);
    } else if (message->header.version != OF_VERSION) {
        session_down(session, ERR_UNSUPPORTED, "the switch changed the OpenFlow version");
    } else if (message->header.type == OFPT_ECHO_REQUEST) {
        struct wire w = of_buffer_room(&session->output);

        of_echo_encode(&w, OFPT_ECHO_REPLY, message->header.xid, message->echo);
        of_buffer_commit(&session->output, &w);
    } else if (session->sm.current == SESSION_HANDSHAKE) {
        /* Port changes before the list of ports are in that list. */
        handshake_message(session, message);
    } else {
        up_message(session, message);
    }
}

/* A message that cannot be decoded: one of an unknown type is refused as §7.4.4 asks; otherwise whoever waits for it
 * fails, and if nobody does, it is told for the log. Its length is known, so the stream goes on. */
static void undecodable(struct of_session *session, const uint8_t *bytes, size_t size, const struct err *err)
{
    struct of_header header = {0};

    of_header_decode(bytes, size, &header);
    if (session->sm.current != SESSION_UP || header.version != OF_VERSION) {
        session_down(session, err->code, err->text);
        return;
    }
    if (err->code == ERR_UNSUPPORTED) {
        struct wire w = of_buffer_room(&session->output);

        of_error_encode(&w, header.xid, OFPET_BAD_REQUEST, OFPBRC_BAD_TYPE,
                        (struct of_bytes) {bytes, size < 64 ? size : 64});
        of_buffer_commit(&session->output, &w);
    }
    if (!of_requests_undecodable(session, header.xid, err))
        err_set(&of_session_event_add(session, OF_EVENT_ERROR)->err, err->code,
                "switch %016llx sent what we cannot read: %.400s", (unsigned long long) of_session_dpid(session),
                err->text);
}

void of_session_receive(struct of_session *session, const uint8_t *bytes, size_t size, struct mono now)
{
    size_t used = 0;

    if (session->sm.current == SESSION_DOWN || size == 0)
        return;
    session->heard = now;
    session->echo_until = MONO_NEVER;
    of_buffer_add(&session->input, bytes, size);
    while (session->sm.current != SESSION_DOWN) {
        const uint8_t *at = session->input.data + session->input.start + used;
        size_t left = session->input.length - used;
        struct of_header header;
        struct of_message message;
        struct err err = {0};
        int rc = of_header_decode(at, left, &header);

        if (rc == ERR_MALFORMED) {
            session_down(session, rc, "the switch sent a header whose length is less than its own");
            break;
        }
        if (rc < 0 || header.length > left)
            break;
        if (of_decode(at, header.length, &message, &err) < 0)
            undecodable(session, at, header.length, &err);
        else
            message_received(session, &message);
        used += header.length;
    }
    of_buffer_drop(&session->input, used);
}

/* Time */

void of_session_tick(struct of_session *session, struct mono now)
{
    if (session->sm.current == SESSION_DOWN)
        return;
    if (session->sm.current != SESSION_UP && mono_reached(session->handshake_until, now)) {
        session_down(session, ERR_TIMEOUT, "the switch did not finish the OpenFlow handshake in time");
        return;
    }
    if (mono_reached(session->echo_until, now)) {
        session_down(session, ERR_TIMEOUT, "the switch is silent and does not answer an echo request");
        return;
    }
    of_requests_tick(session, now);
    if (session->echo_until.ms == MONO_NEVER.ms &&
        mono_reached(mono_add(session->heard, session->config.idle_ms), now)) {
        struct wire w = of_buffer_room(&session->output);

        of_echo_encode(&w, OFPT_ECHO_REQUEST, of_session_xids(session, 1), (struct of_bytes) {0});
        of_buffer_commit(&session->output, &w);
        session->echo_until = mono_add(now, session->config.echo_ms);
    }
}

struct mono of_session_deadline(const struct of_session *session)
{
    if (session->sm.current == SESSION_DOWN)
        return MONO_NEVER;
    struct mono next = session->requests_deadline;

    if (session->sm.current != SESSION_UP)
        next = mono_min(next, session->handshake_until);
    if (session->echo_until.ms != MONO_NEVER.ms)
        return mono_min(next, session->echo_until);
    return mono_min(next, mono_add(session->heard, session->config.idle_ms));
}
