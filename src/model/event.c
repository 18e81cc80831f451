/* SPDX-License-Identifier: Apache-2.0 */
#include "model/event.h"

#include <string.h>

#include "base/alloc.h"

static const char *const place_names[] = {
    [PLACE_UNKNOWN] = "unknown", [PLACE_ABSENT] = "absent", [PLACE_INCOMING] = "incoming",
    [PLACE_RUNNING] = "running", [PLACE_MOVING] = "moving", [PLACE_PAUSED] = "paused",
};

const char *vm_place_name(enum vm_place place)
{
    return (size_t) place < ARRAY_LEN(place_names) ? place_names[place] : place_names[PLACE_UNKNOWN];
}

int vm_place_parse(const char *name, enum vm_place *place)
{
    for (size_t i = 0; i < ARRAY_LEN(place_names); i++)
        if (!strcmp(name, place_names[i])) {
            *place = (enum vm_place) i;
            return 0;
        }
    return ERR_INVALID;
}

/* The queue is a ring; growing it lays the events out from the start again. */
static void queue_grow(struct event_queue *queue)
{
    size_t capacity = queue->capacity ? queue->capacity * 2 : 16;
    struct event **events = xcalloc(capacity, sizeof *events);

    for (size_t i = 0; i < queue->n; i++)
        events[i] = queue->events[(queue->head + i) % queue->capacity];
    free(queue->events);
    queue->events = events;
    queue->head = 0;
    queue->capacity = capacity;
}

struct event *event_push(struct event_queue *queue, enum event_type type)
{
    struct event *event = xcalloc(1, sizeof *event);

    event->type = type;
    if (queue->n == queue->capacity)
        queue_grow(queue);
    queue->events[(queue->head + queue->n++) % queue->capacity] = event;
    if (queue->wake)
        queue->wake(queue->wake_arg);
    return event;
}

struct event *event_push_done(struct event_queue *queue, uint64_t request, const struct err *err)
{
    struct event *event = event_push(queue, EVENT_DONE);

    event->request = request;
    if (err)
        event->err = *err;
    return event;
}

struct event *event_pop(struct event_queue *queue)
{
    if (!queue->n)
        return NULL;

    struct event *event = queue->events[queue->head];

    queue->head = (queue->head + 1) % queue->capacity;
    queue->n--;
    return event;
}

void event_discard(struct event *event)
{
    if (!event)
        return;
    switch (event->owns) {
    case EVENT_OWNS_NOTHING:
        break;
    case EVENT_OWNS_SWITCH:
        switch_info_free(&event->sw);
        break;
    case EVENT_OWNS_READ:
        flow_list_free(&event->read.flows);
        free(event->read.meters);
        free(event->read.queues);
        break;
    case EVENT_OWNS_PACKET:
        free(event->packet.frame);
        break;
    case EVENT_OWNS_ANSWER:
        json_decref(event->answer.body);
        break;
    case EVENT_OWNS_LSP:
        lsp_report_free(&event->lsp);
        break;
    }
    free(event);
}

void event_queue_clear(struct event_queue *queue)
{
    struct event *event;

    while ((event = event_pop(queue)))
        event_discard(event);
    free(queue->events);
    queue->events = NULL;
    queue->head = queue->capacity = 0;
}
