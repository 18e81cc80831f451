/* SPDX-License-Identifier: Apache-2.0 */
/* Errors. A function that can fail returns 0 or one of the negative codes below, so that counts and errors share one
 * int. Where the failure reaches a person, it also fills a 'struct err' with one sentence: what failed, on which thing,
 * what was expected, what to do. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>

/* X(name, value, text); the text is for logs, never the whole message to an operator. */
#define ERR_TABLE(X) \
    X(ERR_INVALID, -1, "invalid argument") \
    X(ERR_SHORT, -2, "message is shorter than its content") \
    X(ERR_MALFORMED, -3, "malformed message") \
    X(ERR_UNSUPPORTED, -4, "not supported") \
    X(ERR_NOT_FOUND, -5, "not found") \
    X(ERR_EXISTS, -6, "exists already") \
    X(ERR_CONFLICT, -7, "conflicts with the present state") \
    X(ERR_EXHAUSTED, -8, "no resource left") \
    X(ERR_UNREACHABLE, -9, "unreachable") \
    X(ERR_REFUSED, -10, "refused by the other side") \
    X(ERR_TIMEOUT, -11, "no answer in time") \
    X(ERR_CANCELLED, -12, "cancelled") \
    X(ERR_STALE, -13, "older than what is known") \
    X(ERR_TOO_LARGE, -14, "larger than the configured limit") \
    X(ERR_IO, -15, "input or output failed") \
    X(ERR_UNKNOWN, -16, "outcome unknown") \
    X(ERR_INTERNAL, -17, "internal inconsistency")

enum err_code {
#define ERR_ENUM(name, value, text) name = value,
    ERR_TABLE(ERR_ENUM)
#undef ERR_ENUM
};

#define ERR_TEXT_SIZE 512

struct err {
    int code;                 /* 0 or enum err_code */
    char text[ERR_TEXT_SIZE]; /* one sentence, no newline; empty if code is 0 */
};

/* Fills 'err' (may be null) and returns 'code', so that a caller writes `return err_set(err, ERR_X, "...")`. */
int err_set(struct err *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "context: " in front of the text that 'err' has. Returns err->code. No-op on null. */
int err_prefix(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Maps a positive errno to the nearest code. */
int err_from_errno(int errnum);

/* The short text of a code; "success" for 0; never null. */
const char *err_name(int code);

/* The identifier of a code in JSON and journals, e.g. "ERR_TIMEOUT"; "OK" for 0; never null. */
const char *err_id(int code);

#endif
