/* SPDX-License-Identifier: Apache-2.0 */
/* The classes of a policy: JSON both ways, and checks. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "model/policy_internal.h"

#define PATH_SIZE (POLICY_NAME_MAX + 64)

int policy_class_find(const struct policy *policy, int dscp)
{
    for (unsigned i = 0; i < policy->n_classes; i++) {
        if (policy->classes[i].dscp == dscp)
            return (int) i;
    }
    return -1;
}

/* Inserts it where its DSCP belongs; there is room. */
static unsigned insert(struct policy *policy, const struct policy_class *class)
{
    unsigned at = policy->n_classes;

    for (; at > 0 && policy->classes[at - 1].dscp > class->dscp; at--)
        policy->classes[at] = policy->classes[at - 1];
    policy->classes[at] = *class;
    policy->n_classes++;
    return at;
}

int policy_class_obtain(struct policy *policy, uint8_t dscp)
{
    int found = policy_class_find(policy, dscp);
    struct policy_class class = {.dscp = dscp};

    if (found >= 0 || policy->n_classes == POLICY_CLASSES_MAX)
        return found;
    snprintf(class.name, sizeof class.name, "dscp-%u", dscp);
    return (int) insert(policy, &class);
}

static const struct policy_class *find_name(const struct policy *policy, const char *name)
{
    for (unsigned i = 0; i < policy->n_classes; i++) {
        if (strcmp(policy->classes[i].name, name) == 0)
            return &policy->classes[i];
    }
    return NULL;
}

bool policy_class_queued(const struct policy_class *class, enum policy_direction direction)
{
    const struct policy_queue *queue = &class->queue[direction];

    return queue->min_kbps || queue->max_kbps || queue->priority;
}

static int read_queue(const json_t *json, const char *path, struct policy_queue *queue, struct err *err)
{
    static const char *const known[] = {"min-kbps", "max-kbps", "priority", NULL};
    struct json_reader r = json_reader_init(json, path, err);

    json_only(&r, known);
    queue->min_kbps = (uint32_t) json_opt_int(&r, "min-kbps", 1, UINT32_MAX, 0);
    queue->max_kbps = (uint32_t) json_opt_int(&r, "max-kbps", 1, UINT32_MAX, 0);
    queue->priority = (uint32_t) json_opt_int(&r, "priority", 0, POLICY_PRIORITY_MAX, 0);
    if (!r.status && !queue->min_kbps && !queue->max_kbps && !queue->priority)
        return err_set(err, ERR_INVALID, "%s: it says nothing; give it min-kbps, max-kbps or a priority of 1..%d", path,
                       POLICY_PRIORITY_MAX);
    return r.status;
}

static json_t *queue_to_json(const struct policy_queue *queue)
{
    json_t *object = json_object();

    if (queue->min_kbps)
        json_object_set_new(object, "min-kbps", json_integer(queue->min_kbps));
    if (queue->max_kbps)
        json_object_set_new(object, "max-kbps", json_integer(queue->max_kbps));
    if (queue->priority)
        json_object_set_new(object, "priority", json_integer(queue->priority));
    return object;
}

static int read_direction(const json_t *json, const char *path, enum policy_direction direction,
                          struct policy_class *class, struct err *err)
{
    static const char *const known[] = {"rate-limit", "queue", NULL};
    struct json_reader r = json_reader_init(json, path, err);
    AUTO_FREE char *rate_path = xasprintf("%s.rate-limit", path), *queue_path = xasprintf("%s.queue", path);

    json_only(&r, known);
    const json_t *rate = json_opt_object(&r, "rate-limit");
    const json_t *queue = json_opt_object(&r, "queue");
    if (r.status || (rate && policy_rate_read(rate, rate_path, &class->rate[direction], err) < 0) ||
        (queue && read_queue(queue, queue_path, &class->queue[direction], err) < 0))
        return ERR_INVALID;
    return 0;
}

static int read_class(const json_t *json, const char *name, struct policy_class *class, struct err *err)
{
    static const char *const known[] = {"dscp", "from-vm", "to-vm", NULL};
    AUTO_FREE char *path = xasprintf("classes.%s", name);
    struct json_reader r = json_reader_init(json, path, err);

    json_only(&r, known);
    class->dscp = (uint8_t) json_get_int(&r, "dscp", 0, 63);
    for (unsigned d = 0; d < 2 && !r.status; d++) {
        const json_t *part = json_opt_object(&r, policy_direction_names[d]);
        AUTO_FREE char *part_path = xasprintf("%s.%s", path, policy_direction_names[d]);

        if (part && read_direction(part, part_path, d, class, err) < 0)
            return ERR_INVALID;
    }
    return r.status;
}

int policy_classes_read(const json_t *json, struct policy *policy, struct err *err)
{
    const char *name;
    json_t *value;

    if (json_object_size(json) > POLICY_CLASSES_MAX)
        return err_set(err, ERR_INVALID, "classes: %zu are too many, a policy has at most %d", json_object_size(json),
                       POLICY_CLASSES_MAX);
    json_object_foreach((json_t *) json, name, value) {
        struct policy_class class = {0};

        if (!name[0] || strlen(name) > POLICY_NAME_MAX)
            return err_set(err, ERR_INVALID, "classes: the name of a class has to have 1..%d bytes", POLICY_NAME_MAX);
        strcpy(class.name, name);
        if (read_class(value, name, &class, err) < 0)
            return ERR_INVALID;
        insert(policy, &class);
    }
    return 0;
}

json_t *policy_classes_to_json(const struct policy *policy)
{
    json_t *object = json_object();

    for (unsigned i = 0; i < policy->n_classes; i++) {
        const struct policy_class *class = &policy->classes[i];
        json_t *json = json_pack("{s:i}", "dscp", class->dscp);

        for (unsigned d = 0; d < 2; d++) {
            json_t *part = json_object();

            if (class->rate[d].kbps)
                json_object_set_new(part, "rate-limit", policy_rate_to_json(&class->rate[d]));
            if (policy_class_queued(class, d))
                json_object_set_new(part, "queue", queue_to_json(&class->queue[d]));
            if (json_object_size(part))
                json_object_set(json, policy_direction_names[d], part);
            json_decref(part);
        }
        json_object_set_new(object, class->name, json);
    }
    return object;
}

static int check_class(const struct policy_class *class, struct err *err)
{
    size_t name_length = strnlen(class->name, sizeof class->name);

    if (name_length == 0 || name_length > POLICY_NAME_MAX)
        return err_set(err, ERR_INVALID, "classes: the name of a class has to have 1..%d bytes", POLICY_NAME_MAX);
    if (class->dscp > 63)
        return err_set(err, ERR_INVALID, "classes.%s.dscp: expected 0..63, found %u", class->name, class->dscp);
    for (unsigned d = 0; d < 2; d++) {
        AUTO_FREE char *path = xasprintf("classes.%s.%s.rate-limit", class->name, policy_direction_names[d]);

        if (policy_burst_check(class->rate[d].kbps, class->rate[d].burst_kbit, path, "kbps", "burst-kbit", err) < 0)
            return ERR_INVALID;
        if (class->queue[d].max_kbps && class->queue[d].min_kbps > class->queue[d].max_kbps)
            return err_set(err, ERR_INVALID, "classes.%s.%s.queue.min-kbps: %u is more than max-kbps, %u", class->name,
                           policy_direction_names[d], class->queue[d].min_kbps, class->queue[d].max_kbps);
        if (class->queue[d].priority > POLICY_PRIORITY_MAX)
            return err_set(err, ERR_INVALID, "classes.%s.%s.queue.priority: expected 0..%d, found %u", class->name,
                           policy_direction_names[d], POLICY_PRIORITY_MAX, class->queue[d].priority);
    }
    return 0;
}

int policy_classes_check(const struct policy *policy, struct err *err)
{
    if (policy->n_classes > POLICY_CLASSES_MAX)
        return err_set(err, ERR_INVALID, "classes: %u are too many, a policy has at most %d", policy->n_classes,
                       POLICY_CLASSES_MAX);
    for (unsigned i = 0; i < policy->n_classes; i++) {
        const struct policy_class *class = &policy->classes[i];

        if (check_class(class, err) < 0)
            return ERR_INVALID;
        if (find_name(policy, class->name) != class)
            return err_set(err, ERR_INVALID, "classes.%s: two classes have this name", class->name);
        if (i > 0 && policy->classes[i - 1].dscp >= class->dscp)
            return err_set(err, ERR_INVALID, "classes.%s.dscp: %u is that of class %s, too; a DSCP is of one class",
                           class->name, class->dscp, policy->classes[i - 1].name);
    }
    return 0;
}

void policy_class_of_rule_read(struct json_reader *r, const struct policy *policy, struct policy_rule *rule)
{
    const char *name = json_opt_string(r, "class", NULL);
    const struct policy_class *class = name ? find_name(policy, name) : NULL;

    if (!name)
        return;
    if (!class) {
        json_fail(r, "class", "the policy has no class \"%.40s\"; add it to its \"classes\"", name);
    } else if (rule->set_dscp != POLICY_ANY) {
        json_fail(r, "set-dscp", "class %s marks packets with its own DSCP, %u; remove one of the two", name,
                  class->dscp);
    } else {
        rule->set_dscp = class->dscp;
        rule->in_class = true;
    }
}

int policy_class_of_rule_check(const struct policy *policy, const struct policy_rule *rule, struct err *err)
{
    if (!rule->in_class)
        return 0;

    int at = policy_class_find(policy, rule->set_dscp);
    if (at < 0)
        return err_set(err, ERR_INVALID, "class: the policy has no class with DSCP %d", rule->set_dscp);
    if (rule->verdict != POLICY_ALLOW)
        return err_set(err, ERR_INVALID, "class: packets that are denied are in no class; remove it or allow them");
    if (!policy->classes[at].rate[rule->direction].kbps && !policy_class_queued(&policy->classes[at], rule->direction))
        return err_set(err, ERR_INVALID,
                       "class: class %s has nothing in direction %s; give it a rate-limit or a queue there, or use "
                       "set-dscp",
                       policy->classes[at].name, policy_direction_names[rule->direction]);
    return 0;
}
