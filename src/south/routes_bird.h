/* SPDX-License-Identifier: Apache-2.0 */
/* Host routes announced by the BIRD 2 that runs beside this gateway. Its configuration includes a file, within a static
 * protocol, that this driver writes:
 *
 *     protocol static hosts {
 *       ipv4;
 *     include "/run/scg/routes.inc";
 *     }
 *
 * A request ends in success once BIRD says that the configuration with the new file is in force: the routes then stand
 * in its tables, and its BGP sessions are sending them. Whatever else has changed in BIRD's configuration comes into
 * force too. A set equal to the one that BIRD confirmed last over the present connection is a success without asking.
 *
 * ERR_REFUSED: BIRD does not take it (its words are in the text); the file is as it was before.
 * ERR_UNREACHABLE, ERR_UNKNOWN, ERR_TIMEOUT: BIRD is not running, went away before it answered, or did not answer in
 * 30 s. The file holds the new set, which BIRD reads when it starts; asking again is the caller's.
 * ERR_EXHAUSTED, ERR_IO, ...: the file could not be written and is as it was; BIRD was not asked.
 * ERR_INVALID: a host without an address. */
#ifndef SOUTH_ROUTES_BIRD_H
#define SOUTH_ROUTES_BIRD_H

#include "io/loop.h"
#include "south/routes.h"

/* 'socket' is BIRD's control socket, 'include' the file; both are copied. 'queue' outlives the driver. The file is
 * made, empty, if there is none: BIRD does not start without it. Does not connect yet. Null and 'err' if the file can
 * neither be read nor made. */
struct routes_driver *routes_bird_new(struct loop *loop, struct event_queue *queue, const char *socket,
                                      const char *include, struct err *err);

#endif
