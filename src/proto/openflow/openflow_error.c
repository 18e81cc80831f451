/* SPDX-License-Identifier: Apache-2.0 */
/* Names of errors: OpenFlow 1.3.5 §7.4.4, EXT-230 for bundles. */
#include <stdio.h>

#include "base/alloc.h"
#include "proto/openflow/openflow.h"

/* The codes of a type count from 0; null where 1.3 has none. */
static const char *const hello_failed[] = {"OFPHFC_INCOMPATIBLE", "OFPHFC_EPERM"};
static const char *const bad_request[] = {"OFPBRC_BAD_VERSION",    "OFPBRC_BAD_TYPE",
                                          "OFPBRC_BAD_MULTIPART",  "OFPBRC_BAD_EXPERIMENTER",
                                          "OFPBRC_BAD_EXP_TYPE",   "OFPBRC_EPERM",
                                          "OFPBRC_BAD_LEN",        "OFPBRC_BUFFER_EMPTY",
                                          "OFPBRC_BUFFER_UNKNOWN", "OFPBRC_BAD_TABLE_ID",
                                          "OFPBRC_IS_SLAVE",       "OFPBRC_BAD_PORT",
                                          "OFPBRC_BAD_PACKET",     "OFPBRC_MULTIPART_BUFFER_OVERFLOW"};
static const char *const bad_action[] = {"OFPBAC_BAD_TYPE",
                                         "OFPBAC_BAD_LEN",
                                         "OFPBAC_BAD_EXPERIMENTER",
                                         "OFPBAC_BAD_EXP_TYPE",
                                         "OFPBAC_BAD_OUT_PORT",
                                         "OFPBAC_BAD_ARGUMENT",
                                         "OFPBAC_EPERM",
                                         "OFPBAC_TOO_MANY",
                                         "OFPBAC_BAD_QUEUE",
                                         "OFPBAC_BAD_OUT_GROUP",
                                         "OFPBAC_MATCH_INCONSISTENT",
                                         "OFPBAC_UNSUPPORTED_ORDER",
                                         "OFPBAC_BAD_TAG",
                                         "OFPBAC_BAD_SET_TYPE",
                                         "OFPBAC_BAD_SET_LEN",
                                         "OFPBAC_BAD_SET_ARGUMENT"};
static const char *const bad_instruction[] = {"OFPBIC_UNKNOWN_INST",
                                              "OFPBIC_UNSUP_INST",
                                              "OFPBIC_BAD_TABLE_ID",
                                              "OFPBIC_UNSUP_METADATA",
                                              "OFPBIC_UNSUP_METADATA_MASK",
                                              "OFPBIC_BAD_EXPERIMENTER",
                                              "OFPBIC_BAD_EXP_TYPE",
                                              "OFPBIC_BAD_LEN",
                                              "OFPBIC_EPERM"};
static const char *const bad_match[] = {"OFPBMC_BAD_TYPE",         "OFPBMC_BAD_LEN",          "OFPBMC_BAD_TAG",
                                        "OFPBMC_BAD_DL_ADDR_MASK", "OFPBMC_BAD_NW_ADDR_MASK", "OFPBMC_BAD_WILDCARDS",
                                        "OFPBMC_BAD_FIELD",        "OFPBMC_BAD_VALUE",        "OFPBMC_BAD_MASK",
                                        "OFPBMC_BAD_PREREQ",       "OFPBMC_DUP_FIELD",        "OFPBMC_EPERM"};
static const char *const flow_mod_failed[] = {"OFPFMFC_UNKNOWN",     "OFPFMFC_TABLE_FULL", "OFPFMFC_BAD_TABLE_ID",
                                              "OFPFMFC_OVERLAP",     "OFPFMFC_EPERM",      "OFPFMFC_BAD_TIMEOUT",
                                              "OFPFMFC_BAD_COMMAND", "OFPFMFC_BAD_FLAGS"};
static const char *const group_mod_failed[] = {
    "OFPGMFC_GROUP_EXISTS",      "OFPGMFC_INVALID_GROUP",  "OFPGMFC_WEIGHT_UNSUPPORTED",
    "OFPGMFC_OUT_OF_GROUPS",     "OFPGMFC_OUT_OF_BUCKETS", "OFPGMFC_CHAINING_UNSUPPORTED",
    "OFPGMFC_WATCH_UNSUPPORTED", "OFPGMFC_LOOP",           "OFPGMFC_UNKNOWN_GROUP",
    "OFPGMFC_CHAINED_GROUP",     "OFPGMFC_BAD_TYPE",       "OFPGMFC_BAD_COMMAND",
    "OFPGMFC_BAD_BUCKET",        "OFPGMFC_BAD_WATCH",      "OFPGMFC_EPERM"};
static const char *const port_mod_failed[] = {"OFPPMFC_BAD_PORT", "OFPPMFC_BAD_HW_ADDR", "OFPPMFC_BAD_CONFIG",
                                              "OFPPMFC_BAD_ADVERTISE", "OFPPMFC_EPERM"};
static const char *const table_mod_failed[] = {"OFPTMFC_BAD_TABLE", "OFPTMFC_BAD_CONFIG", "OFPTMFC_EPERM"};
static const char *const queue_op_failed[] = {"OFPQOFC_BAD_PORT", "OFPQOFC_BAD_QUEUE", "OFPQOFC_EPERM"};
static const char *const switch_config_failed[] = {"OFPSCFC_BAD_FLAGS", "OFPSCFC_BAD_LEN", "OFPSCFC_EPERM"};
static const char *const role_request_failed[] = {"OFPRRFC_STALE", "OFPRRFC_UNSUP", "OFPRRFC_BAD_ROLE"};
static const char *const meter_mod_failed[] = {
    "OFPMMFC_UNKNOWN",     "OFPMMFC_METER_EXISTS",   "OFPMMFC_INVALID_METER", "OFPMMFC_UNKNOWN_METER",
    "OFPMMFC_BAD_COMMAND", "OFPMMFC_BAD_FLAGS",      "OFPMMFC_BAD_RATE",      "OFPMMFC_BAD_BURST",
    "OFPMMFC_BAD_BAND",    "OFPMMFC_BAD_BAND_VALUE", "OFPMMFC_OUT_OF_METERS", "OFPMMFC_OUT_OF_BANDS"};
static const char *const table_features_failed[] = {"OFPTFFC_BAD_TABLE", "OFPTFFC_BAD_METADATA", "OFPTFFC_BAD_TYPE",
                                                    "OFPTFFC_BAD_LEN",   "OFPTFFC_BAD_ARGUMENT", "OFPTFFC_EPERM"};

static const struct {
    const char *name;
    const char *const *codes;
    size_t n_codes;
} types[] = {
#define ERROR_TYPE(name, codes) \
    { \
        name, codes, ARRAY_LEN(codes) \
    }
    ERROR_TYPE("OFPET_HELLO_FAILED", hello_failed),
    ERROR_TYPE("OFPET_BAD_REQUEST", bad_request),
    ERROR_TYPE("OFPET_BAD_ACTION", bad_action),
    ERROR_TYPE("OFPET_BAD_INSTRUCTION", bad_instruction),
    ERROR_TYPE("OFPET_BAD_MATCH", bad_match),
    ERROR_TYPE("OFPET_FLOW_MOD_FAILED", flow_mod_failed),
    ERROR_TYPE("OFPET_GROUP_MOD_FAILED", group_mod_failed),
    ERROR_TYPE("OFPET_PORT_MOD_FAILED", port_mod_failed),
    ERROR_TYPE("OFPET_TABLE_MOD_FAILED", table_mod_failed),
    ERROR_TYPE("OFPET_QUEUE_OP_FAILED", queue_op_failed),
    ERROR_TYPE("OFPET_SWITCH_CONFIG_FAILED", switch_config_failed),
    ERROR_TYPE("OFPET_ROLE_REQUEST_FAILED", role_request_failed),
    ERROR_TYPE("OFPET_METER_MOD_FAILED", meter_mod_failed),
    ERROR_TYPE("OFPET_TABLE_FEATURES_FAILED", table_features_failed),
#undef ERROR_TYPE
};

/* EXT-230 §5.2: exp_type of an experimenter error of ONF. */
#define BUNDLE_ERROR_FIRST 2300
static const char *const bundle_failed[] = {
    "OFPBFC_UNKNOWN",       "OFPBFC_EPERM",          "OFPBFC_BAD_ID",    "OFPBFC_BUNDLE_EXIST",
    "OFPBFC_BUNDLE_CLOSED", "OFPBFC_OUT_OF_BUNDLES", "OFPBFC_BAD_TYPE",  "OFPBFC_BAD_FLAGS",
    "OFPBFC_MSG_BAD_LEN",   "OFPBFC_MSG_BAD_XID",    "OFPBFC_MSG_UNSUP", "OFPBFC_MSG_CONFLICT",
    "OFPBFC_MSG_TOO_MANY",  "OFPBFC_MSG_FAILED",     "OFPBFC_TIMEOUT",   "OFPBFC_BUNDLE_IN_PROGRESS"};

static char *format_experimenter(const struct of_error *error, char *buffer)
{
    unsigned bundle_code = error->code - (unsigned) BUNDLE_ERROR_FIRST;

    if (error->experimenter == OF_EXPERIMENTER_ONF && bundle_code < ARRAY_LEN(bundle_failed))
        snprintf(buffer, OF_ERROR_TEXT_SIZE, "ONFET_BUNDLE_FAILED/%s", bundle_failed[bundle_code]);
    else
        snprintf(buffer, OF_ERROR_TEXT_SIZE, "OFPET_EXPERIMENTER/0x%08x/%u", error->experimenter, error->code);
    return buffer;
}

char *of_error_format(const struct of_error *error, char *buffer)
{
    if (error->type == OFPET_EXPERIMENTER)
        return format_experimenter(error, buffer);
    if (error->type >= ARRAY_LEN(types))
        snprintf(buffer, OF_ERROR_TEXT_SIZE, "type %u/code %u", error->type, error->code);
    else if (error->code >= types[error->type].n_codes)
        snprintf(buffer, OF_ERROR_TEXT_SIZE, "%s/code %u", types[error->type].name, error->code);
    else
        snprintf(buffer, OF_ERROR_TEXT_SIZE, "%s/%s", types[error->type].name, types[error->type].codes[error->code]);
    return buffer;
}
