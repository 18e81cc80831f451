/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway says, for people. All functions append to a strbuf. Sizes are binary (1 MiB = 1024 KiB), times
 * local. */
#ifndef SCGCTL_FORMAT_H
#define SCGCTL_FORMAT_H

#include <jansson.h>
#include <stdint.h>

#include "base/strbuf.h"

/* Rows of cells that are printed with their columns aligned, two blanks between them and none at the end of a line. The
 * first row is the heading. Cells are UTF-8; each character counts as one column. */
struct table {
    unsigned n_columns;
    char **cells;
    size_t n_cells, capacity;
};

void table_add(struct table *table, const char *text); /* the next cell */
void table_format(const struct table *table, const char *indent, struct strbuf *out);
void table_free(struct table *table);

/* "134.2 MiB", "60 B": at most one decimal, none for bytes. */
void format_size(struct strbuf *out, uint64_t bytes);
/* "60.1/134.2 MiB": both in the unit of 'total'. */
void format_sizes(struct strbuf *out, uint64_t done, uint64_t total);
/* "2026-11-23 15:04:05" */
void format_time(struct strbuf *out, int64_t unix_ms);

/* A member's value. Its name tells the unit: "...-kib", "...-mbps", "...-ms", "bytes-...". "-" for what is absent or
 * empty. */
void format_member(struct strbuf *out, const char *name, const json_t *value);

/* A collection, e.g. {"vms": [...]}, or a journal, {"journal": [...]}, as a table. What has names is sorted by them,
 * "V2" before "V10", links by where they begin, migrations by time, the latest first. */
void format_collection(struct strbuf *out, const char *collection, const json_t *json);
/* One object: its plain members, one a line; then its lists of objects, each as a table. */
void format_object(struct strbuf *out, const json_t *json);
/* A migration channel or a user's circuit, with the links of its path. */
void format_channel(struct strbuf *out, const json_t *json);
/* A tunnel of a data center in VPLS mode, likewise. */
void format_tunnel(struct strbuf *out, const json_t *json);
void format_user(struct strbuf *out, const json_t *json);
/* The topology of the transport networks: a table for each area, a line for each direction of a link. */
void format_transport(struct strbuf *out, const json_t *json);
/* The same for Graphviz. One edge stands for both directions of a link, with what is free in both; a dashed one is a
 * link that only one of its ends tells of. Nodes that set up LSPs for the gateway have two borders. */
void format_transport_dot(struct strbuf *out, const json_t *json);
/* What a verification found: a line for each finding, and one for each ToR. */
void format_verification(struct strbuf *out, const json_t *json);
/* A policy as the gateway has it, each rule on a line of its own. */
void format_policy(struct strbuf *out, const json_t *json);

#endif
