/* SPDX-License-Identifier: Apache-2.0 */
/* An error as HTTP carries it, to operators and between gateways: a status and {"error": "ERR_...", "reason": "a
 * sentence"}. */
#ifndef MODEL_PROBLEM_H
#define MODEL_PROBLEM_H

#include <jansson.h>

#include "base/err.h"

/* The HTTP status of an error code; 409 where the code has none of its own. */
int problem_http_status(int code);

/* New reference. Bytes of the sentence that are not UTF-8 become '?'. */
json_t *problem_encode(const struct err *err);

/* Fills 'err' from an answer with that HTTP status, 300 or more. 'json' may be null or anything: the code then follows
 * from the status, and the sentence names the status. */
void problem_decode(int http_status, const json_t *json, struct err *err);

#endif
