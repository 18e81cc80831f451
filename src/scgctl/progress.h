/* SPDX-License-Identifier: Apache-2.0 */
/* How a migration goes, for people: a bar for each VM that is redrawn in place, or a line for each change. Pure:
 * 'migration' is what GET /v1/migrations/ID shows, the text goes to a strbuf. */
#ifndef SCGCTL_PROGRESS_H
#define SCGCTL_PROGRESS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"

struct screen {
    unsigned columns, rows;
    bool colours;
};

struct progress; /* what was shown last */

struct progress *progress_new(void);
void progress_free(struct progress *progress); /* null is fine */

/* A line for the migration's state and for each VM whose step or percentage has changed since the last call:
 * "12.3s V2 transfer 45 % 60.1/134.2 MiB 83 MiB/s". */
void progress_lines(struct progress *progress, const json_t *migration, int64_t elapsed_ms, struct strbuf *out);

/* The whole picture, drawn over the last one. It is never wider or higher than the screen. */
void progress_draw(struct progress *progress, const json_t *migration, int64_t elapsed_ms, const struct screen *screen,
                   struct strbuf *out);

bool progress_ended(const json_t *migration);
/* Whether it ended with every VM moved. If not, 'reasons' gets why: a line for each VM, or one for the migration. */
bool progress_succeeded(const json_t *migration, struct strbuf *reasons);

#endif
