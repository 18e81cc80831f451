/* SPDX-License-Identifier: Apache-2.0 */
/* gmplsd: the control plane of one transport node. */
#include <stdio.h>

#include "base/log.h"
#include "config/command_line.h"
#include "gmplsd/daemon.h"

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
    struct command_line line = command_line_read("gmplsd", argc, argv);
    struct err err = {0};

    if (!line.config)
        return line.status;

    struct config *config = config_load(line.config, &err);
    if (!config) {
        fprintf(stderr, "gmplsd: %s\n", err.text);
        return 1;
    }
    log_set_level(config->log_level);
    if (line.check)
        printf("%s: fine\n", line.config);
    else
        line.status = run(config);
    config_free(config);
    return line.status;
}
