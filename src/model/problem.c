/* SPDX-License-Identifier: Apache-2.0 */
#include "model/problem.h"

#include <string.h>

#include "base/alloc.h"

/* One row for each code that has an HTTP status of its own; all others are 409. Of several codes with one status, the
 * first is what the status says without its error object. */
static const struct {
    int code, status;
} rows[] = {
    {ERR_INVALID, 400},   {ERR_MALFORMED, 400},   {ERR_UNSUPPORTED, 400}, {ERR_NOT_FOUND, 404},
    {ERR_TOO_LARGE, 413}, {ERR_EXHAUSTED, 429},   {ERR_INTERNAL, 500},    {ERR_IO, 500},
    {ERR_UNKNOWN, 503},   {ERR_UNREACHABLE, 503}, {ERR_TIMEOUT, 504},
};

int problem_http_status(int code)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].code == code)
            return rows[i].status;
    }
    return 409;
}

json_t *problem_encode(const struct err *err)
{
    json_t *reason = json_string(err->text);

    if (!reason) { /* not UTF-8: what a peer sent is quoted, or the sentence was cut within a character */
        char text[ERR_TEXT_SIZE];

        memcpy(text, err->text, sizeof text);
        for (char *c = text; *c; c++)
            *c = (unsigned char) *c < 0x80 ? *c : '?';
        reason = json_string(text);
    }
    return json_pack("{s:s, s:o}", "error", err_id(err->code), "reason", reason);
}

static int code_of_id(const char *id)
{
    static const int codes[] = {
#define ERR_CODE(name, value, text) name,
        ERR_TABLE(ERR_CODE)
#undef ERR_CODE
    };

    for (size_t i = 0; id && i < ARRAY_LEN(codes); i++) {
        if (strcmp(err_id(codes[i]), id) == 0)
            return codes[i];
    }
    return 0;
}

static int code_of_status(int http_status)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].status == http_status)
            return rows[i].code;
    }
    return ERR_REFUSED;
}

void problem_decode(int http_status, const json_t *json, struct err *err)
{
    int code = code_of_id(json_string_value(json_object_get(json, "error")));
    const char *reason = json_string_value(json_object_get(json, "reason"));

    if (!code)
        code = code_of_status(http_status);
    if (reason)
        err_set(err, code, "%s", reason);
    else
        err_set(err, code, "answered HTTP status %d without a reason", http_status);
}
