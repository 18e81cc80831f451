/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of circuit_world.h share. */
#ifndef CIRCUIT_WORLD_INTERNAL_H
#define CIRCUIT_WORLD_INTERNAL_H

#include "circuit_world.h"

/* The world that a driver is a member of. */
#define WORLD_OF(member, pointer) \
    ((struct circuit_world *) (void *) ((char *) (pointer) -offsetof(struct circuit_world, member)))

struct event *world_push(struct circuit_world *w, enum event_type type);
void world_run(struct circuit_world *w); /* the gateway gets every event that waits */

void world_devices_init(struct circuit_world *w);
void world_devices_tell(struct circuit_world *w); /* what a gateway that starts gets to know of them */
void world_transport_init(struct circuit_world *w);

#endif
