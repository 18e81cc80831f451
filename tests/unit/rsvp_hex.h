/* SPDX-License-Identifier: Apache-2.0 */
/* RSVP in hexadecimal: objects of the LSP that sample_of_lsp() makes, and texts as bytes. */
#ifndef RSVP_HEX_H
#define RSVP_HEX_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define MESSAGE_ID "000c1701 01abcdef 01020304 "
#define SESSION "00100107 0afd0005 00000007 0afd0001 "
#define TIME_VALUES "00080501 00007530 "
#define TEMPLATE "000c0b07 0afd0001 00000003 "
#define FILTER "000c0a07 0afd0001 00000003 "

/* Blanks between bytes are passed over. */
static inline size_t from_hex(const char *hex, uint8_t *bytes)
{
    size_t n = 0;
    unsigned byte;

    for (; *hex; hex++) {
        if (*hex == ' ')
            continue;
        assert_int_equal(sscanf(hex++, "%2x", &byte), 1);
        bytes[n++] = (uint8_t) byte;
    }
    return n;
}

#endif
