/* SPDX-License-Identifier: Apache-2.0 */
/* One path: against Bellman and Ford, over random networks and constraints, real networks, and changes. */
#include "path_world.h"

static void assert_same_path(const struct path_result *result, const struct te_link *path, size_t n)
{
    assert_int_equal(result->n, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(te_link_key_compare(&result->links[i].key, &path[i].key), 0);
}

static void check(struct path_graph *graph, const struct world *world, const struct path_query *query)
{
    struct te_link path[WORLD_NODES];
    struct path_result result = {0};
    struct err err = {0};
    size_t n = ref_path(world, query, path);
    int ret = path_find(graph, query, &result, &err);
    if (!n) {
        assert_true(ret < 0 && err.code == ret && err.text[0]);
        return;
    }
    assert_int_equal(ret, 0);
    assert_valid(world, query, &result);
    assert_same_path(&result, path, n);
    path_result_free(&result);
}

static void test_random_networks(void **state)
{
    (void) state;
    uint64_t seed = 1;
    struct world world;
    for (int round = 0; round < 1500; round++) {
        size_t nodes = 2 + topology_random_below(&seed, 60);
        /* Few different metrics make many ways of the same cost. */
        world_random(&world, &seed, nodes, nodes + topology_random_below(&seed, 60), round % 2 ? 4 : 1000);
        struct path_graph *graph = world_graph(&world);
        for (int i = 0; i < 8; i++) {
            struct path_query query = world_query(&world, &seed);
            check(graph, &world, &query);
            path_query_free(&query);
        }
        path_graph_free(graph);
    }
}

/* One answer for one TED, in whatever order it came. */
static void test_any_order_of_links(void **state)
{
    (void) state;
    uint64_t seed = 2;
    struct world world;
    for (int round = 0; round < 100; round++) {
        world_random(&world, &seed, 12, 30, 3);
        struct path_query query = world_query(&world, &seed);
        struct te_link path[WORLD_NODES];
        size_t n = ref_path(&world, &query, path);
        for (int order = 0; n && order < 20; order++) {
            struct path_result result = {0};
            world_shuffle(&world, &seed);
            struct path_graph *graph = world_graph(&world);
            assert_int_equal(path_find(graph, &query, &result, NULL), 0);
            assert_same_path(&result, path, n);
            path_result_free(&result);
            path_graph_free(graph);
        }
        path_query_free(&query);
    }
}

/* Links change in all the ways in which they can, between queries of one graph. */
static void test_changes(void **state)
{
    (void) state;
    uint64_t seed = 3;
    struct world world, all;
    for (int round = 0; round < 60; round++) {
        /* With landmarks in every other round. */
        size_t nodes = round % 2 ? 20 : 50;
        world_random(&all, &seed, nodes, 2 * nodes + 10, 100);
        world = (struct world) {.nodes = nodes};
        struct path_graph *graph = path_graph_new();
        for (int step = 0; step < 120; step++) {
            struct te_link link = all.links[topology_random_below(&seed, (uint32_t) all.n)];
            size_t at = 0;
            while (at < world.n && te_link_key_compare(&world.links[at].key, &link.key))
                at++;
            uint32_t what = topology_random_below(&seed, 5);
            link.metric = what == 0 ? topology_random_below(&seed, 100) : link.metric;
            link.delay_us = what == 1 ? topology_random_below(&seed, 100) : link.delay_us;
            link.unreserved_bps[7] = what == 2 ? topology_random_below(&seed, 100) * 10 * MBPS : link.unreserved_bps[7];
            if (what == 3 && at < world.n) {
                assert_true(path_graph_remove(graph, &link.key));
                world.links[at] = world.links[--world.n];
            } else {
                bool same = at < world.n && !memcmp(&world.links[at], &link, sizeof(link));
                assert_int_equal(path_graph_set(graph, &link), !same);
                world.links[at] = link;
                world.n += at == world.n;
            }
            struct path_query query = world_query(&world, &seed);
            struct te_link path[WORLD_NODES];
            struct path_result result = {0};
            size_t n = ref_path(&world, &query, path);
            assert_int_equal(path_find(graph, &query, &result, NULL) == 0, n > 0);
            assert_same_path(&result, path, n);
            path_result_free(&result);
            path_query_free(&query);
        }
        path_graph_free(graph);
    }
}

/* -- larger than the networks that go without landmarks ------------------------------------------------------------ */

static uint64_t cost_or_none(struct path_graph *graph, const struct path_query *query)
{
    struct path_result result = {0};
    uint64_t cost = path_find(graph, query, &result, NULL) ? UINT64_MAX : result.cost;
    path_result_free(&result);
    return cost;
}

/* The same links in a graph that has seen nothing else. */
static uint64_t cost_afresh(const struct te_link *links, const bool *up, size_t n, const struct path_query *query)
{
    struct path_graph *graph = path_graph_new();
    for (size_t i = 0; i < n; i++) {
        if (up[i])
            path_graph_set(graph, &links[i]);
    }
    uint64_t cost = cost_or_none(graph, query);
    path_graph_free(graph);
    return cost;
}

static uint64_t bellman_ford(const struct te_link *links, const bool *up, size_t n, size_t nodes,
                             const struct path_query *query)
{
    AUTO_FREE uint64_t *distance = xmalloc(nodes * sizeof(*distance));
    memset(distance, 0xff, nodes * sizeof(*distance));
    distance[node_of(query->from)] = 0;
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < n; i++) {
            uint64_t before = distance[node_of(links[i].key.from)], *after = &distance[node_of(links[i].to)];
            if (!up[i] || before == UINT64_MAX || links[i].unreserved_bps[0] < query->bandwidth_bps ||
                before + links[i].metric >= *after)
                continue;
            *after = before + links[i].metric;
            changed = true;
        }
    }
    return distance[node_of(query->to)];
}

/* Landmarks follow what gets nearer and farther, comes and goes; both directions of a cable alike, so that the
 * reference may look at one direction. */
static void test_landmarks_follow(void **state)
{
    (void) state;
    struct topology topology;
    topology_random(&topology, 400, 5);
    size_t n;
    uint64_t seed = 5;
    AUTO_FREE struct te_link *links = topology_links(&topology, AREA, 1000 * MBPS, &n);
    AUTO_FREE bool *up = xcalloc(n, sizeof(*up));
    struct path_graph *graph = path_graph_new();
    for (size_t i = 0; i < n; i++) {
        /* One cable in four is laid later. */
        up[i] = links[i].key.local_ip / 4 % 4 > 0;
        if (up[i])
            path_graph_set(graph, &links[i]);
    }
    for (int step = 0; step < 1500; step++) {
        size_t one = topology_random_below(&seed, (uint32_t) n), other = 0;
        while (links[other].key.local_ip != links[one].remote_ip)
            other++;
        uint32_t what = topology_random_below(&seed, 4), metric = 1 + topology_random_below(&seed, 2000);
        for (int end = 0; end < 2; end++) {
            struct te_link *link = &links[end ? other : one];
            if (what == 0) {
                up[end ? other : one] = false;
                path_graph_remove(graph, &link->key);
                continue;
            }
            up[end ? other : one] = true;
            link->metric = what == 1 ? metric : link->metric;
            link->unreserved_bps[0] = what == 2 ? metric * MBPS : link->unreserved_bps[0];
            path_graph_set(graph, link);
        }
        if (step % 5)
            continue;
        struct path_query query = {.area = AREA, .bandwidth_bps = step % 2 ? 900 * MBPS : 0};
        query.from = router(topology_random_below(&seed, 400));
        query.to = router((node_of(query.from) + 1 + topology_random_below(&seed, 398)) % 400);
        assert_int_equal(cost_or_none(graph, &query), bellman_ford(links, up, n, 400, &query));
        if (step % 100 == 0)
            assert_int_equal(cost_or_none(graph, &query), cost_afresh(links, up, n, &query));
    }
    path_graph_free(graph);
    topology_free(&topology);
}

/* Excluded links are not looked at by the search, but the landmarks that are made meanwhile stand on them. */
static void test_landmarks_do_not_see_exclusions(void **state)
{
    (void) state;
    struct topology topology;
    topology_load(&topology, "kdl");
    size_t n;
    uint64_t seed = 6;
    AUTO_FREE struct te_link *links = topology_links(&topology, AREA, 1000 * MBPS, &n);
    AUTO_FREE bool *up = xmalloc(n * sizeof(*up));
    memset(up, 1, n);
    struct path_graph *graph = path_graph_new();
    for (size_t i = 0; i < n; i++)
        path_graph_set(graph, &links[i]);
    for (int step = 0; step < 40; step++) {
        struct path_query query = {.area = AREA};
        query.from = router(topology_random_below(&seed, (uint32_t) topology.n_nodes));
        query.to = router((node_of(query.from) + 100) % topology.n_nodes);
        for (int i = 0; step < 20 && i < 50; i++)
            path_exclude_link(&query, &links[topology_random_below(&seed, (uint32_t) n)].key);
        uint64_t cost = cost_or_none(graph, &query);
        if (step >= 20)
            assert_int_equal(cost, bellman_ford(links, up, n, topology.n_nodes, &query));
        path_query_free(&query);
    }
    path_graph_free(graph);
    topology_free(&topology);
}

static void test_real_networks(void **state)
{
    (void) state;
    uint64_t seed = 7;
    for (size_t name = 0; topology_names[name]; name++) {
        struct topology topology;
        topology_load(&topology, topology_names[name]);
        size_t n;
        AUTO_FREE struct te_link *links = topology_links(&topology, AREA, 1000 * MBPS, &n);
        AUTO_FREE bool *up = xmalloc(n * sizeof(*up));
        memset(up, 1, n);
        struct path_graph *graph = path_graph_new();
        for (size_t i = 0; i < n; i++)
            path_graph_set(graph, &links[i]);
        for (int i = 0; i < 50; i++) {
            struct path_query query = {.area = AREA, .bandwidth_bps = 1000 * MBPS};
            query.from = router(topology_random_below(&seed, (uint32_t) topology.n_nodes));
            query.to = router(
                (node_of(query.from) + 1 + topology_random_below(&seed, (uint32_t) topology.n_nodes - 1)) %
                topology.n_nodes);
            assert_int_equal(cost_or_none(graph, &query), bellman_ford(links, up, n, topology.n_nodes, &query));
        }
        path_graph_free(graph);
        topology_free(&topology);
    }
}

/* -- loading ------------------------------------------------------------------------------------------------------- */

static void test_load_follows_the_ted(void **state)
{
    (void) state;
    struct world world;
    struct ted ted = {0};
    uint64_t seed = 8;
    struct path_graph *graph = path_graph_new();
    for (int round = 0; round < 20; round++) {
        world_random(&world, &seed, 10, 25, 10);
        ted_clear(&ted, NULL);
        for (size_t i = 0; i < world.n; i++)
            ted_set(&ted, &world.links[i]);
        path_graph_load(graph, &ted);
        for (int i = 0; i < 10; i++) {
            struct path_query query = world_query(&world, &seed);
            check(graph, &world, &query);
            path_query_free(&query);
        }
    }
    assert_int_equal(path_graph_clear(graph, NULL), ted.n_links);
    assert_int_equal(path_graph_clear(graph, NULL), 0);
    ted_free(&ted);
    path_graph_free(graph);
}

/* Links that never come back are forgotten; what is still there is found all the same. */
static void test_links_that_are_gone_for_good(void **state)
{
    (void) state;
    struct world world = {.nodes = 20};
    uint64_t seed = 9;
    struct path_graph *graph = path_graph_new();
    world_random(&world, &seed, 20, 40, 10);
    for (size_t i = 0; i < world.n; i++)
        path_graph_set(graph, &world.links[i]);
    for (uint32_t cable = 1000; cable < 4000; cable++) {
        struct te_link link = world.links[0], back;
        link.key.local_ip = topology_address(cable, 0);
        link.remote_ip = topology_address(cable, 1);
        back = link;
        back.key.from = link.to, back.to = link.key.from;
        back.key.local_ip = link.remote_ip, back.remote_ip = link.key.local_ip;
        path_graph_set(graph, &link);
        path_graph_set(graph, &back);
        path_graph_remove(graph, &link.key);
        path_graph_remove(graph, &back.key);
        if (cable % 50 == 0) {
            struct path_query query = world_query(&world, &seed);
            check(graph, &world, &query);
            path_query_free(&query);
        }
    }
    path_graph_free(graph);
}

/* -- routes -------------------------------------------------------------------------------------------------------- */

static void test_route_names_far_ends(void **state)
{
    (void) state;
    struct te_link links[] = {
        {.key = {.area = AREA, .from = router(0), .local_ip = 0x0afc0001}, .to = router(1), .remote_ip = 0x0afc0002},
        {.key = {.area = AREA, .from = router(1), .local_id = 3}, .to = router(2), .remote_id = 9}};
    struct path_result result = {.links = links, .n = 2};
    struct lsp_route route = {0};
    assert_int_equal(path_route(&result, &route, NULL), 0);
    AUTO_FREE char *text = lsp_route_format(&route);
    assert_string_equal(text, "10.252.0.2 10.0.0.3/9");
    assert_false(route.hops[0].loose || route.hops[1].loose);
    lsp_route_free(&route);
    result.n = PATH_LINKS_MAX + 1;
    struct err err = {0};
    assert_int_equal(path_route(&result, &route, &err), ERR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_networks),
        cmocka_unit_test(test_any_order_of_links),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_landmarks_follow),
        cmocka_unit_test(test_landmarks_do_not_see_exclusions),
        cmocka_unit_test(test_real_networks),
        cmocka_unit_test(test_load_follows_the_ted),
        cmocka_unit_test(test_links_that_are_gone_for_good),
        cmocka_unit_test(test_route_names_far_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
