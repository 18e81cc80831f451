/* SPDX-License-Identifier: Apache-2.0 */
/* gmplsd: the control plane of one transport node. */
#include <getopt.h>
#include <stdio.h>

#include "base/log.h"
#include "gmplsd/daemon.h"

static void usage(FILE *to)
{
    fputs("usage: gmplsd [--check] CONFIG.yaml\n"
          "  --check    read the configuration, say whether it is right, and end\n"
          "  --version  print the version\n"
          "  --help     print this\n",
          to);
}

static int run(const struct config *config)
{
    struct daemon daemon = {.config = config, .loop = loop_new_alone()};
    struct err err = {0};
    int status = daemon_start(&daemon, &err);

    if (status == 0) {
        log_info(config->node, "transport node %s: %u TE links, %u clients, its bridge on %s port %u",
                 config->router_id, config->te_links_count, config->clients_count, config->openflow.address,
                 config->openflow.port);
        loop_run(daemon.loop);
        log_info(config->node, "stopping; what it carries stays");
    } else {
        log_error(FAULT_OPERATOR, config->node, "%s", err.text);
    }
    daemon_stop(&daemon);
    loop_free(daemon.loop);
    return status == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"check", no_argument, NULL, 'c'}, {"version", no_argument, NULL, 'V'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct config *config;
    struct err err = {0};
    bool check = false;
    int option, status = 0;

    while ((option = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            check = true;
            break;
        case 'V':
            puts("gmplsd " SCG_VERSION);
            return 0;
        case 'h':
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return 2;
        }
    }
    if (argc - optind != 1) {
        usage(stderr);
        return 2;
    }
    config = config_load(argv[optind], &err);
    if (!config) {
        fprintf(stderr, "gmplsd: %s\n", err.text);
        return 1;
    }
    log_set_level(config->log_level);
    if (check)
        printf("%s: fine\n", argv[optind]);
    else
        status = run(config);
    config_free(config);
    return status;
}
