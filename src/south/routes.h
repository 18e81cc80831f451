/* SPDX-License-Identifier: Apache-2.0 */
/* Host routes for users on the IP network: the contract that the BIRD driver and the tests' dummy fulfil. */
#ifndef SOUTH_ROUTES_H
#define SOUTH_ROUTES_H

#include "model/event.h"

struct routes_driver;

struct routes_ops {
    /* Announces exactly 'hosts' (a host route each), withdrawing what was announced before and is not among them. Does
     * not block; ends in one EVENT_DONE. Requests are carried out in order; one that waits is replaced by a newer one
     * and ends when the newer one ends. */
    void (*set)(struct routes_driver *driver, uint64_t request, const struct ip *hosts, size_t n);
    void (*free)(struct routes_driver *driver);
};

struct routes_driver {
    const struct routes_ops *ops;
};

#endif
