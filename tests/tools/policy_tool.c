/* SPDX-License-Identifier: Apache-2.0 */
/* policy_tool equal FILE FILE      whether two policies (JSON) treat every IPv4 packet alike: exit status 0, or 1 and a
 *                                  packet that shows the difference
 * policy_tool canonical FILE       the canonical form of a policy
 *
 * For tests that compare what two gateways hold. Exit status 2: a file is not a policy. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "core/policy.h"

static bool load(const char *path, struct policy *policy)
{
    json_error_t where;
    struct err err = {0};
    json_t *json = json_load_file(path, 0, &where);
    int status = json ? policy_from_json(json, policy, &err) : err_set(&err, ERR_MALFORMED, "%s", where.text);

    if (status == 0 && (status = policy_check(policy, &err)) < 0)
        policy_free(policy);
    if (status < 0)
        fprintf(stderr, "policy_tool: %s: %s\n", path, err.text);
    json_decref(json);
    return status == 0;
}

static int equal(const char *one, const char *other)
{
    AUTO_FREE char *witness = NULL;
    struct policy a = {0}, b = {0};
    int result = 2;

    if (load(one, &a)) {
        if (load(other, &b)) {
            result = policy_equivalent_in(&a, &b, IP_V4, &witness) ? 0 : 1;
            policy_free(&b);
        }
        policy_free(&a);
    }
    if (result == 1)
        printf("%s\n", witness);
    return result;
}

static int canonical(const char *path)
{
    struct policy policy = {0};

    if (!load(path, &policy))
        return 2;

    struct policy form = policy_canonical(&policy);
    json_t *json = policy_to_json(&form);

    json_dumpf(json, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(json);
    policy_free(&form);
    policy_free(&policy);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "equal") == 0)
        return equal(argv[2], argv[3]);
    if (argc == 3 && strcmp(argv[1], "canonical") == 0)
        return canonical(argv[2]);
    fprintf(stderr, "usage: policy_tool equal FILE FILE | canonical FILE\n");
    return 2;
}
