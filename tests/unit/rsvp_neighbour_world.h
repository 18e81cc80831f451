/* SPDX-License-Identifier: Apache-2.0 */
/* Two RSVP neighbours back to back. Nothing passes between them unless the script says so: each message in flight is
 * named with an arrow, and may be lost, doubled or held back. LSP n is tunnel n to 10.0.0.9; "Path1" is the Path of
 * LSP 1. A's ids start at 1, those of B at 101. */
#ifndef TESTS_RSVP_NEIGHBOUR_WORLD_H
#define TESTS_RSVP_NEIGHBOUR_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "gmpls/neighbour.h"

enum side { A, B };

#define IN_FLIGHT_MAX 4096

struct world {
    struct neighbour *neighbours[2];
    struct neighbour_config configs[2];
    struct rsvp_message flight[2][IN_FLIGHT_MAX]; /* sent by this side, oldest first */
    unsigned n_flight[2];
    struct rsvp_message held; /* overtaken by others */
    struct strbuf told[2];    /* events */
    struct mono now;
    bool plain[2]; /* this side's header lacks the flag: a foreign implementation */
};

/* What a message is called in scripts: "Path1 id 7 ack 101"; caller frees. */
char *text_of(const struct rsvp_message *m);
/* Hands the other side a message, as if 'from' had sent it; taken over. */
void give(struct world *w, enum side from, struct rsvp_message message);
/* The oldest message in flight of a side, which must be 'expected', arrives; */
void pass(struct world *w, enum side from, const char *expected);
/* is lost; */
void lose(struct world *w, enum side from, const char *expected);
/* arrives twice; */
void pass_twice(struct world *w, enum side from, const char *expected);
/* is overtaken: it arrives with release(). */
void hold(struct world *w, enum side from, const char *expected);
void release(struct world *w, enum side from);
/* Nothing is in flight. */
void quiet(struct world *w);
/* What the node of this side was told since, by events. */
void told(struct world *w, enum side side, const char *expected);
/* Lets 'ms' pass, without any message being delivered. */
void wait_ms(struct world *w, int64_t ms);
struct rsvp_message make(uint8_t type, unsigned lsp);
struct neighbour_key key_of(uint8_t type, unsigned lsp);
void keep(struct world *w, enum side side, uint8_t type, unsigned lsp);
void say(struct world *w, enum side side, uint8_t type, unsigned lsp);
const struct neighbour_counters *counters(const struct world *w, enum side side);
void start(struct world *w, enum side side);
/* The program is gone, with what it had sent and not been told. */
void kill_side(struct world *w, enum side side);
struct world *new_world(void);
/* Both start, and are up. */
void meet(struct world *w);
struct world *world_that_met(void);
void end(struct world *w);
/* A --Path--> B, acknowledged. A's id is 'id'. */
void install(struct world *w, unsigned lsp, unsigned id);

#endif
