/* SPDX-License-Identifier: Apache-2.0 */
/* Which switches hold what, and the labels that they gave. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "scgd/tunnels_internal.h"

/* ---- holders ---- */

struct holder *holders_find(const struct holders *holders, const char *switch_name)
{
    for (size_t i = 0; i < holders->n; i++) {
        if (strcmp(holders->list[i].name, switch_name) == 0)
            return &holders->list[i];
    }
    return NULL;
}

struct holder *holders_add(struct holders *holders, const char *switch_name)
{
    struct holder *holder = holders_find(holders, switch_name);

    if (holder)
        return holder;
    holders->list = array_reserve(holders->list, holders->n, &holders->capacity, sizeof *holders->list);
    holder = &holders->list[holders->n++];
    *holder = (struct holder) {0};
    snprintf(holder->name, sizeof holder->name, "%s", switch_name);
    return holder;
}

void holders_remove(struct holders *holders, const char *switch_name)
{
    struct holder *holder = holders_find(holders, switch_name);

    if (holder)
        *holder = holders->list[--holders->n];
}

void holders_confirm(struct holders *holders, const char *switch_name, uint64_t number)
{
    struct holder *holder = holders_find(holders, switch_name);

    if (holder && holder->confirmed < number)
        holder->confirmed = number;
}

bool holders_confirmed(const struct holders *holders)
{
    for (size_t i = 0; i < holders->n; i++) {
        if (holders->list[i].confirmed < holders->changed)
            return false;
    }
    return true;
}

/* ---- labels ---- */

void label_pool(const char *switch_name, char pool[LABEL_POOL_SIZE])
{
    snprintf(pool, LABEL_POOL_SIZE, "label/%s", switch_name);
}

int label_take(struct gateway *gateway, const char *switch_name, const char *owner, uint32_t *label, struct err *err)
{
    const struct config_vpls *vpls = gateway->config->vpls;
    char pool[LABEL_POOL_SIZE];
    int status;

    label_pool(switch_name, pool);
    status = store_number_take(gateway->store, pool, owner, vpls->labels.first, vpls->labels.last, label, err);
    if (status == ERR_EXHAUSTED)
        err_set(err, ERR_EXHAUSTED, "all labels of switch %s, %u to %u, are in use; widen vpls.labels", switch_name,
                vpls->labels.first, vpls->labels.last);
    return status;
}
