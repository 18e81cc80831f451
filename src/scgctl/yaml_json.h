/* SPDX-License-Identifier: Apache-2.0 */
/* YAML as JSON: the documents of a file, with where each begins. JSON is YAML too. Plain scalars are read by the core
 * schema of YAML 1.2 (so 'on' and 'yes' are strings). Aliases and tags are refused: what a file says stands in it. */
#ifndef SCGCTL_YAML_JSON_H
#define SCGCTL_YAML_JSON_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

struct yaml_document {
    json_t *json;
    size_t line; /* from 1 */
};

struct yaml_documents {
    struct yaml_document *all;
    size_t n, capacity;
};

/* 'name' is the file's, for errors. 0, or ERR_INVALID with a sentence that begins "NAME:LINE:COLUMN: "; '*documents'
 * is empty then. Empty documents are left out. */
int yaml_json_read(FILE *file, const char *name, struct yaml_documents *documents, struct err *err);
void yaml_documents_free(struct yaml_documents *documents);

#endif
