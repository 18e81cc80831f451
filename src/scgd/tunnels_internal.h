/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of scgd/tunnels.h share. */
#ifndef SCGD_TUNNELS_INTERNAL_H
#define SCGD_TUNNELS_INTERNAL_H

#include "scgd/network_internal.h"
#include "scgd/tunnels.h"

#define LABEL_POOL_SIZE (NAME_SIZE + 8)

/* -- holders -- */

struct holder *holders_find(const struct holders *holders, const char *switch_name);
struct holder *holders_add(struct holders *holders, const char *switch_name); /* the one that is there, or a new one */
void holders_confirm(struct holders *holders, const char *switch_name, uint64_t number);
bool holders_confirmed(const struct holders *holders); /* by all */
/* Takes the holder of that name out. */
void holders_remove(struct holders *holders, const char *switch_name);

/* -- labels -- */

/* Numbers of a switch's labels in the store are "label/<switch>", owned by "tunnel from>to" and "vc segment". */
void label_pool(const char *switch_name, char pool[LABEL_POOL_SIZE]);
int label_take(struct gateway *gateway, const char *switch_name, const char *owner, uint32_t *label, struct err *err);

/* -- paths -- */

/* The place of the switch among the nodes of a path, or -1. */
int tunnel_path_index(const struct tunnel_path *path, const char *switch_name);
/* Narrower links than 'mtu' are taken only if there is no path without. */
int tunnel_find_path(const struct gateway *gateway, const char *from, const char *to, uint32_t mtu,
                     struct tunnel_path *path, struct err *err);
/* The standing path, or the one that the tunnel is to take in its place. 'mtu' as for tunnels_path(). */
int tunnel_choose_path(const struct gateway *gateway, const struct tunnel *tunnel, uint32_t mtu,
                       struct tunnel_path *path, struct err *err);
/* Every link of it is there, and every node between its ends is up. */
bool tunnel_path_stands(const struct gateway *gateway, const struct tunnel_path *path);
/* It stands, or a port of it is down: of a path that comes from the store, there is nothing left to wait for. */
bool tunnel_path_judged(const struct gateway *gateway, const struct tunnel_path *path);

/* -- MTU -- */

bool tunnel_path_fits(const struct gateway *gateway, const struct tunnel_path *path, uint32_t mtu);
/* Finds out the largest MTU of VMs behind the ends of each tunnel, of segments that it carries. */
void tunnels_measure(struct gateway *gateway);
uint32_t tunnel_mtu(const struct tunnel *tunnel); /* what they need on its links; 0: no VM tells */
/* Says once that the path of a tunnel is too narrow for that. */
void tunnel_judge_mtu(const struct gateway *gateway, struct tunnel *tunnel);

/* -- segments -- */

/* Works out the ends of every segment; what changes gets a new number. */
void segments_plan(struct gateway *gateway);
/* Sends changed segments to their ends, and to switches that were ends. */
void segments_send(struct gateway *gateway);
void segments_settle(struct gateway *gateway); /* frees VC labels of former ends */
/* Its number and VC label, taken in the store. */
int segment_take_end(struct gateway *gateway, const char *segment, const char *switch_name, struct vpls_end *end,
                     struct err *err);
/* 0, or ERR_TOO_LARGE: with so many ends the switch cannot be another one. */
int segment_check_room(unsigned n_ends, const char *segment, const char *switch_name, struct err *err);
bool segment_has_end(const struct vpls_ends *ends, const char *switch_name);

/* -- tunnels -- */

/* It is the PE towards the IP network, by the configuration. */
bool tunnels_is_pe(const struct gateway *gateway, const char *switch_name);
/* The names in the order of struct tunnel. */
void tunnel_order(const struct gateway *gateway, const char *one, const char *other, char ends[2][NAME_SIZE]);
struct tunnel *tunnel_find(const struct gateway *gateway, const char *one, const char *other);
struct tunnel *tunnel_add(struct gateway *gateway, const char *one, const char *other);
/* Labels on every node of the path, in both directions, taken in the store. */
int tunnel_take_labels(struct gateway *gateway, const struct tunnel *tunnel, const struct tunnel_path *path,
                       uint32_t labels[2][TUNNEL_NODES_MAX], struct err *err);
/* Those that it had, for a path that comes from the store. */
int tunnel_load_labels(struct gateway *gateway, struct tunnel *tunnel, struct err *err);
/* Frees what no switch holds any more, and ends what waited for confirmations. */
void tunnels_settle(struct gateway *gateway);
/* Those who wait for a tunnel, or for an end of a segment, hear of an error of a change there. */
void tunnels_fail_tunnel(struct gateway *gateway, const struct tunnel *tunnel, const struct err *err);
void tunnels_fail_segment(struct gateway *gateway, const char *segment, const char *switch_name, const struct err *err);
void tunnels_check_waiters(struct gateway *gateway);
/* End numbers of switches that no segment and no tunnel needs any more. */
int tunnels_free_ends(struct gateway *gateway, const char *switch_name, struct err *err);

/* -- ways -- */

/* In both directions, changes the next node that lacks something; confirmations lead to those after it. */
void tunnel_send(struct gateway *gateway, struct tunnel *tunnel);

/* -- store -- */

int tunnel_store(struct gateway *gateway, const struct tunnel *tunnel, struct err *err);
int segment_ends_store(struct gateway *gateway, const char *segment, const struct vpls_ends *ends, struct err *err);

#endif
