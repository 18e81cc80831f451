/* SPDX-License-Identifier: Apache-2.0 */
/* The control protocol of BIRD 2 on its Unix socket, as much of it as announcing host routes takes. BIRD greets; each
 * command is a line; each reply is lines "NNNN-text" or " text" (the same code again) and at last "NNNN text". The
 * codes stand in BIRD's doc/reply_codes. */
#ifndef PROTO_BIRD_BIRD_H
#define PROTO_BIRD_BIRD_H

#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "model/addr.h"

#define BIRD_REPLY_MAX 16384 /* bytes of a whole reply that we take */
#define BIRD_TEXT_SIZE 256

/* Reads the configuration again; running protocols are left alone where their own part of it is the same or where what
 * differs is a filter. */
#define BIRD_CONFIGURE "configure soft\n"
#define BIRD_STATUS "show status\n"

struct bird_reply {
    int code;                  /* 0..9999, of the last line */
    char text[BIRD_TEXT_SIZE]; /* of the last line, cut to fit; control characters are shown as "?" */
};

enum bird_outcome {
    BIRD_READY,         /* the greeting */
    BIRD_CONFIGURED,    /* the configuration that was read last is in force, its static routes in the tables */
    BIRD_IN_PROGRESS,   /* it will be; BIRD_STATUS tells when */
    BIRD_SHUTTING_DOWN, /* it will not: BIRD is going away */
    BIRD_REFUSED,       /* an error, which the text explains; the old configuration stays in force */
    BIRD_UNEXPECTED     /* no answer to any of our commands */
};

/* The reply that 'bytes' begin with. Bytes consumed; 0: more of it has to come; ERR_MALFORMED; ERR_TOO_LARGE: longer
 * than BIRD_REPLY_MAX. '*reply' is set only if something was consumed. */
int bird_reply_decode(const uint8_t *bytes, size_t n, struct bird_reply *reply);

/* What a reply to BIRD_CONFIGURE or BIRD_STATUS, or the greeting, means. */
enum bird_outcome bird_outcome(const struct bird_reply *reply);

/* Appends a line "route 10.100.0.12/32 blackhole;" for each of 'hosts', which are IPv4 or IPv6, in ascending order and
 * each once. They stand within a static protocol, whose channel has one family: BIRD refuses the other. */
void bird_routes_encode(const struct ip *hosts, size_t n, struct strbuf *out);

#endif
