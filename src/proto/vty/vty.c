/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/vty/vty.h"

#include <string.h>

#define TRAILER 4 /* three null bytes and the status */

int vty_answer_decode(const uint8_t *bytes, size_t n, struct vty_answer *answer)
{
    const size_t searched = n < VTY_ANSWER_MAX ? n : VTY_ANSWER_MAX;
    const uint8_t *end = n ? memchr(bytes, '\0', searched) : NULL;

    if (!end)
        return n < VTY_ANSWER_MAX ? 0 : ERR_TOO_LARGE;
    size_t length = (size_t) (end - bytes);
    for (size_t i = length; i < n && i < length + TRAILER - 1; i++) {
        if (bytes[i])
            return ERR_MALFORMED;
    }
    if (n < length + TRAILER)
        return 0;
    struct vty_answer decoded = {.status = bytes[length + TRAILER - 1]};
    for (size_t i = 0; i < length && i < VTY_TEXT_SIZE - 1 && bytes[i] != '\n'; i++)
        decoded.text[i] = (char) (bytes[i] < ' ' || bytes[i] == 0x7f ? '?' : bytes[i]);
    *answer = decoded;
    return (int) (length + TRAILER);
}

bool vty_interface_is_valid(const char *name)
{
    size_t length = strlen(name);

    return length > 0 && length < VTY_INTERFACE_SIZE &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.@:") == length &&
           name[0] != '-';
}

static void end_command(struct strbuf *commands)
{
    strbuf_add(commands, "", 1);
}

static void number(struct strbuf *commands, const char *name, uint32_t value)
{
    strbuf_printf(commands, "%s %u", name, value);
    end_command(commands);
}

static size_t unreserved_encode(const struct vty_link *want, const struct vty_link *have, struct strbuf *commands)
{
    size_t n = 0;

    for (unsigned p = 0; p < TE_PRIORITIES; p++) {
        uint32_t bits = bps_to_float_bits(want->unreserved_bps[p]);
        float bytes;

        if (have && bits == bps_to_float_bits(have->unreserved_bps[p]))
            continue;
        memcpy(&bytes, &bits, sizeof bytes);
        strbuf_printf(commands, "unrsv-bw %u %.9g", p, (double) bytes); /* 9 digits name one float */
        end_command(commands);
        n++;
    }
    return n;
}

static size_t others_encode(const struct vty_link *want, const struct vty_link *have, struct strbuf *commands)
{
    size_t n = 0;

    if (want->sets_metric && !(have && have->sets_metric && have->metric == want->metric) && ++n)
        number(commands, "metric", want->metric);
    if (want->sets_admin_group && want->admin_group &&
        !(have && have->sets_admin_group && have->admin_group == want->admin_group) && ++n) {
        strbuf_printf(commands, "admin-grp 0x%x", want->admin_group);
        end_command(commands);
    }
    if (want->sets_delay && !(have && have->sets_delay && have->delay_us == want->delay_us) && ++n) {
        if (want->delay_us == TE_DELAY_NONE)
            strbuf_add(commands, "no delay", sizeof "no delay");
        else
            number(commands, "delay", want->delay_us < 0xffffff ? want->delay_us : 0xffffff);
    }
    return n;
}

size_t vty_link_encode(const struct vty_link *want, const struct vty_link *have, struct strbuf *commands)
{
    static const char leave[] = "exit-link-params\0end";
    AUTO_STRBUF struct strbuf changes = {0};
    size_t n = unreserved_encode(want, have, &changes) + others_encode(want, have, &changes);

    if (n == 0)
        return 0;
    strbuf_printf(commands, "enable%cconfigure terminal%cinterface %s%clink-params%c", '\0', '\0', want->interface,
                  '\0', '\0');
    strbuf_add(commands, changes.text, changes.length);
    strbuf_add(commands, leave, sizeof leave);
    return 4 + n + 2;
}
