/* SPDX-License-Identifier: Apache-2.0 */
/* BIRD's replies taken apart, and the routes that it is given. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/strbuf.h"
#include "proto/bird/bird.h"

#define GREETING "0001 BIRD 2.0.12 ready.\n"
#define READING "0002-Reading configuration from bird.conf\n"
#define STATUS_HEAD "1000-BIRD 2.0.12\n1011-Router ID is 10.255.0.1\n Hostname is vm\n"

static int decode(const char *text, struct bird_reply *reply)
{
    return bird_reply_decode((const uint8_t *) text, strlen(text), reply);
}

static void test_replies_and_what_they_mean(void **state)
{
    static const struct {
        const char *text;
        int code;
        const char *last;
        enum bird_outcome outcome;
    } cases[] = {
        {GREETING, 1, "BIRD 2.0.12 ready.", BIRD_READY},
        {READING "0003 Reconfigured\n", 3, "Reconfigured", BIRD_CONFIGURED},
        {READING "0004 Reconfiguration in progress\n", 4, "Reconfiguration in progress", BIRD_IN_PROGRESS},
        {READING "0005 Reconfiguration already in progress, queueing new config\n", 5,
         "Reconfiguration already in progress, queueing new config", BIRD_IN_PROGRESS},
        {READING "0006 Reconfiguration ignored, shutting down\n", 6, "Reconfiguration ignored, shutting down",
         BIRD_SHUTTING_DOWN},
        {READING "8002 routes.inc:1:1 syntax error\n", 8002, "routes.inc:1:1 syntax error", BIRD_REFUSED},
        {"8007 Access denied\n", 8007, "Access denied", BIRD_REFUSED},
        {"9001 syntax error, unexpected CF_SYM_UNDEFINED\n", 9001, "syntax error, unexpected CF_SYM_UNDEFINED",
         BIRD_REFUSED},
        {STATUS_HEAD "0013 Daemon is up and running\n", 13, "Daemon is up and running", BIRD_CONFIGURED},
        {STATUS_HEAD "0013 Reconfiguration in progress\n", 13, "Reconfiguration in progress", BIRD_IN_PROGRESS},
        {STATUS_HEAD "0013 Shutdown in progress\n", 13, "Shutdown in progress", BIRD_SHUTTING_DOWN},
        {"0000 \n", 0, "", BIRD_UNEXPECTED},
        {"0001 a\tb\033[31m\r\n", 1, "a?b?[31m?", BIRD_READY},
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n = strlen(cases[i].text);
        struct bird_reply reply;
        AUTO_FREE char *twice = xasprintf("%s%s", cases[i].text, GREETING);

        for (size_t part = 0; part < n; part++)
            assert_int_equal(bird_reply_decode((const uint8_t *) cases[i].text, part, &reply), 0);
        assert_int_equal(decode(twice, &reply), n);
        assert_int_equal(reply.code, cases[i].code);
        assert_string_equal(reply.text, cases[i].last);
        assert_int_equal(bird_outcome(&reply), cases[i].outcome);
    }
}

static void test_bytes_that_are_no_reply(void **state)
{
    static const char *const malformed[] = {"\n",
                                            "000\n",
                                            "0003\n",
                                            "0003Reconfigured\n",
                                            "x003 Reconfigured\n",
                                            " Reconfigured\n",
                                            "0003-a\nb\n",
                                            "HTTP/1.1 400 Bad Request\r\n",
                                            "0003-a\n\n"};
    AUTO_FREE char *endless = xmalloc(BIRD_REPLY_MAX + 1);
    struct bird_reply reply;

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(malformed); i++)
        assert_int_equal(decode(malformed[i], &reply), ERR_MALFORMED);
    memset(endless, 'x', BIRD_REPLY_MAX);
    endless[BIRD_REPLY_MAX] = '\0';
    assert_int_equal(decode(endless, &reply), ERR_TOO_LARGE);
    endless[BIRD_REPLY_MAX - 1] = '\0';
    assert_int_equal(decode(endless, &reply), 0);

    /* A long line is cut, not refused. */
    memcpy(endless, "8002 ", 5);
    endless[BIRD_REPLY_MAX - 1] = '\n';
    assert_int_equal(decode(endless, &reply), BIRD_REPLY_MAX);
    assert_int_equal(strlen(reply.text), BIRD_TEXT_SIZE - 1);
}

static void test_routes_are_sorted_and_unique(void **state)
{
    static const char *const addresses[] = {"2001:db8::2", "10.100.0.12", "10.100.0.2",
                                            "10.100.0.12", "2001:db8::1", "9.255.255.255"};
    struct ip hosts[ARRAY_LEN(addresses)];
    AUTO_STRBUF struct strbuf text = {0};

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(addresses); i++)
        assert_int_equal(ip_parse(addresses[i], &hosts[i]), 0);
    bird_routes_encode(hosts, ARRAY_LEN(hosts), &text);
    assert_string_equal(text.text, "route 9.255.255.255/32 blackhole;\n"
                                   "route 10.100.0.2/32 blackhole;\n"
                                   "route 10.100.0.12/32 blackhole;\n"
                                   "route 2001:db8::1/128 blackhole;\n"
                                   "route 2001:db8::2/128 blackhole;\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies_and_what_they_mean),
        cmocka_unit_test(test_bytes_that_are_no_reply),
        cmocka_unit_test(test_routes_are_sorted_and_unique),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
