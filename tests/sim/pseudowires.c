/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold in VPLS mode: 9, every end of the segment reaches every other through the label tables; and of 5, that
 * labels, numbers and tunnels go with the last VM. */
#include <stdio.h>
#include <string.h>

#include "core/vpls.h"
#include "world.h"

#define BROKEN(site, ...) err_set(&(site)->world->broken, ERR_INTERNAL, __VA_ARGS__)

static void check_frame(struct site *site, const char *from, const struct mac *to, const char *expected)
{
    uint32_t vlan = 0;
    const char *at = NULL;
    unsigned n;

    store_number_get(site->store, "vlan", "web", &vlan, NULL);
    n = walk(site, from, (uint16_t) vlan, to, &at);
    if (site->world->broken.code == 0 && (n != 1 || strcmp(at, expected) != 0))
        BROKEN(site, "9: %s: a%s frame from %s comes out %u times, last at %s, instead of once at %s", site->dc,
               to ? "" : " flooded", from, n, at ? at : "none", expected);
}

void check_pseudowires(struct site *site)
{
    const struct world *world = site->world;
    const struct mac stranger = {{2, 0, 0, 0, 0, 9}};

    check_frame(site, SIM_TOR, NULL, SIM_PE);
    check_frame(site, SIM_TOR, &stranger, SIM_PE);
    check_frame(site, SIM_TOR, &site->config.segments[0].mac, SIM_PE);
    check_frame(site, SIM_PE, NULL, SIM_TOR);
    for (unsigned v = 0; v < world->n_vms; v++) {
        if (world->vms[v].at == site && !world->vms[v].off)
            check_frame(site, SIM_PE, &world->vms[v].vm.nics[0].mac, SIM_TOR);
    }
}

struct owners {
    unsigned tunnels, segments;
};

static bool count_owner(void *arg, const char *owner, uint32_t number)
{
    struct owners *owners = arg;

    (void) number;
    if (strncmp(owner, "tunnel ", 7) == 0)
        owners->tunnels++;
    else
        owners->segments++;
    return true;
}

static bool count_document(void *arg, const char *name, const char *json)
{
    (void) name;
    (void) json;
    ++*(unsigned *) arg;
    return true;
}

/* Each label that is taken stands for one flow, and there is none without VMs. */
static void check_labels_of(struct site *site, const struct sim_switch *sw, bool wanted)
{
    char pool[NAME_SIZE + 8];
    struct owners owners = {0};
    unsigned tunnels = 0, segments = 0;

    snprintf(pool, sizeof pool, "label/%s", sw->name);
    store_number_each(site->store, pool, count_owner, &owners, NULL);
    for (size_t i = 0; i < sw->flows.n; i++) {
        const struct flow *flow = &sw->flows.flows[i];

        tunnels += flow->table == VPLS_LABEL && match_find(&flow->match, FIELD_MPLS_LABEL);
        segments += flow->table == VPLS_VC;
    }
    if (owners.tunnels != tunnels || owners.segments != segments)
        BROKEN(site, "5: %s %s has given %u labels to tunnels and %u to segments; it has flows of %u and %u", site->dc,
               sw->name, owners.tunnels, owners.segments, tunnels, segments);
    if (!wanted && owners.tunnels + owners.segments)
        BROKEN(site, "5: %s %s has given %u labels, but there is no VM", site->dc, sw->name,
               owners.tunnels + owners.segments);
}

void check_labels(struct site *site, bool wanted)
{
    struct owners ends = {0};
    unsigned documents = 0;

    for (unsigned i = 0; i < site->n_switches; i++)
        check_labels_of(site, &site->sw[i], wanted);
    store_number_each(site->store, "end", count_owner, &ends, NULL);
    store_document_each(site->store, "tunnel", count_document, &documents, NULL);
    store_document_each(site->store, "segment-ends", count_document, &documents, NULL);
    if (ends.segments != (wanted ? 2 : 0) || documents != (wanted ? 2 : 0))
        BROKEN(site, "5: %s remembers %u ends and %u documents of tunnels and segments", site->dc, ends.segments,
               documents);
}
