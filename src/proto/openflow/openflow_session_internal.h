/* SPDX-License-Identifier: Apache-2.0 */
/* What the session and its requests share. */
#ifndef PROTO_OPENFLOW_SESSION_INTERNAL_H
#define PROTO_OPENFLOW_SESSION_INTERNAL_H

#include "base/sm.h"
#include "proto/openflow/openflow_session.h"

/* Bytes data[start..start+length). */
struct of_buffer {
    uint8_t *data;
    size_t start, length, capacity;
};

/* A writer with room for the largest message; of_buffer_commit() keeps what was written. */
struct wire of_buffer_room(struct of_buffer *buffer);
void of_buffer_commit(struct of_buffer *buffer, const struct wire *w);
void of_buffer_add(struct of_buffer *buffer, const uint8_t *bytes, size_t size);
/* Drops bytes from the front. */
void of_buffer_drop(struct of_buffer *buffer, size_t size);
void of_buffer_free(struct of_buffer *buffer);

enum of_session_state { SESSION_HELLO, SESSION_HANDSHAKE, SESSION_UP, SESSION_DOWN };

/* The questions of the handshake, all sent at once. */
enum of_question { ASK_FEATURES, ASK_DESC, ASK_METERS, ASK_PORTS, N_QUESTIONS };

struct of_request;

struct of_session {
    struct of_session_config config;
    struct sm sm;
    struct of_buffer input, output;
    struct of_buffer draft; /* of a bundle that is being encoded and has to wait */
    uint32_t next_xid;
    struct mono heard;      /* the last byte came */
    struct mono echo_until; /* MONO_NEVER: no echo is asked for */
    struct mono handshake_until;
    uint32_t question_xids[N_QUESTIONS];
    bool answered[N_QUESTIONS];
    struct of_up up; /* being gathered; its ports go with OF_EVENT_UP */
    size_t cap_ports;
    struct of_event *events;
    size_t first_event, n_events, cap_events;    /* events[first_event..n_events) wait */
    struct of_request *requests, **requests_end; /* in the order in which they came */
    struct mono requests_deadline;               /* of the next to expire */
    bool wants_barrier;                          /* some request does */
    uint32_t next_bundle;
    uint32_t monitor_xid; /* of the flow monitor; 0: none */
};

/* 'n' consecutive xids, none of them 0; returns the first. */
uint32_t of_session_xids(struct of_session *session, size_t n);
/* Queues an event and returns it, zeroed but for its type, for the caller to fill in. */
struct of_event *of_session_event_add(struct of_session *session, enum of_event_type type);

void of_requests_begin(struct of_session *session);
/* A message that the session itself has no use for: true if a request was waiting for it. */
bool of_requests_message(struct of_session *session, const struct of_message *message);
/* A message with this xid could not be decoded: true if a request was waiting for it, which has failed then. */
bool of_requests_undecodable(struct of_session *session, uint32_t xid, const struct err *err);
void of_requests_tick(struct of_session *session, struct mono now);
/* The connection is gone. */
void of_requests_end(struct of_session *session, const char *reason);

#endif
