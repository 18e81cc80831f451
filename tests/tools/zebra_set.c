/* SPDX-License-Identifier: Apache-2.0 */
/* zebra_set SOCKET INTERFACE BPS*8 [metric=N] [admin-group=N] [delay=US]: has zebra flood that much unreserved
 * bandwidth of a link. Ends when zebra has taken it, with 1 and the reason on stdout if it refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "south/zebra_vty.h"

struct run {
    struct loop *loop;
    int result;
};

static void on_done(void *arg, const char *interface, const struct err *err)
{
    struct run *run = arg;

    (void) interface;
    if (err)
        puts(err->text);
    run->result = err != NULL;
    loop_stop(run->loop);
}

static int parse_option(const char *text, struct vty_link *link)
{
    const char *value = strchr(text, '=');

    if (!value)
        return -1;
    uint32_t number = (uint32_t) strtoul(value + 1, NULL, 0);
    if (strncmp(text, "metric=", 7) == 0) {
        link->sets_metric = true;
        link->metric = number;
    } else if (strncmp(text, "admin-group=", 12) == 0) {
        link->sets_admin_group = true;
        link->admin_group = number;
    } else if (strncmp(text, "delay=", 6) == 0) {
        link->sets_delay = true;
        link->delay_us = number;
    } else {
        return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct run run = {.result = 2};
    struct vty_link link = {0};
    struct err err;

    if (argc < 3 + TE_PRIORITIES)
        return 2;
    snprintf(link.interface, sizeof link.interface, "%s", argv[2]);
    for (int p = 0; p < TE_PRIORITIES; p++)
        link.unreserved_bps[p] = strtoull(argv[3 + p], NULL, 10);
    for (int i = 3 + TE_PRIORITIES; i < argc; i++) {
        if (parse_option(argv[i], &link) < 0)
            return 2;
    }
    run.loop = loop_new();
    struct zebra_vty *zebra = zebra_vty_new(run.loop, argv[1], on_done, &run, &err);
    if (zebra && zebra_vty_set(zebra, &link, &err) == 0)
        loop_run(run.loop);
    else
        puts(err.text);
    zebra_vty_free(zebra);
    loop_free(run.loop);
    return run.result;
}
