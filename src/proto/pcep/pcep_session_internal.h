/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the session share. */
#ifndef PROTO_PCEP_SESSION_INTERNAL_H
#define PROTO_PCEP_SESSION_INTERNAL_H

#include "base/sm.h"
#include "base/strbuf.h"
#include "proto/pcep/pcep_session.h"

enum pcep_session_state { SESSION_OPEN_WAIT, SESSION_KEEP_WAIT, SESSION_UP, SESSION_DOWN };

/* An LSP that the peer (of a PCE) or the PCE (of a PCC) was told of. */
struct pcep_lsp {
    uint32_t plsp_id;
    char name[LSP_NAME_SIZE];
    bool delegated, created;
    /* Of a PCE: */
    uint8_t setup;
    uint32_t ingress, egress;
    uint8_t *last; /* report, as the codec writes it without SRP; owned */
    size_t last_size;
    /* Of a PCC: */
    uint32_t initiating; /* SRP-ID, until the first report; 0 */
};

/* What a PCE has asked, and waits for. */
struct pcep_wait {
    uint32_t srp_id;
    uint64_t request;
    struct mono until;
    uint8_t type; /* PCEP_INITIATE or PCEP_UPDATE */
    bool remove;
    char name[LSP_NAME_SIZE];
};

struct pcep_session {
    struct pcep_session_config config;
    struct sm sm;
    struct strbuf input, output;
    struct pcep_open own, peer;
    bool heard_open; /* some Open came */
    bool local_ok;   /* the peer takes our Open */
    bool remote_ok;  /* we take the peer's */
    bool retried;    /* we refused one of the peer's */
    bool adjusted;   /* the peer refused one of ours */
    struct mono wait_until;
    struct mono heard, sent;
    struct mono minute; /* begin of the one in which 'unknown' and 'unasked' are counted */
    unsigned unknown, unasked;
    bool synced;
    struct pcep_event *events;
    size_t first_event, n_events, cap_events; /* events[first_event..n_events) wait */
    struct pcep_lsp *lsps;                    /* sorted by PLSP-ID */
    size_t n_lsps, cap_lsps;
    struct pcep_wait *waits; /* of a PCE */
    size_t n_waits, cap_waits;
    uint32_t next_srp_id;  /* of a PCE */
    uint32_t next_plsp_id; /* of a PCC */
};

/* pcep_session.c */
struct pcep_event *pcep_event_add(struct pcep_session *session,
                                  enum pcep_event_type type); /* zeroed but for the type */
/* 0, or as pcep_encode(). */
int pcep_try_send(struct pcep_session *session, const struct pcep_message *message, struct err *err);
/* What cannot be written is told in an event. */
void pcep_send(struct pcep_session *session, const struct pcep_message *message);
void pcep_send_empty(struct pcep_session *session, enum pcep_type type);
/* 'has' is PCEP_HAS_SRP or PCEP_HAS_RP of what it is about, or 0. */
void pcep_send_error(struct pcep_session *session, uint8_t type, uint8_t value, uint32_t has, uint32_t id);
void pcep_down(struct pcep_session *session, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
void pcep_send_close(struct pcep_session *session, enum pcep_close_reason reason);
/* Counts one; a Close and DOWN if they are too many in a minute. */
void pcep_count_unasked(struct pcep_session *session);
void pcep_complain(struct pcep_session *session, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
struct pcep_lsp *pcep_lsp_find(struct pcep_session *session, uint32_t plsp_id);
struct pcep_lsp *pcep_lsp_find_name(struct pcep_session *session, const char *name);
struct pcep_lsp *pcep_lsp_add(struct pcep_session *session, uint32_t plsp_id, const char *name);
void pcep_lsp_remove(struct pcep_session *session, struct pcep_lsp *lsp);

/* pcep_open.c: how it comes up */
void pcep_open_begin(struct pcep_session *session, struct mono now);
void pcep_open_message(struct pcep_session *session, const struct pcep_message *message, struct mono now);
void pcep_open_undecodable(struct pcep_session *session, const struct pcep_refusal *refusal, const struct err *err);
void pcep_open_timeout(struct pcep_session *session);

/* pcep_pce.c */
void pcep_pce_message(struct pcep_session *session, const struct pcep_message *message);
/* A report that answers this SRP-ID cannot be read. */
void pcep_pce_undecodable(struct pcep_session *session, uint32_t srp_id, const struct err *err);
void pcep_pce_tick(struct pcep_session *session, struct mono now);
struct mono pcep_pce_deadline(const struct pcep_session *session);
void pcep_pce_end(struct pcep_session *session, const char *reason);

/* pcep_pcc.c */
void pcep_pcc_message(struct pcep_session *session, const struct pcep_message *message);

#endif
