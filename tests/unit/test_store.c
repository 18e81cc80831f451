/* SPDX-License-Identifier: Apache-2.0 */
/* The store: what is put comes back, also after reopening, after kill -9, and not after a rollback; fencing; pools;
 * and every way in which a file or a disk can be bad ends in a sentence that names the file. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "store/store.h"

#define ID "0f0e0d0c-0b0a-0908-0706-050403020100"

struct fixture {
    char dir[64], path[96];
    struct err err;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);

    snprintf(f->dir, sizeof f->dir, "/tmp/test_store.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/scgd.db", f->dir);
    *state = f;
    return 0;
}

static void remove_database(struct fixture *f)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};

    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        AUTO_FREE char *path = xasprintf("%s%s", f->path, suffixes[i]);

        unlink(path);
    }
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    remove_database(f);
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

static struct store *open_store(struct fixture *f)
{
    struct store *store = store_open(f->path, &f->err);

    if (!store)
        fail_msg("%s", f->err.text);
    return store;
}

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

static bool render_policy(void *arg, const char *vm, const char *json)
{
    strbuf_printf(arg, "%s=%s; ", vm, json);
    return true;
}

static bool render_number(void *arg, const char *owner, uint32_t number)
{
    strbuf_printf(arg, "%s=%u; ", owner, number);
    return true;
}

static void assert_policies(struct store *store, const char *expected)
{
    AUTO_STRBUF struct strbuf text = {0};

    strbuf_puts(&text, "");
    assert_int_equal(store_policy_each(store, render_policy, &text, NULL), 0);
    assert_string_equal(text.text, expected);
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

static int claim(struct store *store, const char *dc, uint64_t generation, struct err *err)
{
    struct store_location location = {.uuid = {1, 2, 3}, .vm = "V2", .generation = generation};

    snprintf(location.dc, sizeof location.dc, "%s", dc);
    return store_location_put(store, &location, err);
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

static uint32_t take(struct store *store, const char *pool, const char *owner, uint32_t first, uint32_t last)
{
    uint32_t number = 0;
    struct err err;

    if (store_number_take(store, pool, owner, first, last, &number, &err) < 0)
        fail_msg("%s", err.text);
    return number;
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

/* --- crashes --- */

/* Puts V0, V1, ... and tells the number of each after it was put; every pair is one transaction. Never returns. */
static _Noreturn void write_until_killed(const char *path, int tell)
{
    struct store *store = store_open(path, NULL);

    for (uint32_t i = 0; store; i++) {
        char vm[16], other[16];

        snprintf(vm, sizeof vm, "a%08u", i);
        snprintf(other, sizeof other, "b%08u", i);
        if (store_begin(store, NULL) < 0 || store_policy_put(store, vm, "{}", NULL) < 0 ||
            store_policy_put(store, other, "{}", NULL) < 0 || store_commit(store, NULL) < 0 ||
            write(tell, &i, sizeof i) != sizeof i)
            break;
    }
    _exit(1);
}

struct tally {
    uint32_t a, b;
};

static bool tally_policy(void *arg, const char *vm, const char *json)
{
    struct tally *tally = arg;

    (void) json;
    *(vm[0] == 'a' ? &tally->a : &tally->b) += 1;
    return true;
}

/* Kills the writer at another moment in each round: after it has told 1, 2, ... pairs, wherever it then is. */
static void test_kill_in_the_middle(void **state)
{
    struct fixture *f = *state;

    for (uint32_t round = 1; round <= 6; round++) {
        int ends[2];
        uint32_t told = 0, number;

        remove_database(f);
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (!pid)
            write_until_killed(f->path, ends[1]);
        close(ends[1]);
        for (uint32_t i = 0; i < round * 3; i++)
            assert_int_equal(read(ends[0], &number, sizeof number), sizeof number);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        told = round * 3;
        while (read(ends[0], &number, sizeof number) == sizeof number)
            told++;
        close(ends[0]);

        struct store *store = open_store(f);
        struct tally tally = {0};
        assert_int_equal(store_policy_each(store, tally_policy, &tally, NULL), 0);
        /* All that was reported is there; at most the pair that was being reported is there besides; no half pair. */
        assert_int_equal(tally.a, tally.b);
        assert_in_range(tally.a, told, told + 1);
        store_close(store);
    }
}

static void test_kill_within_a_transaction(void **state)
{
    struct fixture *f = *state;
    struct store *store = open_store(f);

    assert_int_equal(store_policy_put(store, "V1", "{}", NULL), 0);
    store_close(store);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        store = store_open(f->path, NULL);
        if (store && !store_begin(store, NULL) && !store_policy_put(store, "V2", "{}", NULL) &&
            !store_policy_delete(store, "V1", NULL))
            kill(getpid(), SIGKILL);
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    store = open_store(f);
    assert_policies(store, "V1={}; ");
    store_close(store);
}

/* The C library's function, which SQLite calls for every sync, counted. */
static unsigned syncs;

int fdatasync(int fd)
{
    syncs++;
    return (int) syscall(SYS_fdatasync, fd);
}

static void test_a_change_is_synced_before_it_returns(void **state)
{
    struct fixture *f = *state;
    struct store *store = open_store(f);

    for (int i = 0; i < 3; i++) {
        syncs = 0;
        assert_int_equal(claim(store, "A", 10 + (uint64_t) i, NULL), 0);
        assert_true(syncs > 0);
    }
    syncs = 0;
    assert_int_equal(store_begin(store, NULL), 0);
    assert_int_equal(claim(store, "A", 20, NULL), 0);
    assert_int_equal(syncs, 0);
    assert_int_equal(store_commit(store, NULL), 0);
    assert_true(syncs > 0);
    store_close(store);
}

/* --- bad files, bad disks --- */

static void assert_refused(struct fixture *f, const char *path, int code, const char *sentence)
{
    assert_null(store_open(path, &f->err));
    assert_int_equal(f->err.code, code);
    if (!strstr(f->err.text, path) || !strstr(f->err.text, sentence))
        fail_msg("expected \"%s\" and \"%s\" in: %s", path, sentence, f->err.text);
}

static void test_second_process_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store *store = open_store(f);

    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        struct err err = {0};
        struct store *second = store_open(f->path, &err);

        _exit(!second && err.code == ERR_CONFLICT && strstr(err.text, f->path) &&
                      strstr(err.text, "another process has this database open") ?
                  0 :
                  1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(store_policy_put(store, "V1", "{}", NULL), 0);
    assert_refused(f, f->path, ERR_CONFLICT, "another process has this database open");
    assert_int_equal(store_policy_put(store, "V2", "{}", NULL), 0);
    store_close(store);

    store = open_store(f);
    assert_policies(store, "V1={}; V2={}; ");
    store_close(store);
}

static void edit_database(struct fixture *f, const char *sql)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_foreign_versions_are_refused(void **state)
{
    struct fixture *f = *state;

    store_close(open_store(f));
    edit_database(f, "PRAGMA user_version = 999");
    assert_refused(f, f->path, ERR_UNSUPPORTED, "this database has version 999, this program knows versions up to 2");
    remove_database(f);
    edit_database(f, "CREATE TABLE recipes (name TEXT)");
    assert_refused(f, f->path, ERR_MALFORMED, "this database was made by another program");
}

static void test_damaged_files_are_refused(void **state)
{
    struct fixture *f = *state;
    struct store *store = open_store(f);
    struct stat st;

    assert_int_equal(store_begin(store, NULL), 0);
    for (uint32_t i = 0; i < 500; i++)
        take(store, "vlan", (char[]) {'o', (char) ('a' + i % 26), (char) ('a' + i / 26), '\0'}, 1, 4094);
    assert_int_equal(store_commit(store, NULL), 0);
    store_close(store);

    int fd = open(f->path, O_RDWR);
    assert_true(fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 3 * 4096);
    char junk[4096];
    memset(junk, 0xa5, sizeof junk);
    assert_int_equal(pwrite(fd, junk, sizeof junk, st.st_size - 4096), sizeof junk);
    assert_refused(f, f->path, ERR_MALFORMED, "the file is damaged");
    assert_int_equal(pwrite(fd, junk, sizeof junk, 0), sizeof junk);
    assert_refused(f, f->path, ERR_MALFORMED, "the file is damaged or not a database");
    close(fd);
}

static void test_places_that_cannot_be_opened(void **state)
{
    struct fixture *f = *state;

    assert_refused(f, f->dir, ERR_IO, "unable to open database file");
    assert_refused(f, "/nonexistent/scgd.db", ERR_IO, "unable to open database file (No such file or directory)");
}

/* SQLite's own hook for its system calls stands in for a disk without room. */
static ssize_t write_to_full_disk(int fd, const void *bytes, size_t n, off_t offset)
{
    (void) fd;
    (void) bytes;
    (void) n;
    (void) offset;
    errno = ENOSPC;
    return -1;
}

static void fill_disk(bool full)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    sqlite3_syscall_ptr call = full ? (sqlite3_syscall_ptr) (void (*)(void)) write_to_full_disk : NULL;

    assert_int_equal(vfs->xSetSystemCall(vfs, "pwrite", call), SQLITE_OK);
    vfs->xSetSystemCall(vfs, "pwrite64", call); /* where there is one */
}

static void test_full_disk(void **state)
{
    struct fixture *f = *state;
    struct store *store = open_store(f);

    assert_int_equal(store_policy_put(store, "V1", "{}", NULL), 0);
    fill_disk(true);
    assert_int_equal(store_policy_put(store, "V2", "{}", &f->err), ERR_EXHAUSTED);
    assert_non_null(strstr(f->err.text, f->path));
    assert_non_null(strstr(f->err.text, "the disk is full; free space on it"));
    assert_int_equal(store_begin(store, NULL), 0);
    assert_int_equal(store_policy_put(store, "V3", "{}", NULL), 0); /* in memory until the commit */
    assert_int_equal(store_commit(store, &f->err), ERR_EXHAUSTED);
    assert_policies(store, "V1={}; ");
    fill_disk(false);
    assert_int_equal(store_policy_put(store, "V4", "{}", NULL), 0);
    store_close(store);

    store = open_store(f);
    assert_policies(store, "V1={}; V4={}; ");
    store_close(store);

    remove_database(f);
    fill_disk(true);
    assert_refused(f, f->path, ERR_EXHAUSTED, "the disk is full");
    fill_disk(false);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_migration_survives_reopening),
        TEST(test_migrations_newest_first),
        TEST(test_listing_may_change_what_it_lists),
        TEST(test_journal_is_in_order_and_by_migration),
        TEST(test_policies),
        TEST(test_stale_claims_are_refused),
        TEST(test_stale_claim_does_not_doom_its_transaction),
        TEST(test_lowest_free_number_until_none_is_left),
        TEST(test_number_ranges),
        TEST(test_transactions),
        TEST(test_failed_change_fails_the_commit),
        TEST(test_kill_in_the_middle),
        TEST(test_kill_within_a_transaction),
        TEST(test_a_change_is_synced_before_it_returns),
        TEST(test_second_process_is_refused),
        TEST(test_foreign_versions_are_refused),
        TEST(test_damaged_files_are_refused),
        TEST(test_places_that_cannot_be_opened),
        TEST(test_full_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
