/* SPDX-License-Identifier: Apache-2.0 */
/* What a transport node must not forget when its daemon ends: the LSPs that it carries, each as JSON under a key, and
 * which PCE owns those that begin here. SQLite
 * (WAL, synchronous=NORMAL): what was committed survives the process, not a loss of power, after which the switch has
 * lost its cross-connects, too. No call waits for a disk but when the log is folded back, every thousand pages. */
#ifndef STORE_LSP_STORE_H
#define STORE_LSP_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct lsp_store;

/* As store_open(). Every function below may also fail with ERR_EXHAUSTED (the disk is full), ERR_IO, ERR_REFUSED or
 * ERR_MALFORMED. */
struct lsp_store *lsp_store_open(const char *path, struct err *err);
/* Renames a database that is damaged, with its log, so that the next lsp_store_open() makes a new one: PATH.damaged-1,
 * or the first number that no file has yet. '*aside', the caller's to free: the new name. ERR_IO. */
int lsp_store_set_aside(const char *path, char **aside, struct err *err);
void lsp_store_close(struct lsp_store *store); /* commits; null is fine */

/* Changes are kept once they are committed. A change that failed dooms those before it, back to the last commit. */
int lsp_store_put(struct lsp_store *store, uint64_t key, const char *text, struct err *err); /* adds or replaces */
int lsp_store_remove(struct lsp_store *store, uint64_t key, struct err *err); /* fine if it is not there */
bool lsp_store_pending(const struct lsp_store *store);                        /* there is something to commit */
int lsp_store_commit(struct lsp_store *store, struct err *err);               /* fine if nothing was changed */

/* Each in order of its key; 'fn' returns false to stop, and may put and remove. */
typedef bool lsp_store_fn(void *arg, uint64_t key, const char *text);
int lsp_store_each(struct lsp_store *store, lsp_store_fn *fn, void *arg, struct err *err);

/* Owners of LSPs, by the LSP's name: the same rules hold. Owner null: none any more. */
int lsp_store_own(struct lsp_store *store, const char *name, const char *owner, struct err *err);
typedef bool lsp_store_owner_fn(void *arg, const char *name, const char *owner);
int lsp_store_owners(struct lsp_store *store, lsp_store_owner_fn *fn, void *arg, struct err *err);

#endif
