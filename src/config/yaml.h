/* SPDX-License-Identifier: Apache-2.0 */
/* From libcyaml's log to one sentence with file, line, column and member. */
#ifndef CONFIG_YAML_H
#define CONFIG_YAML_H

#include <cyaml/cyaml.h>

#include "base/err.h"

/* Loads the YAML file 'path' by 'schema' into '*data', which the caller frees with config_yaml_free(). 0, or, with
 * '*data' left alone, ERR_INVALID, or ERR_NOT_FOUND, ERR_REFUSED, ERR_IO if it cannot be read. */
int config_yaml_load(const char *path, const cyaml_schema_value_t *schema, void **data, struct err *err);
void config_yaml_free(const cyaml_schema_value_t *schema, void *data);

struct config; /* the daemon's own; first in the document that its schema describes */

/* Loads the document, has 'complete' fill in what was left out, and checks the whole with 'check' (0, or a negative
 * code and its sentence). The document's configuration, for config_yaml_free(), or null and 'err' with 'path'. */
struct config *config_yaml_load_checked(const char *path, const cyaml_schema_value_t *schema,
                                        void (*complete)(void *document),
                                        int (*check)(struct config *config, struct err *err), struct err *err);

#endif
