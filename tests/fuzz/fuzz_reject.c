/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that a policy rejects. Their answers are bounded, and nobody answers an answer. */
#include <stdlib.h>

#include "core/reject.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t answer[REJECT_ANSWER_MAX], again[REJECT_ANSWER_MAX];
    size_t n = reject_answer(data, size, answer);

    if (n > sizeof answer || reject_answer(answer, n, again) != 0)
        abort();
    return 0;
}
