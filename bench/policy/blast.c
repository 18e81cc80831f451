/* SPDX-License-Identifier: Apache-2.0 */
#include "blast.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "proto/openflow/openflow.h"

struct blast {
    struct sockaddr_in to;
    int fd; /* 0: not connected */
    uint8_t *bytes;
    size_t n, capacity;
    uint32_t xid, bundle;
};

static void failed(const char *what)
{
    perror(what);
    exit(1);
}

struct blast *blast_new(const char *address, uint16_t port)
{
    struct blast *blast = xcalloc(1, sizeof *blast);

    blast->to = (struct sockaddr_in) {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, address, &blast->to.sin_addr);
    return blast;
}

static struct wire room(struct blast *blast)
{
    if (blast->capacity - blast->n < OF_MESSAGE_MAX) {
        blast->capacity = 2 * blast->capacity + OF_MESSAGE_MAX;
        blast->bytes = xrealloc(blast->bytes, blast->capacity, 1);
    }
    return wire_writer(blast->bytes + blast->n, OF_MESSAGE_MAX);
}

static void add_mod(struct blast *blast, const struct flow_mod *mod, bool atomic)
{
    struct wire w = room(blast);
    struct err err;
    int status = atomic ? of_bundle_add_encode(&w, ++blast->xid, blast->bundle, mod, &err) :
                          of_flow_mod_encode(&w, ++blast->xid, mod, &err);

    if (status < 0) {
        fprintf(stderr, "policy: %s\n", err.text);
        exit(1);
    }
    blast->n += w.pos;
}

static void add_bundle(struct blast *blast, enum of_bundle_type type)
{
    struct wire w = room(blast);

    of_bundle_encode(&w, ++blast->xid, blast->bundle, type);
    blast->n += w.pos;
}

void blast_add(struct blast *blast, const struct flow_txn *txn, bool atomic)
{
    blast->bundle++;
    if (atomic)
        add_bundle(blast, OFPBCT_OPEN_REQUEST);
    for (size_t i = 0; i < txn->n_mods; i++)
        add_mod(blast, &txn->mods[i], atomic);
    if (atomic)
        add_bundle(blast, OFPBCT_COMMIT_REQUEST);
}

static void write_all(int fd, const uint8_t *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t sent = write(fd, bytes + at, n - at);

        if (sent <= 0)
            failed("policy: writing to the switch");
        at += (size_t) sent;
    }
}

static void read_all(int fd, uint8_t *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t got = read(fd, bytes + at, n - at);

        if (got <= 0)
            failed("policy: reading from the switch");
        at += (size_t) got;
    }
}

/* Until a message of this type comes. */
static void await(struct blast *blast, enum of_type type)
{
    static uint8_t message[OF_MESSAGE_MAX];
    struct of_header header;

    do {
        read_all(blast->fd, message, OF_HEADER_SIZE);
        if (of_header_decode(message, OF_HEADER_SIZE, &header) < 0)
            failed("policy: an answer to the blast");
        read_all(blast->fd, message + OF_HEADER_SIZE, header.length - OF_HEADER_SIZE);
        if (header.type == OFPT_ERROR) {
            fputs("policy: the switch refused a flow of the blast\n", stderr);
            exit(1);
        }
    } while (header.type != type);
}

void blast_connect(struct blast *blast)
{
    uint8_t hello[64];
    struct wire w = wire_writer(hello, sizeof hello);

    blast->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(blast->fd, (struct sockaddr *) &blast->to, sizeof blast->to) < 0)
        failed("policy: connecting to the switch");
    setsockopt(blast->fd, IPPROTO_TCP, TCP_NODELAY, &(int) {1}, sizeof(int));
    of_hello_encode(&w, ++blast->xid);
    write_all(blast->fd, hello, w.pos);
    await(blast, OFPT_HELLO);
}

void blast_send(struct blast *blast)
{
    struct wire w = room(blast);

    of_empty_encode(&w, OFPT_BARRIER_REQUEST, ++blast->xid);
    blast->n += w.pos;
    write_all(blast->fd, blast->bytes, blast->n);
    await(blast, OFPT_BARRIER_REPLY);
}

void blast_free(struct blast *blast)
{
    if (blast->fd)
        close(blast->fd);
    free(blast->bytes);
    free(blast);
}
