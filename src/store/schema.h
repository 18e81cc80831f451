/* SPDX-License-Identifier: Apache-2.0 */
/* The tables, as steps from one version to the next. A step that was released is never edited; a change is a new
 * step. */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

/* PRAGMA application_id of our databases: "SCGD". */
#define SCHEMA_APPLICATION_ID 0x53434744

/* schema_steps[n] brings version n to n + 1; schema_version() is the number of steps. */
extern const char *const schema_steps[];
int schema_version(void);

#endif
