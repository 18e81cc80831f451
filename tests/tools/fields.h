/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of a packet as tshark has them: under each name a list of values, in order. */
#ifndef TESTS_FIELDS_H
#define TESTS_FIELDS_H

#include <stdint.h>

#include <jansson.h>

void fields_add(json_t *fields, const char *name, json_t *value); /* takes 'value' over */
void fields_add_number(json_t *fields, const char *name, uint32_t value);
void fields_add_address(json_t *fields, const char *name, uint32_t address);

#endif
