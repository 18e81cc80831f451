/* SPDX-License-Identifier: Apache-2.0 */
/* Lower bounds of distances. For a landmark L and nodes v, t: |d(L, t) - d(L, v)| <= d(v, t), if d is a distance over
 * links that count as short as their shorter direction. What makes it a bound is only that d differs by no more than a
 * link's weight between the link's ends; so d may be too short (links went, or got longer) and is then a weaker bound.
 * A link that is shorter than the difference at its ends is made good at once: its nearer end pulls the farther one
 * nearer, and that one its neighbours. */
#include "core/path_graph.h"

#include <stdlib.h>
#include <string.h>

/* When one link in so many went or got longer, the landmarks are made anew. */
#define WEAKENED_IN 8

static uint32_t weight_of(const struct path_graph *graph, enum path_metric metric, uint32_t arc)
{
    const uint32_t *weight = graph->arcs.weight[metric];
    uint32_t there = weight[arc], back = weight[graph->arcs.twin[arc]];
    return there < back ? there : back;
}

/* Whether it counts; unlike the metric, a delay may be missing. */
static bool has_weight(const struct path_graph *graph, enum path_metric metric, uint32_t arc)
{
    return graph->arcs.usable[0][arc] && (metric != PATH_DELAY || graph->arcs.weight[metric][arc] != TE_DELAY_NONE);
}

/* Brings 'place' as near to the landmark as 'distance', if it is farther, and puts it on the heap. */
static void pull(struct path_graph *graph, struct path_landmarks *landmarks, uint32_t landmark, uint32_t place,
                 uint64_t distance)
{
    int32_t *known = &landmarks->distance[(size_t) place * PATH_LANDMARKS + landmark];
    if (distance >= (uint64_t) *known)
        return;
    *known = (int32_t) distance;
    if (*known < landmarks->nearest[place])
        landmarks->nearest[place] = *known;
    path_heap_push(&graph->heap, distance, place);
}

static void settle(struct path_graph *graph, enum path_metric metric, uint32_t landmark)
{
    struct path_landmarks *landmarks = &graph->landmarks[metric];
    const struct path_arcs *arcs = &graph->arcs;
    while (graph->heap.n) {
        struct path_entry top = path_heap_pop(&graph->heap);
        if (top.key != (uint64_t) landmarks->distance[(size_t) top.item * PATH_LANDMARKS + landmark])
            continue;
        for (uint32_t arc = arcs->first[top.item]; arc < arcs->first[top.item + 1]; arc++) {
            if (has_weight(graph, metric, arc))
                pull(graph, landmarks, landmark, arcs->head[arc], top.key + weight_of(graph, metric, arc));
        }
    }
}

/* The node that is farthest from all landmarks, if any is apart from them. */
static uint32_t farthest(const struct path_graph *graph, const struct path_landmarks *landmarks)
{
    uint32_t best = PATH_NONE;
    int32_t distance = 0;
    for (uint32_t place = 0; place < graph->arcs.n_places; place++) {
        bool has_links = graph->arcs.first[place] < graph->arcs.first[place + 1];
        if (has_links && landmarks->nearest[place] > distance) {
            distance = landmarks->nearest[place];
            best = place;
        }
    }
    return best;
}

static void make_tables(struct path_graph *graph, struct path_landmarks *landmarks)
{
    size_t n = graph->arcs.n_places;
    if (!landmarks->distance) {
        landmarks->distance = xmalloc(n * PATH_LANDMARKS * sizeof(int32_t));
        landmarks->nearest = xmalloc(n * sizeof(int32_t));
    }
    for (size_t i = 0; i < n * PATH_LANDMARKS; i++)
        landmarks->distance[i] = PATH_FAR;
    for (size_t i = 0; i < n; i++)
        landmarks->nearest[i] = PATH_FAR;
    landmarks->n = 0;
    landmarks->weakened = 0;
}

void path_landmarks_prepare(struct path_graph *graph, enum path_metric metric)
{
    struct path_landmarks *landmarks = &graph->landmarks[metric];
    if (graph->arcs.n_places < PATH_LANDMARK_NODES)
        return;
    if (!landmarks->distance || landmarks->weakened > graph->arcs.n_arcs / 2 / WEAKENED_IN)
        make_tables(graph, landmarks);
    if (landmarks->n == PATH_LANDMARKS)
        return;
    uint32_t place = farthest(graph, landmarks);
    if (place == PATH_NONE)
        return;
    graph->heap.n = 0;
    pull(graph, landmarks, landmarks->n, place, 0);
    settle(graph, metric, landmarks->n);
    landmarks->n++;
}

/* After a change of the arc's pair, or for each arc of new arrays. */
static void shorter(struct path_graph *graph, enum path_metric metric, uint32_t arc)
{
    struct path_landmarks *landmarks = &graph->landmarks[metric];
    const struct path_arcs *arcs = &graph->arcs;
    if (!landmarks->n || !has_weight(graph, metric, arc))
        return;
    uint32_t a = arcs->head[arc], b = arcs->head[arcs->twin[arc]], weight = weight_of(graph, metric, arc);
    const int32_t *from_a = &landmarks->distance[(size_t) a * PATH_LANDMARKS];
    const int32_t *from_b = &landmarks->distance[(size_t) b * PATH_LANDMARKS];
    graph->heap.n = 0;
    for (uint32_t landmark = 0; landmark < landmarks->n; landmark++) {
        pull(graph, landmarks, landmark, a, (uint64_t) from_b[landmark] + weight);
        pull(graph, landmarks, landmark, b, (uint64_t) from_a[landmark] + weight);
        settle(graph, metric, landmark);
    }
}

void path_landmarks_shorter(struct path_graph *graph, uint32_t arc)
{
    for (unsigned metric = 0; metric < PATH_METRICS; metric++)
        shorter(graph, metric, arc);
}

void path_landmarks_longer(struct path_graph *graph)
{
    for (unsigned metric = 0; metric < PATH_METRICS; metric++)
        graph->landmarks[metric].weakened++;
}

static void move(struct path_graph *graph, struct path_landmarks *landmarks, const uint32_t *before)
{
    struct path_landmarks old = *landmarks;
    *landmarks = (struct path_landmarks) {0};
    make_tables(graph, landmarks);
    for (uint32_t place = 0; place < graph->arcs.n_places; place++) {
        if (before[place] == PATH_NONE)
            continue;
        memcpy(&landmarks->distance[(size_t) place * PATH_LANDMARKS],
               &old.distance[(size_t) before[place] * PATH_LANDMARKS], PATH_LANDMARKS * sizeof(int32_t));
        landmarks->nearest[place] = old.nearest[before[place]];
    }
    landmarks->n = old.n;
    landmarks->weakened = old.weakened;
    path_landmarks_free(&old);
}

void path_landmarks_move(struct path_graph *graph, const uint32_t *before)
{
    for (unsigned metric = 0; metric < PATH_METRICS; metric++) {
        if (!graph->landmarks[metric].distance)
            continue;
        move(graph, &graph->landmarks[metric], before);
        for (uint32_t arc = 0; arc < graph->arcs.n_arcs; arc++)
            shorter(graph, metric, arc);
    }
}

void path_landmarks_free(struct path_landmarks *landmarks)
{
    free(landmarks->distance);
    free(landmarks->nearest);
    *landmarks = (struct path_landmarks) {0};
}
