/* SPDX-License-Identifier: Apache-2.0 */
/* State machines: the allowed transitions are data, and every move goes through one function that checks them. The
 * tables in docs/ are printed from the same data. */
#ifndef BASE_SM_H
#define BASE_SM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sm_state {
    const char *name;
    uint32_t next; /* bit n set: state n may follow */
    bool final;
};

struct sm {
    const struct sm_state *states;
    unsigned n_states;
    unsigned current;
};

#define SM_TO(state) (UINT32_C(1) << (state))

bool sm_allows(const struct sm *sm, unsigned next);

/* Moves to 'next'. A move that the table does not allow is a defect of ours and aborts with both names. */
void sm_move(struct sm *sm, unsigned next);

const char *sm_name(const struct sm *sm);
bool sm_final(const struct sm *sm);

/* Index of the state called 'name', or -1. */
int sm_find(const struct sm_state *states, unsigned n_states, const char *name);

#endif
