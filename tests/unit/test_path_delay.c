/* SPDX-License-Identifier: Apache-2.0 */
/* The cheapest path within a delay: against all paths of small networks. */
#include "path_world.h"

struct best {
    uint64_t length, delay, least_delay;
};

static void compare(struct ref_walk *walk)
{
    struct best *best = walk->context;
    uint64_t length = 0, delay = 0;
    for (size_t i = 0; i < walk->n; i++) {
        length += ref_length(walk->world, walk->query, &walk->world->links[walk->path[i]]);
        delay += ref_delay(walk->world, &walk->world->links[walk->path[i]]);
    }
    best->least_delay = delay < best->least_delay ? delay : best->least_delay;
    if (delay > walk->query->max_delay_us || length >= best->length)
        return;
    best->length = length;
    best->delay = delay;
}

static void test_against_all_paths(void **state)
{
    (void) state;
    uint64_t seed = 21;
    struct world world;
    unsigned found = 0, refused = 0;
    for (int round = 0; round < 6000; round++) {
        size_t nodes = 2 + topology_random_below(&seed, 7);
        world_random(&world, &seed, nodes, 2 + topology_random_below(&seed, 14), round % 2 ? 4 : 100);
        struct path_query query = world_query(&world, &seed);
        if (round % 4) {
            path_query_free(&query);
            query = (struct path_query) {.area = AREA, .from = query.from, .to = query.to};
        }
        query.max_delay_us = 1 + 10 * topology_random_below(&seed, 50);
        struct best best = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
        struct ref_walk walk = {.world = &world, .query = &query, .found = compare, .context = &best};
        ref_all_paths(&walk);
        struct path_graph *graph = world_graph(&world);
        struct path_result result = {0};
        struct err err = {0};
        int ret = path_find(graph, &query, &result, &err);
        assert_int_equal(ret == 0, best.length != UINT64_MAX);
        if (!ret) {
            assert_valid(&world, &query, &result);
            assert_int_equal(result.cost, best.length >> 16);
            assert_int_equal(result.n, best.length & 0xffff);
            assert_true(result.delay_known && result.delay_us <= query.max_delay_us);
            found++;
        } else if (best.least_delay != UINT64_MAX) {
            char least[64];
            snprintf(least, sizeof(least), "is %llu us", (unsigned long long) best.least_delay);
            assert_int_equal(ret, ERR_CONFLICT);
            assert_non_null(strstr(err.text, least));
            refused++;
        }
        path_result_free(&result);
        path_graph_free(graph);
        path_query_free(&query);
    }
    assert_true(found > 1000 && refused > 300);
}

static void test_any_order_of_links(void **state)
{
    (void) state;
    uint64_t seed = 22;
    struct world world;
    for (int round = 0; round < 100; round++) {
        world_random(&world, &seed, 10, 30, 3);
        struct path_query query = {.area = AREA, .from = router(0), .to = router(9), .max_delay_us = 150};
        struct path_result first = {0}, result = {0};
        for (int order = 0; order < 20; order++) {
            struct path_graph *graph = world_graph(&world);
            int ret = path_find(graph, &query, order ? &result : &first, NULL);
            if (order && !ret) {
                assert_int_equal(result.n, first.n);
                assert_memory_equal(result.links, first.links, result.n * sizeof(*result.links));
                path_result_free(&result);
            }
            path_graph_free(graph);
            world_shuffle(&world, &seed);
        }
        path_result_free(&first);
    }
}

/* A ladder on which each rung offers cheap and late, or dear and early: as many ways as there are, none of which is
 * better than another one in both. The search ends by its limit. */
static void test_too_many_ways(void **state)
{
    (void) state;
    struct path_graph *graph = path_graph_new();
    enum { RUNGS = 30 };
    uint32_t max = 0;
    for (uint32_t rung = 0; rung < RUNGS; rung++) {
        for (int way = 0; way < 2; way++) {
            for (int end = 0; end < 2; end++) {
                struct te_link link = {
                    .key = {AREA, router(rung + (uint32_t) end), topology_address(2 * rung + (uint32_t) way, end), 0},
                    .to = router(rung + 1 - (uint32_t) end),
                    .remote_ip = topology_address(2 * rung + (uint32_t) way, 1 - end),
                    .metric = (way ? 1u : 0) << rung % 31,
                    .delay_us = (way ? 0 : 1u) << rung % 31};
                path_graph_set(graph, &link);
            }
        }
        max += (1u << rung) / 2;
    }
    struct path_query query = {.area = AREA, .from = router(0), .to = router(RUNGS), .max_delay_us = max};
    struct path_result result;
    struct err err;
    assert_int_equal(path_find(graph, &query, &result, &err), ERR_TOO_LARGE);
    assert_non_null(strstr(err.text, "ask for the least delay"));
    query.metric = PATH_DELAY;
    assert_int_equal(path_find(graph, &query, &result, &err), 0);
    assert_int_equal(result.delay_us, 0);
    path_result_free(&result);
    path_graph_free(graph);
}

/* A link that floods no delay is no link to whoever asks for one. */
static void test_unknown_delay(void **state)
{
    (void) state;
    struct path_graph *graph = path_graph_new();
    for (int end = 0; end < 2; end++) {
        struct te_link link = {.key = {AREA, router((size_t) end), topology_address(0, end), 0},
                               .to = router(1 - (size_t) end),
                               .remote_ip = topology_address(0, 1 - end),
                               .metric = 5,
                               .delay_us = end ? TE_DELAY_NONE : 10};
        path_graph_set(graph, &link);
    }
    struct path_query query = {.area = AREA, .from = router(0), .to = router(1)};
    struct path_result result;
    struct err err;
    assert_int_equal(path_find(graph, &query, &result, &err), 0);
    assert_false(result.delay_known);
    path_result_free(&result);
    query.max_delay_us = 1000;
    assert_int_equal(path_find(graph, &query, &result, &err), ERR_CONFLICT);
    assert_non_null(strstr(err.text, "flood no delay"));
    query.max_delay_us = 0;
    query.metric = PATH_DELAY;
    assert_int_equal(path_find(graph, &query, &result, &err), ERR_CONFLICT);
    path_graph_free(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_all_paths),
        cmocka_unit_test(test_any_order_of_links),
        cmocka_unit_test(test_too_many_ways),
        cmocka_unit_test(test_unknown_delay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
