/* SPDX-License-Identifier: Apache-2.0 */
/* What audits of one switch have found, finding by finding: each is believed when two audits in a row show it, told
 * once, and told to be gone once, whatever others come and go meanwhile. */
#ifndef SCGD_DRIFT_LEDGER_H
#define SCGD_DRIFT_LEDGER_H

#include <jansson.h>

#include "base/mono.h"

struct drift_entry {
    uint64_t id;      /* of the finding */
    json_t *told;     /* what was said of it; null: nothing */
    bool seen;        /* by this audit */
    bool seen_before; /* by the one before */
    struct mono next; /* it may be put right (again) from then on; until then the entry stays */
};

struct drift_ledger {
    struct drift_entry *entries; /* in rising order of their ids */
    size_t n, capacity;
    size_t n_told; /* of them */
};

enum drift_news {
    DRIFT_SUSPECTED, /* no audit but this one has shown it */
    DRIFT_BELIEVED,  /* two in a row have, and it was not told yet: drift_tell() is due */
    DRIFT_KNOWN      /* it was told */
};

void drift_ledger_free(struct drift_ledger *ledger);
/* An audit begins to say what it has found. */
void drift_ledger_begin(struct drift_ledger *ledger);
/* It has found this; '*at', valid until the next call, is its entry. Saying it twice is the same as once. */
enum drift_news drift_ledger_see(struct drift_ledger *ledger, uint64_t id, struct drift_entry **at);
/* It was told, with these words, an object with "text" and perhaps "vm": a new reference, which the ledger takes
 * over. */
void drift_ledger_tell(struct drift_ledger *ledger, struct drift_entry *entry, json_t *words);
#define DRIFT_TOLD_MAX 10000 /* findings that are remembered although the last audit did not show them */
/* The audit has found nothing else: what it did not find is forgotten. Returns an array of what was told of that, by VM
 * and text; new reference. 'all' false: it has found more than it kept, so what was told may stand yet; of that nothing
 * is told to be gone, and DRIFT_TOLD_MAX at most are remembered. */
json_t *drift_ledger_end(struct drift_ledger *ledger, bool all, struct mono now);
/* It was put right, so it is as if it had never been found; but if it comes back it is not to be put right before
 * 'next'. Returns what was told of it, or null; new reference. */
json_t *drift_ledger_repaired(struct drift_ledger *ledger, uint64_t id, struct mono next);

#endif
