/* SPDX-License-Identifier: Apache-2.0 */
/* Reading JSON strictly: each getter checks presence and type and, on failure, fills 'err' with a sentence that names
 * the member by its path ("migration.vms[1].mac: ..."). */
#ifndef MODEL_JSON_H
#define MODEL_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "model/addr.h"

struct json_reader {
    const json_t *object;
    const char *path; /* for messages, e.g. "migration.vms[1]" */
    struct err *err;
    int status; /* 0 or the first failure; sticky, as in base/wire.h */
};

struct json_reader json_reader_init(const json_t *object, const char *path, struct err *err);

/* Required members. On failure a neutral value is returned and status is set. Strings are borrowed from the tree. */
const char *json_get_string(struct json_reader *r, const char *name);
int64_t json_get_int(struct json_reader *r, const char *name, int64_t min, int64_t max);
const json_t *json_get_array(struct json_reader *r, const char *name);
const json_t *json_get_object(struct json_reader *r, const char *name);

/* Optional members: 'fallback' where absent; a wrong type is still a failure. */
const char *json_opt_string(struct json_reader *r, const char *name, const char *fallback);
int64_t json_opt_int(struct json_reader *r, const char *name, int64_t min, int64_t max, int64_t fallback);
bool json_opt_bool(struct json_reader *r, const char *name, bool fallback);
const json_t *json_opt_array(struct json_reader *r, const char *name); /* null if absent */
const json_t *json_opt_object(struct json_reader *r, const char *name);

/* A list of IPv6 addresses as an array of strings, and back; what is absent is an empty list. */
json_t *ip6_list_to_json(const struct ip6_list *list); /* new reference */
void json_opt_ip6_list(struct json_reader *r, const char *name, struct ip6_list *list);

/* Fails if the object has a member that is not in the null-terminated list 'known'. */
void json_only(struct json_reader *r, const char *const *known);

/* Records a failure of the member with a sentence of the caller's. */
void json_fail(struct json_reader *r, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
