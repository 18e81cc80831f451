/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked for (SENDER_TSPEC) and what is reserved (FLOWSPEC). On the wire rates are IEEE 754 floats of bytes per
 * second and bursts floats of bytes, hence the rate functions of model/ted.h serve for both. */
#include "proto/rsvp/rsvp_internal.h"

/* RFC 6003 §4: granularity and MTU, then TLVs. */
#define GRANULARITY_FRAME 2
#define TLV_BANDWIDTH_PROFILE 2
#define TLV_BANDWIDTH_PROFILE_SIZE 24

/* RFC 2210 §3: words are of 4 bytes, and their counts leave out the header that has them. */
#define SERVICE_GUARANTEED 2
#define SERVICE_TSPEC 1
#define SERVICE_CONTROLLED_LOAD 5
#define PARAMETER_TOKEN_BUCKET 127
#define INTSERV_WORDS 7
#define SERVICE_WORDS 6
#define BUCKET_WORDS 5
#define LEAST_POLICED_UNIT 64 /* bytes: of an Ethernet frame */

/* RFC 2205 §B, error 21. */
#define TRAFFIC_SERVICE_UNSUPPORTED 2
#define TRAFFIC_BAD_FLOWSPEC 3
#define TRAFFIC_BAD_TSPEC 4

#define RATE_MAX (UINT64_C(0xffffff) << 40) /* the greatest that both 64 bits and a float hold */

/* A rate or a burst. Infinity, and what is beyond 64 bits, is the greatest that can be sent on. */
static uint64_t rate_read(struct wire *w)
{
    uint64_t rate = bps_from_float_bits(wire_get_u32(w));

    return rate < RATE_MAX ? rate : RATE_MAX;
}

static void ethernet_read(struct rsvp_reading *r, struct wire *w, uint16_t bad)
{
    struct rsvp_tspec *tspec = &r->message.tspec;
    unsigned profiles = 0;

    wire_skip(w, 2); /* the granularity: whole frames or whole ports, both are one reservation here */
    tspec->mtu = wire_get_u16(w);
    while (wire_left(w) > 0) {
        uint16_t type = wire_get_u16(w), length = wire_get_u16(w);
        struct wire tlv = wire_sub(w, length < 4 ? SIZE_MAX : length - 4u);

        if (type != TLV_BANDWIDTH_PROFILE) /* what becomes of layer 2 control protocols is for the ends alone */
            continue;
        if (length != TLV_BANDWIDTH_PROFILE_SIZE) {
            rsvp_refuse(r, ERR_MALFORMED, RSVP_ERR_TRAFFIC, bad, "a bandwidth profile of %u bytes", length);
            return;
        }
        wire_skip(&tlv, 4); /* flags of coloured frames; the index of the service class */
        tspec->rate_bps = rate_read(&tlv);
        tspec->burst_bits = rate_read(&tlv);
        if (++profiles > 1)
            rsvp_refuse(r, ERR_UNSUPPORTED, RSVP_ERR_TRAFFIC, TRAFFIC_SERVICE_UNSUPPORTED,
                        "more than one bandwidth profile: an LSP here has one class of service");
    }
    if (wire_ok(w) && profiles == 0)
        rsvp_refuse(r, ERR_MALFORMED, RSVP_ERR_TRAFFIC, bad, "there is no bandwidth profile");
}

static void intserv_read(struct rsvp_reading *r, struct wire *w, uint16_t bad)
{
    struct rsvp_tspec *tspec = &r->message.tspec;

    wire_skip(w, 4); /* version and total length, which the object's own length tells */
    uint8_t service = wire_get_u8(w);

    wire_skip(w, 3);
    uint8_t parameter = wire_get_u8(w);

    wire_skip(w, 1);
    uint16_t words = wire_get_u16(w);
    struct wire bucket = wire_sub(w, words * 4u);

    if (service != SERVICE_TSPEC && service != SERVICE_CONTROLLED_LOAD && service != SERVICE_GUARANTEED)
        rsvp_refuse(r, ERR_UNSUPPORTED, RSVP_ERR_TRAFFIC, TRAFFIC_SERVICE_UNSUPPORTED, "service %u is unknown",
                    service);
    else if (parameter != PARAMETER_TOKEN_BUCKET || words != BUCKET_WORDS)
        rsvp_refuse(r, ERR_MALFORMED, RSVP_ERR_TRAFFIC, bad, "there is no token bucket");
    tspec->rate_bps = rate_read(&bucket);
    tspec->burst_bits = rate_read(&bucket);
    wire_skip(&bucket, 8); /* peak rate, least policed unit */
    uint32_t mtu = wire_get_u32(&bucket);

    tspec->mtu = mtu > UINT16_MAX ? UINT16_MAX : (uint16_t) mtu;
    wire_skip(w, wire_left(w)); /* of the guaranteed service: rate and slack for its delay bound */
}

static void traffic_read(struct rsvp_reading *r, struct wire *w, uint8_t ctype, uint16_t bad)
{
    r->message.tspec.kind = ctype;
    if (ctype == RSVP_TSPEC_ETHERNET)
        ethernet_read(r, w, bad);
    else
        intserv_read(r, w, bad);
}

void rsvp_tspec_read(struct rsvp_reading *r, struct wire *w, uint8_t ctype)
{
    traffic_read(r, w, ctype, TRAFFIC_BAD_TSPEC);
}

void rsvp_flowspec_read(struct rsvp_reading *r, struct wire *w, uint8_t ctype)
{
    traffic_read(r, w, ctype, TRAFFIC_BAD_FLOWSPEC);
}

static void ethernet_write(const struct rsvp_tspec *tspec, struct wire *w)
{
    wire_put_u16(w, GRANULARITY_FRAME);
    wire_put_u16(w, tspec->mtu);
    wire_put_u16(w, TLV_BANDWIDTH_PROFILE);
    wire_put_u16(w, TLV_BANDWIDTH_PROFILE_SIZE);
    wire_put_zeros(w, 4);
    wire_put_u32(w, bps_to_float_bits(tspec->rate_bps));
    wire_put_u32(w, bps_to_float_bits(tspec->burst_bits));
    wire_put_zeros(w, 8); /* no excess rate, no excess burst: what is beyond CIR is dropped */
}

static void intserv_write(const struct rsvp_tspec *tspec, uint8_t service, struct wire *w)
{
    const uint32_t rate = bps_to_float_bits(tspec->rate_bps);

    wire_put_u16(w, 0); /* version 0 */
    wire_put_u16(w, INTSERV_WORDS);
    wire_put_u8(w, service);
    wire_put_u8(w, 0);
    wire_put_u16(w, SERVICE_WORDS);
    wire_put_u8(w, PARAMETER_TOKEN_BUCKET);
    wire_put_u8(w, 0);
    wire_put_u16(w, BUCKET_WORDS);
    wire_put_u32(w, rate);
    wire_put_u32(w, bps_to_float_bits(tspec->burst_bits));
    wire_put_u32(w, rate); /* peak: the ingress polices to the rate */
    wire_put_u32(w, LEAST_POLICED_UNIT);
    wire_put_u32(w, tspec->mtu);
}

static uint8_t traffic_write(const struct rsvp_tspec *tspec, uint8_t service, struct wire *w)
{
    if (tspec->kind == RSVP_TSPEC_ETHERNET)
        ethernet_write(tspec, w);
    else if (tspec->kind == RSVP_TSPEC_INTSERV)
        intserv_write(tspec, service, w);
    else
        wire_fail(w, ERR_INVALID);
    return tspec->kind;
}

uint8_t rsvp_tspec_write(const struct rsvp_message *m, size_t index, struct wire *w)
{
    (void) index;
    return traffic_write(&m->tspec, SERVICE_TSPEC, w);
}

uint8_t rsvp_flowspec_write(const struct rsvp_message *m, size_t index, struct wire *w)
{
    (void) index;
    return traffic_write(&m->tspec, SERVICE_CONTROLLED_LOAD, w);
}
