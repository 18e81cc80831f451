/* SPDX-License-Identifier: Apache-2.0 */
/* From a circuit and the topology of the transport networks to the links that it takes. */
#include <string.h>

#include "base/log.h"
#include "scgd/circuits.h"
#include "scgd/gateway.h"

/* What refused or failed in this round of tries is avoided. An error that names nothing to avoid leaves no other path
 * to tell from the one that failed. */
static int avoid_errors(const struct gateway *gateway, const struct circuit *circuit, struct path_query *query,
                        struct err *err)
{
    for (unsigned i = 0; i < circuit->n_avoid; i++) {
        int status = path_exclude_error(query, gateway->transport.graph, &circuit->avoid[i], err);

        /* It failed at a link that is not flooded any more: no path takes that one. */
        if (status && !(status == ERR_NOT_FOUND && circuit->avoid[i].interface_ip))
            return status;
    }
    return 0;
}

int circuit_path(struct gateway *gateway, const struct circuit *circuit, struct path_result *result, struct err *err)
{
    struct path_query query = {.from = circuit->want.ingress,
                               .to = circuit->want.egress,
                               .bandwidth_bps = circuit->want.bandwidth_bps,
                               .setup_priority = circuit->want.setup_priority,
                               .exclude_any = circuit->want.exclude_any,
                               .include_any = circuit->want.include_any,
                               .include_all = circuit->want.include_all};
    char router[16];
    int status = 0;

    if (!ted_has_node(&gateway->transport.ted, query.from, &query.area))
        status = err_set(err, ERR_NOT_FOUND, "transport node %s is not in the topology that ospfd tells",
                         ipv4_format(query.from, router));
    if (status == 0)
        status = avoid_errors(gateway, circuit, &query, err);
    if (status == 0) {
        path_booking_tick(gateway->transport.graph, gateway->now);
        status = path_find(gateway->transport.graph, &query, result, err);
    }
    path_query_free(&query);
    return status;
}

uint32_t transport_node_at(const struct gateway *gateway, uint32_t address)
{
    const struct te_link *link = ted_find_address(&gateway->transport.ted, address);

    return link ? link->key.from : address;
}
