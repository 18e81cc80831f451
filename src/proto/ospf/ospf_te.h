/* SPDX-License-Identifier: Apache-2.0 */
/* How OSPFv2 floods traffic engineering links: the area-local opaque LSA (type 10, RFC 5250) of opaque type 1 (RFC
 * 3630), with what GMPLS (RFC 4203) and delay metrics (RFC 7471) add to it. Bytes to structs and back; no session.
 *
 * The routing protocol itself, its neighbours and its flooding, is FRR's ospfd's; what it has flooded comes to us
 *
 *   ospfd --TCP--> ospf_api (messages) --LSAs--> ospf_lsdb (which instance counts) --> ospf_te (this) --> te_link
 *
 * An LSA is a header of 20 bytes (RFC 2328 §A.4.1) and TLVs of 4 bytes head and a value padded to 4 (RFC 3630 §2.3.2):
 * a Router Address TLV (1), a Link TLV (2) that consists of sub-TLVs, or others, which are skipped, as are unknown
 * sub-TLVs (§2.3). Where we depart from the RFCs:
 *   - one LSA shall hold one TLV (RFC 3630 §2.4.2), but FRR puts a Router Address and a Link TLV into each: up to
 *     OSPF_TE_LINKS_MAX links are taken
 *   - a multi-access link (type 2) is decoded, but makes no te_link: the Link ID then is an address of the designated
 *     router, not a node, and transport networks consist of point-to-point links
 *   - a TLV whose padding the sender cut off at the end of its envelope is accepted
 *   - unreserved bandwidth of a priority (RFC 3630 §2.5.8) is never taken as more than that of a better one, for what a
 *     better LSP may not take, a worse one may not either. FRR floods its eight numbers one by one, up to 5 s apart: in
 *     between, the first says how much all have */
#ifndef PROTO_OSPF_TE_H
#define PROTO_OSPF_TE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/wire.h"
#include "model/ted.h"

#define OSPF_LSA_HEADER_SIZE 20
#define OSPF_LSA_MAX_AGE 3600                        /* seconds; RFC 2328 §B */
#define OSPF_LSA_SEQUENCE_FIRST UINT32_C(0x80000001) /* RFC 2328 §12.1.6: signed, the least comes first */
#define OSPF_LSA_OPAQUE_AREA 10                      /* RFC 5250 §3 */
#define OSPF_OPAQUE_TE 1                             /* opaque type: the first byte of the link state id */

struct ospf_lsa_header {
    uint16_t age; /* seconds */
    uint8_t options, type;
    uint32_t id; /* opaque type << 24 | opaque id */
    uint32_t advertising_router;
    uint32_t sequence;
    uint16_t checksum;
    uint16_t length; /* bytes, header included */
};

/* 0, or with 'err' ERR_SHORT (fewer bytes than a header, or than it says) or ERR_MALFORMED (it says less than that). */
int ospf_lsa_header_decode(const uint8_t *bytes, size_t size, struct ospf_lsa_header *header, struct err *err);
/* Writes a header, its checksum and length 0; and when the rest of the LSA has been written, puts these right. The
 * length of the LSA, which begins where the cursor began, or ERR_SHORT. */
void ospf_lsa_header_encode(struct wire *w, const struct ospf_lsa_header *header);
int ospf_lsa_seal(struct wire *w);
/* The checksum that an LSA of 'length' bytes should have, whatever it has: Fletcher's over all but the age, RFC 2328
 * §12.1.7. 'length' >= OSPF_LSA_HEADER_SIZE. */
uint16_t ospf_lsa_checksum(const uint8_t *lsa, size_t length);
/* Whether the one that it has is right. */
bool ospf_lsa_is_intact(const uint8_t *lsa, size_t length);
/* <0, 0, >0: 'a' is older than, as old as, newer than 'b', another instance of the LSA; RFC 2328 §13.1 (1), (2). */
int ospf_lsa_compare(const struct ospf_lsa_header *a, const struct ospf_lsa_header *b);
bool ospf_lsa_is_te(const struct ospf_lsa_header *header);

/* Which sub-TLVs a link has; also bits of 'present'. */
enum {
    OSPF_TE_TYPE = 1 << 0,             /* sub-TLV 1, RFC 3630 §2.5.1 */
    OSPF_TE_ID = 1 << 1,               /* 2, §2.5.2 */
    OSPF_TE_LOCAL_IP = 1 << 2,         /* 3, §2.5.3 */
    OSPF_TE_REMOTE_IP = 1 << 3,        /* 4, §2.5.4 */
    OSPF_TE_METRIC = 1 << 4,           /* 5, §2.5.5 */
    OSPF_TE_MAX = 1 << 5,              /* 6, §2.5.6 */
    OSPF_TE_RESERVABLE = 1 << 6,       /* 7, §2.5.7 */
    OSPF_TE_UNRESERVED = 1 << 7,       /* 8, §2.5.8 */
    OSPF_TE_ADMIN_GROUP = 1 << 8,      /* 9, §2.5.9 */
    OSPF_TE_INTERFACE_IDS = 1 << 9,    /* 11, RFC 4203 §1.1 */
    OSPF_TE_PROTECTION = 1 << 10,      /* 14, RFC 4203 §1.2 */
    OSPF_TE_DELAY = 1 << 11,           /* 27, RFC 7471 §4.1 */
    OSPF_TE_DELAY_MIN_MAX = 1 << 12,   /* 28, §4.2 */
    OSPF_TE_DELAY_VARIATION = 1 << 13, /* 29, §4.3 */
    OSPF_TE_LOSS = 1 << 14,            /* 30, §4.4 */
    OSPF_TE_RESIDUAL = 1 << 15,        /* 31, §4.5 */
    OSPF_TE_AVAILABLE = 1 << 16,       /* 32, §4.6 */
    OSPF_TE_UTILIZED = 1 << 17,        /* 33, §4.7 */
};

enum { OSPF_TE_POINT_TO_POINT = 1, OSPF_TE_MULTI_ACCESS = 2 }; /* RFC 3630 §2.5.1 */

#define OSPF_TE_LINKS_MAX 8 /* in an LSA */
#define OSPF_TE_ISCD_MAX 8  /* of a link: one for each way its interface switches */
#define OSPF_TE_SRLG_MAX 32 /* of a link; further ones are skipped */

/* Interface switching capability, RFC 4203 §1.4. What its kind adds at the end (MTU, least bandwidth) is skipped. */
struct ospf_te_iscd {
    uint8_t capability, encoding;
    uint32_t max_lsp_bandwidth[TE_PRIORITIES]; /* float bits */
};

/* A measured value: 24 bits, and whether it is out of the sender's bounds (the A bit, RFC 7471 §4.1.3). */
struct ospf_te_measure {
    bool anomalous;
    uint32_t value;
};

/* A Link TLV as it was flooded. Bandwidths are the bits of IEEE 754 floats, bytes per second. */
struct ospf_te_link {
    uint32_t present;
    uint8_t type;
    uint32_t id;                  /* point-to-point: router id of the other end */
    uint32_t local_ip, remote_ip; /* the first, if there are several */
    uint32_t metric;
    uint32_t max_bandwidth, reservable_bandwidth, unreserved_bandwidth[TE_PRIORITIES];
    uint32_t admin_group;
    uint32_t local_id, remote_id;
    uint8_t protection;
    struct ospf_te_measure delay, delay_min; /* us; the A bit of sub-TLV 28 is that of 'delay_min' */
    uint32_t delay_max, delay_variation;     /* us */
    struct ospf_te_measure loss;             /* of 0.000003 percent */
    uint32_t residual_bandwidth, available_bandwidth, utilized_bandwidth;
    struct ospf_te_iscd iscds[OSPF_TE_ISCD_MAX];
    size_t n_iscds;
    uint32_t srlgs[OSPF_TE_SRLG_MAX]; /* sub-TLV 16, RFC 4203 §1.3 */
    size_t n_srlgs;
};

struct ospf_te_lsa {
    struct ospf_lsa_header header;
    uint32_t router_address; /* 0: the LSA has no Router Address TLV */
    struct ospf_te_link links[OSPF_TE_LINKS_MAX];
    size_t n_links;
};

/* Decodes a whole LSA; bytes behind its length are not looked at. 0, or with 'err' naming the LSA and what is wrong
 *   ERR_SHORT        it is cut off, or a TLV or sub-TLV is longer than what holds it
 *   ERR_MALFORMED    its checksum is wrong, a sub-TLV is shorter than its kind, or there twice; a link lacks type or id
 *   ERR_UNSUPPORTED  it is no area-local opaque LSA of traffic engineering
 *   ERR_TOO_LARGE    it has more links, or one more switching capabilities, than the limits above */
int ospf_te_lsa_decode(const uint8_t *bytes, size_t size, struct ospf_te_lsa *lsa, struct err *err);
/* Writes the LSA, its length and checksum computed ('header' need not have them). The bytes written, or ERR_SHORT. */
int ospf_te_lsa_encode(const struct ospf_te_lsa *lsa, uint8_t *bytes, size_t size);

/* The link as the TED has it. False if it cannot be in a TED: multi-access, or its interface has neither address nor
 * id. A missing TE metric is 1, missing bandwidths are 0, but reservable bandwidth, which then is the maximum (RFC 3630
 * §2.5.7). If there are switching capabilities, an LSP may take what the widest of them lets it (RFC 4203 §1.4). The
 * delay is the average, or if only the bounds are flooded, the upper. */
bool ospf_te_link_to_ted(const struct ospf_te_link *link, uint32_t area, uint32_t advertising_router,
                         struct te_link *ret_link);

#endif
