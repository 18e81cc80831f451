/* SPDX-License-Identifier: Apache-2.0 */
#include "config/command_line.h"

#include <getopt.h>
#include <stdio.h>

#define USAGE_STATUS 2

static void usage(FILE *to, const char *program)
{
    fprintf(to,
            "usage: %s [--check] CONFIG.yaml\n"
            "  --check    read the configuration, say whether it is right, and end\n"
            "  --version  print the version\n"
            "  --help     print this\n",
            program);
}

struct command_line command_line_read(const char *program, int argc, char **argv)
{
    static const struct option options[] = {
        {"check", no_argument, NULL, 'c'}, {"version", no_argument, NULL, 'V'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct command_line line = {0};
    int option;

    while ((option = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            line.check = true;
            break;
        case 'V':
            printf("%s " SCG_VERSION "\n", program);
            return line;
        case 'h':
            usage(stdout, program);
            return line;
        default:
            usage(stderr, program);
            line.status = USAGE_STATUS;
            return line;
        }
    }
    if (argc - optind == 1) {
        line.config = argv[optind];
    } else {
        usage(stderr, program);
        line.status = USAGE_STATUS;
    }
    return line;
}
