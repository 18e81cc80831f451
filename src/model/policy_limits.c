/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of a policy: rates, and new connections. JSON both ways, and checks. */
#include "base/alloc.h"
#include "model/policy_internal.h"

bool policy_burst_fits(uint32_t rate, uint32_t burst)
{
    return burst == 0 || (uint64_t) burst * 1000 >= rate;
}

int policy_burst_check(uint32_t rate, uint32_t burst, const char *path, const char *rate_name, const char *burst_name,
                       struct err *err)
{
    if (!rate && burst)
        return err_set(err, ERR_INVALID, "%s.%s: a burst without %s", path, burst_name, rate_name);
    if (!policy_burst_fits(rate, burst))
        return err_set(err, ERR_INVALID,
                       "%s.%s: %u is less than what %s, %u, brings in a millisecond, and a switch would let nothing "
                       "pass; give it at least %u",
                       path, burst_name, burst, rate_name, rate, (unsigned) (((uint64_t) rate + 999) / 1000));
    return 0;
}

int policy_rate_read(const json_t *json, const char *path, struct policy_rate *rate, struct err *err)
{
    static const char *const known[] = {"kbps", "burst-kbit", NULL};
    struct json_reader r = json_reader_init(json, path, err);

    json_only(&r, known);
    uint32_t kbps = (uint32_t) json_opt_int(&r, "kbps", 0, UINT32_MAX, 0);
    uint32_t burst_kbit = (uint32_t) json_opt_int(&r, "burst-kbit", 0, UINT32_MAX, 0);
    if (!r.status)
        *rate = (struct policy_rate) {kbps, burst_kbit};
    return r.status;
}

json_t *policy_rate_to_json(const struct policy_rate *rate)
{
    json_t *object = json_pack("{s:I}", "kbps", (json_int_t) rate->kbps);

    if (rate->burst_kbit)
        json_object_set_new(object, "burst-kbit", json_integer(rate->burst_kbit));
    return object;
}

int policy_rates_read(const json_t *json, struct policy *policy, struct err *err)
{
    static const char *const directions[] = {"from-vm", "to-vm", NULL};
    static const char *const paths[] = {[POLICY_FROM_VM] = "rate-limit.from-vm", [POLICY_TO_VM] = "rate-limit.to-vm"};
    struct json_reader r = json_reader_init(json, "rate-limit", err);

    json_only(&r, directions);
    for (unsigned d = 0; d < 2 && !r.status; d++) {
        const json_t *object = json_opt_object(&r, policy_direction_names[d]);

        if (object && policy_rate_read(object, paths[d], &policy->rate[d], err) < 0)
            return ERR_INVALID;
    }
    return r.status;
}

json_t *policy_rates_to_json(const struct policy *policy)
{
    json_t *object = json_object();

    for (unsigned d = 0; d < 2; d++) {
        if (policy->rate[d].kbps)
            json_object_set_new(object, policy_direction_names[d], policy_rate_to_json(&policy->rate[d]));
    }
    return object;
}

static int read_new_limit(const json_t *json, const char *path, struct policy_new_limit *limit, struct err *err)
{
    static const char *const known[] = {"per-second", "burst", NULL};
    struct json_reader r = json_reader_init(json, path, err);

    json_only(&r, known);
    limit->per_second = (uint32_t) json_get_int(&r, "per-second", 1, UINT32_MAX);
    limit->burst = (uint32_t) json_opt_int(&r, "burst", 1, UINT32_MAX, 0);
    return r.status;
}

int policy_new_limits_read(const json_t *json, struct policy *policy, struct err *err)
{
    static const char *const known[] = {"from-vm", "to-vm", NULL};
    struct json_reader r = json_reader_init(json, "new-connections", err);

    json_only(&r, known);
    for (unsigned d = 0; d < 2 && !r.status; d++) {
        const json_t *object = json_opt_object(&r, policy_direction_names[d]);
        AUTO_FREE char *path = xasprintf("new-connections.%s", policy_direction_names[d]);

        if (object && read_new_limit(object, path, &policy->new_limit[d], err) < 0)
            return ERR_INVALID;
    }
    return r.status;
}

static json_t *new_limit_to_json(const struct policy_new_limit *limit)
{
    json_t *object = json_pack("{s:I}", "per-second", (json_int_t) limit->per_second);

    if (limit->burst)
        json_object_set_new(object, "burst", json_integer(limit->burst));
    return object;
}

json_t *policy_new_limits_to_json(const struct policy *policy)
{
    json_t *object = json_object();

    for (unsigned d = 0; d < 2; d++) {
        if (policy->new_limit[d].per_second)
            json_object_set_new(object, policy_direction_names[d], new_limit_to_json(&policy->new_limit[d]));
    }
    return object;
}

int policy_limits_check(const struct policy *policy, enum policy_direction direction, struct err *err)
{
    const struct policy_rate *rate = &policy->rate[direction];
    const struct policy_new_limit *limit = &policy->new_limit[direction];
    AUTO_FREE char *rate_path = xasprintf("rate-limit.%s", policy_direction_names[direction]);
    AUTO_FREE char *limit_path = xasprintf("new-connections.%s", policy_direction_names[direction]);

    if (policy_burst_check(rate->kbps, rate->burst_kbit, rate_path, "kbps", "burst-kbit", err) < 0 ||
        policy_burst_check(limit->per_second, limit->burst, limit_path, "per-second", "burst", err) < 0)
        return ERR_INVALID;
    return 0;
}
