/* SPDX-License-Identifier: Apache-2.0 */
#include "core/policy_conjunctions.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "core/policy_outcome.h"

/* What somebody's flows can make us hold, and do, in all. The largest policy has some 300,000 clauses, if each of its
 * rules is on two ranges of ports, and 65,536 combinations, one for each of its remotes. */
#define CLAUSES_MAX (1u << 19)
#define COMBINATIONS_MAX (1u << 17)
#define WORK_MAX (1u << 20)

bool conjunctions_add_clause(struct conjunctions *conjunctions, struct flow_conjunction of, struct reading reading)
{
    if (conjunctions->n_clauses == CLAUSES_MAX)
        return false;
    conjunctions->clauses = array_reserve(conjunctions->clauses, conjunctions->n_clauses, &conjunctions->cap_clauses,
                                          sizeof *conjunctions->clauses);
    conjunctions->clauses[conjunctions->n_clauses++] = (struct clause) {of, reading};
    return true;
}

void conjunctions_add_joint(struct conjunctions *conjunctions, uint32_t id, struct reading reading)
{
    conjunctions->joints = array_reserve(conjunctions->joints, conjunctions->n_joints, &conjunctions->cap_joints,
                                         sizeof *conjunctions->joints);
    conjunctions->joints[conjunctions->n_joints++] = (struct joint) {id, reading};
}

void conjunctions_free(struct conjunctions *conjunctions)
{
    free(conjunctions->clauses);
    free(conjunctions->joints);
    *conjunctions = (struct conjunctions) {0};
}

static const char too_many[] = "its conjunction, with those before it, has more combinations than can be read";

static int order(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

/* Flows of one conjunction are of one table, priority and id. */
static int compare_conjunctions(const struct clause *x, const struct clause *y)
{
    int direction = order(x->reading.rule.direction, y->reading.rule.direction);
    int priority = order(y->reading.priority, x->reading.priority);

    return direction ? direction : priority ? priority : order(x->of.id, y->of.id);
}

static int compare_clauses(const void *a, const void *b)
{
    const struct clause *x = a, *y = b;
    int conjunction = compare_conjunctions(x, y);

    return conjunction ? conjunction : order(x->of.clause, y->of.clause);
}

static int compare_joints(const void *a, const void *b)
{
    const struct joint *x = a, *y = b;
    int direction = order(x->reading.rule.direction, y->reading.rule.direction);

    return direction ? direction : order(x->id, y->id);
}

/* The flow of the conj_id; null, and '*why' if there are several. The joints are in their order. */
static const struct joint *find_joint(const struct conjunctions *conjunctions, const struct clause *clause,
                                      const char **why)
{
    const struct joint key = {.id = clause->of.id, .reading = clause->reading}, *joints = conjunctions->joints;
    const struct joint *found = conjunctions->n_joints ?
                                    bsearch(&key, joints, conjunctions->n_joints, sizeof key, compare_joints) :
                                    NULL;

    if (!found)
        return NULL;
    if ((found > joints && compare_joints(found - 1, found) == 0) ||
        (found + 1 < joints + conjunctions->n_joints && compare_joints(found, found + 1) == 0))
        *why = "several flows match its conj_id";
    if (found->reading.priority < clause->reading.priority)
        *why = "the flow of its conj_id has a lower priority";
    return *why ? NULL : found;
}

/* Each of 'readings' with each of the clause's, whose adjacent ports are joined before: there are fewer then. False if
 * that would be too much. */
static bool combine(struct readings *readings, const struct clause *clauses, size_t n, size_t *work)
{
    __attribute__((cleanup(readings_free))) struct readings clause = {0};
    struct readings combined = {0};

    for (size_t c = 0; c < n; c++)
        readings_add(&clause, clauses[c].reading);
    readings_join_ports(&clause);
    *work += readings->n * clause.n;
    if (readings->n * clause.n > COMBINATIONS_MAX || *work > WORK_MAX)
        return false;
    for (size_t i = 0; i < readings->n; i++) {
        for (size_t c = 0; c < clause.n; c++) {
            struct reading both = readings->items[i];

            if (policy_rules_intersect(&clause.items[c].rule, &both.rule))
                readings_add(&combined, both);
        }
    }
    readings_free(readings);
    *readings = combined;
    return true;
}

/* All combinations of the conjunction's flows, which are 'clauses', in the order of their clauses. */
static const char *combine_all(const struct clause *clauses, size_t n, struct readings *combined, size_t *work)
{
    unsigned expected = 1;

    readings_add(combined, (struct reading) {.rule = policy_rule_any(clauses->reading.rule.direction, POLICY_DENY),
                                             .priority = clauses->reading.priority});
    for (size_t i = 0, many; i < n; i += many, expected++) {
        for (many = 1; i + many < n && clauses[i + many].of.clause == clauses[i].of.clause; many++)
            ;
        if (clauses[i].of.n_clauses != clauses->of.n_clauses)
            return "another flow of its conjunction has another number of clauses";
        if (clauses[i].of.clause != expected)
            break;
        if (!combine(combined, &clauses[i], many, work))
            return too_many;
    }
    if (expected <= clauses->of.n_clauses)
        combined->n = 0;
    return NULL;
}

/* What the flow of the conj_id matches besides must be no news: else packets that meet the clauses alone would meet
 * what stands behind. */
static const char *add_joined(const struct joint *joint, const struct readings *combined, struct readings *readings)
{
    for (size_t i = 0; i < combined->n; i++) {
        struct reading reading = combined->items[i], narrow = reading;

        if (!policy_rules_intersect(&joint->reading.rule, &narrow.rule) || readings_compare(&reading, &narrow) != 0)
            return "it matches more than its conjunction does";
        policy_outcome_apply(policy_outcome(&joint->reading.rule), &reading.rule);
        reading.meter = joint->reading.meter;
        reading.asks = joint->reading.asks;
        reading.has_meter = joint->reading.has_meter;
        reading.queue = joint->reading.queue;
        reading.flow = joint->reading.flow;
        readings_add(readings, reading);
    }
    return NULL;
}

const char *conjunctions_read(struct conjunctions *conjunctions, struct readings *readings, const struct flow **flow)
{
    struct clause *clauses = conjunctions->clauses;
    const char *why = NULL;
    size_t work = 0, n_combined = 0;

    if (conjunctions->n_joints)
        qsort(conjunctions->joints, conjunctions->n_joints, sizeof *conjunctions->joints, compare_joints);
    if (conjunctions->n_clauses)
        qsort(clauses, conjunctions->n_clauses, sizeof *clauses, compare_clauses);
    for (size_t i = 0, n; i < conjunctions->n_clauses && !why; i += n) {
        __attribute__((cleanup(readings_free))) struct readings combined = {0};

        for (n = 1; i + n < conjunctions->n_clauses && compare_conjunctions(&clauses[i], &clauses[i + n]) == 0; n++)
            ;
        *flow = clauses[i].reading.flow;
        const struct joint *joint = find_joint(conjunctions, &clauses[i], &why);
        if (!joint)
            continue;
        why = combine_all(&clauses[i], n, &combined, &work);
        n_combined += combined.n;
        if (!why && n_combined > COMBINATIONS_MAX)
            why = too_many;
        if (why)
            continue;
        *flow = joint->reading.flow;
        why = add_joined(joint, &combined, readings);
    }
    return why;
}
