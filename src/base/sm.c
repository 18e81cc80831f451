/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool sm_allows(const struct sm *sm, unsigned next)
{
    return next < sm->n_states && (sm->states[sm->current].next & SM_TO(next));
}

void sm_move(struct sm *sm, unsigned next)
{
    if (!sm_allows(sm, next)) {
        fprintf(stderr, "state machine: no edge from %s to %s\n", sm_name(sm),
                next < sm->n_states ? sm->states[next].name : "?");
        abort();
    }
    sm->current = next;
}

const char *sm_name(const struct sm *sm)
{
    return sm->states[sm->current].name;
}

bool sm_final(const struct sm *sm)
{
    return sm->states[sm->current].final;
}

int sm_find(const struct sm_state *states, unsigned n_states, const char *name)
{
    for (unsigned i = 0; i < n_states; i++) {
        if (strcmp(states[i].name, name) == 0)
            return (int) i;
    }
    return -1;
}
