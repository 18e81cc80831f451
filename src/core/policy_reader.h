/* SPDX-License-Identifier: Apache-2.0 */
/* What policy_from_flows.c and policy_rates.c share: the reading of a policy from the flows of one address of a VM. */
#ifndef CORE_POLICY_READER_H
#define CORE_POLICY_READER_H

#include "base/alloc.h"
#include "core/policy_conjunctions.h"
#include "core/policy_families.h"
#include "core/policy_field.h"
#include "core/policy_readings.h"

struct traits {
    const struct flow *from[TRAITS]; /* null: unknown */
    uint64_t value[TRAITS];
};

struct meter_list {
    const struct flow_meter *meters;
    size_t n;
};

struct reader {
    const struct policy_site *site;
    struct meter_list meters;
    struct traits traits;
    const struct flow *limit_flows[2], *rate_flows[2]; /* of the VM in the tables behind, by direction; null: none */
    struct readings readings;
    const struct flow *replies[2]; /* by direction: what lets replies pass; null: nothing does */
    struct conjunctions conjunctions;
    struct policy_uses uses;
    struct err *err;
};

/* A sentence that names the flow, and the other one if it is given. ERR_UNSUPPORTED. */
static inline int refuse(struct reader *reader, const struct flow *flow, const struct flow *other, const char *why)
{
    AUTO_FREE char *text = flow_format(flow);
    AUTO_FREE char *other_text = other ? flow_format(other) : NULL;

    return err_set(reader->err, ERR_UNSUPPORTED, "flows of %s cannot be read as a policy: %s: %s%s%s",
                   reader->site->ip.family == IP_V6 ? "an IPv6 address" : "an IPv4 address", why, text,
                   other ? " and " : "", other ? other_text : "");
}

/* What all packets that pass in a direction have in common, as the first flow has it. */
struct passing {
    const struct flow *flow; /* null: nothing passes */
    bool classed;            /* the flow has a class's meter, and the direction's behind that */
    uint32_t rate, limit;    /* meters; 0: none */
};

/* Of one more that passes; 'rate' and 'limit' are found out. 0, or ERR_UNSUPPORTED: it is treated otherwise. */
int passing_join(struct reader *reader, enum policy_direction direction, struct passing passing,
                 struct passing *common);
/* The direction's rate and limit. 'misses_pass': what no flow matches passes. */
int passing_read(struct reader *reader, enum policy_direction direction, const struct passing *common, bool misses_pass,
                 struct policy *policy);
/* The class of a reading: it has one rate and one queue in a direction. */
int class_read(struct reader *reader, const struct reading *reading, struct policy *policy);

#endif
