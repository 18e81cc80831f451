/* SPDX-License-Identifier: Apache-2.0 */
/* Has FRR flood what is free on our links: sets their TE parameters in zebra, which passes them on to ospfd, over the
 * command line on zebra's Unix socket (proto/vty/vty.h, where it says what FRR makes of that).
 *
 * Fire and forget: the newest value of a link wins, values that follow each other within 20 ms are one, one dialogue
 * runs at a time, and only what differs from what zebra was told before is sent. While zebra is away it is tried again
 * and again; when it is back, whose memory is that of its configuration file, it is told all anew.
 *
 * What to expect: the first value that changed is flooded within some milliseconds if the link's LSA is older than 5 s;
 * everything else, with the newest values, when it is 5 s old. An ospfd 8.4 that starts again is believed late: it
 * counts the sequence numbers of its LSAs from the first again, one each 5 s, until it passes what its neighbours hold,
 * or these forget it after 60 s. */
#ifndef SOUTH_ZEBRA_VTY_H
#define SOUTH_ZEBRA_VTY_H

#include "io/loop.h"
#include "proto/vty/vty.h"

struct zebra_vty;

/* Called from the loop when the newest values of a link stand in zebra ('err' null), or were refused (ERR_REFUSED, with
 * the command and zebra's words; they are not tried again before zebra's next start). Must not free the client. */
typedef void zebra_vty_done_fn(void *arg, const char *interface, const struct err *err);

/* 'path' of the socket, null: VTY_ZEBRA_PATH; copied. 'done' may be null; refusals are logged anyway. Null and 'err' if
 * the path is too long. */
struct zebra_vty *zebra_vty_new(struct loop *loop, const char *path, zebra_vty_done_fn *done, void *arg,
                                struct err *err);
void zebra_vty_free(struct zebra_vty *zebra); /* null is fine; what was not told yet is not told */

/* Copied. 0, or ERR_INVALID if the name of the interface is not one. */
int zebra_vty_set(struct zebra_vty *zebra, const struct vty_link *link, struct err *err);
/* Leaves zebra what it has for the link. */
void zebra_vty_forget(struct zebra_vty *zebra, const char *interface);
/* Whether zebra is connected and has been told everything. */
bool zebra_vty_settled(const struct zebra_vty *zebra);

#endif
