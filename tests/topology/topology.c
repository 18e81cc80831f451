/* SPDX-License-Identifier: Apache-2.0 */
#include "topology/topology.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define DEGREE 6.0
#define SIDE_M 4e6

const char *const topology_names[] = {"abilene",   "geant", "nobel-eu", "janos-us-ca", "geant2012",
                                      "germany50", "colt",  "cogentco", "kdl",         NULL};

static void add_node(struct topology *topology, const char *name)
{
    topology->names = array_reserve(topology->names, topology->n_nodes, &topology->cap_nodes, sizeof(*topology->names));
    topology->names[topology->n_nodes++] = xstrdup(name);
}

static void add_link(struct topology *topology, uint32_t a, uint32_t b, uint32_t length_m)
{
    topology->links = array_reserve(topology->links, topology->n_links, &topology->cap_links, sizeof(*topology->links));
    topology->links[topology->n_links++] = (struct topology_link) {a, b, length_m};
}

static void read_line(struct topology *topology, const char *path, unsigned number, char *line)
{
    uint32_t a, b, km;
    line[strcspn(line, "\n")] = 0;
    if (line[0] == '#' || !line[0])
        return;
    if (!strncmp(line, "node ", 5)) {
        add_node(topology, line + 5);
        return;
    }
    if (sscanf(line, "link %u %u %u", &a, &b, &km) == 3 && a != b && a < topology->n_nodes && b < topology->n_nodes) {
        add_link(topology, a, b, km * 1000);
        return;
    }
    fprintf(stderr, "%s:%u: neither 'node NAME' nor 'link A B KM' of nodes above\n", path, number);
    abort();
}

void topology_load(struct topology *topology, const char *name)
{
    char path[512], line[256];
    memset(topology, 0, sizeof(*topology));
    snprintf(path, sizeof(path), "%s/topologies/%s.txt", TEST_DATA, name);
    FILE *file = fopen(path, "r");
    if (!file) {
        fprintf(stderr, "%s: no such topology\n", path);
        abort();
    }
    for (unsigned number = 1; fgets(line, sizeof(line), file); number++)
        read_line(topology, path, number, line);
    fclose(file);
}

uint64_t topology_random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint32_t topology_random_below(uint64_t *state, uint32_t below)
{
    return (uint32_t) (((topology_random_next(state) >> 32) * below) >> 32);
}

/* Nodes in squares as wide as the longest link, so that the near ones of each are in nine squares. */
struct field {
    double *x, *y; /* 0 .. 1 */
    size_t n, wide;
    uint32_t *first, *next; /* of a square; of a node: the next in its square */
    uint32_t *leader;       /* union-find: of the nodes that are linked so far */
};

static size_t square_of(const struct field *field, double place)
{
    size_t square = (size_t) (place * (double) field->wide);
    return square < field->wide ? square : field->wide - 1;
}

static uint32_t leader_of(struct field *field, uint32_t node)
{
    while (field->leader[node] != node)
        node = field->leader[node] = field->leader[field->leader[node]];
    return node;
}

static void join(struct topology *topology, struct field *field, uint32_t a, uint32_t b)
{
    double dx = field->x[a] - field->x[b], dy = field->y[a] - field->y[b];
    uint32_t length_m = (uint32_t) (sqrt(dx * dx + dy * dy) * SIDE_M) + 1;
    add_link(topology, a, b, length_m);
    field->leader[leader_of(field, a)] = leader_of(field, b);
}

static void link_near(struct topology *topology, struct field *field, uint32_t node, double radius)
{
    size_t row = square_of(field, field->y[node]), column = square_of(field, field->x[node]);
    for (size_t r = row ? row - 1 : 0; r <= row + 1 && r < field->wide; r++) {
        for (size_t c = column ? column - 1 : 0; c <= column + 1 && c < field->wide; c++) {
            for (uint32_t other = field->first[r * field->wide + c]; other != UINT32_MAX; other = field->next[other]) {
                double dx = field->x[node] - field->x[other], dy = field->y[node] - field->y[other];
                if (other > node && dx * dx + dy * dy <= radius * radius)
                    join(topology, field, node, other);
            }
        }
    }
}

/* Boustrophedon through the squares: whoever is not yet linked to the one before in that order gets a link to it. */
static void link_rest(struct topology *topology, struct field *field)
{
    uint32_t before = UINT32_MAX;
    for (size_t r = 0; r < field->wide; r++) {
        for (size_t i = 0; i < field->wide; i++) {
            size_t c = r % 2 ? field->wide - 1 - i : i;
            for (uint32_t node = field->first[r * field->wide + c]; node != UINT32_MAX; node = field->next[node]) {
                if (before != UINT32_MAX && leader_of(field, before) != leader_of(field, node))
                    join(topology, field, before, node);
                before = node;
            }
        }
    }
}

void topology_random(struct topology *topology, size_t nodes, uint64_t seed)
{
    double radius = sqrt(DEGREE / (M_PI * (double) nodes));
    struct field field = {.n = nodes, .wide = radius < 1 ? (size_t) (1 / radius) : 1};
    AUTO_FREE double *x = xcalloc(nodes, sizeof(*x)), *y = xcalloc(nodes, sizeof(*y));
    AUTO_FREE uint32_t *first = xmalloc(field.wide * field.wide * sizeof(*first));
    AUTO_FREE uint32_t *next = xcalloc(nodes, sizeof(*next)), *leader = xcalloc(nodes, sizeof(*leader));
    field.x = x, field.y = y, field.first = first, field.next = next, field.leader = leader;
    memset(topology, 0, sizeof(*topology));
    topology->n_nodes = nodes;
    memset(first, 0xff, field.wide * field.wide * sizeof(*first));
    for (uint32_t i = 0; i < nodes; i++) {
        x[i] = (double) (topology_random_next(&seed) >> 11) * 0x1p-53;
        y[i] = (double) (topology_random_next(&seed) >> 11) * 0x1p-53;
        size_t square = square_of(&field, y[i]) * field.wide + square_of(&field, x[i]);
        next[i] = first[square];
        first[square] = i;
        leader[i] = i;
    }
    for (uint32_t i = 0; i < nodes; i++)
        link_near(topology, &field, i, radius);
    link_rest(topology, &field);
}

void topology_free(struct topology *topology)
{
    for (size_t i = 0; topology->names && i < topology->n_nodes; i++)
        free(topology->names[i]);
    free(topology->names);
    free(topology->links);
    memset(topology, 0, sizeof(*topology));
}

uint32_t topology_router(size_t node)
{
    return 0x0a000001u + (uint32_t) node;
}

uint32_t topology_address(size_t link, int end)
{
    return 0x64400001u + 4 * (uint32_t) link + (uint32_t) end;
}

static int by_key(const void *a, const void *b)
{
    const struct te_link_key *x = &((const struct te_link *) a)->key, *y = &((const struct te_link *) b)->key;
    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    return (x->local_ip > y->local_ip) - (x->local_ip < y->local_ip);
}

struct te_link *topology_links(const struct topology *topology, uint32_t area, uint64_t bps, size_t *n)
{
    struct te_link *links = xcalloc(2 * topology->n_links + 1, sizeof(*links));
    *n = 2 * topology->n_links;
    for (size_t i = 0; i < topology->n_links; i++) {
        const struct topology_link *cable = &topology->links[i];
        for (int end = 0; end < 2; end++) {
            struct te_link *link = &links[2 * i + (size_t) end];
            link->key.area = area;
            link->key.from = topology_router(end ? cable->b : cable->a);
            link->key.local_ip = topology_address(i, end);
            link->to = topology_router(end ? cable->a : cable->b);
            link->remote_ip = topology_address(i, 1 - end);
            link->metric = cable->length_m / 100 ? cable->length_m / 100 : 1;
            link->delay_us = (cable->length_m * 5 + 999) / 1000;
            link->max_bps = link->reservable_bps = bps;
            for (int p = 0; p < TE_PRIORITIES; p++)
                link->unreserved_bps[p] = bps;
        }
    }
    qsort(links, *n, sizeof(*links), by_key);
    return links;
}
