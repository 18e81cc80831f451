/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of FRR's command line. Taken in parts they are what they are as a whole. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/vty/vty.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vty_answer answer, again;
    int taken;

    while ((taken = vty_answer_decode(data, size, &answer)) > 0) {
        if ((size_t) taken > size || memchr(answer.text, '\n', strlen(answer.text)) ||
            vty_answer_decode(data, (size_t) taken, &again) != taken ||
            vty_answer_decode(data, (size_t) taken - 1, &again) != 0)
            abort();
        data += taken;
        size -= (size_t) taken;
    }
    return 0;
}
