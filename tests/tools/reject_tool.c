/* SPDX-License-Identifier: Apache-2.0 */
/* Answers the rejected frame that is its argument, in hexadecimal, with another; or with an empty line. */
#include <stdio.h>
#include <string.h>

#include "core/reject.h"

int main(int argc, char **argv)
{
    uint8_t frame[REJECT_ANSWER_MAX], answer[REJECT_ANSWER_MAX];
    size_t size = argc == 2 ? strlen(argv[1]) / 2 : 0;
    unsigned byte;

    for (size_t i = 0; i < size && i < sizeof frame; i++) {
        if (sscanf(argv[1] + 2 * i, "%2x", &byte) != 1) {
            fprintf(stderr, "usage: reject_tool HEXADECIMAL-FRAME\n");
            return 2;
        }
        frame[i] = (uint8_t) byte;
    }
    size_t n = reject_answer(frame, size < sizeof frame ? size : sizeof frame, answer);

    for (size_t i = 0; i < n; i++)
        printf("%02x", answer[i]);
    puts("");
    return 0;
}
