/* SPDX-License-Identifier: Apache-2.0 */
/* LLDP frames; what is understood must come back the same when it is sent. */
#include <stdlib.h>
#include <string.h>

#include "proto/lldp/lldp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t frame[LLDP_FRAME_MAX];
    struct lldp lldp, back;
    char text[LLDP_ID_TEXT_SIZE];
    uint64_t dpid;
    uint32_t port;
    struct err err;

    if (lldp_decode(data, size, &lldp, &err) < 0)
        return 0;
    lldp_id_format(&lldp.chassis, LLDP_CHASSIS_MAC, text);
    lldp_id_format(&lldp.port, LLDP_PORT_MAC, text);
    lldp_is_of_port(&lldp, &dpid, &port);
    int length = lldp_encode(&lldp, frame, sizeof frame);

    if (length < 0 || lldp_decode(frame, (size_t) length, &back, &err) < 0 || back.ttl != lldp.ttl ||
        strcmp(back.system_name, lldp.system_name) != 0 || memcmp(&back.port, &lldp.port, sizeof back.port) != 0)
        abort();
    return 0;
}
