/* SPDX-License-Identifier: Apache-2.0 */
/* FRR's command line: its answers taken apart, and the commands that change the TE parameters of a link. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "proto/vty/vty.h"

#define MBIT UINT64_C(1000000)

static int decode(const char *bytes, size_t n, struct vty_answer *answer)
{
    return vty_answer_decode((const uint8_t *) bytes, n, answer);
}

static void test_answers(void **state)
{
    (void) state;
    static const char refusal[] =
        "UnReserved Bandwidth could not be greater than Maximum Bandwidth (1.25e+08)\n\0\0\0\x0d\0\0\0";
    const size_t n = sizeof "UnReserved Bandwidth could not be greater than Maximum Bandwidth (1.25e+08)\n" + 3;
    struct vty_answer answer;

    /* As FRR sent it; what follows belongs to the next */
    for (size_t part = 0; part < n; part++)
        assert_int_equal(decode(refusal, part, &answer), 0);
    assert_int_equal(decode(refusal, sizeof refusal, &answer), n);
    assert_int_equal(answer.status, 13);
    assert_string_equal(answer.text, "UnReserved Bandwidth could not be greater than Maximum Bandwidth (1.25e+08)");

    assert_int_equal(decode("\0\0\0\0", 4, &answer), 4);
    assert_int_equal(answer.status, 0);
    assert_string_equal(answer.text, "");
    assert_int_equal(decode("a\x1b[1m\r\nb\0\0\0\x02", 12, &answer), 12);
    assert_string_equal(answer.text, "a?[1m?");

    assert_int_equal(decode("text\0no", 7, &answer), ERR_MALFORMED);
    assert_int_equal(decode("\0\0x\0", 4, &answer), ERR_MALFORMED);
}

static void test_long_answers(void **state)
{
    (void) state;
    AUTO_FREE char *bytes = xmalloc(VTY_ANSWER_MAX);
    struct vty_answer answer;

    memset(bytes, 'x', VTY_ANSWER_MAX);
    assert_int_equal(decode(bytes, VTY_ANSWER_MAX - 1, &answer), 0);
    assert_int_equal(decode(bytes, VTY_ANSWER_MAX, &answer), ERR_TOO_LARGE);
    memset(bytes + 1000, 0, 4);
    assert_int_equal(decode(bytes, VTY_ANSWER_MAX, &answer), 1004);
    assert_int_equal(strlen(answer.text), VTY_TEXT_SIZE - 1);
}

/* The commands with '|' for the null bytes. */
static char *commands_of(const struct vty_link *want, const struct vty_link *have, size_t expected)
{
    struct strbuf commands = {0};

    assert_int_equal(vty_link_encode(want, have, &commands), expected);
    for (size_t i = 0; i < commands.length; i++) {
        if (!commands.text[i])
            commands.text[i] = '|';
    }
    return strbuf_take(&commands);
}

static void expect(const struct vty_link *want, const struct vty_link *have, size_t n, const char *text)
{
    AUTO_FREE char *commands = commands_of(want, have, n ? n + 6 : 0);
    AUTO_FREE char *whole = n ? xasprintf("enable|configure terminal|interface t1-pe1|link-params|%s"
                                          "exit-link-params|end|",
                                          text) :
                                xstrdup("");

    assert_string_equal(commands, whole);
}

static struct vty_link link_of(uint64_t bps)
{
    struct vty_link link = {.interface = "t1-pe1"};

    for (size_t p = 0; p < TE_PRIORITIES; p++)
        link.unreserved_bps[p] = bps;
    return link;
}

static void test_commands(void **state)
{
    (void) state;
    struct vty_link have = link_of(1000 * MBIT), want = have;

    expect(&want, NULL, 8,
           "unrsv-bw 0 125000000|unrsv-bw 1 125000000|unrsv-bw 2 125000000|unrsv-bw 3 125000000|"
           "unrsv-bw 4 125000000|unrsv-bw 5 125000000|unrsv-bw 6 125000000|unrsv-bw 7 125000000|");
    expect(&want, &have, 0, "");
    /* What differs, the best priority first; never more than there is, and not what a float cannot tell apart */
    want.unreserved_bps[7] = 0;
    want.unreserved_bps[3] = 123456789;
    want.unreserved_bps[5] = 1000 * MBIT + 1;
    expect(&want, &have, 2, "unrsv-bw 3 15432098|unrsv-bw 7 0|");
    want = have;
    want.unreserved_bps[0] = UINT64_C(40000000001);
    expect(&want, &have, 1, "unrsv-bw 0 5e+09|");
    want.unreserved_bps[0] = 1;
    expect(&want, &have, 1, "unrsv-bw 0 0.125|");
}

static void test_other_parameters(void **state)
{
    (void) state;
    struct vty_link have = link_of(MBIT), want = have;

    want.metric = 20;
    want.admin_group = 5;
    want.delay_us = 1000;
    expect(&want, &have, 0, ""); /* zebra's configuration counts */
    want.sets_metric = want.sets_admin_group = want.sets_delay = true;
    expect(&want, &have, 3, "metric 20|admin-grp 0x5|delay 1000|");
    have = want;
    expect(&want, &have, 0, "");
    want.delay_us = TE_DELAY_NONE;
    want.metric = UINT32_MAX;
    want.admin_group = 0;
    expect(&want, &have, 2, "metric 4294967295|no delay|");
    want = have;
    want.delay_us = 0x1000000;
    want.admin_group = 0xdeadbeef;
    expect(&want, &have, 2, "admin-grp 0xdeadbeef|delay 16777215|");
}

static void test_interfaces(void **state)
{
    (void) state;
    static const char *const good[] = {"lo", "t1-pe1", "eth0.100", "a23456789012345"}, *const bad[] = {
                                                                                           "",    "a234567890123456",
                                                                                           "a b", "a\nb",
                                                                                           "-a",  "a;b"};

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(vty_interface_is_valid(good[i]));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(vty_interface_is_valid(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),          cmocka_unit_test(test_long_answers), cmocka_unit_test(test_commands),
        cmocka_unit_test(test_other_parameters), cmocka_unit_test(test_interfaces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
