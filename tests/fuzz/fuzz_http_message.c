/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP messages: however the bytes are cut into pieces, they mean the same. The first byte says if it is an answer. */
#include <stdlib.h>
#include <string.h>

#include "io/http_message.h"

#define MAX_BODY 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_message whole, pieces;

    if (size == 0)
        return 0;
    const bool is_answer = data[0] & 1;
    data++;
    size--;
    http_message_init(&whole, is_answer, MAX_BODY);
    http_message_init(&pieces, is_answer, MAX_BODY);
    size_t used = http_message_feed(&whole, data, size);
    size_t used_in_pieces = 0;
    for (size_t have = 1; have <= size; have++)
        used_in_pieces += http_message_feed(&pieces, data + used_in_pieces, have - used_in_pieces);
    if (used > size || whole.body.length > MAX_BODY || whole.state != pieces.state || whole.fault != pieces.fault ||
        used != used_in_pieces || whole.n_fields != pieces.n_fields || whole.body.length != pieces.body.length ||
        (whole.body.length && memcmp(whole.body.text, pieces.body.text, whole.body.length) != 0))
        abort();
    http_message_free(&whole);
    http_message_free(&pieces);
    return 0;
}
