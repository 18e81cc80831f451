/* SPDX-License-Identifier: Apache-2.0 */
/* What the schemas of the daemons' configurations are made of. libcyaml cannot tell a member that is absent from one
 * that is 0, so those with a default (..._OPTIONAL) are loaded as pointers, beside the configuration that they then go
 * into. */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include <cyaml/cyaml.h>

#include "base/alloc.h"
#include "config/types.h"
#include "config/yaml.h"

#define TEXT_MAX 1024

/* A row for a member; a text has 1 to 'max' bytes. */
#define TEXT_TO(key, type, member, max) CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER, type, member, 1, max)
#define TEXT_TO_OPTIONAL(key, type, member, max) \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, member, 1, max)
#define TEXT(key, type, member) TEXT_TO(key, type, member, TEXT_MAX)
#define TEXT_OPTIONAL(key, type, member) TEXT_TO_OPTIONAL(key, type, member, TEXT_MAX)
#define NUMBER(key, type, member) CYAML_FIELD_UINT(key, CYAML_FLAG_DEFAULT, type, member)
#define NUMBER_OPTIONAL(key, type, member) CYAML_FIELD_UINT_PTR(key, CYAML_FLAG_OPTIONAL, type, member)
#define LOG_LEVEL_OPTIONAL(key, type, member) \
    CYAML_FIELD_ENUM_PTR(key, CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, type, member, config_log_level_words, \
                         ARRAY_LEN(config_log_level_words))

/* What a list holds. */
#define ENTRY(name, type, fields) \
    static const cyaml_schema_value_t name = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, type, fields)}

extern const cyaml_strval_t config_log_level_words[4];      /* enum log_level */
extern const cyaml_schema_field_t config_endpoint_fields[]; /* struct config_endpoint */
extern const cyaml_schema_field_t config_range_fields[];    /* struct config_range */

uint32_t config_given_or(const uint32_t *given, uint32_t otherwise); /* '*given' if it was given */

#endif
