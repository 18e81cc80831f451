/* SPDX-License-Identifier: Apache-2.0 */
#include "config/schema.h"

#include "base/log.h"

const cyaml_strval_t config_log_level_words[4] = {
    {"error", LOG_ERROR}, {"warning", LOG_WARNING}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}};

/* clang-format off */
const cyaml_schema_field_t config_endpoint_fields[] = {
    TEXT("address", struct config_endpoint, address),
    NUMBER("port", struct config_endpoint, port),
    CYAML_FIELD_END};

const cyaml_schema_field_t config_range_fields[] = {
    NUMBER("first", struct config_range, first),
    NUMBER("last", struct config_range, last),
    CYAML_FIELD_END};
/* clang-format on */

uint32_t config_given_or(const uint32_t *given, uint32_t otherwise)
{
    return given ? *given : otherwise;
}
