/* SPDX-License-Identifier: Apache-2.0 */
#include "seeds.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

bool seeds_read(const char *program, int argc, char **argv, struct seeds *seeds)
{
    static const struct option options[] = {{"seeds", required_argument, NULL, 'n'},
                                            {"first", required_argument, NULL, 'f'},
                                            {"seed", required_argument, NULL, 's'},
                                            {0}};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'n':
            seeds->n = strtoull(optarg, NULL, 10);
            break;
        case 'f':
            seeds->first = strtoull(optarg, NULL, 10);
            break;
        case 's':
            *seeds = (struct seeds) {strtoull(optarg, NULL, 10), 1, true};
            break;
        default:
            fprintf(stderr, "usage: %s [--seeds N] [--first S] | --seed S\n", program);
            return false;
        }
    }
    return true;
}
