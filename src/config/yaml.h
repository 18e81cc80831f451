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

#endif
