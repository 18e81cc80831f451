/* SPDX-License-Identifier: Apache-2.0 */
/* All that a switch shall hold, sent as one; and to a ToR that does not take it as one, in parts. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "scgd/network_internal.h"

#define AGAIN_MS 60000 /* what did not fit is tried again */

/* A switch that is being filled. */
struct filling {
    struct join *outer; /* that waits for it */
    char switch_name[NAME_SIZE];
    uint64_t failures; /* of the switch, when it had refused all as one */
    bool left_out;     /* a VM was */
};

static void drop_filling(struct join *join)
{
    struct filling *filling = join->context;

    join_drop(filling->outer);
    free(filling);
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
    uint64_t sent; /* the number of this time */
    bool known;    /* it was left out before */
};

static void is_cut_off(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    AUTO_FREE struct part *part = context;
    struct tenant *tenant = network_tenant(gateway, part->uuid);
    struct filling *filling = join->context;

    if (event->err.code) {
        join_fail(join, &event->err);
    } else if (tenant && tenant->sent == part->sent) {
        tenant->left_out = true;
        filling->left_out = true;
    }
}

/* What was there before may let pass what the VM's policy does not. Takes over 'part'. */
static void cut_off(struct gateway *gateway, struct part *part, struct join *join)
{
    const struct filling *filling = join->context;
    struct flow_txn txn = {0};

    flow_txn_delete_cookie(&txn, FLOW_TABLE_ALL, cookie_of_vm(part->uuid), COOKIE_EXACT);
    pipeline_state_remove(&txn, cookie_of_vm(part->uuid));
    uint64_t request = gateway_request(gateway, join, is_cut_off, part);
    network_send(gateway, request, filling->switch_name, &txn);
}

static void part_answered(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    AUTO_FREE struct part *part = context;
    const struct filling *filling = join->context;

    if (event->err.code == 0)
        return;
    if (event->err.code != ERR_REFUSED) {
        join_fail(join, &event->err);
        return;
    }
    const struct tenant *tenant = network_tenant(gateway, part->uuid);
    if (!tenant || tenant->sent != part->sent)
        return; /* it is what was sent of the VM since that stands, or fails */
    if (!part->known)
        log_error(FAULT_OPERATOR, tenant->name,
                  "is cut off from the network: its ToR %s does not take its flows; they are tried again: %s",
                  filling->switch_name, event->err.text);
    cut_off(gateway, xmemdup(part, sizeof *part), join);
}

static void parts_done(struct gateway *gateway, struct join *join)
{
    struct filling *filling = join->context;

    if (join->err.code)
        join_fail(filling->outer, &join->err);
    else
        network_filled_by_parts(gateway, filling->switch_name, filling->failures);
    if (filling->left_out)
        gateway->network.parts_at = mono_min(gateway->network.parts_at, mono_add(gateway->now, AGAIN_MS));
    join_close(gateway, filling->outer);
    free(filling);
}

static void send_vm(struct gateway *gateway, const struct switch_info *tor, struct tenant *tenant, uint32_t port,
                    struct join *join)
{
    struct part *part = xcalloc(1, sizeof *part);
    struct flow_txn txn = {0};
    struct err err = {0};

    memcpy(part->uuid, tenant->uuid, UUID_SIZE);
    part->known = tenant->left_out;
    part->sent = tenant->sent;
    if (network_allocate(gateway, tenant->segment, &err) < 0 ||
        network_add_tenant_tor(gateway, tenant, tor, port, &txn, &err) < 0) {
        join_fail(join, &err);
        flow_txn_free(&txn);
        cut_off(gateway, part, join);
        return;
    }
    network_tenant_sent(gateway, tenant);
    part->sent = tenant->sent;
    uint64_t request = gateway_request(gateway, join, part_answered, part);
    network_send(gateway, request, tor->name, &txn);
    network_begun(gateway, CHANGE_PART);
}

/* Those of the ToR, or of these only those that were left out. */
static void send_vms(struct gateway *gateway, const struct switch_info *tor, bool left_out, struct join *join)
{
    for (size_t i = 0; i < gateway->network.n_tenants; i++) {
        struct tenant *tenant = &gateway->network.tenants[i];
        uint32_t port;

        if ((tenant->left_out || !left_out) && network_tor(gateway, tenant->server, &port, NULL) == tor)
            send_vm(gateway, tor, tenant, port, join);
    }
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
    tunnels_apply_whole(gateway, tor, false, &txn, join);
    send_vms(gateway, tor, false, join);
    join_close(gateway, join);
}

bool network_parts_follow(const struct gateway *gateway, const char *switch_name, const struct err *err)
{
    const struct switch_info *sw = inventory_switch(&gateway->inventory, switch_name);

    return err->code == ERR_REFUSED && gateway->ready && sw && sw->up &&
           network_switch_role(gateway, sw) == SWITCH_ROLE_TOR;
}

static void whole_sent(struct gateway *gateway, struct join *join)
{
    struct filling *filling = join->context;
    const struct switch_info *sw = inventory_switch(&gateway->inventory, filling->switch_name);

    if (network_parts_follow(gateway, filling->switch_name, &join->err)) {
        filling->failures = network_activity(gateway, sw->name)->failures;
        log_warn(FAULT_OPERATOR, sw->name, "does not take all that it shall hold as one, so it gets it by VM: %s",
                 join->err.text);
        send_parts(gateway, sw, filling);
        return;
    }
    if (join->err.code)
        join_fail(filling->outer, &join->err);
    join_close(gateway, filling->outer);
    free(filling);
}

static struct filling *filling_new(const struct switch_info *sw, struct join *outer)
{
    struct filling *filling = xcalloc(1, sizeof *filling);

    filling->outer = outer;
    outer->open++;
    memcpy(filling->switch_name, sw->name, NAME_SIZE);
    return filling;
}

void network_apply_whole(struct gateway *gateway, const struct switch_info *sw, struct flow_txn *txn, struct join *join)
{
    struct join *whole = join_of(filling_new(sw, join), whole_sent);

    tunnels_apply_whole(gateway, sw, true, txn, whole);
    network_begun(gateway, CHANGE_WHOLE);
    join_close(gateway, whole);
}

void network_retry_parts(struct gateway *gateway)
{
    struct join *background = network_background_join();

    gateway->network.parts_at = MONO_NEVER;
    for (size_t i = 0; i < gateway->inventory.n_switches; i++) {
        const struct switch_info *sw = &gateway->inventory.switches[i];
        struct join *join = join_of(filling_new(sw, background), parts_done);

        send_vms(gateway, sw, true, join);
        join_close(gateway, join);
    }
    join_close(gateway, background);
}
