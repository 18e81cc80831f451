/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of members that the configurations of several daemons have. */
#ifndef CONFIG_TYPES_H
#define CONFIG_TYPES_H

#include <stdint.h>

/* Where a daemon listens, or connects to. */
struct config_endpoint {
    char *address;
    uint16_t port;
};

/* Numbers that a daemon may give out, both ends included. */
struct config_range {
    uint32_t first, last;
};

#endif
