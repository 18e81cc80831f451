/* SPDX-License-Identifier: Apache-2.0 */
/* The command line that all daemons have: PROGRAM [--check] CONFIG.yaml, --version and --help. */
#ifndef CONFIG_COMMAND_LINE_H
#define CONFIG_COMMAND_LINE_H

#include <stdbool.h>

struct command_line {
    const char *config; /* the file; null: the program is to end now, with 'status' */
    bool check;         /* only look whether it is right */
    int status;
};

struct command_line command_line_read(const char *program, int argc, char **argv);

#endif
