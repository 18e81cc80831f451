/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator is told when there is no path, crankback, and bandwidth in flight. */
#include "path_world.h"

/* A cable a-b: its TE links. */
static void cable(struct path_graph *graph, uint32_t number, uint32_t a, uint32_t b, uint64_t bps, uint32_t colours)
{
    for (int end = 0; end < 2; end++) {
        struct te_link link = {.key = {AREA, router(end ? b : a), topology_address(number, end), 0},
                               .to = router(end ? a : b),
                               .remote_ip = topology_address(number, 1 - end),
                               .metric = 1,
                               .delay_us = 100,
                               .admin_group = colours};
        for (int p = 0; p < TE_PRIORITIES; p++)
            link.unreserved_bps[p] = bps;
        path_graph_set(graph, &link);
    }
}

/*   1         the upper way is wide and red, the lower one narrow and blue
 *  / \
 * 0   3 ... 4 is known by a link of one end only
 *  \ /
 *   2  */
static struct path_graph *diamond(void)
{
    struct path_graph *graph = path_graph_new();
    cable(graph, 0, 0, 1, 1000 * MBPS, 1);
    cable(graph, 1, 1, 3, 800 * MBPS, 1);
    cable(graph, 2, 0, 2, 300 * MBPS, 2);
    cable(graph, 3, 2, 3, 1000 * MBPS, 2);
    struct te_link link = {.key = {AREA, router(3), topology_address(4, 0), 0}, .to = router(4)};
    path_graph_set(graph, &link);
    return graph;
}

static void assert_fails(struct path_graph *graph, const struct path_query *query, int code, const char *text)
{
    struct path_result result;
    struct err err = {0};
    assert_int_equal(path_find(graph, query, &result, &err), code);
    assert_int_equal(err.code, code);
    if (!strstr(err.text, text))
        fail_msg("'%s' is not in '%s'", text, err.text);
}

static void test_says_why_there_is_no_path(void **state)
{
    (void) state;
    struct path_graph *graph = diamond();
    const struct path_query plain = {.area = AREA, .from = router(0), .to = router(3)};
    struct path_query query = plain;
    query.to = router(0);
    assert_fails(graph, &query, ERR_INVALID, "the same node, 10.0.0.1");
    query.to = router(9);
    assert_fails(graph, &query, ERR_NOT_FOUND, "the egress 10.0.0.10 is not in the TED of area 0.0.0.7");
    query = plain;
    query.area = 1;
    assert_fails(graph, &query, ERR_NOT_FOUND, "the ingress 10.0.0.1 is not in the TED of area 0.0.0.1");
    query = plain;
    query.setup_priority = 8;
    assert_fails(graph, &query, ERR_INVALID, "0..7");
    query = plain;
    query.to = router(4);
    assert_fails(graph, &query, ERR_UNREACHABLE, "link 100.64.0.17 (10.0.0.4 to 10.0.0.5) is flooded by one end only");
    query = plain;
    query.bandwidth_bps = 900 * MBPS;
    query.setup_priority = 3;
    assert_fails(graph, &query, ERR_EXHAUSTED,
                 "has 900 Mbit/s free at priority 3: 800 Mbit/s would fit, and link 100.64.0.5");
    query.exclude_any = 1;
    assert_fails(graph, &query, ERR_EXHAUSTED, "300 Mbit/s would fit, and link 100.64.0.9");
    query.exclude_any = 3;
    assert_fails(graph, &query, ERR_EXHAUSTED, "800 Mbit/s would fit without the other constraints");
    query.exclude_any = 0;
    query.bandwidth_bps = 500 * MBPS;
    query.include_all = 2;
    assert_fails(graph, &query, ERR_EXHAUSTED, "300 Mbit/s would fit, and link 100.64.0.9");
    query = plain;
    query.exclude_any = 3;
    assert_fails(graph, &query, ERR_CONFLICT, "the affinities (exclude-any 0x3");
    query.exclude_any = 1;
    path_exclude_node(&query, router(2));
    /* Either would do if the other one were dropped: the first is named. */
    assert_fails(graph, &query, ERR_CONFLICT, "the affinities");
    path_exclude_node(&query, router(1));
    assert_fails(graph, &query, ERR_CONFLICT, "the exclusions (2 nodes, 0 links) bar every path");
    query.exclude_any = 3;
    assert_fails(graph, &query, ERR_CONFLICT, "the affinities");
    path_query_free(&query);
    query = plain;
    query.max_delay_us = 199;
    assert_fails(graph, &query, ERR_CONFLICT, "the least delay that the other constraints allow is 200 us");
    path_graph_free(graph);
}

static void test_not_connected(void **state)
{
    (void) state;
    struct path_graph *graph = path_graph_new();
    cable(graph, 0, 0, 1, 1000 * MBPS, 0);
    cable(graph, 1, 2, 3, 1000 * MBPS, 0);
    struct path_query query = {.area = AREA, .from = router(0), .to = router(3)};
    assert_fails(graph, &query, ERR_UNREACHABLE, "are not connected by any links");
    path_graph_free(graph);
}

/* One that bars and one that does not: neither is dropped alone, both together are named. */
static void test_several_constraints_together(void **state)
{
    (void) state;
    struct path_graph *graph = path_graph_new();
    cable(graph, 0, 0, 1, 1000 * MBPS, 1);
    cable(graph, 1, 0, 1, 100 * MBPS, 2);
    cable(graph, 2, 0, 1, 100 * MBPS, 1);
    struct path_query query = {.area = AREA, .from = router(0), .to = router(1), .bandwidth_bps = 500 * MBPS};
    query.exclude_any = 1;
    assert_fails(graph, &query, ERR_EXHAUSTED, "100 Mbit/s would fit, and link 100.64.0.5");
    struct te_link_key second = {AREA, router(0), topology_address(1, 0), 0};
    struct te_link_key first = {AREA, router(1), topology_address(0, 1), 0};
    path_exclude_link(&query, &second);
    query.bandwidth_bps = 0;
    assert_fails(graph, &query, ERR_CONFLICT, "the affinities");
    query.bandwidth_bps = 500 * MBPS;
    path_exclude_link(&query, &first);
    query.exclude_any = 0;
    assert_fails(graph, &query, ERR_EXHAUSTED, "100 Mbit/s would fit, and link 100.64.0.9");
    path_query_free(&query);
    path_graph_free(graph);
}

/* -- the widest path ----------------------------------------------------------------------------------------------- */

static void narrowest(struct ref_walk *walk)
{
    uint64_t *best = walk->context, width = UINT64_MAX;
    for (size_t i = 0; i < walk->n; i++) {
        const struct te_link *link = &walk->world->links[walk->path[i]], *back = ref_reverse(walk->world, link);
        uint8_t p = walk->query->setup_priority;
        width = link->unreserved_bps[p] < width ? link->unreserved_bps[p] : width;
        width = back->unreserved_bps[p] < width ? back->unreserved_bps[p] : width;
    }
    *best = width > *best ? width : *best;
}

static void test_widest_against_all_paths(void **state)
{
    (void) state;
    uint64_t seed = 31;
    struct world world;
    for (int round = 0; round < 3000; round++) {
        world_random(&world, &seed, 2 + topology_random_below(&seed, 6), 2 + topology_random_below(&seed, 12), 10);
        struct path_query query = world_query(&world, &seed), free_of_bandwidth = query;
        free_of_bandwidth.bandwidth_bps = 0;
        free_of_bandwidth.metric = PATH_TE_METRIC;
        uint64_t best = 0, bps = 0;
        struct ref_walk walk = {.world = &world, .query = &free_of_bandwidth, .found = narrowest, .context = &best};
        ref_all_paths(&walk);
        struct path_graph *graph = world_graph(&world);
        struct te_link limit;
        struct err err = {0};
        int ret = path_widest(graph, &query, &bps, &limit, &err);
        assert_int_equal(ret == 0, best > 0);
        assert_true(!ret || err.text[0]);
        assert_int_equal(bps, best);
        if (!ret) {
            const struct te_link *back = ref_reverse(&world, &limit);
            uint8_t p = query.setup_priority;
            assert_true(limit.unreserved_bps[p] == bps || back->unreserved_bps[p] == bps);
        }
        path_graph_free(graph);
        path_query_free(&query);
    }
}

/* -- crankback ----------------------------------------------------------------------------------------------------- */

static void test_crankback(void **state)
{
    (void) state;
    struct path_graph *graph = diamond();
    struct path_query query = {.area = AREA, .from = router(0), .to = router(3)};
    struct path_result result;
    struct err err;
    assert_int_equal(path_find(graph, &query, &result, NULL), 0);
    assert_int_equal(result.links[0].to, router(1));
    path_result_free(&result);
    /* The far end's name for the link: either direction excludes both. */
    struct lsp_error error = {.node = router(1), .code = 1, .value = 2, .interface_ip = topology_address(0, 1)};
    assert_int_equal(path_exclude_error(&query, graph, &error, &err), 0);
    assert_int_equal(query.n_excluded_links, 1);
    assert_int_equal(path_exclude_error(&query, graph, &error, &err), ERR_EXISTS);
    error = (struct lsp_error) {.node = router(0), .interface_ip = topology_address(0, 0)};
    assert_int_equal(path_exclude_error(&query, graph, &error, &err), ERR_EXISTS);
    assert_int_equal(path_find(graph, &query, &result, NULL), 0);
    assert_int_equal(result.links[0].to, router(2));
    path_result_free(&result);
    /* A node names the interface of its neighbour. */
    error = (struct lsp_error) {.node = router(2), .interface_ip = topology_address(3, 1)};
    assert_int_equal(path_exclude_error(&query, graph, &error, &err), 0);
    assert_int_equal(query.n_excluded_links, 2);
    assert_fails(graph, &query, ERR_CONFLICT, "the exclusions (0 nodes, 2 links)");
    path_query_free(&query);
    /* A node, by itself or by an interface that is no link. */
    error = (struct lsp_error) {.node = router(1)};
    assert_int_equal(path_exclude_error(&query, graph, &error, &err), 0);
    assert_int_equal(query.excluded_nodes[0], router(1));
    assert_int_equal(path_exclude_error(&query, graph, &error, &err), ERR_EXISTS);
    error = (struct lsp_error) {.node = router(2), .interface_id = 77};
    assert_int_equal(path_exclude_error(&query, graph, &error, &err), 0);
    assert_int_equal(query.excluded_nodes[1], router(2));
    path_query_free(&query);
    /* What no other path avoids. */
    error = (struct lsp_error) {.node = router(3)};
    assert_int_equal(path_exclude_error(&query, graph, &error, &err), ERR_CONFLICT);
    error.interface_id = 5;
    assert_int_equal(path_exclude_error(&query, graph, &error, &err), ERR_CONFLICT);
    error = (struct lsp_error) {.node = router(40)};
    assert_int_equal(path_exclude_error(&query, graph, &error, &err), ERR_NOT_FOUND);
    error.node = 0;
    assert_int_equal(path_exclude_error(&query, graph, &error, &err), ERR_NOT_FOUND);
    assert_int_equal(query.n_excluded_links + query.n_excluded_nodes, 0);
    path_graph_free(graph);
}

static void test_crankback_of_an_unnumbered_link(void **state)
{
    (void) state;
    struct path_graph *graph = path_graph_new();
    for (uint32_t end = 0; end < 2; end++) {
        struct te_link link = {.key = {AREA, router(end), 0, 5 + end}, .to = router(1 - end), .remote_id = 6 - end};
        path_graph_set(graph, &link);
    }
    cable(graph, 1, 0, 1, 1000 * MBPS, 0);
    struct path_query query = {.area = AREA, .from = router(0), .to = router(1)};
    struct lsp_error error = {.node = router(0), .interface_id = 5};
    struct path_result result;
    assert_int_equal(path_find(graph, &query, &result, NULL), 0);
    assert_int_equal(result.cost, 0);
    path_result_free(&result);
    assert_int_equal(path_exclude_error(&query, graph, &error, NULL), 0);
    assert_int_equal(path_find(graph, &query, &result, NULL), 0);
    assert_int_equal(result.cost, 1);
    path_result_free(&result);
    path_query_free(&query);
    path_graph_free(graph);
}

/* -- bandwidth in flight ------------------------------------------------------------------------------------------- */

static const struct mono start = {1000};

/* The bandwidth that the query's path has at most. */
static uint64_t room(struct path_graph *graph, uint8_t priority)
{
    struct path_query query = {.area = AREA, .from = router(0), .to = router(1), .setup_priority = priority};
    struct te_link limit;
    uint64_t bps = UINT64_MAX;
    assert_int_equal(path_widest(graph, &query, &bps, &limit, NULL), 0);
    return bps;
}

static struct path_graph *one_cable(struct te_link *link)
{
    struct path_graph *graph = path_graph_new();
    struct path_query query = {.area = AREA, .from = router(0), .to = router(1)};
    struct path_result result;
    cable(graph, 0, 0, 1, 1000 * MBPS, 0);
    assert_int_equal(path_find(graph, &query, &result, NULL), 0);
    *link = result.links[0];
    path_result_free(&result);
    return graph;
}

/* What the node floods, of this direction or the other. */
static void flood(struct path_graph *graph, const struct te_link *link, bool back, uint64_t bps)
{
    struct te_link flooded = *link;
    if (back) {
        flooded.key.from = link->to, flooded.to = link->key.from;
        flooded.key.local_ip = link->remote_ip, flooded.remote_ip = link->key.local_ip;
    }
    for (int p = 0; p < TE_PRIORITIES; p++)
        flooded.unreserved_bps[p] = bps;
    path_graph_set(graph, &flooded);
}

static void test_booking_counts_until_the_flood_tells(void **state)
{
    (void) state;
    struct te_link link;
    struct path_graph *graph = one_cable(&link);
    assert_int_equal(path_booking_deadline(graph).ms, MONO_NEVER.ms);
    path_book(graph, "a", &link, 1, 400 * MBPS, 7, start);
    path_book(graph, "b", &link, 1, 100 * MBPS, 7, start);
    assert_int_equal(room(graph, 7), 500 * MBPS);
    assert_int_equal(path_booked(graph, &link.key, 7), 500 * MBPS);
    /* While they are being set up, a flood of less is not taken for theirs; twice is better than not at all. */
    flood(graph, &link, false, 950 * MBPS);
    assert_int_equal(room(graph, 7), 450 * MBPS);
    path_book_up(graph, "a", mono_add(start, 100));
    assert_int_equal(room(graph, 7), 450 * MBPS);
    /* Now 'a' is shown by one end, and counts at the other one still. */
    flood(graph, &link, false, 500 * MBPS);
    assert_int_equal(path_booked(graph, &link.key, 7), 100 * MBPS);
    assert_int_equal(room(graph, 7), 400 * MBPS);
    flood(graph, &link, true, 500 * MBPS);
    assert_int_equal(room(graph, 7), 400 * MBPS);
    path_unbook(graph, "b");
    path_unbook(graph, "nobody");
    assert_int_equal(room(graph, 7), 500 * MBPS);
    path_booking_tick(graph, mono_add(start, 200)); /* of 'a' nothing is left to count */
    assert_int_equal(path_booking_deadline(graph).ms, MONO_NEVER.ms);
    path_graph_free(graph);
}

/* A node that was quiet floods at once, before the LSP is up. */
static void test_flood_during_set_up_tells_of_as_much(void **state)
{
    (void) state;
    struct te_link link;
    struct path_graph *graph = one_cable(&link);
    path_book(graph, "a", &link, 1, 400 * MBPS, 7, start);
    path_book(graph, "b", &link, 1, 400 * MBPS, 7, start);
    flood(graph, &link, false, 600 * MBPS + 32); /* as a float can be */
    assert_int_equal(path_booked(graph, &link.key, 7), 400 * MBPS);
    flood(graph, &link, false, 500 * MBPS); /* somebody else's */
    assert_int_equal(path_booked(graph, &link.key, 7), 400 * MBPS);
    path_book_up(graph, "a", start);
    flood(graph, &link, true, 200 * MBPS); /* the other end, in one go */
    assert_int_equal(room(graph, 7), 100 * MBPS);
    flood(graph, &link, false, 100 * MBPS);
    assert_int_equal(room(graph, 7), 100 * MBPS);
    path_graph_free(graph);
}

static void test_booking_ends_by_age(void **state)
{
    (void) state;
    struct te_link link;
    struct path_graph *graph = one_cable(&link);
    path_book(graph, "a", &link, 1, 400 * MBPS, 7, start);
    path_book(graph, "a", &link, 1, 300 * MBPS, 7, start); /* in place of the first */
    assert_int_equal(room(graph, 7), 700 * MBPS);
    assert_int_equal(path_booking_deadline(graph).ms, start.ms + PATH_BOOKING_SETUP_MS);
    path_booking_tick(graph, mono_add(start, PATH_BOOKING_SETUP_MS - 1));
    assert_int_equal(room(graph, 7), 700 * MBPS);
    struct mono up = mono_add(start, 5000);
    path_book_up(graph, "a", up);
    path_book_up(graph, "a", mono_add(up, 5000)); /* reported again: no longer for that */
    assert_int_equal(path_booking_deadline(graph).ms, up.ms + PATH_BOOKING_UP_MS);
    path_booking_tick(graph, mono_add(up, PATH_BOOKING_UP_MS));
    assert_int_equal(room(graph, 7), 1000 * MBPS);
    path_graph_free(graph);
}

/* Who holds at 3 takes from those who set up at 3 and worse. */
static void test_booking_has_a_priority(void **state)
{
    (void) state;
    struct te_link link;
    struct path_graph *graph = one_cable(&link);
    path_book(graph, "a", &link, 1, 400 * MBPS, 3, start);
    path_book(graph, "b", &link, 1, 5000 * MBPS, 6, start);
    assert_int_equal(room(graph, 2), 1000 * MBPS);
    assert_int_equal(room(graph, 3), 600 * MBPS);
    assert_int_equal(room(graph, 6), 0);
    path_graph_free(graph);
}

/* A link that goes and comes back, and a rebuild of the arrays, leave bookings alone. */
static void test_booking_outlives_its_link(void **state)
{
    (void) state;
    struct te_link link;
    struct path_graph *graph = one_cable(&link);
    path_book(graph, "a", &link, 1, 400 * MBPS, 7, start);
    path_graph_clear(graph, NULL);
    cable(graph, 5, 3, 4, 1000 * MBPS, 0);
    struct path_query query = {.area = AREA, .from = router(3), .to = router(4)};
    struct path_result result;
    assert_int_equal(path_find(graph, &query, &result, NULL), 0);
    path_result_free(&result);
    cable(graph, 0, 0, 1, 1000 * MBPS, 0);
    assert_int_equal(room(graph, 7), 600 * MBPS);
    path_unbook(graph, "a");
    assert_int_equal(room(graph, 7), 1000 * MBPS);
    path_graph_free(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_says_why_there_is_no_path),
        cmocka_unit_test(test_not_connected),
        cmocka_unit_test(test_several_constraints_together),
        cmocka_unit_test(test_widest_against_all_paths),
        cmocka_unit_test(test_crankback),
        cmocka_unit_test(test_crankback_of_an_unnumbered_link),
        cmocka_unit_test(test_booking_counts_until_the_flood_tells),
        cmocka_unit_test(test_flood_during_set_up_tells_of_as_much),
        cmocka_unit_test(test_booking_ends_by_age),
        cmocka_unit_test(test_booking_has_a_priority),
        cmocka_unit_test(test_booking_outlives_its_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
