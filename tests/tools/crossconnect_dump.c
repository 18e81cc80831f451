/* SPDX-License-Identifier: Apache-2.0 */
/* Prints what a transport node would do to its switch, in ovs-ofctl's words (flow_txn_format()), so that a test can
 * install it on an Open vSwitch. Requests follow each other on the command line, joined by "+" into one transaction:
 *
 *   base | set LSP | clear ID | bridge PORT IDS
 *   probe LSP NONCE SIZE prints the frame in hexadecimal, read-probe HEX the label and the nonce of one
 *
 * where LSP is ID NODE SIDE SIDE RATE-BPS; SIDE is link,PORT,IN-LABEL,OUT-LABEL or vlan,PORT,VLAN or bridge,PORT; IDS
 * are joined by commas, or "-". */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "gmpls/crossconnect.h"

struct arguments {
    char **next;
};

static const char *take(struct arguments *a)
{
    if (!*a->next) {
        fprintf(stderr, "crossconnect_dump: an argument is missing\n");
        exit(2);
    }
    return *a->next++;
}

static void check(bool wrong, const char *text)
{
    if (wrong) {
        fprintf(stderr, "crossconnect_dump: cannot read '%s'\n", text);
        exit(2);
    }
}

static uint64_t take_number(struct arguments *a)
{
    const char *text = take(a);
    char *end;
    unsigned long long number = strtoull(text, &end, 0);

    check(*end || end == text, text);
    return number;
}

static struct xc_side take_side(struct arguments *a)
{
    const char *text = take(a);
    struct xc_side side = {.kind = XC_LINK};
    unsigned vlan = 0;

    if (sscanf(text, "link,%u,%u,%u", &side.port, &side.in_label, &side.out_label) == 3)
        return side;
    if (sscanf(text, "vlan,%u,%u", &side.port, &vlan) == 2)
        return (struct xc_side) {.kind = XC_VLAN, .port = side.port, .vlan = (uint16_t) vlan};
    check(sscanf(text, "bridge,%u", &side.port) != 1, text);
    side.kind = XC_BRIDGE;
    return side;
}

static struct xc take_lsp(struct arguments *a)
{
    struct xc xc = {.id = (uint32_t) take_number(a)};
    struct err err = {0};

    xc.node = (uint32_t) take_number(a);
    xc.in = take_side(a);
    xc.out = take_side(a);
    xc.rate_bps = take_number(a);
    if (xc_check(&xc, &err) < 0) {
        fprintf(stderr, "crossconnect_dump: %s\n", err.text);
        exit(2);
    }
    return xc;
}

static void add_base(struct flow_txn *txn, struct arguments *a)
{
    (void) a;
    xc_base(txn);
}

static void add_set(struct flow_txn *txn, struct arguments *a)
{
    struct xc xc = take_lsp(a);

    xc_set(txn, &xc);
}

static void add_clear(struct flow_txn *txn, struct arguments *a)
{
    xc_clear(txn, (uint32_t) take_number(a));
}

static void add_bridge(struct flow_txn *txn, struct arguments *a)
{
    uint32_t port = (uint32_t) take_number(a), ids[XC_BRIDGE_LSPS_MAX];
    const char *text = take(a), *p = text;
    size_t n = 0;

    while (strcmp(text, "-") != 0) {
        char *end;

        check(n == XC_BRIDGE_LSPS_MAX, text);
        ids[n++] = (uint32_t) strtoul(p, &end, 10);
        check(end == p || (*end && *end != ','), text);
        if (!*end)
            break;
        p = end + 1;
    }
    xc_bridge(txn, port, ids, n);
}

static void print_probe(struct flow_txn *txn, struct arguments *a)
{
    static uint8_t frame[XC_PROBE_SIZE_MAX];
    struct xc xc = take_lsp(a);
    uint64_t nonce = take_number(a), size = take_number(a);

    (void) txn;
    check(size < XC_PROBE_SIZE_MIN || size > sizeof frame, "the size of a probe");
    xc_probe_encode(&xc, nonce, frame, size);
    for (size_t i = 0; i < size; i++)
        printf("%02x", frame[i]);
    printf("\n");
}

static void read_probe(struct flow_txn *txn, struct arguments *a)
{
    static uint8_t frame[XC_PROBE_SIZE_MAX];
    const char *hex = take(a);
    size_t size = 0;
    uint32_t label;
    uint64_t nonce;
    unsigned byte;

    (void) txn;
    for (; size < sizeof frame && sscanf(hex, "%2x", &byte) == 1; hex += 2)
        frame[size++] = (uint8_t) byte;
    check(xc_probe_decode(frame, size, &label, &nonce) < 0, "a probe");
    printf("%" PRIu32 " 0x%" PRIx64 "\n", label, nonce);
}

static const struct {
    const char *name;
    void (*add)(struct flow_txn *txn, struct arguments *a);
} requests[] = {
    {"base", add_base},     {"set", add_set},       {"clear", add_clear},
    {"bridge", add_bridge}, {"probe", print_probe}, {"read-probe", read_probe},
};

int main(int argc, char **argv)
{
    struct flow_txn txn = {0};
    struct arguments a = {argv + 1};

    (void) argc;
    while (*a.next) {
        const char *name = take(&a);
        size_t i = 0;

        if (strcmp(name, "+") == 0)
            continue;
        while (i < ARRAY_LEN(requests) && strcmp(requests[i].name, name) != 0)
            i++;
        if (i == ARRAY_LEN(requests)) {
            fprintf(stderr, "crossconnect_dump: there is no request '%s'\n", name);
            return 2;
        }
        requests[i].add(&txn, &a);
    }
    AUTO_FREE char *text = flow_txn_format(&txn);

    fputs(text, stdout);
    flow_txn_free(&txn);
    return 0;
}
