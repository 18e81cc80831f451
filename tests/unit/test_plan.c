/* SPDX-License-Identifier: Apache-2.0 */
/* Orders as plans: what is printed of them, and which are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "order_samples.h"

static void plan_is_printed(void **state)
{
    struct order order = sample_order(ROLE_SOURCE);
    struct order same = sample_order(ROLE_TARGET);
    struct plan_target target = {0};
    AUTO_FREE struct planned_step *steps = plan_describe(&same, false, &target.n);

    target.steps = steps;
    plan_set_channel(steps, target.n, "web by VLAN 100");
    AUTO_FREE char *text = plan_format(&order, &(struct plan_channel) {.exists = true, .mbps = 1000}, &target);

    (void) state;
    assert_string_equal(text, "channel wan, which exists, 1000 Mbit/s\n"
                              "\n"
                              "data center A:\n"
                              "stage 0  channel-reserve                  undo: give the bandwidth back\n"
                              "stage 0  policy-collect V1                undo: nothing, it only reads\n"
                              "stage 0  policy-collect V2                undo: nothing, it only reads\n"
                              "stage 1  target-configure                 undo: have the target undo everything\n"
                              "stage 2  channel-open                     undo: close the channel\n"
                              "stage 3  transfer V1                      undo: none, it decides where the VM runs\n"
                              "stage 3  transfer V2                      undo: none, it decides where the VM runs\n"
                              "stage 4  target-activate V1               undo: none, only forward\n"
                              "stage 4  target-activate V2               undo: none, only forward\n"
                              "stage 5  vm-remove V1                     undo: none, only forward\n"
                              "stage 5  vm-remove V2                     undo: none, only forward\n"
                              "stage 6  segment-close                    undo: none, only forward\n"
                              "stage 6  channel-close                    undo: none, only forward\n"
                              "stage 7  target-commit                    undo: none, only forward\n"
                              "\n"
                              "data center B:\n"
                              "stage 0  admit                            undo: give memory, VLAN and meters back\n"
                              "stage 1  policy-install V1                undo: remove the VM's flows and meters\n"
                              "stage 1  policy-install V2                undo: remove the VM's flows and meters\n"
                              "stage 2  segment-open                     undo: close the segment if no VM of it is "
                              "left\n"
                              "         web by VLAN 100\n"
                              "stage 2  channel-open                     undo: close the channel\n"
                              "stage 3  verify V1                        undo: nothing, it only reads\n"
                              "stage 3  verify V2                        undo: nothing, it only reads\n"
                              "stage 4  arrival V1                       undo: none, it decides where the VM runs\n"
                              "stage 4  arrival V2                       undo: none, it decides where the VM runs\n"
                              "stage 5  activate V1                      undo: none, only forward\n"
                              "stage 5  activate V2                      undo: none, only forward\n"
                              "stage 6  await-commit                     undo: none, only forward\n"
                              "stage 7  channel-close                    undo: none, only forward\n");
    order_free(&same);
    order_free(&order);
}

static void assert_begins(const char *text, const char *begin)
{
    AUTO_FREE char *same = xstrndup(text, strlen(begin));

    assert_string_equal(same, begin);
}

static void plan_with_users_is_printed(void **state)
{
    static const uint32_t nodes[] = {0x0afd000d, 0x0afd0003, 0x0afd000e};
    struct order source = sample_order(ROLE_SOURCE), target = sample_order(ROLE_TARGET);

    (void) state;
    sample_user(&source);
    sample_user(&target);
    struct plan_target theirs = {0};
    AUTO_FREE struct planned_step *steps = plan_describe(&target, false, &theirs.n);
    theirs.steps = steps;
    AUTO_FREE char *text = plan_format(&source, &(struct plan_channel) {false, 5000, nodes, 3}, &theirs);
    AUTO_FREE char *existing = plan_format(&source, &(struct plan_channel) {true, 5000, nodes, 3}, NULL);
    assert_begins(text,
                  "channel wan, to be set up: 10.253.0.13 10.253.0.3 10.253.0.14, 5000 Mbit/s\n"
                  "user ce1 (V1, V2): a circuit from data center B\n"
                  "\n"
                  "data center A:\n"
                  "stage 0  channel-reserve                  undo: give the bandwidth back; take the channel down\n");
    assert_non_null(strstr(text, "\nstage 6  circuit-close                    undo: none, only forward\n"));
    assert_begins(existing, "channel wan, which exists: 10.253.0.13 10.253.0.3 10.253.0.14, 5000 Mbit/s\n");
    assert_non_null(strstr(existing, "undo: give the bandwidth back\n"));
    assert_non_null(strstr(text, "\nstage 2  circuit-open                     "
                                 "undo: take down the circuits that no VM here needs\n"));
    assert_non_null(strstr(existing, "\n\ndata center B was not asked: its gateway does not know how to plan. It may "
                                     "refuse.\n"));
    assert_null(strstr(existing, "admit"));
    order_free(&source);
    order_free(&target);
}

static void orders_are_checked(void **state)
{
    struct order order = sample_order(ROLE_SOURCE);
    struct err err = {0};

    (void) state;
    assert_int_equal(plan_check(&order, &err), 0);
    snprintf(order.vms[1].name, NAME_SIZE, "V1");
    assert_int_equal(plan_check(&order, &err), ERR_INVALID);
    assert_string_equal(err.text, "VM V1 is named twice in the order; name it once");
    snprintf(order.vms[1].name, NAME_SIZE, "V2");
    order.vms[1].segment[0] = '\0';
    assert_int_equal(plan_check(&order, &err), ERR_INVALID);
    assert_string_equal(err.text, "VM V2 belongs to no segment; put <scg:vm segment='...'> into its domain's metadata");
    snprintf(order.vms[1].segment, NAME_SIZE, "web");
    order.vms[1].nics[0].ip.family = IP_NONE;
    assert_int_equal(plan_check(&order, &err), ERR_INVALID);
    order.vms[1].nics[0].ip.family = IP_V6;
    assert_int_equal(plan_check(&order, &err), ERR_UNSUPPORTED);
    order.vms[1].nics[0].ip.family = IP_V4;
    order.vms[1].n_nics = 2;
    assert_int_equal(plan_check(&order, &err), ERR_UNSUPPORTED);
    assert_string_equal(err.text, "VM V2 has 2 interfaces; VMs with one can be migrated");
    snprintf(order.target_dc, NAME_SIZE, "A");
    assert_int_equal(plan_check(&order, &err), ERR_INVALID);
    assert_string_equal(err.text, "source and target are the same data center, A");
    order_free(&order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plan_is_printed),
        cmocka_unit_test(plan_with_users_is_printed),
        cmocka_unit_test(orders_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
