/* SPDX-License-Identifier: Apache-2.0 */
/* Single fields of a flow's match, read as parts of a rule. Internal to core/policy_*.c. */
#ifndef CORE_POLICY_FIELD_H
#define CORE_POLICY_FIELD_H

#include "core/policy.h"

/* What a flow may match besides the address without saying anything new about the VM's packets. */
enum trait { TRAIT_PORT, TRAIT_MAC, TRAIT_REG0, TRAIT_REG1, TRAITS };

/* Which trait of the VM a field shows in its own packets (FROM_VM) or in those to it; -1: none. */
int policy_trait_of(unsigned field, enum policy_direction direction);
/* The field that has the VM's address. */
unsigned policy_vm_field(const struct policy_site *site, enum policy_direction direction);
/* Makes a flow of the direction match just the VM's packets. */
void policy_match_vm(struct flow_match *match, const struct policy_site *site, enum policy_direction direction);
/* Makes the rule match what the field does. Null, or why a policy has no word for the field. To be
 * called for fields in their order, so that the protocol is known before ports. */
const char *policy_read_field(const struct policy_site *site, const struct flow_field *field, struct policy_rule *rule);

#endif
