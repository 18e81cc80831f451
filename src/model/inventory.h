/* SPDX-License-Identifier: Apache-2.0 */
/* What a gateway knows of its data center: VMs, servers, switches, links, attachments. Filled from drivers' events. */
#ifndef MODEL_INVENTORY_H
#define MODEL_INVENTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/addr.h"

#define NAME_SIZE 64 /* of every name in the model, with its null */
#define UUID_SIZE 16
#define UUID_TEXT_SIZE 37
#define VM_NICS_MAX 8
#define MTU_ETHERNET 1500 /* bytes; of an interface that says nothing else */
#define MTU_MIN 68        /* RFC 791 section 3.2 */
#define MTU_MAX 65535

enum vm_state {
    VM_SHUT_OFF,
    VM_RUNNING,
    VM_PAUSED,   /* by an operator, or at the end of a migration away */
    VM_INCOMING, /* defined here by a migration that has not ended */
    VM_CRASHED
};

struct vm_nic {
    struct mac mac;
    struct ip ip; /* family IP_NONE: not known */
    struct ip6_list ip6;
    uint32_t mtu; /* bytes of IP packet, MTU_MIN..MTU_MAX */
};

struct vm {
    char name[NAME_SIZE];
    uint8_t uuid[UUID_SIZE];
    char server[NAME_SIZE];
    char segment[NAME_SIZE]; /* "": none is named in the domain's metadata */
    enum vm_state state;
    bool job_active; /* libvirt runs a migration job on it */
    uint64_t memory_kib;
    unsigned n_nics;
    struct vm_nic nics[VM_NICS_MAX];
};

struct server {
    char name[NAME_SIZE];
    bool up; /* its libvirtd answers */
    uint64_t memory_kib, memory_free_kib;
    uint32_t cpus;
};

struct switch_port {
    uint32_t number; /* OpenFlow port */
    char name[NAME_SIZE];
    struct mac mac;
    bool up;
    bool fabric; /* leads to another switch of the DC: it takes part in the spanning tree (OVSDB Bridge rstp_enable, and
                  * not Port other_config:rstp-enable=false) */
    bool rstp;   /* in VPLS mode: a driver has told that it takes part in the spanning tree, which it should not */
    uint32_t mtu;       /* bytes after the Ethernet header and a VLAN tag; 0: OVSDB has not told it */
    uint32_t rate_kbps; /* OVSDB's Interface link_speed, or what Port external_ids:scg-rate-kbps says; 0: not known */
};

#define SWITCH_LIMITS_MAX 32 /* that are known of one switch; more are left to it */

struct flow_limit {
    uint8_t table;
    uint32_t flows; /* that it takes */
};

struct switch_info {
    char name[NAME_SIZE]; /* the bridge's name in OVSDB */
    uint64_t dpid;
    bool up; /* its OpenFlow session stands */
    uint8_t n_limits;
    struct flow_limit limits[SWITCH_LIMITS_MAX]; /* of tables for which OVSDB has one (Flow_Table flow_limit); rising */
    struct switch_port *ports;                   /* owned by whoever owns the struct: switch_info_free() */
    size_t n_ports;
};

/* A link between two switches, as LLDP saw it: one direction; both directions are two of these. */
struct link {
    char from_switch[NAME_SIZE], to_switch[NAME_SIZE];
    uint32_t from_port, to_port;
};

/* A server that hangs off a switch, as its lldpd says. A server has one on its ToR and one on its inter-DC PE. */
struct attachment {
    char server[NAME_SIZE];
    char server_port[NAME_SIZE]; /* the interface of the server, e.g. "uplink" or "mig" */
    char switch_name[NAME_SIZE];
    uint32_t port;
};

struct inventory {
    struct vm *vms;
    size_t n_vms, cap_vms;
    struct server *servers;
    size_t n_servers, cap_servers;
    struct switch_info *switches;
    size_t n_switches, cap_switches;
    struct link *links;
    size_t n_links, cap_links;
    struct attachment *attachments;
    size_t n_attachments, cap_attachments;
};

void uuid_format(const uint8_t uuid[UUID_SIZE], char text[UUID_TEXT_SIZE]);
int uuid_parse(const char *text, uint8_t uuid[UUID_SIZE]); /* 0 or ERR_INVALID */
const char *vm_state_name(enum vm_state state);            /* "running", ... */
/* Copies at most NAME_SIZE - 1 bytes; 0, or ERR_TOO_LARGE and "" if 'from' is longer. */
int name_copy(char to[NAME_SIZE], const char *from);

/* Each finder returns null if there is none. Pointers stay valid until the inventory changes. */
struct vm *inventory_vm(const struct inventory *inventory, const char *name);
struct vm *inventory_vm_by_uuid(const struct inventory *inventory, const uint8_t uuid[UUID_SIZE]);
struct server *inventory_server(const struct inventory *inventory, const char *name);
struct switch_info *inventory_switch(const struct inventory *inventory, const char *name);
const struct switch_port *switch_port_by_name(const struct switch_info *sw, const char *name);
const struct switch_port *switch_port_by_number(const struct switch_info *sw, uint32_t number); /* null has none */
struct attachment *inventory_attachment(const struct inventory *inventory, const char *server, const char *switch_name);

/* Each adds or replaces by identity: VM by (uuid, server), server by name, switch by name (takes over sw.ports), link
 * by its 'from' end, attachment by either of its ends. */
void inventory_set_vm(struct inventory *inventory, const struct vm *vm);
void inventory_remove_vm(struct inventory *inventory, const uint8_t uuid[UUID_SIZE], const char *server);
void inventory_set_server(struct inventory *inventory, const struct server *server);
void inventory_set_switch(struct inventory *inventory, struct switch_info sw);
void inventory_set_link(struct inventory *inventory, const struct link *link);
void inventory_remove_link(struct inventory *inventory, const struct link *link); /* that direction of it */
void inventory_remove_links(struct inventory *inventory, const char *switch_name, uint32_t port);
void inventory_set_attachment(struct inventory *inventory, const struct attachment *attachment);
void switch_info_free(struct switch_info *sw);
void inventory_free(struct inventory *inventory);

#endif
