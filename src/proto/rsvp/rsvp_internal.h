/* SPDX-License-Identifier: Apache-2.0 */
/* What the codec's files share. */
#ifndef PROTO_RSVP_INTERNAL_H
#define PROTO_RSVP_INTERNAL_H

#include "base/wire.h"
#include "proto/rsvp/rsvp.h"

/* Class numbers, of what has a row in rsvp_object.c. */
enum rsvp_class {
    CLASS_NULL = 0,
    CLASS_SESSION = 1,
    CLASS_HOP = 3,
    CLASS_INTEGRITY = 4,
    CLASS_TIME_VALUES = 5,
    CLASS_ERROR_SPEC = 6,
    CLASS_SCOPE = 7,
    CLASS_STYLE = 8,
    CLASS_FLOWSPEC = 9,
    CLASS_FILTER_SPEC = 10,
    CLASS_SENDER_TEMPLATE = 11,
    CLASS_SENDER_TSPEC = 12,
    CLASS_ADSPEC = 13,
    CLASS_POLICY_DATA = 14,
    CLASS_RESV_CONFIRM = 15,
    CLASS_LABEL = 16,
    CLASS_LABEL_REQUEST = 19,
    CLASS_ERO = 20,
    CLASS_RRO = 21,
    CLASS_HELLO = 22,
    CLASS_MESSAGE_ID = 23,
    CLASS_ACK = 24,
    CLASS_MESSAGE_ID_LIST = 25,
    CLASS_RECOVERY_LABEL = 34,
    CLASS_UPSTREAM_LABEL = 35,
    CLASS_LABEL_SET = 36,
    CLASS_PROTECTION = 37,
    CLASS_SUGGESTED_LABEL = 129,
    CLASS_ACCEPTABLE_LABEL_SET = 130,
    CLASS_RESTART_CAP = 131,
    CLASS_CAPABILITY = 134,
    CLASS_NOTIFY_REQUEST = 195,
    CLASS_ADMIN_STATUS = 196,
    CLASS_ATTRIBUTE = 207
};

#define RSVP_CTYPE_GENERALIZED_LABEL 2

/* A message while it is read. */
struct rsvp_reading {
    struct rsvp_message message;
    uint64_t seen[4]; /* a bit for each class */
    size_t place;     /* of the last object that has one, in the table of the type */
    size_t cap_acks, cap_labels, cap_srefresh;
    size_t unknown_bytes; /* in the bodies of what is only forwarded */
    const char *object;   /* the one that is being read */
    size_t offset;        /* where it begins in the message */
    bool object_refused;  /* the one that is being read */
    int status;           /* 0, or why the message is refused: the first reason stays */
    uint8_t code;         /* what goes with 'status' into an ERROR_SPEC; 0: nothing does */
    uint16_t value;
    struct err *err;
};

/* Refuses the message, with 'status' for our side, 'code' and 'value' for the sender's; the text is completed by
 * message, object and place. */
void rsvp_refuse(struct rsvp_reading *r, int status, uint8_t code, uint16_t value, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

enum rsvp_disposition {
    RSVP_USE,
    RSVP_IGNORE,
    RSVP_FORWARD /* goes into 'unknown' */
};

enum rsvp_repeats {
    RSVP_ONCE,
    RSVP_FIRST, /* only the first counts, the others are ignored */
    RSVP_MANY   /* 'read' adds to what was there */
};

/* A row of the table of objects. Lengths are those of the body, in bytes. */
struct rsvp_object {
    const char *name;    /* null: the class is unknown */
    uint8_t ctype[2];    /* that are known; 0: no second one */
    uint16_t least[2];   /* of each */
    uint32_t has;        /* enum rsvp_has; 0: how many there are says rsvp_object_count() */
    uint8_t disposition; /* enum rsvp_disposition */
    uint8_t repeats;     /* enum rsvp_repeats */
    /* Reads a body, all of it. Of FORWARD: looks whether that can be done. */
    void (*read)(struct rsvp_reading *r, struct wire *w, uint8_t ctype);
    /* Writes the body of the object of that index, returns its C-Type. */
    uint8_t (*write)(const struct rsvp_message *m, size_t index, struct wire *w);
};

/* Never null. */
const struct rsvp_object *rsvp_object_row(uint8_t class);
/* How many objects of the class the message is to be sent with. */
size_t rsvp_object_count(const struct rsvp_message *m, uint8_t class);

#define RSVP_OBJECT_FUNCTIONS(name) \
    void rsvp_##name##_read(struct rsvp_reading *r, struct wire *w, uint8_t ctype); \
    uint8_t rsvp_##name##_write(const struct rsvp_message *m, size_t index, struct wire *w)

RSVP_OBJECT_FUNCTIONS(ero);
RSVP_OBJECT_FUNCTIONS(rro);
RSVP_OBJECT_FUNCTIONS(tspec);
RSVP_OBJECT_FUNCTIONS(flowspec);
RSVP_OBJECT_FUNCTIONS(label_request);
RSVP_OBJECT_FUNCTIONS(label);
RSVP_OBJECT_FUNCTIONS(upstream_label);
RSVP_OBJECT_FUNCTIONS(suggested_label);
RSVP_OBJECT_FUNCTIONS(recovery_label);
RSVP_OBJECT_FUNCTIONS(label_set);

#endif
