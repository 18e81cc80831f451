/* SPDX-License-Identifier: Apache-2.0 */
/* All that a switch shall hold, sent as one; and to a ToR that does not take it as one, in parts. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "scgd/network_internal.h"

/* A switch that is being filled. */
struct filling {
    struct join *outer; /* that waits for it */
    char switch_name[NAME_SIZE];
    struct strbuf left_out; /* names of VMs */
    unsigned n_left_out;
    struct err why; /* of the first */
};

static void filling_free(struct filling *filling)
{
    strbuf_free(&filling->left_out);
    free(filling);
}

static void drop_filling(struct join *join)
{
    struct filling *filling = join->context;

    join_drop(filling->outer);
    filling_free(filling);
}

static struct join *join_of(struct filling *filling, void (*done)(struct gateway *gateway, struct join *join))
{
    struct join *join = join_new(done);

    join->context = filling;
    join->drop = drop_filling;
    return join;
}

/* A VM of the ToR, while its flows are on their way. */
struct part {
    uint8_t uuid[UUID_SIZE];
    char name[NAME_SIZE];
};

/* What was there before may let pass what the VM's policy does not. */
static void cut_off(struct gateway *gateway, const struct part *part, struct join *join)
{
    const struct filling *filling = join->context;
    struct flow_txn txn = {0};

    flow_txn_delete_cookie(&txn, FLOW_TABLE_ALL, cookie_of_vm(part->uuid), COOKIE_EXACT);
    pipeline_state_remove(&txn, cookie_of_vm(part->uuid));
    uint64_t request = gateway_request(gateway, join, NULL, NULL);
    network_send(gateway, request, filling->switch_name, &txn);
}

static void part_answered(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    AUTO_FREE struct part *part = context;
    struct filling *filling = join->context;

    if (event->err.code == 0)
        return;
    if (event->err.code != ERR_REFUSED) {
        join_fail(join, &event->err);
        return;
    }
    log_error(FAULT_OPERATOR, part->name, "is cut off from the network: its ToR %s does not take its flows: %s",
              filling->switch_name, event->err.text);
    strbuf_printf(&filling->left_out, "%s%s", filling->n_left_out ? ", " : "", part->name);
    if (filling->n_left_out++ == 0)
        filling->why = event->err;
    cut_off(gateway, part, join);
}

static void parts_done(struct gateway *gateway, struct join *join)
{
    struct filling *filling = join->context;
    struct err err = join->err;

    if (err.code == 0 && filling->n_left_out)
        err_set(&err, ERR_REFUSED, "switch %s has no room for %u VMs, which are cut off there (%.200s): %.200s",
                filling->switch_name, filling->n_left_out, filling->left_out.text, filling->why.text);
    if (err.code)
        join_fail(filling->outer, &err);
    join_close(gateway, filling->outer);
    filling_free(filling);
}

static void send_vm(struct gateway *gateway, const struct switch_info *tor, const struct tenant *tenant, uint32_t port,
                    struct join *join)
{
    struct part *part = xcalloc(1, sizeof *part);
    struct flow_txn txn = {0};
    struct err err = {0};

    memcpy(part->uuid, tenant->uuid, UUID_SIZE);
    memcpy(part->name, tenant->name, NAME_SIZE);
    if (network_allocate(gateway, tenant->segment, &err) < 0 ||
        network_add_tenant_tor(gateway, tenant, tor, port, &txn, &err) < 0) {
        join_fail(join, &err);
        flow_txn_free(&txn);
        cut_off(gateway, part, join);
        free(part);
        return;
    }
    uint64_t request = gateway_request(gateway, join, part_answered, part);
    network_send(gateway, request, tor->name, &txn);
}

/* First what all VMs need, then each VM's. */
static void send_parts(struct gateway *gateway, const struct switch_info *tor, struct filling *filling)
{
    struct join *join = join_of(filling, parts_done);
    struct flow_txn txn = {0};
    struct err err = {0};

    if (network_expected_base(gateway, tor, &txn, &err) < 0) {
        join_fail(join, &err);
        join_close(gateway, join);
        return;
    }
    tunnels_apply_whole(gateway, tor, &txn, join);
    for (size_t i = 0; i < gateway->network.n_tenants; i++) {
        const struct tenant *tenant = &gateway->network.tenants[i];
        uint32_t port;

        if (network_tor(gateway, tenant->server, &port, NULL) == tor)
            send_vm(gateway, tor, tenant, port, join);
    }
    join_close(gateway, join);
}

static void whole_sent(struct gateway *gateway, struct join *join)
{
    struct filling *filling = join->context;
    const struct switch_info *sw = inventory_switch(&gateway->inventory, filling->switch_name);

    if (join->err.code == ERR_REFUSED && gateway->ready && sw && sw->up &&
        network_switch_role(gateway, sw) == SWITCH_ROLE_TOR) {
        log_warn(FAULT_OPERATOR, sw->name, "does not take all that it shall hold as one, so it gets it by VM: %s",
                 join->err.text);
        send_parts(gateway, sw, filling);
        return;
    }
    if (join->err.code)
        join_fail(filling->outer, &join->err);
    join_close(gateway, filling->outer);
    filling_free(filling);
}

void network_apply_whole(struct gateway *gateway, const struct switch_info *sw, struct flow_txn *txn, struct join *join)
{
    struct filling *filling = xcalloc(1, sizeof *filling);
    struct join *whole = join_of(filling, whole_sent);

    filling->outer = join;
    join->open++;
    memcpy(filling->switch_name, sw->name, NAME_SIZE);
    tunnels_apply_whole(gateway, sw, txn, whole);
    network_begun_whole(gateway);
    join_close(gateway, whole);
}
