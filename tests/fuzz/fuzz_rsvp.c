/* SPDX-License-Identifier: Apache-2.0 */
/* RSVP packets: what was read can be written, and then reads the same; what was refused has a reason, and an answer
 * that can be written. */
#include <stdlib.h>
#include <string.h>

#include "../unit/rsvp_samples.h"
#include "proto/rsvp/rsvp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(const struct rsvp_message *message)
{
    static uint8_t bytes[RSVP_MESSAGE_MAX];
    struct rsvp_message back;
    struct err err = {0};
    int n = rsvp_encode(message, bytes, sizeof bytes, &err);

    /* A message that was not in normal form may grow beyond a packet: it has 64 labels as a range, for instance. */
    if (n == ERR_SHORT)
        return;
    struct rsvp_packet packet = {.data = bytes, .size = (size_t) n};

    if (n <= 0 || rsvp_decode(&packet, &back, NULL, &err) != 1 || !rsvp_same(message, &back) || !packet.done)
        abort();
    rsvp_message_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rsvp_packet packet = {.data = data, .size = size};
    struct rsvp_message message;
    struct rsvp_refusal refusal;
    struct err err = {0};
    int status;

    while ((status = rsvp_decode(&packet, &message, &refusal, &err)) != 0) {
        if (status > 0) {
            free(rsvp_message_format(&message));
            again(&message);
            rsvp_message_free(&message);
        } else {
            if (!err.text[0])
                abort();
            if (refusal.answer && (!refusal.code || !(refusal.about.has & RSVP_HAS_SESSION)))
                abort();
        }
    }
    if (packet.pos > size)
        abort();
    return 0;
}
