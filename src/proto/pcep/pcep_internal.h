/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the codec share. */
#ifndef PROTO_PCEP_INTERNAL_H
#define PROTO_PCEP_INTERNAL_H

#include "proto/pcep/pcep.h"

enum pcep_class {
    CLASS_OPEN = 1,
    CLASS_RP = 2,
    CLASS_NO_PATH = 3,
    CLASS_ENDPOINTS = 4,
    CLASS_BANDWIDTH = 5,
    CLASS_METRIC = 6,
    CLASS_ERO = 7,
    CLASS_RRO = 8,
    CLASS_LSPA = 9,
    CLASS_NOTIFICATION = 12,
    CLASS_ERROR = 13,
    CLASS_CLOSE = 15,
    CLASS_LSP = 32,
    CLASS_SRP = 33
};

#define OBJECT_HEADER_SIZE 4
#define OBJECT_P 0x2 /* RFC 5440 §7.2 */

/* An object as it is read and written. 'item' is where it belongs; null for OPEN, CLOSE and NOTIFICATION. A reader that
 * refuses sets the cursor's error, and may say why. */
struct pcep_object {
    uint8_t class, type;
    const char *name;
    uint16_t least; /* bytes of the body */
    uint32_t has;   /* the item has it if it has all of these; enum pcep_has */
    void (*get)(struct wire *r, struct pcep_message *message, struct pcep_item *item, struct err *err);
    void (*put)(struct wire *w, const struct pcep_message *message, const struct pcep_item *item); /* null: read only */
};

/* The row of the object, or null. */
const struct pcep_object *pcep_object_find(uint8_t class, uint8_t type);
enum pcep_class_use {
    CLASS_READ,  /* it has rows */
    CLASS_KNOWN, /* an RFC names it */
    CLASS_UNKNOWN
};
enum pcep_class_use pcep_class_use(uint8_t class);
const char *pcep_class_name(uint8_t class); /* never null */

struct pcep_tlv {
    uint16_t type;
    const char *name;
    uint16_t least; /* bytes of the value */
    void (*get)(struct wire *r, void *to, struct err *err);
};
/* Reads TLVs up to the end; unknown ones are skipped (RFC 5440 §7.1). */
void pcep_tlvs_get(struct wire *r, const struct pcep_tlv *rows, size_t n_rows, void *to, struct err *err);
size_t pcep_tlv_begin(struct wire *w, uint16_t type);
void pcep_tlv_end(struct wire *w, size_t start);

void pcep_open_tlvs_get(struct wire *r, struct pcep_open *open, struct err *err);
void pcep_open_tlvs_put(struct wire *w, const struct pcep_open *open);
void pcep_setup_tlv_get(struct wire *r, struct pcep_item *item, struct err *err); /* of SRP and RP */
void pcep_setup_tlv_put(struct wire *w, const struct pcep_item *item);
void pcep_lsp_tlvs_get(struct wire *r, struct pcep_item *item, struct err *err);
void pcep_lsp_tlvs_put(struct wire *w, const struct pcep_item *item);
void pcep_endpoints_tlvs_get(struct wire *r, struct pcep_endpoints *endpoints, struct err *err);
void pcep_endpoints_tlvs_put(struct wire *w, const struct pcep_endpoints *endpoints);
void pcep_no_path_tlvs_get(struct wire *r, struct pcep_item *item, struct err *err);
void pcep_no_path_tlvs_put(struct wire *w, const struct pcep_item *item);

void pcep_ero_get(struct wire *r, struct pcep_item *item, struct err *err);
void pcep_ero_put(struct wire *w, const struct pcep_item *item);
void pcep_rro_get(struct wire *r, struct pcep_item *item, struct err *err);
void pcep_rro_put(struct wire *w, const struct pcep_item *item);

#endif
