/* SPDX-License-Identifier: Apache-2.0 */
#include "fields.h"

#include "model/ted.h"

void fields_add(json_t *fields, const char *name, json_t *value)
{
    json_t *values = json_object_get(fields, name);

    if (!values) {
        values = json_array();
        json_object_set_new(fields, name, values);
    }
    json_array_append_new(values, value);
}

void fields_add_number(json_t *fields, const char *name, uint32_t value)
{
    fields_add(fields, name, json_integer(value));
}

void fields_add_address(json_t *fields, const char *name, uint32_t address)
{
    char text[IPV4_TEXT_SIZE];

    fields_add(fields, name, json_string(ipv4_format(address, text)));
}
