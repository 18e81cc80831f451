/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that a switch hands to a transport node's controller; a probe must come back the same when it is sent. */
#include <stdlib.h>

#include "gmpls/crossconnect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t frame[XC_PROBE_SIZE_MIN];
    struct xc xc = {.in = {.kind = XC_VLAN}, .out = {.kind = XC_LINK, .port = 1}};
    uint32_t label;
    uint64_t nonce, back;

    if (xc_probe_decode(data, size, &xc.out.out_label, &nonce) < 0)
        return 0;
    xc_probe_encode(&xc, nonce, frame, sizeof frame);
    if (xc_probe_decode(frame, sizeof frame, &label, &back) < 0 || label != xc.out.out_label || back != nonce)
        abort();
    return 0;
}
