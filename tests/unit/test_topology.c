/* SPDX-License-Identifier: Apache-2.0 */
/* The networks of tests/data/topologies, and random ones: what other tests stand on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "topology/topology.h"

#define MBPS 1000000u

/* How many nodes can be reached from the first. */
static size_t reached(const struct topology *topology)
{
    AUTO_FREE uint8_t *seen = xcalloc(topology->n_nodes, 1);
    size_t count = 1;
    seen[0] = 1;
    for (size_t before = 0; before != count;) {
        before = count;
        for (size_t i = 0; i < topology->n_links; i++) {
            const struct topology_link *link = &topology->links[i];
            if (seen[link->a] != seen[link->b]) {
                seen[link->a] = seen[link->b] = 1;
                count++;
            }
        }
    }
    return count;
}

static void test_real_networks_are_connected(void **state)
{
    (void) state;
    for (size_t i = 0; topology_names[i]; i++) {
        struct topology topology;
        topology_load(&topology, topology_names[i]);
        assert_true(topology.n_nodes > 10);
        assert_int_equal(reached(&topology), topology.n_nodes);
        topology_free(&topology);
    }
}

static void test_random_networks_are_connected_and_repeat(void **state)
{
    (void) state;
    static const size_t sizes[] = {2, 10, 100, 1000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct topology one, same, other;
        topology_random(&one, sizes[i], 7);
        topology_random(&same, sizes[i], 7);
        topology_random(&other, sizes[i], 8);
        assert_int_equal(reached(&one), sizes[i]);
        assert_int_equal(one.n_links, same.n_links);
        assert_memory_equal(one.links, same.links, one.n_links * sizeof(*one.links));
        assert_true(one.n_links != other.n_links || memcmp(one.links, other.links, one.n_links * sizeof(*one.links)));
        topology_free(&one);
        topology_free(&same);
        topology_free(&other);
    }
}

/* The two directions of a cable name each other's addresses. */
static void test_links_come_in_pairs(void **state)
{
    (void) state;
    struct topology topology;
    topology_load(&topology, "abilene");
    size_t n, pairs = 0;
    AUTO_FREE struct te_link *links = topology_links(&topology, 1, 100 * MBPS, &n);
    assert_int_equal(n, 2 * topology.n_links);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++)
            pairs += links[i].remote_ip == links[j].key.local_ip && links[j].remote_ip == links[i].key.local_ip &&
                     links[i].to == links[j].key.from && links[j].to == links[i].key.from;
        assert_true(!i || links[i - 1].key.from <= links[i].key.from);
        assert_int_equal(links[i].unreserved_bps[7], 100 * MBPS);
    }
    assert_int_equal(pairs, n);
    topology_free(&topology);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_networks_are_connected),
        cmocka_unit_test(test_random_networks_are_connected_and_repeat),
        cmocka_unit_test(test_links_come_in_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
