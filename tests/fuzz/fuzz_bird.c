/* SPDX-License-Identifier: Apache-2.0 */
/* What BIRD says, taken apart reply by reply: nothing is consumed beyond the input, and what the decoder takes whole it
 * also takes, with the same result, when the bytes after it have not arrived yet. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/bird/bird.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bird_reply reply, again;
    int consumed;

    while ((consumed = bird_reply_decode(data, size, &reply)) > 0) {
        size_t used = (size_t) consumed;

        if (used > size || used > BIRD_REPLY_MAX || reply.code < 0 || reply.code > 9999 ||
            !memchr(reply.text, '\0', sizeof reply.text) || strpbrk(reply.text, "\n\r"))
            abort();
        if (bird_reply_decode(data, used, &again) != consumed || again.code != reply.code ||
            strcmp(again.text, reply.text) != 0 || bird_reply_decode(data, used - 1, &again) > 0)
            abort();
        (void) bird_outcome(&reply);
        data += used;
        size -= used;
    }
    return 0;
}
