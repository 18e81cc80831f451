/* SPDX-License-Identifier: Apache-2.0 */
/* The store when all goes wrong: what was put is there after kill -9, and every way in which a file or a disk can be
 * bad ends in a sentence that names the file. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store_world.h"

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
    assert_refused(f, f->path, ERR_UNSUPPORTED, "this database has version 999, this program knows versions up to 3");
    remove_database(f);
    edit_database(f, "CREATE TABLE recipes (name TEXT)");
    assert_refused(f, f->path, ERR_UNSUPPORTED, "this database was made by another program");
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
