/* SPDX-License-Identifier: Apache-2.0 */
/* Orders to a program that measures: a JSON object on each line of its input, and the answer to each on a line of its
 * output. */
#ifndef BENCH_ORDERS_H
#define BENCH_ORDERS_H

#include <jansson.h>

#include "io/loop.h"

/* Carries an order out, running the loop as it needs, and returns the answer: a new reference. */
typedef json_t *order_fn(void *arg, const json_t *order);

/* Until the input ends. The loop runs while there is no order, so that sessions are served. Ends the program with a
 * sentence if there is no thread to be had for reading. */
void orders_serve(struct loop *loop, order_fn *obey, void *arg);

#endif
