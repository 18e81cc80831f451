/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/bird/bird.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"

#define CODE_DIGITS 4

/* The code that a line begins with, or -1. */
static int decode_code(const uint8_t *line, size_t n)
{
    int code = 0;

    if (n < CODE_DIGITS + 1)
        return -1;
    for (size_t i = 0; i < CODE_DIGITS; i++) {
        if (line[i] < '0' || line[i] > '9')
            return -1;
        code = code * 10 + (line[i] - '0');
    }
    return code;
}

static void copy_text(char text[BIRD_TEXT_SIZE], const uint8_t *from, size_t n)
{
    size_t length = n < BIRD_TEXT_SIZE ? n : BIRD_TEXT_SIZE - 1;

    for (size_t i = 0; i < length; i++)
        text[i] = from[i] < ' ' || from[i] == 0x7f ? '?' : (char) from[i];
    text[length] = '\0';
}

int bird_reply_decode(const uint8_t *bytes, size_t n, struct bird_reply *reply)
{
    size_t readable = n < BIRD_REPLY_MAX ? n : BIRD_REPLY_MAX;
    const uint8_t *line = bytes, *end = bytes + readable;
    const uint8_t *newline;

    while (line < end && (newline = memchr(line, '\n', (size_t) (end - line)))) {
        size_t length = (size_t) (newline - line);
        int code = decode_code(line, length);
        bool continues = length && line[0] == ' ' && line != bytes;

        if (code >= 0 && line[CODE_DIGITS] == ' ') {
            reply->code = code;
            copy_text(reply->text, line + CODE_DIGITS + 1, length - CODE_DIGITS - 1);
            return (int) (newline + 1 - bytes);
        }
        if (!continues && (code < 0 || line[CODE_DIGITS] != '-'))
            return ERR_MALFORMED;
        line = newline + 1;
    }
    return n >= BIRD_REPLY_MAX ? ERR_TOO_LARGE : 0;
}

/* Code 13 ends every reply to BIRD_STATUS; what the daemon does is in the words. */
static enum bird_outcome status_outcome(const char *text)
{
    if (strcmp(text, "Reconfiguration in progress") == 0)
        return BIRD_IN_PROGRESS;
    if (strcmp(text, "Shutdown in progress") == 0)
        return BIRD_SHUTTING_DOWN;
    return BIRD_CONFIGURED;
}

enum bird_outcome bird_outcome(const struct bird_reply *reply)
{
    switch (reply->code) {
    case 1: /* BIRD 2.0.12 ready. */
        return BIRD_READY;
    case 3: /* Reconfigured */
        return BIRD_CONFIGURED;
    case 4: /* Reconfiguration in progress */
    case 5: /* Reconfiguration already in progress, queueing new config */
        return BIRD_IN_PROGRESS;
    case 6: /* Reconfiguration ignored, shutting down */
        return BIRD_SHUTTING_DOWN;
    case 13:
        return status_outcome(reply->text);
    default: /* 8xxx: run-time errors; 9xxx: syntax errors in commands */
        return reply->code >= 8000 ? BIRD_REFUSED : BIRD_UNEXPECTED;
    }
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct ip));
}

void bird_routes_encode(const struct ip *hosts, size_t n, struct strbuf *out)
{
    AUTO_FREE struct ip *sorted = xmemdup(hosts, n * sizeof *hosts);

    _Static_assert(sizeof(struct ip) == 17, "struct ip has no padding, so memcmp() orders by family, then address");
    qsort(sorted, n, sizeof *sorted, compare);
    for (size_t i = 0; i < n; i++) {
        char text[IP_TEXT_SIZE];

        if (i == 0 || !ip_equal(&sorted[i], &sorted[i - 1]))
            strbuf_printf(out, "route %s/%u blackhole;\n", ip_format(&sorted[i], text), ip_bits(sorted[i].family));
    }
}
