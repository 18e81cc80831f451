/* SPDX-License-Identifier: Apache-2.0 */
#include "model/tcp_flags.h"

#include <string.h>

static const char *const names[TCP_FLAGS_BITS] = {"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns"};

static int find_flag(const char *name, size_t length)
{
    for (int i = 0; i < TCP_FLAGS_BITS; i++) {
        if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0)
            return i;
    }
    return -1;
}

int tcp_flags_parse(const char *text, struct tcp_flags *flags, struct err *err)
{
    struct tcp_flags read = {0};

    for (const char *at = text;; at++) {
        bool clear = *at == '!';
        const char *name = at + clear;
        size_t length = strcspn(name, ",");
        int i = find_flag(name, length);

        if (i < 0)
            return err_set(err, ERR_INVALID,
                           "expected fin, syn, rst, psh, ack, urg, ece, cwr or ns, with ! before those that are to be "
                           "clear, found \"%.*s\"",
                           length < 20 ? (int) length : 20, name);
        if (read.mask & 1u << i)
            return err_set(err, ERR_INVALID, "%s is named twice", names[i]);
        read.mask |= (uint16_t) (1u << i);
        read.value |= (uint16_t) (clear ? 0 : 1u << i);
        at = name + length;
        if (!*at)
            break;
    }
    *flags = read;
    return 0;
}

void tcp_flags_format(const struct tcp_flags *flags, struct strbuf *text)
{
    const char *comma = "";

    for (unsigned i = 0; i < TCP_FLAGS_BITS; i++) {
        if (flags->mask & 1u << i) {
            strbuf_printf(text, "%s%s%s", comma, flags->value & 1u << i ? "" : "!", names[i]);
            comma = ",";
        }
    }
}
