/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of a simulation: --seeds N, --first S, or --seed S alone, which tells its story. */
#ifndef SEEDS_H
#define SEEDS_H

#include <stdbool.h>
#include <stdint.h>

struct seeds {
    uint64_t first, n;
    bool trace;
};

/* 'seeds' has the defaults. False, and a sentence on stderr, if the command line is another. */
bool seeds_read(const char *program, int argc, char **argv, struct seeds *seeds);

#endif
