/* SPDX-License-Identifier: Apache-2.0 */
/* One switch's connection to us, its controller, as a pure state machine: bytes, requests and time go in; bytes to send
 * and events come out. No socket, no clock: `now` is an argument, and of_session_deadline() says when to call again.
 *
 *   created: hello sent ── hello ──> features, config, description, meters, ports ── all answered ──> UP
 *   any state ── silence, wrong version, broken framing, of_session_closed() ──> DOWN
 *
 * How a driver uses it: after each call that takes `now`, send what of_session_output() has, and drain
 * of_session_event(). Once an event OF_EVENT_DOWN has come, send what is left, close the socket and free the session; a
 * switch that connects again gets a new one.
 *
 * Requests are named by an id of the caller's and end with exactly one OF_EVENT_DONE each. Transactions of a session
 * take effect one after the other in the order in which they came, but the switch gets the next ones while it is still
 * busy with one; only those that name the same meters wait for each other's end. Reads run at once, between them.
 *
 * A transaction (struct flow_txn) runs so:
 *   1. its meters are added, as flows that name them need them; one that exists already is left for 4
 *   2. bundle open, every flow change added, barrier: a change that the switch refuses is known before the commit,
 *      because Open vSwitch would commit what is left of the bundle
 *   3. commit
 *   4. meters that existed already are modified, its meters_delete are deleted (one that is not there is fine),
 *      barrier; without any there is no fourth step
 * Transactions that waited together, and change no meters, share one bundle in 2 and 3; what the switch has nothing
 * against is begun anew in a bundle of its own when another one of the same bundle is refused.
 * Any refusal up to 3 discards the bundle and deletes the meters that 1 added, and nothing of the transaction stands. A
 * refusal in 4, which a sane switch does not give, ends in ERR_UNKNOWN, and its text says that the flow changes
 * stand. */
#ifndef PROTO_OPENFLOW_SESSION_H
#define PROTO_OPENFLOW_SESSION_H

#include "base/mono.h"
#include "proto/openflow/openflow.h"

struct of_session_config {
    int64_t idle_ms;      /* silence after which the switch is asked for an echo; > 0 */
    int64_t echo_ms;      /* further silence after which it is down; > 0 */
    int64_t handshake_ms; /* from the connection to UP; > 0 */
};

#define OF_SESSION_DEFAULTS ((struct of_session_config) {.idle_ms = 5000, .echo_ms = 5000, .handshake_ms = 10000})

#define OF_PORTS_MAX 4096 /* a switch with more is refused */

enum of_event_type {
    OF_EVENT_UP,          /* up */
    OF_EVENT_DOWN,        /* err: ERR_TIMEOUT, ERR_UNSUPPORTED, ERR_MALFORMED, ERR_REFUSED, ERR_TOO_LARGE, or the code
                           * that of_session_closed() was given */
    OF_EVENT_PORT_STATUS, /* port_status; after UP only */
    OF_EVENT_PACKET_IN,   /* packet_in */
    OF_EVENT_FLOW_UPDATE, /* flow_update: not abbreviated, so the change is somebody else's, or a timeout's */
    OF_EVENT_FLOW,        /* request, flow */
    OF_EVENT_METER,       /* request, meter */
    OF_EVENT_PORT,        /* request, port_status.port */
    OF_EVENT_DONE,        /* request, err */
    OF_EVENT_ERROR        /* err: the switch complains of something that no request is waiting for; for the log */
};

struct of_up {
    struct of_features features;
    struct of_desc desc;   /* empty if the switch does not tell */
    uint32_t max_meters;   /* 0: it has none */
    struct of_port *ports; /* the event's */
    size_t n_ports;
};

struct of_event {
    enum of_event_type type;
    uint64_t request;
    /* Of OF_EVENT_DONE: code 0, or
     *   ERR_REFUSED      the switch refused it; nothing of it stands (see above). The text names the flow or meter and
     *                    OpenFlow's error
     *   ERR_INVALID, ERR_UNSUPPORTED, ERR_TOO_LARGE   it cannot be encoded; nothing was sent
     *   ERR_TIMEOUT      no answer within its time; whether it stands is unknown
     *   ERR_UNKNOWN      the connection went while part of it could stand already, or a meter was refused after
     *                    the flow changes stood
     *   ERR_UNREACHABLE  the connection went, or was not up, before any of it could stand
     *   ERR_MALFORMED    the answer to a read cannot be decoded */
    struct err err;
    union {
        struct of_up up;
        struct of_port_status port_status;
        struct of_packet_in packet_in; /* its frame is the event's */
        struct of_flow_update flow_update;
        struct flow flow; /* its actions are the event's, unless the caller clears the pointer */
        struct flow_meter meter;
    };
};

struct of_session;

/* A switch has connected. Never null; the hello is in the output already. */
struct of_session *of_session_new(const struct of_session_config *config, struct mono now);
void of_session_free(struct of_session *session);

/* Bytes of the stream as they came, any number. All messages that are whole are handled before it returns; the events
 * that wait are bounded by the size of these bytes. */
void of_session_receive(struct of_session *session, const uint8_t *bytes, size_t size, struct mono now);
/* The stream is gone; 'reason' becomes the text of OF_EVENT_DOWN, 'code' its code. No-op after DOWN. */
void of_session_closed(struct of_session *session, int code, const char *reason);
/* To be called at of_session_deadline() or later; harmless before. */
void of_session_tick(struct of_session *session, struct mono now);
struct mono of_session_deadline(const struct of_session *session); /* MONO_NEVER after DOWN */

/* The bytes to send. They stay until of_session_sent() says how many went; null and 0 if there are none. */
const uint8_t *of_session_output(const struct of_session *session, size_t *size);
void of_session_sent(struct of_session *session, size_t size);

/* Takes the oldest event; false if there is none. The caller ends each with of_event_free(). */
bool of_session_event(struct of_session *session, struct of_event *event);
void of_event_free(struct of_event *event);

bool of_session_is_up(const struct of_session *session);
uint64_t of_session_dpid(const struct of_session *session); /* 0 before the features came */

/* Requests. 'timeout_ms' counts from now, and so includes waiting for earlier transactions. */
void of_session_txn(struct of_session *session, struct flow_txn *txn, uint64_t request, int64_t timeout_ms,
                    struct mono now); /* its memory is taken over; it is left empty */
void of_session_read_flows(struct of_session *session, const struct of_flow_query *query, uint64_t request,
                           int64_t timeout_ms, struct mono now);
void of_session_read_meters(struct of_session *session, uint64_t request, int64_t timeout_ms, struct mono now);
void of_session_read_ports(struct of_session *session, uint64_t request, int64_t timeout_ms, struct mono now);

/* Asks to be told of all changes of flows that this connection does not make: OF_EVENT_FLOW_UPDATE. A switch that does
 * not know how leaves it at that. No-op unless the session is up. */
void of_session_monitor_flows(struct of_session *session);

/* Sends a packet. There is no answer; a refusal comes as OF_EVENT_ERROR. 0, ERR_UNREACHABLE if the session is not up,
 * or as of_packet_out_encode(). */
int of_session_packet_out(struct of_session *session, const struct of_packet_out *packet, struct err *err);

#endif
