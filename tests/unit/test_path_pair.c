/* SPDX-License-Identifier: Apache-2.0 */
/* Disjoint pairs: against all pairs of all paths of small networks. */
#include "path_world.h"

#define PATHS_MAX 4000

struct all_paths {
    struct ref_walk walk;
    struct {
        uint32_t links[WORLD_NODES];
        size_t n;
        uint64_t length;
    } paths[PATHS_MAX];
    size_t n;
};

static void keep(struct ref_walk *walk)
{
    struct all_paths *all = walk->context;
    assert_true(all->n < PATHS_MAX);
    memcpy(all->paths[all->n].links, walk->path, sizeof(walk->path));
    all->paths[all->n].n = walk->n;
    all->paths[all->n].length = 0;
    for (size_t i = 0; i < walk->n; i++)
        all->paths[all->n].length += ref_length(walk->world, walk->query, &walk->world->links[walk->path[i]]);
    all->n++;
}

/* A cable counts, whichever way it is taken. */
static bool same_cable(const struct te_link *a, const struct te_link *b)
{
    return !te_link_key_compare(&a->key, &b->key) ||
           (a->key.from == b->to && b->key.from == a->to && a->key.local_ip == b->remote_ip &&
            (a->key.local_ip || a->key.local_id == b->remote_id));
}

/* What two paths share; UINT32_MAX if a shared link has not the bandwidth of both. */
static uint32_t shared_by(const struct all_paths *all, size_t a, size_t b, enum path_disjoint kind)
{
    const struct te_link *links = all->walk.world->links;
    const struct path_query *query = all->walk.query;
    uint32_t shared = 0;
    for (size_t i = 0; i < all->paths[a].n; i++) {
        for (size_t j = 0; j < all->paths[b].n; j++) {
            const struct te_link *one = &links[all->paths[a].links[i]], *other = &links[all->paths[b].links[j]];
            if (same_cable(one, other)) {
                const struct te_link *back = ref_reverse(all->walk.world, one);
                uint8_t p = query->setup_priority;
                if (one->unreserved_bps[p] / 2 < query->bandwidth_bps ||
                    back->unreserved_bps[p] / 2 < query->bandwidth_bps)
                    return UINT32_MAX;
                shared++;
            }
            shared += kind == PATH_NODE_DISJOINT && one->to == other->to && one->to != query->to;
        }
    }
    return shared;
}

struct best {
    bool found;
    uint32_t shared;
    uint64_t length;
};

static struct best best_pair(const struct all_paths *all, enum path_disjoint kind)
{
    struct best best = {0};
    for (size_t a = 0; a < all->n; a++) {
        for (size_t b = 0; b <= a; b++) {
            uint64_t length = all->paths[a].length + all->paths[b].length;
            if (best.found && !best.shared && length >= best.length)
                continue;
            uint32_t shared = shared_by(all, a, b, kind);
            if (shared == UINT32_MAX ||
                (best.found && (shared > best.shared || (shared == best.shared && length >= best.length))))
                continue;
            best = (struct best) {true, shared, length};
        }
    }
    return best;
}

static void check_pair(const struct all_paths *all, enum path_disjoint kind, const struct path_result result[2],
                       const struct path_shared *shared, const struct best *best)
{
    const struct world *world = all->walk.world;
    size_t links = 0, nodes = 0;
    for (int i = 0; i < 2; i++)
        assert_valid(world, all->walk.query, &result[i]);
    for (size_t i = 0; i < result[0].n; i++) {
        for (size_t j = 0; j < result[1].n; j++) {
            links += same_cable(&result[0].links[i], &result[1].links[j]);
            nodes += result[0].links[i].to == result[1].links[j].to && result[0].links[i].to != all->walk.query->to;
        }
    }
    assert_int_equal(links + (kind == PATH_NODE_DISJOINT ? nodes : 0), best->shared);
    assert_int_equal(result[0].cost + result[1].cost, best->length >> 16);
    assert_int_equal(result[0].n + result[1].n, best->length & 0xffff);
    assert_true(result[0].cost <= result[1].cost);
    if (shared) {
        assert_int_equal(shared->links, links);
        assert_int_equal(shared->nodes, nodes);
    }
}

static void check(struct path_graph *graph, struct all_paths *all, enum path_disjoint kind)
{
    struct best best = best_pair(all, kind);
    struct path_result result[2] = {0};
    struct path_shared shared;
    struct err err = {0};
    int ret = path_find_pair(graph, all->walk.query, kind, NULL, result, &err);
    if (best.found && !best.shared) {
        assert_int_equal(ret, 0);
        check_pair(all, kind, result, NULL, &best);
        path_result_free(&result[0]);
        path_result_free(&result[1]);
    } else {
        assert_true(ret < 0 && err.text[0]);
        assert_true(!all->n || ret == ERR_CONFLICT);
    }
    ret = path_find_pair(graph, all->walk.query, kind, &shared, result, &err);
    assert_int_equal(ret == 0, best.found);
    if (!ret)
        check_pair(all, kind, result, &shared, &best);
    path_result_free(&result[0]);
    path_result_free(&result[1]);
}

static void test_against_all_pairs(void **state)
{
    (void) state;
    uint64_t seed = 11;
    struct world world;
    struct all_paths *all = xcalloc(1, sizeof(*all));
    unsigned disjoint = 0;
    for (int round = 0; round < 4000; round++) {
        size_t nodes = 2 + topology_random_below(&seed, 6);
        world_random(&world, &seed, nodes, 2 + topology_random_below(&seed, 11), round % 2 ? 4 : 100);
        struct path_query query = world_query(&world, &seed);
        /* Mostly without constraints, which leave little to choose from. */
        if (round % 4) {
            path_query_free(&query);
            query = (struct path_query) {.area = AREA,
                                         .from = query.from,
                                         .to = query.to,
                                         .metric = query.metric,
                                         .bandwidth_bps = (uint64_t) (round % 3) * 100 * MBPS};
        }
        struct path_graph *graph = world_graph(&world);
        *all = (struct all_paths) {.walk = {.world = &world, .query = &query, .found = keep, .context = all}};
        ref_all_paths(&all->walk);
        disjoint += all->n > 2;
        check(graph, all, PATH_LINK_DISJOINT);
        check(graph, all, PATH_NODE_DISJOINT);
        path_graph_free(graph);
        path_query_free(&query);
    }
    assert_true(disjoint > 1000);
    free(all);
}

/* The network of textbooks where the shortest path is in neither of the pair, and link- is not node-disjoint. */
static void add(struct world *world, uint32_t a, uint32_t b, uint32_t metric)
{
    uint32_t cable = (uint32_t) world->n / 2;
    for (int end = 0; end < 2; end++) {
        struct te_link *link = &world->links[world->n++];
        *link = (struct te_link) {.key = {AREA, router(end ? b : a), topology_address(cable, end), 0},
                                  .to = router(end ? a : b),
                                  .remote_ip = topology_address(cable, 1 - end),
                                  .metric = metric,
                                  .delay_us = metric * 100};
        for (int p = 0; p < TE_PRIORITIES; p++)
            link->unreserved_bps[p] = 1000 * MBPS;
    }
}

/*        1 --- 2
 *      /1   1 |  \5
 *     0       |1   5      0-1-2-5 ... the trap: 0-1-4-5 is the shortest, and leaves nothing beside it
 *      \5     |  /1
 *        3 -1- 4            (1-4 is the chord) */
static void test_trap(void **state)
{
    (void) state;
    struct world world = {.nodes = 6};
    add(&world, 0, 1, 1);
    add(&world, 1, 2, 1);
    add(&world, 2, 5, 5);
    add(&world, 0, 3, 5);
    add(&world, 3, 4, 1);
    add(&world, 4, 5, 1);
    add(&world, 1, 4, 1);
    struct path_graph *graph = world_graph(&world);
    struct path_query query = {.area = AREA, .from = router(0), .to = router(5)};
    struct path_result one, pair[2];
    assert_int_equal(path_find(graph, &query, &one, NULL), 0);
    assert_int_equal(one.cost, 3);
    for (int kind = 0; kind < 2; kind++) {
        assert_int_equal(path_find_pair(graph, &query, (enum path_disjoint) kind, NULL, pair, NULL), 0);
        assert_int_equal(pair[0].cost, 7);
        assert_int_equal(pair[1].cost, 7);
        /* Equal: the one whose first link has the lesser key comes first. */
        assert_int_equal(pair[0].links[0].to, router(1));
        path_result_free(&pair[0]);
        path_result_free(&pair[1]);
    }
    path_result_free(&one);
    path_graph_free(graph);
}

static void test_refusals_name_what_is_shared(void **state)
{
    (void) state;
    struct world world = {.nodes = 5};
    struct err err;
    struct path_result pair[2];
    /* Two cables 0-1, one 1-2, two 2-3. */
    add(&world, 0, 1, 1);
    add(&world, 0, 1, 2);
    add(&world, 1, 2, 1);
    add(&world, 2, 3, 1);
    add(&world, 2, 3, 2);
    struct path_graph *graph = world_graph(&world);
    struct path_query query = {.area = AREA, .from = router(0), .to = router(3), .bandwidth_bps = 400 * MBPS};
    struct path_shared shared;
    assert_int_equal(path_find_pair(graph, &query, PATH_LINK_DISJOINT, NULL, pair, &err), ERR_CONFLICT);
    assert_non_null(strstr(err.text, "shares link 100.64.0.9 (10.0.0.2 to 10.0.0.3)"));
    assert_int_equal(path_find_pair(graph, &query, PATH_LINK_DISJOINT, &shared, pair, &err), 0);
    assert_int_equal(shared.links, 1);
    assert_int_equal(shared.nodes, 2);
    path_result_free(&pair[0]);
    path_result_free(&pair[1]);
    /* The link between has not the bandwidth of both. */
    query.bandwidth_bps = 600 * MBPS;
    assert_int_equal(path_find_pair(graph, &query, PATH_LINK_DISJOINT, &shared, pair, &err), ERR_CONFLICT);
    assert_non_null(strstr(err.text, "has not the bandwidth of both"));
    query.to = router(1);
    assert_int_equal(path_find_pair(graph, &query, PATH_NODE_DISJOINT, NULL, pair, &err), 0);
    path_result_free(&pair[0]);
    path_result_free(&pair[1]);
    /* A bound that one of the pair breaks. */
    query.max_delay_us = 150;
    assert_int_equal(path_find_pair(graph, &query, PATH_NODE_DISJOINT, NULL, pair, &err), ERR_CONFLICT);
    assert_non_null(strstr(err.text, "200 us, more than the 150 us"));
    query.from = router(4);
    assert_int_equal(path_find_pair(graph, &query, PATH_NODE_DISJOINT, NULL, pair, &err), ERR_NOT_FOUND);
    path_graph_free(graph);
}

static void test_any_order_of_links(void **state)
{
    (void) state;
    uint64_t seed = 12;
    struct world world;
    for (int round = 0; round < 100; round++) {
        world_random(&world, &seed, 10, 30, 3);
        struct path_query query = {.area = AREA, .from = router(0), .to = router(9)};
        struct path_result first[2] = {0}, result[2] = {0};
        for (int order = 0; order < 20; order++) {
            struct path_graph *graph = world_graph(&world);
            int ret = path_find_pair(graph, &query, round % 2, NULL, order ? result : first, NULL);
            for (int i = 0; order && !ret && i < 2; i++) {
                assert_int_equal(result[i].n, first[i].n);
                assert_memory_equal(result[i].links, first[i].links, result[i].n * sizeof(*result[i].links));
                path_result_free(&result[i]);
            }
            path_graph_free(graph);
            world_shuffle(&world, &seed);
        }
        path_result_free(&first[0]);
        path_result_free(&first[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_all_pairs),
        cmocka_unit_test(test_trap),
        cmocka_unit_test(test_refusals_name_what_is_shared),
        cmocka_unit_test(test_any_order_of_links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
