/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: options may stand anywhere before "--", what remains are words. */
#ifndef SCGCTL_OPTIONS_H
#define SCGCTL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* X(NAME, long name, letter or 0, value or null, help) */
#define OPTION_TABLE(X) \
    X(URL, "url", 0, "URL", "the gateway; by default $SCG_URL, else http://127.0.0.1:8080") \
    X(OUTPUT, "output", 'o', "table|json", "how to print; 'table' by default") \
    X(HELP, "help", 'h', NULL, "print help and stop") \
    X(VERSION, "version", 0, NULL, "print the version and stop") \
    X(TO, "to", 0, "DC/SERVER", "where the VMs shall run") \
    X(BANDWIDTH, "bandwidth", 0, "MBPS", \
      "Mbit/s of the migration channel; by default whatever is free, of a new one what is configured") \
    X(DOT, "dot", 0, NULL, "print a graph for Graphviz, as in 'scgctl transport --dot | dot -Tsvg'") \
    X(DRY_RUN, "dry-run", 0, NULL, "print what both sides would do, and touch nothing") \
    X(ALL, "all", 0, NULL, "everything, not one VM only") \
    X(WATCH, "watch", 0, NULL, "follow the migration until it has ended")

enum option {
#define OPTION_ENUM(name, text, letter, value, help) OPTION_##name,
    OPTION_TABLE(OPTION_ENUM)
#undef OPTION_ENUM
        OPTIONS
};

struct option_info {
    const char *name;
    char letter;
    const char *value; /* null: it takes none */
    const char *help;
};

extern const struct option_info option_infos[OPTIONS];

struct options {
    bool given[OPTIONS];
    const char *url; /* borrowed from 'argv', as all strings here; null: not given */
    bool json;
    const char *to;
    uint32_t bandwidth_mbps;
    const char **words; /* owned */
    unsigned n_words;
};

/* 0, or ERR_INVALID with a sentence. */
int options_parse(int argc, char *const *argv, struct options *options, struct err *err);
void options_free(struct options *options);

/* Of 'n' candidates the one that 'word' is most likely a slip of, or null if none is near. */
const char *nearest_word(const char *word, const char *const *candidates, size_t n);

#endif
