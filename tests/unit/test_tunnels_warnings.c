/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway warns of in VPLS mode: once, by name, with what to do. fabric_world.h has the map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/log.h"
#include "fabric_world.h"

static struct strbuf warnings; /* "name: text" a line */

void __wrap_log_write(enum log_level level, enum log_fault fault, const char *id, const char *format, ...);

void __wrap_log_write(enum log_level level, enum log_fault fault, const char *id, const char *format, ...)
{
    char text[1024];
    va_list args;

    (void) fault;
    if (level > LOG_WARNING)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    strbuf_printf(&warnings, "%s: %s\n", id, text);
}

static void expect_warnings(const char *text)
{
    assert_string_equal(warnings.text ? warnings.text : "", text);
    strbuf_clear(&warnings);
}

static int setup(void **state)
{
    int status = fabric_world_setup(state);

    strbuf_clear(&warnings);
    return status;
}

static int teardown(void **state)
{
    strbuf_free(&warnings);
    return fabric_world_teardown(state);
}

/* ---- RSTP ---- */

#define RSTP_WARNING \
    "p1: runs RSTP, which blocks links that tunnels may take; in VPLS mode turn it off: ovs-vsctl set Bridge p1 " \
    "rstp_enable=false\n"

/* OVSDB tells of each port of p1 whether it takes part. */
static void turn_rstp(struct fabric_world *w, bool on)
{
    static const unsigned neighbours[] = {TOR_A, P2, PE, P3};

    w->rstp[P1] = on;
    for (size_t i = 0; i < ARRAY_LEN(neighbours); i++)
        push_port(w, P1, neighbours[i], true);
    run(w);
}

static void rstp(void **state)
{
    struct fabric_world *w = *state;

    turn_rstp(w, true);
    expect_warnings(RSTP_WARNING);
    switch_up(w, P1);
    expect_warnings("");
    turn_rstp(w, false);
    expect_warnings("");
    turn_rstp(w, true);
    expect_warnings(RSTP_WARNING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rstp, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
