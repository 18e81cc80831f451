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

/* ---- MTU ---- */

#define MTU_WARNING \
    "long frames are lost: VM Va has an MTU of 1500 and needs 1522 on every link of the tunnel between pe and tor-a; " \
    "port link-4 of switch pe has 1500, and no path is wider: raise it to 1522 at both ends of the link, or lower " \
    "the VM's to 1478"

static void set_mtu(struct fabric_world *w, unsigned a, unsigned b, uint32_t mtu)
{
    w->mtu[link_between(a, b)] = mtu;
    push_port(w, a, b, true);
    push_port(w, b, a, true);
    run(w);
}

static const char *warning_of(struct fabric_world *w, const char *name)
{
    static char text[ERR_TEXT_SIZE];
    json_t *json = NULL;

    assert_int_equal(w->backend.get(w->gateway, "tunnels", name, &json, NULL), 0);
    const char *warning = json_string_value(json_object_get(json, "warning"));
    snprintf(text, sizeof text, "%s", warning ? warning : "");
    json_decref(json);
    return text;
}

/* p1 - pe would be on the shortest path. */
static void narrow_link(void **state)
{
    struct fabric_world *w = *state;

    set_mtu(w, P1, PE, 1500);
    set_mtu(w, P3, PE, 1522);
    w->vm_mtu = 1500;
    vm_is(w, 'a', VM_RUNNING);
    assert_string_equal(tunnel(w, "pe:tor-a"), "up: pe p3 p2 tor-a");
    assert_string_equal(warning_of(w, "pe:tor-a"), "");
    expect_warnings("");
    link_set(w, P3, PE, false);
    assert_string_equal(tunnel(w, "pe:tor-a"), "up: pe p1 tor-a");
    assert_string_equal(warning_of(w, "pe:tor-a"), MTU_WARNING);
    expect_warnings("tor-a: " MTU_WARNING "\n");
    tunnels_update(w->gateway);
    run(w);
    expect_warnings("");
    /* It leaves it when it can */
    link_set(w, P3, PE, true);
    assert_string_equal(tunnel(w, "pe:tor-a"), "up: pe p3 p2 tor-a");
    assert_string_equal(warning_of(w, "pe:tor-a"), "");
    expect_warnings("");
}

static void longer_frames(void **state)
{
    struct fabric_world *w = *state;
    struct tunnel_path path;

    set_mtu(w, P1, PE, 1500);
    set_mtu(w, P3, PE, 9000);
    w->vm_mtu = 1400;
    vm_is(w, 'a', VM_RUNNING);
    assert_string_equal(tunnel(w, "pe:tor-a"), "up: pe p1 tor-a");
    /* One that is to come */
    assert_int_equal(tunnels_path(w->gateway, "pe", "tor-a", 1522, &path, NULL), 0);
    assert_int_equal(path.n, 4);
    assert_int_equal(tunnels_path(w->gateway, "pe", "tor-a", 9022, &path, NULL), 0);
    assert_int_equal(path.n, 3);
    /* At another ToR, and of another segment */
    w->vm_mtu = 1500;
    vm_is(w, 'd', VM_RUNNING);
    assert_string_equal(tunnel(w, "pe:tor-a"), "up: pe p1 tor-a");
    assert_string_equal(tunnel(w, "pe:tor-b"), "up: pe p3 p2 tor-b");
    vm_is(w, 'c', VM_RUNNING);
    assert_string_equal(tunnel(w, "pe:tor-a"), "up: pe p3 p2 tor-a");
    expect_warnings("");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rstp),
        TEST(narrow_link),
        TEST(longer_frames),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
