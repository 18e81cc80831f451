/* SPDX-License-Identifier: Apache-2.0 */
/* Frames in pseudowires: what the tables of the dummy switches do with one, from the table that lets it into the fabric
 * at one end until the table for the segment's VLAN at another. Only what VPLS mode matches on and does is known. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "core/vpls.h"
#include "world.h"

#define LABELS_MAX 4
#define PASSES_MAX 100 /* of tables, by one frame and its copies */

struct frame {
    uint32_t labels[LABELS_MAX]; /* the last one is on top */
    unsigned n_labels;
    bool outer;    /* there is an Ethernet header around the labels */
    uint16_t vlan; /* 0: untagged */
    struct mac to;
    uint32_t reg0, reg4, reg5, in_port;
    uint8_t ttl; /* of the label on top */
};

struct walk {
    struct site *site;
    const char *from, *at; /* where it came out */
    uint16_t vlan;
    unsigned passes, arrived;
};

static void wrong(const struct walk *walk, const struct sim_switch *sw, const char *what)
{
    if (walk->site->world->broken.code == 0)
        err_set(&walk->site->world->broken, ERR_INTERNAL, "9: %s: a frame from %s %s at %s", walk->site->dc, walk->from,
                what, sw->name);
}

/* ---- matching ---- */

static bool field_matches(const struct flow_field *field, const struct frame *frame)
{
    uint64_t value;

    switch (field->id) {
    case FIELD_IN_PORT:
        value = frame->in_port;
        break;
    case FIELD_REG0:
        value = frame->reg0;
        break;
    case FIELD_REG4:
        value = frame->reg4;
        break;
    case FIELD_REG5:
        value = frame->reg5;
        break;
    case FIELD_ETH_TYPE:
        value = frame->n_labels ? 0x8847 : 0x0800;
        break;
    case FIELD_VLAN_VID:
        value = frame->n_labels || !frame->vlan ? 0 : VLAN_PRESENT | frame->vlan;
        break;
    case FIELD_ETH_DST:
        return !frame->n_labels && memcmp(field->value, frame->to.bytes, 6) == 0;
    case FIELD_MPLS_LABEL:
        value = frame->n_labels ? frame->labels[frame->n_labels - 1] : 0;
        break;
    case FIELD_MPLS_BOS:
        value = frame->n_labels == 1;
        break;
    case FIELD_MPLS_TTL:
        value = frame->ttl;
        break;
    default:
        return false;
    }
    return (value & flow_field_mask_u(field)) == flow_field_u(field);
}

static const struct flow *lookup(const struct sim_switch *sw, uint8_t table, const struct frame *frame)
{
    const struct flow *best = NULL;

    for (size_t i = 0; i < sw->flows.n; i++) {
        const struct flow *flow = &sw->flows.flows[i];
        bool matches = flow->table == table && (!best || flow->priority > best->priority);

        for (unsigned f = 0; f < flow->match.n && matches; f++)
            matches = field_matches(&flow->match.fields[f], frame);
        if (matches)
            best = flow;
    }
    return best;
}

/* ---- actions ---- */

static void pass(struct walk *walk, const struct sim_switch *sw, uint8_t table, struct frame frame);

static void set_field(struct frame *frame, const struct flow_field *field)
{
    uint32_t value = (uint32_t) flow_field_u(field);

    switch (field->id) {
    case FIELD_IN_PORT:
        frame->in_port = value;
        break;
    case FIELD_REG0:
        frame->reg0 = value;
        break;
    case FIELD_REG4:
        frame->reg4 = value;
        break;
    case FIELD_REG5:
        frame->reg5 = value;
        break;
    case FIELD_VLAN_VID:
        frame->vlan = value & 0xfff;
        break;
    case FIELD_MPLS_LABEL:
        frame->labels[frame->n_labels - 1] = value;
        break;
    case FIELD_MPLS_TTL:
        frame->ttl = (uint8_t) value;
        break;
    default:
        break;
    }
}

static void output(struct walk *walk, const struct sim_switch *sw, uint32_t port, const struct frame *frame)
{
    struct frame there = {.n_labels = frame->n_labels, .to = frame->to, .vlan = frame->vlan, .ttl = frame->ttl};
    const struct sim_switch *next = port == frame->in_port ? NULL : fabric_next(walk->site, sw, port, &there.in_port);

    memcpy(there.labels, frame->labels, sizeof there.labels);
    if (!next)
        wrong(walk, sw, "is sent where no link is");
    else if (!frame->outer || frame->n_labels != 2)
        wrong(walk, sw, "leaves without its two labels");
    else
        pass(walk, next, 0, there);
}

/* Returns false if the frame is not what the action is for. */
static bool act(struct walk *walk, const struct sim_switch *sw, const struct flow_action *action, struct frame *frame)
{
    switch (action->type) {
    case ACTION_OUTPUT:
        output(walk, sw, action->port, frame);
        return true;
    case ACTION_RESUBMIT:
        pass(walk, sw, action->table, *frame);
        return true;
    case ACTION_SET_FIELD:
        set_field(frame, &action->field);
        return action->field.id != FIELD_MPLS_LABEL || frame->n_labels;
    case ACTION_PUSH_VLAN:
        return true;
    case ACTION_POP_VLAN:
        frame->vlan = 0;
        return true;
    case ACTION_ENCAP:
        if (action->packet_type == PACKET_TYPE_MPLS)
            frame->n_labels++;
        else
            frame->outer = true;
        return frame->n_labels < LABELS_MAX;
    case ACTION_POP_MPLS:
        return frame->n_labels-- > 1;
    case ACTION_DECAP: /* of the outer Ethernet header, then of the label */
        if (!frame->outer)
            frame->n_labels--;
        frame->outer = false;
        return true;
    case ACTION_DEC_MPLS_TTL:
        return frame->ttl-- > 1;
    default:
        return false;
    }
}

static void act_all(struct walk *walk, const struct sim_switch *sw, const struct flow_action *actions, unsigned n,
                    struct frame *frame)
{
    for (unsigned i = 0; i < n && walk->site->world->broken.code == 0; i++) {
        if (actions[i].type == ACTION_CLONE) {
            struct frame copy = *frame;

            act_all(walk, sw, &actions[i + 1], actions[i].nested, &copy);
            i += actions[i].nested;
        } else if (!act(walk, sw, &actions[i], frame)) {
            wrong(walk, sw, "meets an action that is not for it");
        }
    }
}

static uint8_t table_of(const struct sim_switch *sw, bool out)
{
    bool pe = strcmp(sw->name, SIM_PE) == 0;

    return out ? (pe ? PE_FABRIC : TOR_FABRIC) : (pe ? PE_VLAN : TOR_VLAN);
}

static void pass(struct walk *walk, const struct sim_switch *sw, uint8_t table, struct frame frame)
{
    bool end = strcmp(sw->name, SIM_PE) == 0 || strcmp(sw->name, SIM_TOR) == 0;

    if (end && table == table_of(sw, false)) {
        walk->arrived++;
        walk->at = sw->name;
        if (frame.n_labels || frame.vlan != walk->vlan || frame.reg5 != 1 || strcmp(sw->name, walk->from) == 0)
            wrong(walk, sw, "comes out as what it was not");
        return;
    }
    if (walk->passes++ > PASSES_MAX) {
        wrong(walk, sw, "goes in circles");
        return;
    }
    if (table == 0)
        frame.outer = true;

    const struct flow *flow = lookup(sw, table, &frame);
    if (!flow)
        return;
    act_all(walk, sw, flow->actions, flow->n_actions, &frame);
    if (flow->goto_table != FLOW_NO_GOTO && walk->site->world->broken.code == 0)
        pass(walk, sw, flow->goto_table, frame);
}

unsigned walk(struct site *site, const char *from, uint16_t vlan, const struct mac *to, const char **ret_at)
{
    const struct sim_switch *sw = device(site, from);
    struct walk walk = {.site = site, .from = from, .vlan = vlan};
    struct frame frame = {.vlan = vlan, .to = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, .in_port = 1};

    if (to)
        frame.to = *to;
    pass(&walk, sw, table_of(sw, true), frame);
    *ret_at = walk.at;
    return walk.arrived;
}
