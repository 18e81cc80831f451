/* SPDX-License-Identifier: Apache-2.0 */
#include "north/http_json.h"

#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "model/problem.h"

int http_json_body(const struct http_request *request, json_t **ret_json, struct err *err)
{
    json_error_t error;
    size_t size;
    const char *body = http_body(request, &size);
    json_t *json = size ? json_loadb(body, size, JSON_REJECT_DUPLICATES, &error) : NULL;

    if (size && !json)
        return err_set(err, ERR_MALFORMED, "the body is no JSON: line %d, column %d: %s", error.line, error.column,
                       error.text);
    *ret_json = json;
    return 0;
}

void http_json_reply(struct http_request *request, int status, json_t *body)
{
    AUTO_FREE char *text = json_dumps(body, JSON_COMPACT);

    json_decref(body);
    http_reply(request, status, NULL, text, strlen(text));
}

void http_json_error(struct http_request *request, const struct err *err)
{
    http_json_reply(request, problem_http_status(err->code), problem_encode(err));
}

static bool path_matches(const char *pattern, const char *path, char name[ROUTE_NAME_SIZE])
{
    name[0] = '\0';
    while (*pattern) {
        if (pattern[0] == '{') {
            size_t n = strcspn(path, "/");

            if (n == 0 || n >= ROUTE_NAME_SIZE)
                return false;
            memcpy(name, path, n);
            name[n] = '\0';
            pattern += 2;
            path += n;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

static void refuse(struct http_request *request, const char *allowed)
{
    struct err err = {0};

    if (!allowed) {
        err_set(&err, ERR_NOT_FOUND, "there is no path '%s'", http_path(request));
        http_json_error(request, &err);
        return;
    }
    err_set(&err, ERR_UNSUPPORTED, "%s is not possible on '%s', only %s", http_method(request), http_path(request),
            allowed);
    http_header_set(request, "Allow", allowed);
    http_json_reply(request, 405, problem_encode(&err));
}

void http_json_route(const struct route *routes, size_t n_routes, struct http_request *request, void *arg)
{
    AUTO_STRBUF struct strbuf allowed = {0};
    char name[ROUTE_NAME_SIZE];

    for (size_t i = 0; i < n_routes; i++) {
        if (!path_matches(routes[i].pattern, http_path(request), name))
            continue;
        if (strcmp(routes[i].method, http_method(request)) == 0) {
            routes[i].fn(arg, request, name);
            return;
        }
        strbuf_printf(&allowed, "%s%s", allowed.length ? ", " : "", routes[i].method);
    }
    refuse(request, allowed.text);
}
