/* SPDX-License-Identifier: Apache-2.0 */
/* The store: what is put comes back, also after reopening, and not after a rollback; fencing; pools. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <string.h>

#include "store_world.h"

#define ID "0f0e0d0c-0b0a-0908-0706-050403020100"

static struct store *open_memory(void)
{
    struct store *store = store_open(":memory:", NULL);

    assert_non_null(store);
    return store;
}

static struct store_migration migration_of(const char *id, const char *role, const char *state, int64_t created)
{
    struct store_migration m = {
        .document = (char *) (uintptr_t) "{\"vms\": [\"V2\"]}", .created_ms = created, .updated_ms = created + 1};

    snprintf(m.id, sizeof m.id, "%s", id);
    snprintf(m.role, sizeof m.role, "%s", role);
    snprintf(m.peer, sizeof m.peer, "B");
    snprintf(m.state, sizeof m.state, "%s", state);
    m.ended = strcmp(state, "done") == 0;
    return m;
}

static void put_migration(struct store *store, const char *id, const char *role, const char *state, int64_t created)
{
    struct store_migration m = migration_of(id, role, state, created);

    assert_int_equal(store_migration_put(store, &m, NULL), 0);
}

/* Each listing is rendered as one text. */
static bool render_migration(void *arg, const struct store_migration *m)
{
    strbuf_printf(arg, "%s/%s %s; ", m->id, m->role, m->state);
    return true;
}

static bool render_journal(void *arg, const struct store_journal_entry *e)
{
    strbuf_printf(arg, "%lld %lld %s: %s (%s); ", (long long) e->sequence, (long long) e->time_ms, e->step, e->event,
                  e->detail);
    return true;
}

static bool render_number(void *arg, const char *owner, uint32_t number)
{
    strbuf_printf(arg, "%s=%u; ", owner, number);
    return true;
}

static void test_migration_survives_reopening(void **state)
{
    struct fixture *f = *state;
    struct store *store = open_store(f);
    struct store_migration m;

    assert_int_equal(store_migration_get(store, ID, "source", &m, &f->err), ERR_NOT_FOUND);
    assert_string_equal(f->err.text, "migration " ID " (source): there is no such migration");
    put_migration(store, ID, "source", "accepted", 1000);
    put_migration(store, ID, "target", "received", 1001);
    put_migration(store, ID, "source", "transferring", 1000);
    store_close(store);

    store = open_store(f);
    assert_int_equal(store_migration_get(store, ID, "source", &m, NULL), 0);
    assert_string_equal(m.id, ID);
    assert_string_equal(m.role, "source");
    assert_string_equal(m.peer, "B");
    assert_string_equal(m.state, "transferring");
    assert_string_equal(m.document, "{\"vms\": [\"V2\"]}");
    assert_int_equal(m.created_ms, 1000);
    assert_int_equal(m.updated_ms, 1001);
    assert_false(m.ended);
    store_migration_free(&m);
    store_close(store);
}

static bool stop_at_first(void *arg, const struct store_migration *m)
{
    render_migration(arg, m);
    return false;
}

static void test_migrations_newest_first(void **state)
{
    struct store *store = open_memory();
    AUTO_STRBUF struct strbuf all = {0}, open = {0}, first = {0};

    (void) state;
    put_migration(store, "b", "source", "done", 20);
    put_migration(store, "a", "source", "accepted", 30);
    put_migration(store, "c", "source", "transferring", 10);
    put_migration(store, "c", "target", "received", 10);
    assert_int_equal(store_migration_each(store, false, render_migration, &all, NULL), 0);
    assert_string_equal(all.text, "a/source accepted; b/source done; c/target received; c/source transferring; ");
    assert_int_equal(store_migration_each(store, true, render_migration, &open, NULL), 0);
    assert_string_equal(open.text, "a/source accepted; c/target received; c/source transferring; ");
    assert_int_equal(store_migration_each(store, false, stop_at_first, &first, NULL), 0);
    assert_int_equal(store_migration_each(store, false, stop_at_first, &first, NULL), 0);
    assert_string_equal(first.text, "a/source accepted; a/source accepted; ");
    store_close(store);
}

struct nested {
    struct store *store;
    struct strbuf seen;
    int inner;
};

/* Moves each migration to where the listing has yet to come. */
static bool put_behind(void *arg, const struct store_migration *m)
{
    struct nested *nested = arg;

    strbuf_printf(&nested->seen, "%s ", m->id);
    put_migration(nested->store, m->id, m->role, m->state, m->created_ms - 10);
    nested->inner = store_migration_each(nested->store, true, render_migration, &nested->seen, NULL);
    return nested->seen.length < 100;
}

static void test_listing_may_change_what_it_lists(void **state)
{
    struct nested nested = {.store = open_memory()};

    (void) state;
    put_migration(nested.store, "a", "source", "accepted", 1);
    put_migration(nested.store, "b", "source", "accepted", 2);
    put_migration(nested.store, "c", "source", "accepted", 3);
    assert_int_equal(store_migration_each(nested.store, true, put_behind, &nested, NULL), 0);
    assert_string_equal(nested.seen.text, "c b a ");
    assert_int_equal(nested.inner, ERR_INTERNAL);
    strbuf_free(&nested.seen);
    store_close(nested.store);
}

static int add(struct store *store, const char *role, const char *step, const char *event, struct err *err)
{
    struct store_journal_entry entry = {.sequence = 77, .time_ms = 5};

    snprintf(entry.step, sizeof entry.step, "%s", step);
    snprintf(entry.event, sizeof entry.event, "%s", event);
    snprintf(entry.detail, sizeof entry.detail, "it's \"quoted\"");
    return store_journal_add(store, ID, role, &entry, err);
}

static void test_journal_is_in_order_and_by_migration(void **state)
{
    struct fixture *f = *state;
    struct store *store = open_store(f);
    AUTO_STRBUF struct strbuf text = {0};

    assert_int_equal(add(store, "source", "transfer V2", "intent", &f->err), ERR_NOT_FOUND);
    assert_non_null(strstr(f->err.text, f->path));
    assert_non_null(strstr(f->err.text, "what it belongs to is not in the database"));
    put_migration(store, ID, "source", "transferring", 1);
    put_migration(store, ID, "target", "received", 1);
    assert_int_equal(add(store, "source", "transfer V2", "intent", NULL), 0);
    assert_int_equal(add(store, "target", "admit", "intent", NULL), 0);
    assert_int_equal(add(store, "source", "transfer V2", "done", NULL), 0);
    store_close(store);

    store = open_store(f);
    /* Changing the migration's row leaves its journal alone. */
    put_migration(store, ID, "source", "done", 1);
    assert_int_equal(store_journal_each(store, ID, "source", render_journal, &text, NULL), 0);
    assert_string_equal(text.text, "1 5 transfer V2: intent (it's \"quoted\"); "
                                   "3 5 transfer V2: done (it's \"quoted\"); ");
    store_close(store);
}

static uint32_t prune(struct store *store, const struct store_pruning *pruning)
{
    uint32_t n = 99;

    assert_int_equal(store_begin(store, NULL), 0);
    assert_int_equal(store_migration_prune(store, pruning, &n, NULL), 0);
    assert_int_equal(store_commit(store, NULL), 0);
    return n;
}

static void assert_migrations(struct store *store, const char *expected)
{
    AUTO_STRBUF struct strbuf text = {0};

    strbuf_puts(&text, "");
    assert_int_equal(store_migration_each(store, false, render_migration, &text, NULL), 0);
    assert_string_equal(text.text, expected);
}

static void assert_tombstone(struct store *store, const char *id, const char *state, int64_t ended_ms)
{
    struct store_tombstone tombstone;

    assert_int_equal(store_tombstone_get(store, id, &tombstone, NULL), 0);
    assert_string_equal(tombstone.id, id);
    assert_string_equal(tombstone.peer, "B");
    assert_string_equal(tombstone.state, state);
    assert_int_equal(tombstone.ended_ms, ended_ms);
    assert_false(tombstone.called_off);
}

static void test_the_oldest_that_ended_are_pruned(void **state)
{
    struct store *store = open_memory();
    struct store_tombstone tombstone;
    AUTO_STRBUF struct strbuf journal = {0};
    struct err err;

    (void) state;
    put_migration(store, "open", "source", "accepted", 1);
    put_migration(store, "a", "source", "done", 10);
    put_migration(store, ID, "target", "done", 20);
    put_migration(store, ID, "source", "done", 21);
    put_migration(store, "b", "source", "done", 30);
    put_migration(store, "c", "source", "done", 5);
    assert_int_equal(add(store, "target", "admit", "intent", NULL), 0);
    assert_int_equal(add(store, "source", "transfer V2", "intent", NULL), 0);
    /* Room for all of them */
    assert_int_equal(prune(store, &(struct store_pruning) {.keep = 5, .most = 9}), 0);
    /* One that has just ended stays though the clock was set back; the next one goes */
    assert_int_equal(prune(store, &(struct store_pruning) {.keep = 4, .most = 9, .id = "c", .role = "source"}), 1);
    assert_migrations(store, "b/source done; " ID "/source done; " ID "/target done; c/source done; "
                             "open/source accepted; ");
    assert_int_equal(store_tombstone_get(store, "a", &tombstone, &err), ERR_NOT_FOUND);
    assert_string_equal(err.text, "migration a: it has no tombstone");
    /* No more than 'most' at once. Of two roles of one id each has its own journal */
    assert_int_equal(prune(store, &(struct store_pruning) {.keep = 1, .most = 2}), 2);
    assert_migrations(store, "b/source done; " ID "/source done; open/source accepted; ");
    assert_tombstone(store, ID, "done", 21);
    strbuf_puts(&journal, "");
    assert_int_equal(store_journal_each(store, ID, "target", render_journal, &journal, NULL), 0);
    assert_string_equal(journal.text, "");
    assert_int_equal(store_journal_each(store, ID, "source", render_journal, &journal, NULL), 0);
    assert_string_equal(journal.text, "2 5 transfer V2: intent (it's \"quoted\"); ");
    /* Those that are open are not counted, and stay */
    assert_int_equal(prune(store, &(struct store_pruning) {.most = 9}), 2);
    assert_migrations(store, "open/source accepted; ");
    store_close(store);
}

static void test_pruning_is_rolled_back(void **state)
{
    struct store *store = open_memory();
    struct store_tombstone tombstone;
    uint32_t n;

    (void) state;
    put_migration(store, "a", "target", "done", 10);
    assert_int_equal(store_begin(store, NULL), 0);
    assert_int_equal(store_migration_prune(store, &(struct store_pruning) {.most = 9}, &n, NULL), 0);
    assert_int_equal(n, 1);
    store_rollback(store);
    assert_migrations(store, "a/target done; ");
    assert_int_equal(store_tombstone_get(store, "a", &tombstone, NULL), ERR_NOT_FOUND);
    store_close(store);
}

static void test_tombstones(void **state)
{
    struct fixture *f = *state;
    struct store *store = open_store(f);
    struct store_tombstone tombstone = {"x", "scg-b", "rolled_back", 5, true};

    assert_int_equal(store_tombstone_put(store, &tombstone, NULL), 0);
    tombstone = (struct store_tombstone) {"x", "B", "done", 7, false};
    assert_int_equal(store_tombstone_put(store, &tombstone, NULL), 0); /* too late */
    put_migration(store, "a", "target", "done", 10);
    put_migration(store, "b", "target", "done", 11);
    assert_int_equal(prune(store, &(struct store_pruning) {.most = 9, .tombstones_ms = 12}), 2);
    store_close(store);

    store = open_store(f);
    assert_int_equal(store_tombstone_get(store, "a", &tombstone, NULL), ERR_NOT_FOUND); /* ended at 11 */
    assert_tombstone(store, "b", "done", 12);
    assert_int_equal(prune(store, &(struct store_pruning) {.most = 9, .tombstones_ms = INT64_MAX}), 0);
    assert_int_equal(store_tombstone_get(store, "b", &tombstone, NULL), ERR_NOT_FOUND);
    assert_int_equal(store_tombstone_get(store, "x", &tombstone, NULL), 0);
    assert_string_equal(tombstone.peer, "scg-b");
    assert_true(tombstone.called_off);
    assert_int_equal(tombstone.ended_ms, 5);
    store_close(store);
}

static void test_policies(void **state)
{
    struct store *store = open_memory();
    AUTO_FREE char *json = NULL;
    struct err err;

    (void) state;
    assert_int_equal(store_policy_get(store, "V1", &json, &err), ERR_NOT_FOUND);
    assert_string_equal(err.text, "VM V1: no policy is stored");
    assert_int_equal(store_policy_put(store, "V2", "{}", NULL), 0);
    assert_int_equal(store_policy_put(store, "V1", "[1]", NULL), 0);
    assert_int_equal(store_policy_put(store, "V1", "[2]", NULL), 0);
    assert_int_equal(store_policy_get(store, "V1", &json, NULL), 0);
    assert_string_equal(json, "[2]");
    assert_policies(store, "V1=[2]; V2={}; ");
    assert_int_equal(store_policy_delete(store, "V1", NULL), 0);
    assert_int_equal(store_policy_delete(store, "V1", NULL), 0);
    assert_policies(store, "V2={}; ");
    assert_int_equal(store_policy_put(store, "V3", NULL, &err), ERR_INTERNAL);
    assert_policies(store, "V2={}; ");
    store_close(store);
}

static void test_stale_claims_are_refused(void **state)
{
    struct fixture *f = *state;
    struct store *store = open_store(f);
    struct store_location location = {.uuid = {1, 2, 3}};

    assert_int_equal(store_location_get(store, location.uuid, &location, &f->err), ERR_NOT_FOUND);
    assert_string_equal(f->err.text, "VM 01020300-0000-0000-0000-000000000000: no location is known");
    assert_int_equal(claim(store, "A", 4, NULL), 0);
    assert_int_equal(claim(store, "A", 4, NULL), 0);
    assert_int_equal(claim(store, "B", 5, NULL), 0);
    store_close(store);

    store = open_store(f);
    assert_int_equal(claim(store, "A", 4, &f->err), ERR_STALE);
    assert_string_equal(f->err.text, "VM V2: generation 4 (in A) is older than 5 (in B), which is known here");
    assert_int_equal(claim(store, "A", 5, &f->err), ERR_CONFLICT);
    assert_string_equal(f->err.text, "VM V2: generation 5 is claimed by A, but it belongs to B");
    assert_int_equal(claim(store, "A", (uint64_t) INT64_MAX + 1, &f->err), ERR_INVALID);
    assert_int_equal(store_location_get(store, location.uuid, &location, NULL), 0);
    assert_string_equal(location.vm, "V2");
    assert_string_equal(location.dc, "B");
    assert_int_equal(location.generation, 5);
    assert_int_equal(claim(store, "A", INT64_MAX, NULL), 0);
    store_close(store);
}

static void test_stale_claim_does_not_doom_its_transaction(void **state)
{
    struct store *store = open_memory();

    (void) state;
    assert_int_equal(claim(store, "B", 5, NULL), 0);
    assert_int_equal(store_begin(store, NULL), 0);
    assert_int_equal(store_policy_put(store, "V1", "{}", NULL), 0);
    assert_int_equal(claim(store, "A", 4, NULL), ERR_STALE);
    assert_int_equal(store_commit(store, NULL), 0);
    assert_policies(store, "V1={}; ");
    store_close(store);
}

static void test_lowest_free_number_until_none_is_left(void **state)
{
    struct store *store = open_memory();
    AUTO_STRBUF struct strbuf text = {0};
    uint32_t number = 7;
    struct err err;

    (void) state;
    assert_int_equal(take(store, "vlan", "web", 100, 102), 100);
    assert_int_equal(take(store, "vlan", "db", 100, 102), 101);
    assert_int_equal(take(store, "vlan", "web", 100, 102), 100);
    assert_int_equal(take(store, "meter/tor-a", "web", 100, 102), 100);
    assert_int_equal(take(store, "vlan", "mail", 100, 102), 102);
    assert_int_equal(store_number_take(store, "vlan", "late", 100, 102, &number, &err), ERR_EXHAUSTED);
    assert_string_equal(err.text, "pool vlan: every number from 100 to 102 is taken, none is left for late");
    assert_int_equal(number, 7);

    assert_int_equal(store_number_free(store, "vlan", "db", NULL), 0);
    assert_int_equal(store_number_free(store, "vlan", "db", NULL), 0);
    assert_int_equal(store_number_get(store, "vlan", "db", &number, &err), ERR_NOT_FOUND);
    assert_string_equal(err.text, "pool vlan: db has no number");
    assert_int_equal(take(store, "vlan", "late", 100, 102), 101);
    assert_int_equal(store_number_get(store, "vlan", "late", &number, NULL), 0);
    assert_int_equal(number, 101);
    assert_int_equal(store_number_each(store, "vlan", render_number, &text, NULL), 0);
    assert_string_equal(text.text, "web=100; late=101; mail=102; ");
    store_close(store);
}

static void test_number_ranges(void **state)
{
    struct store *store = open_memory();
    uint32_t number;
    struct err err;

    (void) state;
    /* Numbers below and above the range do not count, and an owner keeps its number when the range has moved. */
    assert_int_equal(take(store, "vlan", "low", 10, 10), 10);
    assert_int_equal(take(store, "vlan", "high", 30, 30), 30);
    assert_int_equal(take(store, "vlan", "a", 11, 20), 11);
    assert_int_equal(take(store, "vlan", "a", 40, 50), 11);
    assert_int_equal(take(store, "vlan", "b", 10, 20), 12);
    assert_int_equal(take(store, "big", "first", UINT32_MAX - 1, UINT32_MAX), UINT32_MAX - 1);
    assert_int_equal(take(store, "big", "last", UINT32_MAX - 1, UINT32_MAX), UINT32_MAX);
    assert_int_equal(store_number_take(store, "big", "none", UINT32_MAX - 1, UINT32_MAX, &number, &err), ERR_EXHAUSTED);
    assert_int_equal(store_number_take(store, "vlan", "c", 20, 19, &number, &err), ERR_INVALID);
    assert_string_equal(err.text, "pool vlan: the range 20 to 19 is empty");
    for (unsigned i = 0; i < 4094; i++) {
        char owner[16];

        snprintf(owner, sizeof owner, "s%u", i);
        assert_int_equal(take(store, "all", owner, 1, 4094), i + 1);
    }
    assert_int_equal(store_number_take(store, "all", "none", 1, 4094, &number, NULL), ERR_EXHAUSTED);
    store_close(store);
}

static void test_transactions(void **state)
{
    struct fixture *f = *state;
    struct store *store = open_store(f);

    assert_int_equal(store_commit(store, &f->err), ERR_INTERNAL);
    assert_int_equal(store_begin(store, NULL), 0);
    assert_int_equal(store_begin(store, &f->err), ERR_INTERNAL);
    assert_non_null(strstr(f->err.text, "a transaction was begun within another"));
    assert_int_equal(store_policy_put(store, "V1", "{}", NULL), 0);
    store_rollback(store);
    assert_policies(store, "");

    assert_int_equal(store_begin(store, NULL), 0);
    assert_int_equal(store_policy_put(store, "V2", "{}", NULL), 0);
    assert_int_equal(store_commit(store, NULL), 0);
    assert_int_equal(store_begin(store, NULL), 0);
    assert_int_equal(store_policy_put(store, "V3", "{}", NULL), 0);
    store_close(store); /* not committed */

    store = open_store(f);
    assert_policies(store, "V2={}; ");
    store_close(store);
}

static void test_failed_change_fails_the_commit(void **state)
{
    struct store *store = open_memory();
    struct err err;

    (void) state;
    assert_int_equal(store_begin(store, NULL), 0);
    assert_int_equal(store_policy_put(store, "V1", "{}", NULL), 0);
    assert_int_equal(add(store, "source", "transfer V2", "intent", NULL), ERR_NOT_FOUND);
    assert_int_equal(store_policy_put(store, "V2", "{}", NULL), 0);
    assert_int_equal(store_commit(store, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "what it belongs to is not in the database"));
    assert_policies(store, "");
    assert_int_equal(store_begin(store, NULL), 0);
    assert_int_equal(store_commit(store, NULL), 0);
    store_close(store);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_migration_survives_reopening),
        TEST(test_migrations_newest_first),
        TEST(test_listing_may_change_what_it_lists),
        TEST(test_journal_is_in_order_and_by_migration),
        TEST(test_the_oldest_that_ended_are_pruned),
        TEST(test_pruning_is_rolled_back),
        TEST(test_tombstones),
        TEST(test_policies),
        TEST(test_stale_claims_are_refused),
        TEST(test_stale_claim_does_not_doom_its_transaction),
        TEST(test_lowest_free_number_until_none_is_left),
        TEST(test_number_ranges),
        TEST(test_transactions),
        TEST(test_failed_change_fails_the_commit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
