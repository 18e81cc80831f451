/* SPDX-License-Identifier: Apache-2.0 */
/* A set of addresses that rules of policies name, or a list in a single rule. Made once, never changed, and shared by
 * the policies that use it. */
#ifndef MODEL_ADDRESS_SET_H
#define MODEL_ADDRESS_SET_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "model/addr.h"

#define ADDRESS_SET_NAME_MAX 64       /* bytes, without the null */
#define ADDRESS_SET_PREFIXES_MAX 4096 /* of one set: what a peer or a file can make us hold */

struct address_set {
    unsigned references;
    bool shared;                         /* it is the gateway's, not the policy's */
    char name[ADDRESS_SET_NAME_MAX + 1]; /* "": a list in a rule */
    size_t n;
    struct prefix prefixes[]; /* of any family, as they were written; may overlap */
};

/* With one reference, which is the caller's. */
struct address_set *address_set_new(const char *name, const struct prefix *prefixes, size_t n);
struct address_set *address_set_ref(struct address_set *set);
void address_set_unref(struct address_set *set); /* null: nothing */

/* 1..64 letters, digits, '.', '_' and '-'. */
bool address_set_name_valid(const char *name);

/* From an array of addresses and prefixes, at least one and none twice; 'path' is for messages. A new reference, or
 * null and ERR_INVALID with a sentence that names the element ("sets.office[2]: ..."). */
struct address_set *address_set_from_json(const char *name, const json_t *array, const char *path, struct err *err);
json_t *address_set_to_json(const struct address_set *set); /* new reference */

/* A set of a gateway: {"name": "office", "prefixes": ["10.0.0.0/8", ...]}. A new reference to a shared set, or null and
 * ERR_INVALID. */
struct address_set *address_set_from_document(const json_t *json, struct err *err);
json_t *address_set_to_document(const struct address_set *set); /* new reference */

/* "@office", or the list of one that has no name; caller frees. */
char *address_set_format(const struct address_set *set);

bool address_set_contains(const struct address_set *set, const struct ip *ip);
/* The fewest prefixes of 'family' that are the same addresses, in rising order; the caller frees '*cover'. Returns how
 * many. */
size_t address_set_cover(const struct address_set *set, enum ip_family family, struct prefix **cover);

#endif
