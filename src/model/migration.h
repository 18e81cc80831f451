/* SPDX-License-Identifier: Apache-2.0 */
/* A migration order and its steps: the values that plan, saga, store and peers share. */
#ifndef MODEL_MIGRATION_H
#define MODEL_MIGRATION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "model/inventory.h"
#include "model/policy.h"
#include "model/user.h"

#define MIGRATION_VMS_MAX 64
#define MIGRATION_URI_SIZE 256
#define PLANNED_UNDO_SIZE 128
#define PLANNED_CHANNEL_SIZE 256
#define PLANNED_STEPS_MAX 4096

enum migration_role { ROLE_SOURCE, ROLE_TARGET };

/* What has become of one VM of an order. */
enum vm_fate {
    FATE_OPEN,    /* not decided */
    FATE_CROSSED, /* it runs at the target: from here only forward */
    FATE_STAYED   /* it runs at the source, whatever was prepared for it is undone */
};

struct migration_vm {
    char name[NAME_SIZE];
    uint8_t uuid[UUID_SIZE];
    char segment[NAME_SIZE];
    char server[NAME_SIZE];            /* at the source */
    char source_address[IP_TEXT_SIZE]; /* migration address of that server */
    uint64_t memory_kib;
    uint64_t generation; /* of the claim that the target makes when it runs there */
    unsigned n_nics;
    struct vm_nic nics[VM_NICS_MAX];
    bool has_policy;         /* 'policy' is set; false until it is collected */
    bool policy_from_switch; /* collected from the source switch, not from the store */
    struct policy policy;
    enum vm_fate fate;
    struct err error; /* why it stayed */
};

struct order {
    char id[UUID_TEXT_SIZE];
    enum migration_role role; /* of this gateway */
    char source_dc[NAME_SIZE], target_dc[NAME_SIZE];
    char target_server[NAME_SIZE];
    char channel[NAME_SIZE];             /* migration channel */
    uint16_t channel_vlan[2];            /* by enum migration_role: by which VLAN the channel is entered at that side's
                                          * inter-DC PE, on its transport port; 0: untagged, on its uplink */
    uint32_t bandwidth_mbps;             /* that the order books on it; 0: whatever is free */
    char target_uri[MIGRATION_URI_SIZE]; /* from the target's answer */
    char target_address[IP_TEXT_SIZE];
    unsigned n_vms;
    struct migration_vm *vms; /* owned */
    unsigned n_users;
    struct user *users; /* on a transport network, with those of the order's VMs that each uses; owned */
};

#define MIGRATION_USERS_MAX 64

/* X(NAME, text, role, stage, per VM, kind). Steps of one VM, and shared steps, run in the order of their stages: a step
 * may begin when every step of a lower stage that is shared or of the same VM has ended (for a shared step and for
 * a pivot: of every VM). Kind: REVERSIBLE steps are undone when the VM (or, if shared, every VM) stays; the PIVOT
 * decides a VM's fate; FORWARD steps come after it and are repeated until they succeed. PASSIVE ones wait for somebody
 * else. */
#define STEP_TABLE(X) \
    X(CHANNEL_RESERVE, "channel-reserve", ROLE_SOURCE, 0, false, STEP_REVERSIBLE) \
    X(POLICY_COLLECT, "policy-collect", ROLE_SOURCE, 0, true, STEP_REVERSIBLE) \
    X(TARGET_CONFIGURE, "target-configure", ROLE_SOURCE, 1, false, STEP_REVERSIBLE) \
    X(CHANNEL_OPEN, "channel-open", ROLE_SOURCE, 2, false, STEP_REVERSIBLE) \
    X(TRANSFER, "transfer", ROLE_SOURCE, 3, true, STEP_PIVOT) \
    X(TARGET_ACTIVATE, "target-activate", ROLE_SOURCE, 4, true, STEP_FORWARD) \
    X(VM_REMOVE, "vm-remove", ROLE_SOURCE, 5, true, STEP_FORWARD) \
    X(SEGMENT_CLOSE, "segment-close", ROLE_SOURCE, 6, false, STEP_FORWARD) \
    X(CIRCUIT_CLOSE, "circuit-close", ROLE_SOURCE, 6, false, STEP_FORWARD) \
    X(CHANNEL_CLOSE, "channel-close", ROLE_SOURCE, 6, false, STEP_FORWARD) \
    X(TARGET_COMMIT, "target-commit", ROLE_SOURCE, 7, false, STEP_FORWARD) \
    X(ADMIT, "admit", ROLE_TARGET, 0, false, STEP_REVERSIBLE) \
    X(POLICY_INSTALL, "policy-install", ROLE_TARGET, 1, true, STEP_REVERSIBLE) \
    X(SEGMENT_OPEN, "segment-open", ROLE_TARGET, 2, false, STEP_REVERSIBLE) \
    X(CIRCUIT_OPEN, "circuit-open", ROLE_TARGET, 2, false, STEP_REVERSIBLE) \
    X(TARGET_CHANNEL_OPEN, "channel-open", ROLE_TARGET, 2, false, STEP_REVERSIBLE) \
    X(VERIFY, "verify", ROLE_TARGET, 3, true, STEP_REVERSIBLE) \
    X(ARRIVAL, "arrival", ROLE_TARGET, 4, true, STEP_PIVOT) \
    X(ACTIVATE, "activate", ROLE_TARGET, 5, true, STEP_FORWARD) \
    X(AWAIT_COMMIT, "await-commit", ROLE_TARGET, 6, false, STEP_FORWARD) \
    X(TARGET_CHANNEL_CLOSE, "channel-close", ROLE_TARGET, 7, false, STEP_FORWARD)

enum step_nature { STEP_REVERSIBLE, STEP_PIVOT, STEP_FORWARD };

enum step_kind {
#define STEP_ENUM(name, text, role, stage, per_vm, nature) STEP_##name,
    STEP_TABLE(STEP_ENUM)
#undef STEP_ENUM
        STEP_KINDS
};

enum step_state {
    STEP_PENDING,
    STEP_APPLYING,   /* the intent is on disk; its outcome is awaited */
    STEP_CONFIRMING, /* the outcome is unknown: the outside world is asked */
    STEP_DONE,
    STEP_FAILED, /* certainly not done */
    STEP_UNDOING,
    STEP_UNDONE,
    STEP_SKIPPED, /* never begun and no longer needed */
    STEP_STATES
};

#define STEP_SHARED (-1)

struct step {
    enum step_kind kind;
    int vm; /* index into the order's VMs, or STEP_SHARED */
    enum step_state state;
    unsigned attempts; /* how often it was begun */
};

/* A step as a plan shows it, of this gateway or another, which may have steps of its own. */
struct planned_step {
    unsigned stage;
    char step[NAME_SIZE];
    char vm[NAME_SIZE]; /* "": it is for all of them */
    char undo[PLANNED_UNDO_SIZE];
    char channel[PLANNED_CHANNEL_SIZE]; /* "": none is opened; "web by VLAN 100" */
};

struct step_info {
    const char *name;
    enum migration_role role;
    unsigned stage;
    bool per_vm;
    enum step_nature nature;
};

extern const struct step_info step_infos[STEP_KINDS];
const char *step_state_name(enum step_state state);
const char *vm_fate_name(enum vm_fate fate);
int vm_fate_parse(const char *name, enum vm_fate *fate); /* 0 or ERR_INVALID */

void order_free(struct order *order); /* its members */
struct order order_copy(const struct order *order);
/* Index of the VM called 'name', or -1. */
int order_find_vm(const struct order *order, const char *name);

/* The order as JSON, whole; the form in which journals keep it and, of the target's part, in which peers exchange it
 * (proto/peer). order_from_json: 0 or ERR_INVALID naming the member by path; unknown members are ignored. */
json_t *order_to_json(const struct order *order);
int order_from_json(const json_t *json, struct order *order, struct err *err);

/* Steps as a JSON array of {"stage", "step", "vm", "undo"}, "vm" only where there is one. */
json_t *planned_steps_to_json(const struct planned_step *steps, size_t n);
/* 'path' is the array's, for errors. 0 and '*steps', which the caller frees, or ERR_INVALID naming the member; unknown
 * members are ignored. */
int planned_steps_from_json(const json_t *json, const char *path, struct planned_step **steps, size_t *n,
                            struct err *err);

#endif
