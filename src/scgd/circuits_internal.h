/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of circuits and users share. */
#ifndef SCGD_CIRCUITS_INTERNAL_H
#define SCGD_CIRCUITS_INTERNAL_H

#include "scgd/circuits.h"
#include "scgd/gateway.h"

/* ---- circuits.c ---- */

bool ingress_is_up(const struct gateway *gateway, uint32_t router);
/* Only in the list; waiting. */
struct circuit *circuit_add(struct gateway *gateway, const struct circuit *like);
void circuit_free(struct circuit *circuit);
void circuit_notify(struct gateway *gateway, const struct circuit *circuit);
/* Computes a path and has its ingress signal it; or waits, and 'err' of the circuit says what for. */
void circuit_set_up(struct gateway *gateway, struct circuit *circuit);
/* It is, as the report says. Its user's flows follow. */
void circuit_is_up(struct gateway *gateway, struct circuit *circuit, const struct lsp_report *report);
/* One that was up is no more. 'error' is avoided, if it says what; 'why' is told. Sets it up anew. */
void circuit_failed(struct gateway *gateway, struct circuit *circuit, const struct lsp_error *error, const char *why);
/* Nothing of it stands any more, by what its ingress says: its user's flows go. */
void circuit_fell(struct gateway *gateway, struct circuit *circuit);
/* Has the ingress take down one that is being removed; once, until it has answered. */
void circuit_take_down(struct gateway *gateway, struct circuit *circuit);
/* Those that wait. 'all': something has changed for the better; else those whose time has come. */
void circuits_retry(struct gateway *gateway, bool all);

/* ---- users.c ---- */

/* The user as an open order has it that brings VMs of it here, and has not given that up; null: there is none. */
const struct user *user_expected(const struct gateway *gateway, const char *name);
/* As it is served here, or will be; null: neither. */
const struct user *user_known(const struct gateway *gateway, const char *name);

/* ---- circuits_store.c ---- */

int circuit_store(struct gateway *gateway, const struct circuit *circuit, struct err *err);
int circuit_unstore(struct gateway *gateway, const struct circuit *circuit, struct err *err);

#endif
