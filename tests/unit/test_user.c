/* SPDX-License-Identifier: Apache-2.0 */
/* Users on transport networks as JSON: round trips, and each member that is missing or wrong, as an operator gets it
 * told and as a peer does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "model/user.h"

static const char user_text[] = "{\"name\": \"ce1\", \"segment\": \"web\", \"access\": {\"router\": \"10.253.0.15\","
                                " \"client\": 1, \"vlan\": 30}, \"bandwidth-mbps\": 100,"
                                " \"addresses\": [\"10.100.0.101\", \"10.100.0.102\"], \"vms\": [\"V2\", \"V3\"]}";

static json_t *load(const char *text)
{
    json_error_t error;
    json_t *json = json_loads(text, JSON_DECODE_ANY, &error);

    if (!json)
        fail_msg("%s: %s", error.text, text);
    return json;
}

static struct user make_user(void)
{
    json_t *json = load(user_text);
    struct user user;
    struct err err = {0};

    if (user_from_json(json, "user", false, &user, &err) < 0)
        fail_msg("%s", err.text);
    json_decref(json);
    return user;
}

static void round_trip(void **state)
{
    struct user user = make_user();
    json_t *json = user_to_json(&user), *expected = load(user_text);

    (void) state;
    assert_int_equal(user.access_router, 0x0afd000f);
    assert_int_equal(user.access.interface, 1);
    assert_int_equal(user.access.vlan, 30);
    assert_int_equal(user.n_addresses, 2);
    assert_true(json_equal(json, expected));
    json_decref(json);
    user_free(&user);

    /* Without a VLAN it is the whole port, and says so by not naming one. */
    json_object_del(json_object_get(expected, "access"), "vlan");
    assert_int_equal(user_from_json(expected, "user", false, &user, NULL), 0);
    assert_int_equal(user.access.vlan, CLIENT_VLAN_NONE);
    json = user_to_json(&user);
    assert_true(json_equal(json, expected));
    json_decref(json);
    json_decref(expected);
    user_free(&user);
}

static void vms(void **state)
{
    struct user user = make_user(), copy = user_copy(&user);

    (void) state;
    user_add_vm(&user, "V3");
    assert_int_equal(user.n_vms, 2);
    user_add_vm(&user, "V1");
    assert_int_equal(user_find_vm(&user, "V1"), 2);
    user_remove_vm(&user, "V2");
    user_remove_vm(&user, "V9");
    assert_int_equal(user.n_vms, 2);
    assert_int_equal(user_find_vm(&user, "V2"), -1);
    assert_int_equal(user_find_vm(&user, "V3"), 0);
    assert_int_equal(user_find_vm(&user, "V1"), 1);
    assert_int_equal(copy.n_vms, 2); /* it is one of its own */
    assert_int_equal(user_find_vm(&copy, "V2"), 0);

    /* One that uses no VM can be copied, and written, too. */
    user_remove_vm(&user, "V1");
    user_remove_vm(&user, "V3");
    struct user none = user_copy(&user);
    assert_int_equal(none.n_vms, 0);
    user_add_vm(&none, "V7");
    assert_int_equal(user_find_vm(&none, "V7"), 0);
    user_free(&none);
    user_free(&copy);
    user_free(&user);
}

/* Each spoils the member, which for a "." stands in "access". */
static const struct edit {
    const char *member, *value; /* value null: it is missing */
    const char *text;           /* null: it is fine */
} edits[] = {
    {"name", NULL, "u.name: missing"},
    {"name", "7", "u.name: expected a string, found a whole number"},
    {"name", "\"\"", "u.name: is empty or longer than 31 bytes"},
    {"name", "\"c234567890123456789012345678901\"", NULL},
    {"name", "\"c2345678901234567890123456789012\"", "u.name: is empty or longer than 31 bytes"},
    {"name", "\"A.b-c_1\"", NULL},
    {"name", "\"ce 1\"", "u.name: 'ce 1' is not of letters, digits and '-', '_', '.' alone"},
    {"name", "\"A:ce1\"", "u.name: 'A:ce1' is not of letters, digits and '-', '_', '.' alone"},
    {"name", "\"../x\"", "u.name: '../x' is not of letters, digits and '-', '_', '.' alone"},
    {"segment", NULL, "u.segment: missing"},
    {"segment", "\"\"", "u.segment: is empty or longer than 63 bytes"},
    {"access", NULL, "u.access: missing"},
    {"access", "[]", "u.access: expected an object, found an array"},
    {".router", NULL, "u.access.router: missing"},
    {".router", "\"pe5\"", "u.access.router: 'pe5' is not a router id such as 10.253.0.15"},
    {".router", "\"0.0.0.0\"", "u.access.router: '0.0.0.0' is not a router id such as 10.253.0.15"},
    {".client", NULL, "u.access.client: missing"},
    {".client", "0", "u.access.client: expected 1..4294967295, found 0"},
    {".vlan", NULL, NULL},
    {".vlan", "0", "u.access.vlan: expected 1..4094, found 0"},
    {".vlan", "4095", "u.access.vlan: expected 1..4094, found 4095"},
    {"bandwidth-mbps", NULL, "u.bandwidth-mbps: missing"},
    {"bandwidth-mbps", "0", "u.bandwidth-mbps: expected 1..1000000, found 0"},
    {"bandwidth-mbps", "1000001", "u.bandwidth-mbps: expected 1..1000000, found 1000001"},
    {"addresses", NULL, "u.addresses: missing"},
    {"addresses", "{}", "u.addresses: expected an array, found an object"},
    {"addresses", "[]", "u.addresses: has 0 members, expected 1 to 16"},
    {"addresses", "[1]", "u.addresses: member 0 is no IPv4 address, nor a global or unique local one of IPv6"},
    {"addresses", "[\"10.0.0.1\", \"10.0.0\"]",
     "u.addresses: member 1 is no IPv4 address, nor a global or unique local one of IPv6"},
    {"addresses", "[\"2001:db8::1\"]", NULL},
    {"addresses", "[\"fe80::1\"]",
     "u.addresses: member 0 is no IPv4 address, nor a global or unique local one of IPv6"},
    {"addresses", "[\"10.0.0.1\", \"10.0.0.2\", \"10.0.0.1\"]", "u.addresses: 10.0.0.1 is named twice"},
    {"addresses", "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]", "u.addresses: has 17 members, expected 1 to 16"},
    {"vms", NULL, "u.vms: missing"},
    {"vms", "[]", NULL},
    {"vms", "[\"V1\", \"V1\"]", NULL},
    {"vms", "[\"\"]", "u.vms: member 0 is not the name of a VM"},
    {"vms", "[\"V1\", 2]", "u.vms: member 1 is not the name of a VM"},
};

static void members(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
        bool in_access = edits[i].member[0] == '.';
        const char *member = edits[i].member + in_access;
        struct user user = {.n_addresses = 77};
        struct err err = {0};
        json_t *json = load(user_text), *object = in_access ? json_object_get(json, "access") : json;

        if (edits[i].value)
            json_object_set_new(object, member, load(edits[i].value));
        else
            json_object_del(object, member);
        int status = user_from_json(json, "u", false, &user, &err);
        assert_string_equal(status ? err.text : "fine", edits[i].text ? edits[i].text : "fine");
        assert_int_equal(status, edits[i].text ? ERR_INVALID : 0);
        if (status)
            assert_int_equal(user.n_addresses, 77);
        else
            user_free(&user);
        json_decref(json);
    }
}

static void too_many_vms(void **state)
{
    json_t *json = load(user_text), *array = json_object_get(json, "vms");
    struct user user;
    struct err err = {0};

    (void) state;
    for (int i = 4; json_array_size(array) < USER_VMS_MAX; i++) {
        AUTO_FREE char *name = xasprintf("V%d", i);

        json_array_append_new(array, json_string(name));
    }
    assert_int_equal(user_from_json(json, "u", true, &user, &err), 0);
    assert_int_equal(user.n_vms, USER_VMS_MAX);
    user_free(&user);
    json_array_append_new(array, json_string("V1"));
    assert_int_equal(user_from_json(json, "u", true, &user, &err), ERR_INVALID);
    assert_string_equal(err.text, "u.vms: has 257 members, at most 256 are allowed");
    json_decref(json);
}

/* An operator's slip is an error; what a later version of a peer adds is not. */
static void unknown_members(void **state)
{
    static const char *const texts[] = {"u.vlna: ", "u.access.vlna: "};

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        json_t *json = load(user_text);
        struct user user;
        struct err err = {0};

        json_object_set_new(i ? json_object_get(json, "access") : json, "vlna", json_integer(1));
        assert_int_equal(user_from_json(json, "u", false, &user, &err), ERR_INVALID);
        assert_memory_equal(err.text, texts[i], strlen(texts[i]));
        assert_int_equal(user_from_json(json, "u", true, &user, &err), 0);
        user_free(&user);
        json_decref(json);
    }
    assert_int_equal(user_from_json(NULL, "u", false, NULL, NULL), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),      cmocka_unit_test(vms),
        cmocka_unit_test(members),         cmocka_unit_test(too_many_vms),
        cmocka_unit_test(unknown_members),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
