/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, int code, const char *format, ...)
{
    if (err) {
        va_list args;

        va_start(args, format);
        err->code = code;
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return code;
}

int err_prefix(struct err *err, const char *format, ...)
{
    if (!err)
        return 0;

    char old[ERR_TEXT_SIZE];
    memcpy(old, err->text, sizeof old);

    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    size_t used = n < 0 ? 0 : (size_t) n;
    if (used + 3 < sizeof err->text) {
        size_t room = sizeof err->text - used - 3;
        size_t length = strnlen(old, room);

        memcpy(err->text + used, ": ", 2);
        memcpy(err->text + used + 2, old, length);
        err->text[used + 2 + length] = '\0';
    }
    return err->code;
}

int err_from_errno(int errnum)
{
    switch (errnum) {
    case 0:
        return 0;
    case EINVAL:
        return ERR_INVALID;
    case ENOENT:
        return ERR_NOT_FOUND;
    case EEXIST:
        return ERR_EXISTS;
    case ENOMEM:
    case ENOSPC:
    case EMFILE:
    case ENFILE:
        return ERR_EXHAUSTED;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
        return ERR_UNREACHABLE;
    case EPERM:
    case EACCES:
        return ERR_REFUSED;
    case ECANCELED:
        return ERR_CANCELLED;
    default:
        return ERR_IO;
    }
}

const char *err_name(int code)
{
    switch (code) {
    case 0:
        return "success";
#define ERR_CASE(name, value, text) \
    case name: \
        return text;
        ERR_TABLE(ERR_CASE)
#undef ERR_CASE
    default:
        return "unknown error";
    }
}

const char *err_id(int code)
{
    switch (code) {
    case 0:
        return "OK";
#define ERR_CASE(name, value, text) \
    case name: \
        return #name;
        ERR_TABLE(ERR_CASE)
#undef ERR_CASE
    default:
        return "ERR_INTERNAL";
    }
}
