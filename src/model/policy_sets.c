/* SPDX-License-Identifier: Apache-2.0 */
#include "model/policy_sets.h"

#include <string.h>

#include "base/alloc.h"

void policy_add_set(struct policy *policy, struct address_set *set)
{
    policy->sets = array_reserve(policy->sets, policy->n_sets, &policy->cap_sets, sizeof(struct address_set *));
    policy->sets[policy->n_sets++] = set;
}

static struct address_set *find_set(const struct policy *policy, const char *name)
{
    for (size_t i = 0; i < policy->n_sets; i++) {
        if (strcmp(policy->sets[i]->name, name) == 0)
            return policy->sets[i];
    }
    return NULL;
}

static struct address_set *find_unknown(void *arg, const char *name)
{
    (void) arg;
    if (!address_set_name_valid(name))
        return NULL;

    struct address_set *set = address_set_new(name, NULL, 0);
    set->shared = true;
    return set;
}

const struct policy_book policy_book_unknown = {find_unknown, NULL};

bool policy_json_uses_set(const json_t *json, const char *name)
{
    size_t i;
    json_t *rule;

    if (json_object_get(json_object_get(json, "sets"), name))
        return false;
    json_array_foreach(json_object_get(json, "rules"), i, rule) {
        const char *remote = json_string_value(json_object_get(rule, "remote"));

        if (remote && *remote == '@' && strcmp(remote + 1, name) == 0)
            return true;
    }
    return false;
}

int policy_sets_read(const json_t *json, struct policy *policy, struct err *err)
{
    const char *name;
    json_t *array;

    json_object_foreach((json_t *) json, name, array) {
        AUTO_FREE char *path = xasprintf("sets.%.*s", ADDRESS_SET_NAME_MAX, name);

        if (!address_set_name_valid(name))
            return err_set(err, ERR_INVALID, "%s: the name has to have 1..%d letters, digits, '.', '_' or '-'", path,
                           ADDRESS_SET_NAME_MAX);
        if (!json_is_array(array))
            return err_set(err, ERR_INVALID, "%s: expected an array of addresses and prefixes", path);
        if (policy->n_sets == POLICY_SETS_MAX)
            return err_set(err, ERR_INVALID, "sets: %zu are too many, at most %d are kept", json_object_size(json),
                           POLICY_SETS_MAX);

        struct address_set *set = address_set_from_json(name, array, path, err);
        if (!set)
            return ERR_INVALID;
        policy_add_set(policy, set);
    }
    return 0;
}

json_t *policy_sets_to_json(const struct policy *policy, bool shared)
{
    json_t *object = json_object();

    for (size_t i = 0; i < policy->n_sets; i++) {
        const struct address_set *set = policy->sets[i];

        if (*set->name && (shared || !set->shared))
            json_object_set_new(object, set->name, address_set_to_json(set));
    }
    return object;
}

/* Those with names: lists are sets, too. */
static size_t count_named(const struct policy *policy)
{
    size_t n = 0;

    for (size_t i = 0; i < policy->n_sets; i++)
        n += *policy->sets[i]->name != 0;
    return n;
}

static void read_name(struct json_reader *r, const struct policy_book *book, struct policy *policy, const char *name,
                      struct policy_rule *rule)
{
    struct address_set *set = *name ? find_set(policy, name) : NULL;

    if (!set && *name && book) {
        if (count_named(policy) >= POLICY_SETS_MAX) {
            json_fail(r, "remote", "\"%.64s\" is one set too many, at most %d are kept", name, POLICY_SETS_MAX);
            return;
        }
        set = book->find(book->arg, name);
        if (set)
            policy_add_set(policy, set);
    }
    if (!set)
        json_fail(r, "remote", "there is no set \"%.64s\" in the policy%s; define it under \"sets\"", name,
                  book ? ", nor among those of the gateway" : "");
    rule->remotes = set;
}

static void read_list(struct json_reader *r, const json_t *list, struct policy *policy, struct policy_rule *rule)
{
    struct address_set *set = address_set_from_json("", list, "remote", r->status ? NULL : r->err);

    if (!set) {
        r->status = ERR_INVALID;
        return;
    }
    policy_add_set(policy, set);
    rule->remotes = set;
}

void policy_remote_read(struct json_reader *r, const struct policy_book *book, struct policy *policy,
                        struct policy_rule *rule)
{
    const json_t *list = json_object_get(r->object, "remote");

    if (json_is_array(list)) {
        read_list(r, list, policy, rule);
        return;
    }
    const char *text = json_opt_string(r, "remote", NULL);
    if (text && *text == '@')
        read_name(r, book, policy, text + 1, rule);
    else if (text && prefix_parse(text, &rule->remote) < 0)
        json_fail(r, "remote", "expected an address or a prefix without bits beyond its length, found \"%.60s\"", text);
}

json_t *policy_remote_to_json(const struct policy_rule *rule)
{
    char text[PREFIX_TEXT_SIZE];

    if (rule->remotes && *rule->remotes->name)
        return json_sprintf("@%s", rule->remotes->name);
    if (rule->remotes)
        return address_set_to_json(rule->remotes);
    return rule->remote.ip.family == IP_NONE ? NULL : json_string(prefix_format(&rule->remote, text));
}
