/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that stateful rules have let pass, as their replies are known: what a switch learned, and what travels
 * with a VM. */
#ifndef MODEL_CONNECTION_H
#define MODEL_CONNECTION_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/addr.h"

/* How long a connection without packets is known, in seconds: of TCP what RFC 5382 §5 asks of NATs at least (more than
 * two hours, at which keepalives are sent by default); of UDP what RFC 4787 §4.3 recommends; of echo requests RFC 5508
 * §3.2. The last is for TCP from a FIN or RST of the replies on. */
#define CONNECTION_TCP_IDLE_S 7440
#define CONNECTION_UDP_IDLE_S 300
#define CONNECTION_ECHO_IDLE_S 60
#define CONNECTION_FIN_IDLE_S 60

/* The same for what only a TCP SYN has been seen of. RFC 5382 §5 asks of NATs four minutes; here nothing is lost if it
 * takes longer, for the SYN is sent again. */
#define CONNECTION_HALF_OPEN_IDLE_S 30

/* Of one VM in one direction. A switch learns no more: their replies are not known, and dropped. */
#define CONNECTIONS_MAX 4096
/* Likewise of those that are half open, beside the others. */
#define CONNECTIONS_HALF_OPEN_MAX 2048

struct connection {
    uint8_t direction; /* enum policy_direction: of its replies */
    uint8_t protocol;  /* 6 TCP, 17 UDP, 1 ICMP, 58 ICMPv6: of both, echoes */
    struct ip remote;
    struct ip local;               /* the VM's, of the same family; IP_NONE: the only one that it has of it */
    uint16_t remote_port, vm_port; /* 0 of an echo */
    uint16_t idle_timeout;         /* seconds, not 0 */
};

struct connection_list {
    struct connection *items;
    size_t n, capacity;
};

void connection_list_add(struct connection_list *list, const struct connection *connection);
void connection_list_free(struct connection_list *list); /* its members */

/* [{"replies": "to-vm", "protocol": "tcp", "remote": "198.51.100.7", "remote-port": 22, "vm-port": 40000,
 *   "idle-timeout": 7440}, ...]; ports are left out of echoes, "local", the VM's address, where it is not needed. New
 * reference. */
json_t *connection_list_to_json(const struct connection_list *list);
/* 'path' is the array's, for errors. 0 and '*list', which the caller frees, or ERR_INVALID naming the member, and
 * '*list' left alone; unknown members are ignored. */
int connection_list_from_json(const json_t *json, const char *path, struct connection_list *list, struct err *err);

#endif
