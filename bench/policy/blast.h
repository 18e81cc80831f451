/* SPDX-License-Identifier: Apache-2.0 */
/* The limit: messages that were encoded before, written to a switch as fast as it reads, and one barrier. Blocks. What
 * goes wrong ends the program with a sentence. */
#ifndef BENCH_BLAST_H
#define BENCH_BLAST_H

#include <stdint.h>

#include "model/flow.h"

struct blast;

struct blast *blast_new(const char *address, uint16_t port); /* where the switch listens */
/* 'atomic': in a bundle of their own. */
void blast_add(struct blast *blast, const struct flow_txn *txn, bool atomic);
void blast_connect(struct blast *blast); /* and both have said hello */
void blast_send(struct blast *blast);    /* until the switch has answered the barrier */
void blast_free(struct blast *blast);

#endif
