/* SPDX-License-Identifier: Apache-2.0 */
#include "orders.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

/* Orders are read by a thread, so that the loop can run meanwhile. */
struct orders {
    struct loop *loop;
    char *line; /* null: the end */
    size_t capacity;
    sem_t taken;
};

static void order_is_there(void *arg)
{
    loop_stop(arg);
}

static void *worker_read(void *arg)
{
    struct orders *orders = arg;
    bool more = true;

    while (more) {
        more = getline(&orders->line, &orders->capacity, stdin) > 0;
        if (!more) {
            free(orders->line);
            orders->line = NULL;
        }
        loop_post(orders->loop, order_is_there, orders->loop);
        sem_wait(&orders->taken);
    }
    return NULL;
}

void orders_serve(struct loop *loop, order_fn *obey, void *arg)
{
    struct orders orders = {.loop = loop};
    pthread_t reader;

    sem_init(&orders.taken, 0, 0);
    if (pthread_create(&reader, NULL, worker_read, &orders) != 0) {
        fputs("there is no thread to be had\n", stderr);
        exit(1);
    }
    for (loop_run(loop); orders.line; loop_run(loop)) {
        json_t *order = json_loads(orders.line, 0, NULL), *answer = obey(arg, order);

        json_dumpf(answer, stdout, JSON_COMPACT);
        putchar('\n');
        fflush(stdout);
        json_decref(answer);
        json_decref(order);
        sem_post(&orders.taken);
    }
    sem_post(&orders.taken);
    pthread_join(reader, NULL);
    sem_destroy(&orders.taken);
}
