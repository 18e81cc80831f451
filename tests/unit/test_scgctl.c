/* SPDX-License-Identifier: Apache-2.0 */
/* The program scgctl against the real REST server over a dummy gateway: what it prints, where, and how it exits. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "dummy_backend.h"
#include "io/loop.h"
#include "north/rest.h"

#define DEADLINE_MS 60000
#define WORDS_MAX 24
#define ID "0d6b8f5e-3a9c-4f0e-9d0b-1c5a2e7f1a0"

extern char **environ;

struct world {
    struct loop *loop;
    struct timer *deadline;
    struct worker_pool *pool;
    struct dummy_backend dummy;
    struct rest *rest;
    char *url;
    char directory[32];
};

/* A run of the program. */
struct program {
    struct world *w;
    pid_t pid;
    int out[2], err[2]; /* pipes */
    char *argv[WORDS_MAX + 4], *text;
    int status;
    struct strbuf printed, complained;
    const char *await; /* the loop stops when this was printed */
    bool ended;
};

static void too_late(void *arg)
{
    (void) arg;
    fail_msg("nothing happened for %d ms", DEADLINE_MS);
}

static int set_up(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    struct err err = {0};

    setenv("TZ", "UTC", 1);
    unsetenv("SCG_URL");
    strcpy(w->directory, "/tmp/test_scgctl.XXXXXX");
    assert_non_null(mkdtemp(w->directory));
    dummy_backend_init(&w->dummy, TEST_DATA "/scgctl/gateway.json");
    w->loop = loop_new();
    w->deadline = timer_new(w->loop, too_late, w);
    timer_set(w->deadline, mono_add(loop_now(w->loop), DEADLINE_MS));
    w->pool = worker_pool_new(w->loop, 3);
    w->rest = rest_new(w->loop, "127.0.0.1", 0, 1 << 20, &w->dummy.backend, &err);
    if (!w->rest)
        fail_msg("%s", err.text);
    w->url = xasprintf("http://127.0.0.1:%u", rest_port(w->rest));
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    AUTO_FREE char *file = xasprintf("%s/p.yaml", w->directory);

    worker_pool_free(w->pool);
    rest_free(w->rest);
    timer_free(w->deadline);
    loop_free(w->loop);
    dummy_backend_free(&w->dummy);
    unlink(file);
    rmdir(w->directory);
    free(w->url);
    free(w);
    return 0;
}

/* ---- running ---- */

struct piece {
    struct program *program;
    int fd;
    struct strbuf *to;
    char bytes[4096];
    ssize_t n;
};

static void worker_read(void *arg)
{
    struct piece *piece = arg;

    piece->n = read(piece->fd, piece->bytes, sizeof piece->bytes);
}

static bool has_printed(const struct program *program)
{
    return program->await && program->printed.text && strstr(program->printed.text, program->await);
}

/* Each pipe is read by a worker until its end, the output first: the program says little on stderr. */
static void was_read(void *arg)
{
    struct piece *piece = arg;
    struct program *program = piece->program;

    if (piece->n > 0) {
        strbuf_add(piece->to, piece->bytes, (size_t) piece->n);
    } else if (piece->to == &program->printed) {
        piece->fd = program->err[0];
        piece->to = &program->complained;
    } else {
        program->ended = true;
    }
    if (program->ended || has_printed(program))
        loop_stop(program->w->loop);
    if (program->ended)
        free(piece);
    else
        worker_run(program->w->pool, worker_read, was_read, piece);
}

/* 'line' is split at blanks. '%s' in it stands for 'word'. */
static struct program *start(struct world *w, const char *line, const char *word)
{
    struct program *program = xcalloc(1, sizeof *program);
    posix_spawn_file_actions_t actions;
    unsigned argc = 0;
    char *next = NULL;

    program->w = w;
    program->text = xstrdup(line);
    program->argv[argc++] = (char *) (uintptr_t) SCGCTL;
    for (char *part = strtok_r(program->text, " ", &next); part; part = strtok_r(NULL, " ", &next))
        program->argv[argc++] = strcmp(part, "%s") == 0 ? (char *) (uintptr_t) word : part;
    assert_int_equal(pipe2(program->out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(program->err, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, program->out[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, program->err[1], STDERR_FILENO);
    setenv("SCG_URL", w->url, 1);
    assert_int_equal(posix_spawn(&program->pid, SCGCTL, &actions, NULL, program->argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(program->out[1]);
    close(program->err[1]);

    struct piece *piece = xcalloc(1, sizeof *piece);
    *piece = (struct piece) {.program = program, .fd = program->out[0], .to = &program->printed};
    worker_run(w->pool, worker_read, was_read, piece);
    return program;
}

/* Runs until 'text' was printed. */
static void await(struct program *program, const char *text)
{
    program->await = text;
    while (!program->ended && !has_printed(program))
        loop_run(program->w->loop);
    if (!has_printed(program))
        fail_msg("'%s' was not printed; printed: %s; complained: %s", text,
                 program->printed.text ? program->printed.text : "",
                 program->complained.text ? program->complained.text : "");
    program->await = NULL;
}

/* Runs to the end, checks, and frees. 'printed' and 'complained' null: not looked at. */
static void finish(struct program *program, int status, const char *printed, const char *complained)
{
    while (!program->ended)
        loop_run(program->w->loop);
    assert_int_equal(waitpid(program->pid, &program->status, 0), program->pid);
    if (complained)
        assert_string_equal(program->complained.text ? program->complained.text : "", complained);
    if (printed)
        assert_string_equal(program->printed.text ? program->printed.text : "", printed);
    assert_true(WIFEXITED(program->status));
    assert_int_equal(WEXITSTATUS(program->status), status);
    close(program->out[0]);
    close(program->err[0]);
    strbuf_free(&program->printed);
    strbuf_free(&program->complained);
    free(program->text);
    free(program);
}

static char *read_file(const char *name)
{
    AUTO_FREE char *path = xasprintf("%s/scgctl/%s.txt", TEST_DATA, name);
    char *text = xcalloc(1, 65536);
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    text[fread(text, 1, 65535, file)] = '\0';
    fclose(file);
    return text;
}

/* ---- one call ---- */

static void tables(void **state)
{
    static const char *const rows[][2] = {
        {"vm list", "vms"},
        {"vm show V2", "vm"},
        {"server list", "servers"},
        {"server show server-a", "server"},
        {"switch list", "switches"},
        {"switch show tor-a", "switch"},
        {"link list", "links"},
        {"segment list", "segments"},
        {"tunnel list", "tunnels"},
        {"tunnel show pe1:tor-a", "tunnel-up"},
        {"channel list", "channels"},
        {"channel show A:channel:B:1", "channel-up"},
        {"user list", "users"},
        {"user show ce1", "user"},
        {"transport", "transport"},
        {"transport --dot", "transport-dot"},
        {"peer list", "peers"},
        {"policy list", "policies"},
        {"policy show V2", "policy"},
        {"set list", "sets"},
        {"set show office", "set"},
        {"migration list", "migrations"},
        {"migration show " ID "4", "migration-partial"},
        {"migration journal " ID "3", "journal"},
        {"health", "health"},
        {"vm show %s", "vm-off"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *expected = read_file(rows[i][1]);

        finish(start(*state, rows[i][0], "B\xc3\xbcro"), 0, expected, "");
    }
}

static void json(void **state)
{
    struct world *w = *state;
    json_t *vms = json_pack("{s:O}", "vms", json_object_get(w->dummy.facts, "vms"));
    AUTO_FREE char *text = json_dumps(vms, JSON_INDENT(2));
    AUTO_FREE char *expected = xasprintf("%s\n", text);

    json_decref(vms);
    finish(start(w, "-o json vm list", NULL), 0, expected, "");
}

static void wrong_usage(void **state)
{
    static const char *const rows[][2] = {
        {"", "no command given; see 'scgctl help'"},
        {"vm", "'vm' needs one of: list, show"},
        {"vm lsit", "unknown command 'vm lsit'; did you mean 'vm list'?"},
        {"vm reboot", "unknown command 'vm reboot'; 'vm' takes one of: list, show"},
        {"polciy list", "unknown command 'polciy'; did you mean 'policy'?"},
        {"reboot", "unknown command 'reboot'; see 'scgctl help'"},
        {"vm show", "'vm show' takes NAME"},
        {"vm list V2", "'vm list' takes no arguments"},
        {"vm list --watch", "'vm list' takes no option '--watch'"},
        {"migrate V2 --too B/b", "unknown option '--too'; did you mean '--to'?"},
        {"channel", "'channel' needs one of: list, show, create, delete"},
        {"channel create", "'channel create' takes DC"},
        {"channel create B --bandwidth 0", "--bandwidth: '0' is no number of Mbit/s from 1 to 4294967295"},
        {"channel list --dot", "'channel list' takes no option '--dot'"},
        {"user add ce1", "unknown command 'user add'; 'user' takes one of: list, show, apply, delete"},
        {"transport list", "'transport' takes no arguments"},
        {"transport -o json --dot", "--dot and --output json are two things; give one of them"},
        {"migrate V2", "migrate needs --to DC/SERVER"},
        {"migrate --to B/server-b", "'migrate' takes VM..."},
        {"migrate V2 --to server-b", "--to: 'server-b' is not DC/SERVER"},
        {"migrate V2 --to B/", "--to: 'B/' is not DC/SERVER"},
        {"help vmm", "unknown command 'vmm'; did you mean 'vm'?"},
        {"--url gateway vm list", "'gateway' is no URL of a gateway, expected http://HOST:PORT"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *complaint = xasprintf("scgctl: %s\n", rows[i][1]);

        finish(start(*state, rows[i][0], NULL), 2, "", complaint);
    }
}

static void refusals(void **state)
{
    static const char *const rows[][2] = {
        {"vm show V9", "vms: there is no 'V9' in data center A"},
        {"policy delete V9", "there is no policy of 'V9' in data center A"},
        {"channel show x", "channels: there is no 'x' in data center A"},
        {"channel create full", "no path has 5000 Mbit/s free; the widest has 100"},
        {"channel delete A:user:ce1", "circuit A:user:ce1 belongs to user ce1; delete the user"},
        {"user show ce9", "users: there is no 'ce9' in data center A"},
        {"user delete ce9", "there is no user 'ce9' in data center A"},
        {"migration cancel " ID "3", "migration " ID "3 has ended: done"},
        {"migrate V2 --to full/x", "8 migrations are open, as many as limits.migrations allows"},
        {"migrate V2 --to full/x --dry-run", "8 migrations are open, as many as limits.migrations allows"},
        {"migration watch x", "migrations: there is no 'x' in data center A"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *complaint = xasprintf("scgctl: %s\n", rows[i][1]);

        finish(start(*state, rows[i][0], NULL), 1, "", complaint);
    }
}

static void no_gateway(void **state)
{
    struct world *w = *state;
    AUTO_FREE char *complaint = xasprintf("scgctl: cannot reach the gateway at %s: Connection refused\n", w->url);

    rest_free(w->rest);
    w->rest = NULL;
    finish(start(w, "vm list", NULL), 3, "", complaint);
    finish(start(w, "migrate V2 --to B/server-b", NULL), 3, "", complaint);
    finish(start(w, "migration watch x", NULL), 3, "", complaint);
    finish(start(w, "version", NULL), 0, "scgctl " SCG_VERSION "\n", "");
}

static void help(void **state)
{
    AUTO_FREE char *all = read_file("help"), *migrate = read_file("help-migrate"), *create = read_file("help-create");
    AUTO_FREE char *group = read_file("help-tunnel");

    finish(start(*state, "help", NULL), 0, all, "");
    finish(start(*state, "--help", NULL), 0, all, "");
    finish(start(*state, "help migrate", NULL), 0, migrate, "");
    finish(start(*state, "migrate -h", NULL), 0, migrate, "");
    finish(start(*state, "help channel create", NULL), 0, create, "");
    finish(start(*state, "help tunnel", NULL), 0, group, "");
    finish(start(*state, "tunnel --help", NULL), 0, group, "");
}

static void policies(void **state)
{
    static const char text[] = "policy: V1\ndefault: {to-vm: allow}\n---\npolicy: V2\nrules:\n"
                               "  - {direction: to-vm, action: allow, protocol: tcp, destination-port: 80}\n";
    static const char wrong[] = "policy: V1\n---\n\npolicy: V2\nrules:\n"
                                "  - {direction: to-vm, action: allow, protocol: tpc}\n";
    struct world *w = *state;
    AUTO_FREE char *path = xasprintf("%s/p.yaml", w->directory);
    AUTO_FREE char *position = xasprintf("scgctl: %s:4: ", path);
    FILE *file = fopen(path, "w");

    fputs(text, file);
    fclose(file);
    finish(start(w, "policy apply %s", path), 0, "policy of V1 applied\npolicy of V2 applied\n", "");
    finish(start(w, "policy delete V1", NULL), 0, "policy of V1 deleted\n", "");
    assert_string_equal(w->dummy.log.text,
                        "policy_put V1 {\"policy\":\"V1\",\"default\":{\"to-vm\":\"allow\"}}\n"
                        "policy_put V2 {\"policy\":\"V2\",\"rules\":[{\"direction\":\"to-vm\",\"action\":\"allow\","
                        "\"protocol\":\"tcp\",\"destination-port\":80}]}\npolicy_delete V1 -\n");

    /* One that is wrong keeps those before it from being sent. */
    strbuf_clear(&w->dummy.log);
    file = fopen(path, "w");
    fputs(wrong, file);
    fclose(file);
    struct program *program = start(w, "policy apply %s", path);
    while (!program->ended)
        loop_run(w->loop);
    assert_memory_equal(program->complained.text, position, strlen(position));
    assert_non_null(strstr(program->complained.text, "rule 1"));
    finish(program, 1, "", NULL);
    assert_int_equal(w->dummy.log.length, 0);
    finish(start(w, "policy apply /none.yaml", NULL), 1, "", "scgctl: /none.yaml: No such file or directory\n");
}

static void sets(void **state)
{
    static const char text[] = "name: home\nprefixes: [10.1.0.0/16, \"::1\"]\n";
    struct world *w = *state;
    AUTO_FREE char *path = xasprintf("%s/p.yaml", w->directory);
    AUTO_FREE char *complaint = xasprintf(
        "scgctl: %s:1: set home: prefixes[0]: expected an address or a prefix without bits beyond its length, found "
        "\"10.1.0.0/8\"\n",
        path);
    FILE *file = fopen(path, "w");

    fputs(text, file);
    fclose(file);
    finish(start(w, "set apply %s", path), 0, "set home applied\n", "");
    finish(start(w, "set delete home", NULL), 0, "set home deleted\n", "");
    finish(start(w, "set delete home", NULL), 1, "", "scgctl: there is no address set 'home' in data center A\n");
    assert_string_equal(w->dummy.log.text,
                        "address_set_put home {\"name\":\"home\",\"prefixes\":[\"10.1.0.0/16\",\"::1\"]}\n"
                        "address_set_delete home -\n");
    file = fopen(path, "w");
    fputs("name: home\nprefixes: [10.1.0.0/8]\n", file);
    fclose(file);
    finish(start(w, "set apply %s", path), 1, "", complaint);

    /* Whether the gateway has the set is for the gateway to say. */
    file = fopen(path, "w");
    fputs("policy: V2\nrules:\n  - {direction: to-vm, action: allow, remote: \"@office\"}\n", file);
    fclose(file);
    finish(start(w, "policy apply %s", path), 0, "policy of V2 applied\n", "");
    finish(start(w, "policy show V2", NULL), 0,
           "policy   V2\nfrom-vm  deny by default\nto-vm    deny by default\nrules:\n"
           "   1  to-vm allow any remote @office\n",
           "");
}

static void users(void **state)
{
    static const char text[] = "name: ce3\nsegment: web\naccess: {router: 10.253.0.15, client: 3}\n"
                               "bandwidth-mbps: 10\naddresses: [10.100.0.103]\nvms: [V2]\n";
    static const char wrong[] = "name: ce3\nsegment: web\naccess: {router: pe5, client: 3}\n"
                                "bandwidth-mbps: 10\naddresses: [10.100.0.103]\nvms: [V2]\n";
    struct world *w = *state;
    AUTO_FREE char *path = xasprintf("%s/p.yaml", w->directory);
    AUTO_FREE char *complaint = xasprintf(
        "scgctl: %s:1: user.access.router: 'pe5' is not a router id such as 10.253.0.15\n", path);
    AUTO_FREE char *nothing = xasprintf("scgctl: %s: there is no user in it\n", path);
    FILE *file = fopen(path, "w");

    fputs(text, file);
    fclose(file);
    finish(start(w, "user apply %s", path), 0, "user ce3 applied\n", "");
    finish(start(w, "user delete ce3", NULL), 0, "user ce3 deleted\n", "");
    assert_string_equal(w->dummy.log.text,
                        "user_put ce3 {\"name\":\"ce3\",\"segment\":\"web\",\"access\":{\"router\":\"10.253.0.15\","
                        "\"client\":3},\"bandwidth-mbps\":10,\"addresses\":[\"10.100.0.103\"],\"vms\":[\"V2\"]}\n"
                        "user_delete ce3 -\n");

    strbuf_clear(&w->dummy.log);
    file = fopen(path, "w");
    fputs(wrong, file);
    fclose(file);
    finish(start(w, "user apply %s", path), 1, "", complaint);
    file = fopen(path, "w");
    fclose(file);
    finish(start(w, "user apply %s", path), 1, "", nothing);
    assert_int_equal(w->dummy.log.length, 0);
}

static void channels(void **state)
{
    struct world *w = *state;
    size_t index = 3;
    AUTO_FREE char *json = json_dumps(json_array_get(json_object_get(w->dummy.facts, "channels"), index),
                                      JSON_INDENT(2));
    AUTO_FREE char *expected = xasprintf("%s\n", json);

    finish(start(w, "channel create B", NULL), 0,
           "channel A:channel:B:2 is being set up; see 'scgctl channel show A:channel:B:2'\n", "");
    finish(start(w, "channel create B --bandwidth 100 -o json", NULL), 0, expected, "");
    finish(start(w, "channel delete A:channel:B:2", NULL), 0, "channel A:channel:B:2 is being taken down\n", "");
    assert_string_equal(w->dummy.log.text,
                        "channel_create B {\"peer\":\"B\"}\n"
                        "channel_create B {\"peer\":\"B\",\"bandwidth-mbps\":100}\nchannel_delete A:channel:B:2 -\n");
}

/* ---- migrations ---- */

/* Tells the watchers that the migration whose id ends with '1' stands like the one whose id ends with 'like'. */
static void tell(struct world *w, char like)
{
    json_t *json = json_deep_copy(dummy_backend_migration(&w->dummy, like));

    json_object_set_new(json, "id", json_string(ID "1"));
    rest_notify(w->rest, "migration", json);
    json_decref(json);
}

static void migrate(void **state)
{
    struct world *w = *state;
    const char *plan = json_string_value(json_object_get(json_object_get(w->dummy.facts, "plan"), "text"));

    finish(start(w, "migrate V2 V3 --to B/server-b --bandwidth 100", NULL), 0, ID "1\n", "");
    finish(start(w, "migrate V2 --to B/server-b --dry-run", NULL), 0, plan, "");
    finish(start(w, "migration cancel " ID "1", NULL), 0,
           "migration " ID "1 is being cancelled; see 'scgctl migration watch " ID "1'\n", "");
    assert_string_equal(w->dummy.log.text,
                        "migrate B {\"vms\":[\"V2\",\"V3\"],\"to\":{\"dc\":\"B\",\"server\":\"server-b\"},"
                        "\"bandwidth-mbps\":100}\n"
                        "plan B {\"vms\":[\"V2\"],\"to\":{\"dc\":\"B\",\"server\":\"server-b\"}}\ncancel " ID "1 -\n");
}

static void verify(void **state)
{
    struct world *w = *state;
    const char *tor = "tor-b: 31 flows expected, of 1 VMs and the switch itself\n";
    AUTO_FREE char *good = xasprintf("%sall is as it shall be\n", tor);
    AUTO_FREE char *bad = xasprintf("missing: tor-b does not hold table=0\n%s1 differences\n", tor);

    finish(start(w, "policy verify V1", NULL), 0, good, "");
    finish(start(w, "policy verify --all", NULL), 0, good, "");
    finish(start(w, "policy verify V2", NULL), 1, bad, "");
    assert_string_equal(w->dummy.log.text, "verify V1\nverify -\nverify V2\n");
    finish(start(w, "policy verify", NULL), 2, "", "scgctl: policy verify needs a VM or --all\n");
}

static void watch_to_the_end(void **state)
{
    struct program *program = start(*state, "migrate V2 V3 --to B/server-b --watch", NULL);

    await(program, "V3 channel-reserve\n");
    tell(*state, '2');
    await(program, "V2 transfer 44 % 60.1/134.2 MiB 83 MiB/s\n");
    tell(*state, '3');
    await(program, "V3 moved (paused for 19 ms)\n");
    finish(program, 0, NULL, "");
}

static void watch_a_partial_one(void **state)
{
    struct program *program = start(*state, "migrate V2 V3 --to B/server-b --watch", NULL);

    await(program, "V3 channel-reserve\n");
    tell(*state, '4');
    finish(program, 1, NULL,
           "scgctl: V3 stayed: VM V3: server-b: not enough memory: 512 MiB are free, 1 GiB is needed\n");
}

static void watch_what_has_ended(void **state)
{
    finish(start(*state, "migration watch " ID "3", NULL), 0, NULL, "");
    finish(start(*state, "migration watch " ID "5", NULL), 1, NULL,
           "scgctl: V2 stayed\nscgctl: data center B: cannot reach 10.255.0.2:8443: Connection refused\n");
}

static void watch_as_json(void **state)
{
    struct world *w = *state;
    struct program *program = start(w, "-o json migration watch " ID "1", NULL);

    await(program, "{\"type\":\"migration\",\"data\":{\"id\":\"" ID "1\",\"role\":\"source\",\"state\":\"accepted\"");
    tell(w, '3');
    await(program, "]}}\n{\"type\":\"migration\",\"data\":{\"id\":\"" ID "1\",\"role\":\"source\",\"state\":\"done\"");
    finish(program, 0, NULL, "");
}

static void watch_interrupted(void **state)
{
    struct program *program = start(*state, "migration watch " ID "1", NULL);

    await(program, "V3 channel-reserve\n");
    kill(program->pid, SIGINT);
    finish(program, 130, NULL,
           "scgctl: no longer watching; migration " ID "1 goes on, see 'scgctl migration watch " ID "1'\n");
}

static void watch_without_gateway(void **state)
{
    struct world *w = *state;
    struct program *program = start(w, "migration watch " ID "1", NULL);

    await(program, "V3 channel-reserve\n");
    rest_free(w->rest);
    w->rest = NULL;
    while (!program->ended)
        loop_run(w->loop);
    assert_non_null(strstr(program->complained.text, "is lost: the gateway "));
    assert_non_null(strstr(program->complained.text,
                           "\nscgctl: migration " ID "1 goes on, see 'scgctl migration watch " ID "1'\n"));
    finish(program, 3, NULL, NULL);
}

static void events(void **state)
{
    struct world *w = *state;
    struct program *migration = start(w, "-o json events", NULL), *plain = start(w, "events", NULL);
    json_t *vm = json_array_get(json_object_get(w->dummy.facts, "vms"), 0);

    /* Nothing tells when a stream is there but what comes over it. */
    for (bool both = false; !both;) {
        rest_notify(w->rest, "vm", vm);
        struct program *probe = start(w, "version", NULL);
        finish(probe, 0, NULL, "");
        both = migration->printed.length && plain->printed.length;
    }
    await(migration, "{\"type\":\"vm\",\"data\":{\"name\":\"V1\"");
    await(plain, " vm V1 running server-a\n");
    tell(w, '3');
    await(migration, "{\"type\":\"migration\",\"data\":{\"id\":\"" ID "1\"");
    await(plain, " migration " ID "1 done\n");
    rest_notify(w->rest, "channel", json_array_get(json_object_get(w->dummy.facts, "channels"), 2));
    await(plain, " channel A:channel:B:10 waiting no path from 10.253.0.13 to 10.253.0.14 has 9000 Mbit/s free; the "
                 "widest has 5000\n");
    rest_notify(w->rest, "channel", json_array_get(json_object_get(w->dummy.facts, "channels"), 1));
    await(plain, " channel A:channel:B:1 up\n");
    kill(migration->pid, SIGINT);
    kill(plain->pid, SIGINT);
    finish(migration, 0, NULL, "");
    finish(plain, 0, NULL, "");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tables),
        TEST(json),
        TEST(wrong_usage),
        TEST(refusals),
        TEST(no_gateway),
        TEST(help),
        TEST(policies),
        TEST(sets),
        TEST(users),
        TEST(channels),
        TEST(migrate),
        TEST(verify),
        TEST(watch_to_the_end),
        TEST(watch_a_partial_one),
        TEST(watch_what_has_ended),
        TEST(watch_as_json),
        TEST(watch_interrupted),
        TEST(watch_without_gateway),
        TEST(events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
