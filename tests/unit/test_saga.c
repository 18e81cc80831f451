/* SPDX-License-Identifier: Apache-2.0 */
/* The saga's decisions, one event at a time: after each, what it wrote down and what it wants done is compared. An
 * order of two VMs, V1 and V2. "+x" is an action on step x, "x=y" a note. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "core/saga.h"
#include "order_samples.h"

static const struct saga_limits limits = {.transfers = 1, .confirm_ms = 30000, .transfer_ms = 60000};

static struct saga *make_saga(enum migration_role role)
{
    struct order order = sample_order(role);

    return saga_new(&order, &limits);
}

static struct saga *make_saga_with_user(enum migration_role role)
{
    struct order order = sample_order(role);

    sample_user(&order);
    return saga_new(&order, &limits);
}

/* ---- the script's language ---- */

static const char *step_text(const struct saga *saga, unsigned i, char *buffer, size_t size)
{
    const struct step *step = &saga->steps[i];

    if (step->vm == STEP_SHARED)
        snprintf(buffer, size, "%s", step_infos[step->kind].name);
    else
        snprintf(buffer, size, "%s:%s", step_infos[step->kind].name, saga->order.vms[step->vm].name);
    return buffer;
}

static unsigned step_of(const struct saga *saga, const char *name)
{
    char text[96];

    for (unsigned i = 0; i < saga->n_steps; i++) {
        if (strcmp(step_text(saga, i, text, sizeof text), name) == 0)
            return i;
    }
    fail_msg("no step %s", name);
    return 0;
}

static void expect(const struct saga *saga, const char *expected)
{
    static const char *const verbs[] = {"apply", "confirm", "undo", "abort", "report", "end"};
    struct strbuf text = {0};
    char step[96];

    for (size_t i = 0; i < saga->n_notes; i++) {
        if (saga->notes[i].step == SAGA_NOTE_SAGA)
            strbuf_printf(&text, "%s ", saga->notes[i].what);
    }
    for (size_t i = 0; i < saga->n_actions; i++) {
        const struct saga_action *action = &saga->actions[i];

        if (action->type == SAGA_DO_REPORT_CONFIGURED || action->type == SAGA_DO_END)
            strbuf_printf(&text, "+%s ", verbs[action->type]);
        else
            strbuf_printf(&text, "+%s(%s) ", verbs[action->type], step_text(saga, action->step, step, sizeof step));
    }

    AUTO_FREE char *got = strbuf_take(&text);
    if (*got)
        got[strlen(got) - 1] = '\0';
    assert_string_equal(got, expected);
}

static void event(struct saga *saga, enum saga_event_type type, int64_t ms, const char *expected)
{
    saga_step(saga, &(struct saga_event) {.type = type}, (struct mono) {ms});
    expect(saga, expected);
}

static void step_event(struct saga *saga, const char *step, enum saga_event_type type, int64_t ms, const char *expected)
{
    static const struct err refused = {ERR_REFUSED, "the device said no"};
    static const struct err unknown = {ERR_UNKNOWN, "no answer came"};
    const struct err *err = type == SAGA_STEP_FAILED || type == SAGA_UNDO_FAILED ? &refused :
                            type == SAGA_STEP_UNKNOWN                            ? &unknown :
                                                                                   NULL;

    saga_step(saga, &(struct saga_event) {.type = type, .step = step_of(saga, step), .err = err}, (struct mono) {ms});
    expect(saga, expected);
}

static void source_until_transfer(struct saga *saga)
{
    event(saga, SAGA_START, 0, "+apply(channel-reserve) +apply(policy-collect:V1) +apply(policy-collect:V2)");
    step_event(saga, "channel-reserve", SAGA_STEP_OK, 1, "channel_ready");
    step_event(saga, "policy-collect:V1", SAGA_STEP_OK, 2, "");
    step_event(saga, "policy-collect:V2", SAGA_STEP_OK, 3, "policy_collected +apply(target-configure)");
    step_event(saga, "target-configure", SAGA_STEP_OK, 4, "target_configured +apply(channel-open)");
    step_event(saga, "channel-open", SAGA_STEP_OK, 5, "transferring +apply(transfer:V1)");
}

/* ---- the source ---- */

static void source_moves_both(void **state)
{
    struct saga *saga = make_saga(ROLE_SOURCE);

    (void) state;
    source_until_transfer(saga);
    /* one transfer at a time; what follows it runs beside the next */
    step_event(saga, "transfer:V1", SAGA_STEP_OK, 6, "+apply(transfer:V2) +apply(target-activate:V1)");
    step_event(saga, "target-activate:V1", SAGA_STEP_OK, 7, "+apply(vm-remove:V1)");
    step_event(saga, "transfer:V2", SAGA_STEP_OK, 8, "switched +apply(target-activate:V2)");
    step_event(saga, "vm-remove:V1", SAGA_STEP_OK, 9, "");
    step_event(saga, "target-activate:V2", SAGA_STEP_OK, 10, "rehomed +apply(vm-remove:V2)");
    step_event(saga, "vm-remove:V2", SAGA_STEP_OK, 11, "+apply(segment-close) +apply(channel-close)");
    step_event(saga, "channel-close", SAGA_STEP_OK, 12, "");
    step_event(saga, "segment-close", SAGA_STEP_OK, 13, "released +apply(target-commit)");
    step_event(saga, "target-commit", SAGA_STEP_OK, 14, "done +end");
    assert_false(saga_partial(saga));
    event(saga, SAGA_CANCEL, 15, ""); /* too late */
    saga_free(saga);
}

static void source_undoes_in_reverse_when_refused(void **state)
{
    struct saga *saga = make_saga(ROLE_SOURCE);

    (void) state;
    event(saga, SAGA_START, 0, "+apply(channel-reserve) +apply(policy-collect:V1) +apply(policy-collect:V2)");
    step_event(saga, "channel-reserve", SAGA_STEP_OK, 1, "channel_ready");
    step_event(saga, "policy-collect:V1", SAGA_STEP_OK, 2, "");
    step_event(saga, "policy-collect:V2", SAGA_STEP_OK, 3, "policy_collected +apply(target-configure)");
    step_event(saga, "target-configure", SAGA_STEP_FAILED, 4, "rolling_back +undo(target-configure)");
    /* the target does not answer: again after 200 ms, then 400 */
    step_event(saga, "target-configure", SAGA_UNDO_FAILED, 5, "");
    assert_int_equal(saga_deadline(saga).ms, 205);
    event(saga, SAGA_TICK, 204, "");
    event(saga, SAGA_TICK, 205, "+undo(target-configure)");
    step_event(saga, "target-configure", SAGA_UNDO_FAILED, 300, "");
    assert_int_equal(saga_deadline(saga).ms, 700);
    event(saga, SAGA_TICK, 700, "+undo(target-configure)");
    step_event(saga, "target-configure", SAGA_UNDO_OK, 701,
               "+undo(channel-reserve) +undo(policy-collect:V1) +undo(policy-collect:V2)");
    step_event(saga, "policy-collect:V1", SAGA_UNDO_OK, 702, "");
    step_event(saga, "policy-collect:V2", SAGA_UNDO_OK, 703, "");
    step_event(saga, "channel-reserve", SAGA_UNDO_OK, 704, "rolled_back +end");
    assert_string_equal(saga->reason.text, "the device said no");
    saga_free(saga);
}

static void answer_that_does_not_come_is_asked_for(void **state)
{
    struct saga *saga = make_saga(ROLE_SOURCE);

    (void) state;
    event(saga, SAGA_START, 0, "+apply(channel-reserve) +apply(policy-collect:V1) +apply(policy-collect:V2)");
    step_event(saga, "channel-reserve", SAGA_STEP_OK, 1, "channel_ready");
    step_event(saga, "policy-collect:V1", SAGA_STEP_OK, 2, "");
    step_event(saga, "policy-collect:V2", SAGA_STEP_OK, 3, "policy_collected +apply(target-configure)");
    step_event(saga, "target-configure", SAGA_STEP_UNKNOWN, 4, "+confirm(target-configure)");
    step_event(saga, "target-configure", SAGA_STEP_BUSY, 5, "");
    event(saga, SAGA_TICK, 205, "+confirm(target-configure)");
    /* it never arrived: once more */
    step_event(saga, "target-configure", SAGA_STEP_ABSENT, 206, "+apply(target-configure)");
    step_event(saga, "target-configure", SAGA_STEP_UNKNOWN, 207, "+confirm(target-configure)");
    step_event(saga, "target-configure", SAGA_STEP_PRESENT, 208, "target_configured +apply(channel-open)");
    /* an answer of before changes nothing */
    step_event(saga, "target-configure", SAGA_STEP_FAILED, 209, "");
    saga_free(saga);
}

static void failed_transfer_is_never_believed(void **state)
{
    struct saga *saga = make_saga(ROLE_SOURCE);

    (void) state;
    source_until_transfer(saga);
    step_event(saga, "transfer:V1", SAGA_STEP_FAILED, 6, "+confirm(transfer:V1)");
    step_event(saga, "transfer:V1", SAGA_STEP_BUSY, 7, "");
    event(saga, SAGA_TICK, 207, "+confirm(transfer:V1)");
    /* it crossed after all: forward */
    step_event(saga, "transfer:V1", SAGA_STEP_PRESENT, 208, "+apply(transfer:V2) +apply(target-activate:V1)");
    assert_int_equal(saga->order.vms[0].fate, FATE_CROSSED);
    /* V2 really stays: V1 goes on, the order ends done, in part */
    step_event(saga, "transfer:V2", SAGA_STEP_FAILED, 209, "+confirm(transfer:V2)");
    step_event(saga, "transfer:V2", SAGA_STEP_ABSENT, 210, "switched +undo(policy-collect:V2)");
    assert_int_equal(saga->order.vms[1].fate, FATE_STAYED);
    step_event(saga, "policy-collect:V2", SAGA_UNDO_OK, 211, "");
    step_event(saga, "target-activate:V1", SAGA_STEP_OK, 212, "rehomed +apply(vm-remove:V1)");
    step_event(saga, "vm-remove:V1", SAGA_STEP_OK, 213, "+apply(segment-close) +apply(channel-close)");
    step_event(saga, "segment-close", SAGA_STEP_OK, 214, "");
    step_event(saga, "channel-close", SAGA_STEP_OK, 215, "released +apply(target-commit)");
    step_event(saga, "target-commit", SAGA_STEP_OK, 216, "done +end");
    assert_true(saga_partial(saga));
    saga_free(saga);
}

static void cancel_aborts_the_transfer_under_way(void **state)
{
    struct saga *saga = make_saga(ROLE_SOURCE);

    (void) state;
    source_until_transfer(saga);
    event(saga, SAGA_CANCEL, 6, "+abort(transfer:V1) +undo(policy-collect:V2)");
    event(saga, SAGA_CANCEL, 7, ""); /* once is enough */
    step_event(saga, "transfer:V1", SAGA_STEP_FAILED, 8, "+confirm(transfer:V1)");
    step_event(saga, "transfer:V1", SAGA_STEP_ABSENT, 9, "rolling_back +undo(channel-open)");
    saga_free(saga);
}

static void transfer_that_takes_too_long_is_aborted(void **state)
{
    struct saga *saga = make_saga(ROLE_SOURCE);

    (void) state;
    source_until_transfer(saga);
    assert_int_equal(saga_deadline(saga).ms, 60005);
    event(saga, SAGA_TICK, 60004, "");
    event(saga, SAGA_TICK, 60005, "+abort(transfer:V1)");
    event(saga, SAGA_TICK, 60006, "");
    saga_free(saga);
}

static void after_the_pivot_only_forward(void **state)
{
    struct saga *saga = make_saga(ROLE_SOURCE);

    (void) state;
    source_until_transfer(saga);
    step_event(saga, "transfer:V1", SAGA_STEP_OK, 6, "+apply(transfer:V2) +apply(target-activate:V1)");
    step_event(saga, "transfer:V2", SAGA_STEP_OK, 7, "switched +apply(target-activate:V2)");
    step_event(saga, "target-activate:V1", SAGA_STEP_FAILED, 8, "");
    assert_int_equal(saga_deadline(saga).ms, 208);
    event(saga, SAGA_CANCEL, 9, "");
    event(saga, SAGA_TICK, 208, "+apply(target-activate:V1)");
    saga_free(saga);
}

static void restart_confirms_what_was_open(void **state)
{
    struct saga *saga = make_saga(ROLE_SOURCE);
    struct err err = {0};

    (void) state;
    source_until_transfer(saga);

    json_t *json = saga_to_json(saga);
    struct saga *again = saga_from_json(json, &limits, &err);
    json_decref(json);
    assert_non_null(again);
    assert_string_equal(saga_state_name(again), "transferring");
    event(again, SAGA_RESTART, 0, "+confirm(transfer:V1)");
    /* the order never reached libvirt: it is given again */
    step_event(again, "transfer:V1", SAGA_STEP_ABSENT, 1, "+apply(transfer:V1)");
    saga_free(again);
    saga_free(saga);
}

/* The user's circuit goes when its VMs have; only when it is gone, the order is released. */
static void source_closes_circuits(void **state)
{
    struct saga *saga = make_saga_with_user(ROLE_SOURCE);

    (void) state;
    source_until_transfer(saga);
    step_event(saga, "transfer:V1", SAGA_STEP_OK, 6, "+apply(transfer:V2) +apply(target-activate:V1)");
    step_event(saga, "target-activate:V1", SAGA_STEP_OK, 7, "+apply(vm-remove:V1)");
    step_event(saga, "transfer:V2", SAGA_STEP_OK, 8, "switched +apply(target-activate:V2)");
    step_event(saga, "vm-remove:V1", SAGA_STEP_OK, 9, "");
    step_event(saga, "target-activate:V2", SAGA_STEP_OK, 10, "rehomed +apply(vm-remove:V2)");
    step_event(saga, "vm-remove:V2", SAGA_STEP_OK, 11,
               "+apply(segment-close) +apply(circuit-close) +apply(channel-close)");
    step_event(saga, "channel-close", SAGA_STEP_OK, 12, "");
    step_event(saga, "segment-close", SAGA_STEP_OK, 13, "");
    /* its ingress is away: again, and again */
    step_event(saga, "circuit-close", SAGA_STEP_FAILED, 14, "");
    event(saga, SAGA_TICK, 214, "+apply(circuit-close)");
    step_event(saga, "circuit-close", SAGA_STEP_OK, 215, "released +apply(target-commit)");
    step_event(saga, "target-commit", SAGA_STEP_OK, 216, "done +end");
    saga_free(saga);
}

/* ---- the target ---- */

static void target_until_configured(struct saga *saga)
{
    event(saga, SAGA_START, 0, "+apply(admit)");
    step_event(saga, "admit", SAGA_STEP_OK, 1, "admitted +apply(policy-install:V1) +apply(policy-install:V2)");
    step_event(saga, "policy-install:V1", SAGA_STEP_OK, 2, "");
    step_event(saga, "policy-install:V2", SAGA_STEP_OK, 3,
               "policy_installed +apply(segment-open) +apply(channel-open)");
    step_event(saga, "segment-open", SAGA_STEP_OK, 4, "");
    step_event(saga, "channel-open", SAGA_STEP_OK, 5,
               "internal_channel external_channel +apply(verify:V1) +apply(verify:V2)");
    step_event(saga, "verify:V1", SAGA_STEP_OK, 6, "");
    step_event(saga, "verify:V2", SAGA_STEP_OK, 7, "verified configured +report");
}

static void target_commits(void **state)
{
    struct saga *saga = make_saga(ROLE_TARGET);

    (void) state;
    target_until_configured(saga);
    saga_step(saga, &(struct saga_event) {.type = SAGA_VM_HERE, .vm = 1}, (struct mono) {8});
    expect(saga, "+apply(activate:V2)");
    step_event(saga, "activate:V2", SAGA_STEP_OK, 9, "");
    saga_step(saga, &(struct saga_event) {.type = SAGA_VM_HERE, .vm = 0}, (struct mono) {10});
    expect(saga, "+apply(activate:V1)");
    event(saga, SAGA_COMMIT, 11, "");
    step_event(saga, "activate:V1", SAGA_STEP_OK, 12, "activated +apply(channel-close)");
    step_event(saga, "channel-close", SAGA_STEP_OK, 13, "committed +end");
    saga_free(saga);
}

static void target_asks_its_hypervisor_before_it_undoes(void **state)
{
    struct saga *saga = make_saga(ROLE_TARGET);

    (void) state;
    target_until_configured(saga);
    event(saga, SAGA_ABORT, 8, "+confirm(arrival:V1) +confirm(arrival:V2)");
    step_event(saga, "arrival:V1", SAGA_STEP_BUSY, 9, "");
    step_event(saga, "arrival:V2", SAGA_STEP_ABSENT, 10, "+undo(verify:V2)");
    event(saga, SAGA_TICK, 209, "+confirm(arrival:V1)");
    step_event(saga, "arrival:V1", SAGA_STEP_ABSENT, 210, "rolling_back +undo(verify:V1)");
    step_event(saga, "verify:V2", SAGA_UNDO_OK, 211, "");
    step_event(saga, "verify:V1", SAGA_UNDO_OK, 212, "+undo(segment-open) +undo(channel-open)");
    step_event(saga, "segment-open", SAGA_UNDO_OK, 213, "");
    step_event(saga, "channel-open", SAGA_UNDO_OK, 214, "+undo(policy-install:V1) +undo(policy-install:V2)");
    step_event(saga, "policy-install:V1", SAGA_UNDO_OK, 215, "");
    step_event(saga, "policy-install:V2", SAGA_UNDO_OK, 216, "+undo(admit)");
    step_event(saga, "admit", SAGA_UNDO_OK, 217, "rolled_back +end");
    saga_free(saga);
}

static void commit_undoes_the_vm_that_stayed(void **state)
{
    struct saga *saga = make_saga(ROLE_TARGET);

    (void) state;
    target_until_configured(saga);
    saga_step(saga, &(struct saga_event) {.type = SAGA_VM_HERE, .vm = 0}, (struct mono) {8});
    expect(saga, "+apply(activate:V1)");
    step_event(saga, "activate:V1", SAGA_STEP_OK, 9, "");
    event(saga, SAGA_COMMIT, 10, "+confirm(arrival:V2)");
    step_event(saga, "arrival:V2", SAGA_STEP_ABSENT, 11, "activated +undo(verify:V2)");
    step_event(saga, "verify:V2", SAGA_UNDO_OK, 12, "+undo(policy-install:V2)");
    step_event(saga, "policy-install:V2", SAGA_UNDO_OK, 13, "+apply(channel-close)");
    step_event(saga, "channel-close", SAGA_STEP_OK, 14, "committed +end");
    saga_free(saga);
}

static void target_with_user_until_circuit(struct saga *saga)
{
    event(saga, SAGA_START, 0, "+apply(admit)");
    step_event(saga, "admit", SAGA_STEP_OK, 1, "admitted +apply(policy-install:V1) +apply(policy-install:V2)");
    step_event(saga, "policy-install:V1", SAGA_STEP_OK, 2, "");
    step_event(saga, "policy-install:V2", SAGA_STEP_OK, 3,
               "policy_installed +apply(segment-open) +apply(circuit-open) +apply(channel-open)");
    step_event(saga, "segment-open", SAGA_STEP_OK, 4, "");
    step_event(saga, "channel-open", SAGA_STEP_OK, 5, "internal_channel");
}

/* No VM is let in before its user's circuit stands. */
static void target_opens_circuits(void **state)
{
    struct saga *saga = make_saga_with_user(ROLE_TARGET);
    struct err err = {0};

    (void) state;
    target_with_user_until_circuit(saga);
    step_event(saga, "circuit-open", SAGA_STEP_UNKNOWN, 6, "+confirm(circuit-open)");

    /* What the journal holds of users is read again. */
    json_t *json = saga_to_json(saga);
    struct saga *again = saga_from_json(json, &limits, &err);
    json_decref(json);
    saga_free(saga);
    assert_non_null(again);
    assert_string_equal(again->order.users[0].vms[1], "V2");
    event(again, SAGA_RESTART, 7, "+confirm(circuit-open)");
    step_event(again, "circuit-open", SAGA_STEP_ABSENT, 8, "+apply(circuit-open)");
    step_event(again, "circuit-open", SAGA_STEP_OK, 9, "external_channel +apply(verify:V1) +apply(verify:V2)");
    saga_free(again);
}

static void target_without_a_path_for_the_user(void **state)
{
    struct saga *saga = make_saga_with_user(ROLE_TARGET);

    (void) state;
    target_with_user_until_circuit(saga);
    step_event(saga, "circuit-open", SAGA_STEP_FAILED, 6,
               "rolling_back +undo(segment-open) +undo(circuit-open) +undo(channel-open)");
    assert_string_equal(saga->reason.text, "the device said no");
    saga_free(saga);
}

/* No VM may arrive while another is still being refused. */
static void no_arrival_before_every_vm_is_verified(void **state)
{
    struct saga *saga = make_saga(ROLE_TARGET);

    (void) state;
    event(saga, SAGA_START, 0, "+apply(admit)");
    step_event(saga, "admit", SAGA_STEP_OK, 1, "admitted +apply(policy-install:V1) +apply(policy-install:V2)");
    step_event(saga, "policy-install:V1", SAGA_STEP_OK, 2, "");
    step_event(saga, "policy-install:V2", SAGA_STEP_OK, 3,
               "policy_installed +apply(segment-open) +apply(channel-open)");
    step_event(saga, "segment-open", SAGA_STEP_OK, 4, "");
    step_event(saga, "channel-open", SAGA_STEP_OK, 5,
               "internal_channel external_channel +apply(verify:V1) +apply(verify:V2)");
    step_event(saga, "verify:V1", SAGA_STEP_OK, 6, "");
    step_event(saga, "verify:V2", SAGA_STEP_FAILED, 7, "rolling_back +undo(verify:V1) +undo(verify:V2)");
    assert_int_equal(saga->order.vms[0].fate, FATE_STAYED);
    saga_free(saga);
}

/* ---- journal ---- */

/* Every state that an edge leads to can be written and read; a journal of another shape is refused. */
static void journal_of_another_shape_is_refused(void **state)
{
    struct saga *saga = make_saga(ROLE_TARGET);
    json_t *json = saga_to_json(saga);
    struct err err = {0};

    (void) state;
    json_array_remove(json_object_get(json, "steps"), 0);
    assert_null(saga_from_json(json, &limits, &err));
    assert_string_equal(err.text, "saga.steps: has 12 members where the order has 13");
    json_decref(json);
    json = saga_to_json(saga);
    json_object_set_new(json, "state", json_string("nowhere"));
    assert_null(saga_from_json(json, &limits, &err));
    assert_string_equal(err.text, "saga.state: is not a state of a migration");
    json_decref(json);
    saga_free(saga);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(source_moves_both),
        cmocka_unit_test(source_undoes_in_reverse_when_refused),
        cmocka_unit_test(answer_that_does_not_come_is_asked_for),
        cmocka_unit_test(failed_transfer_is_never_believed),
        cmocka_unit_test(cancel_aborts_the_transfer_under_way),
        cmocka_unit_test(transfer_that_takes_too_long_is_aborted),
        cmocka_unit_test(after_the_pivot_only_forward),
        cmocka_unit_test(restart_confirms_what_was_open),
        cmocka_unit_test(source_closes_circuits),
        cmocka_unit_test(target_commits),
        cmocka_unit_test(target_asks_its_hypervisor_before_it_undoes),
        cmocka_unit_test(commit_undoes_the_vm_that_stayed),
        cmocka_unit_test(target_opens_circuits),
        cmocka_unit_test(target_without_a_path_for_the_user),
        cmocka_unit_test(no_arrival_before_every_vm_is_verified),
        cmocka_unit_test(journal_of_another_shape_is_refused),
    };

    return cmocka_run_group_tests_name("saga", tests, NULL, NULL);
}
