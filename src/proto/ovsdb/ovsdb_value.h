/* SPDX-License-Identifier: Apache-2.0 */
/* Values of columns (RFC 7047 §5.1) into members of row structs. */
#ifndef PROTO_OVSDB_VALUE_H
#define PROTO_OVSDB_VALUE_H

#include <stdbool.h>

#include "proto/ovsdb/ovsdb_db.h"

enum ovsdb_kind {
    OVSDB_KIND_NAME,     /* char[NAME_SIZE]: string or optional string */
    OVSDB_KIND_DPID,     /* uint64_t: optional string of hexadecimal digits */
    OVSDB_KIND_BOOL,     /* bool: boolean */
    OVSDB_KIND_RSTP,     /* int64_t: key "rstp-enable" of a map of strings as 0 or 1, or OVSDB_UNSET */
    OVSDB_KIND_OPTIONAL, /* int64_t: optional integer, or OVSDB_UNSET */
    OVSDB_KIND_UUIDS,    /* struct ovsdb_set of row identities */
    OVSDB_KIND_UUID,     /* the same of a column of at most one */
    OVSDB_KIND_TABLES,   /* struct ovsdb_table_refs: map of 0..254 to row identities */
    OVSDB_KIND_MAP       /* json_t *: an object of texts; numbers and identities are written out. Null: empty */
};

/* Gives 'member' the value that the column has when it is left out, freeing what it held. A member that is all zeros
 * may be reset, too. */
void ovsdb_value_reset(enum ovsdb_kind kind, void *member);

/* Sets 'member' to 'value'; with 'difference', elements of a set in 'value' are added if absent, else removed, and
 * pairs of a map likewise, but one whose key stands with another value replaces it (ovsdb-server(7) 4.1.14; columns of
 * at most one element are sent whole all the same). 0, ERR_MALFORMED, or ERR_TOO_LARGE. */
int ovsdb_value_decode(enum ovsdb_kind kind, const json_t *value, bool difference, void *member);

#endif
