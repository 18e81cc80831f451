/* SPDX-License-Identifier: Apache-2.0 */
/* The routes driver against a scripted BIRD that says what a real one says only in bad moments, and against the real
 * one. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "south/routes_bird.h"

#define GREETING "0001 BIRD 2.0.12 ready.\n"
#define READING "0002-Reading configuration from bird.conf\n"
#define STATUS_HEAD "1000-BIRD 2.0.12\n1011-Router ID is 10.255.0.1\n Hostname is vm\n"

/* --- a driver in a directory of its own --- */

struct fixture {
    char dir[64], socket[96], include[96], config[96];
    struct loop *loop;
    struct event_queue queue;
    struct routes_driver *driver;
};

static void wake(void *arg)
{
    loop_stop(arg);
}

static void new_driver(struct fixture *f)
{
    struct err err;

    if (f->driver)
        f->driver->ops->free(f->driver);
    f->driver = routes_bird_new(f->loop, &f->queue, f->socket, f->include, &err);
    if (!f->driver)
        fail_msg("%s", err.text);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);

    snprintf(f->dir, sizeof f->dir, "/tmp/test_bird.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->socket, sizeof f->socket, "%s/bird.ctl", f->dir);
    snprintf(f->include, sizeof f->include, "%s/routes.inc", f->dir);
    snprintf(f->config, sizeof f->config, "%s/bird.conf", f->dir);
    f->loop = loop_new();
    f->queue.wake = wake;
    f->queue.wake_arg = f->loop;
    new_driver(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    f->driver->ops->free(f->driver);
    event_queue_clear(&f->queue);
    loop_free(f->loop);
    unlink(f->socket);
    unlink(f->include);
    unlink(f->config);
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

static struct ip ip_of(const char *text)
{
    struct ip ip;

    assert_int_equal(ip_parse(text, &ip), 0);
    return ip;
}

static void set(struct fixture *f, uint64_t request, const char *a, const char *b)
{
    struct ip hosts[2];
    size_t n = 0;

    if (a)
        hosts[n++] = ip_of(a);
    if (b)
        hosts[n++] = ip_of(b);
    f->driver->ops->set(f->driver, request, hosts, n);
}

/* The next event is the end of 'request'; its text, which holds until the next call, is returned. */
static const char *ends(struct fixture *f, uint64_t request, int code)
{
    static char text[ERR_TEXT_SIZE];

    while (!f->queue.n)
        loop_run(f->loop);

    struct event *event = event_pop(&f->queue);
    snprintf(text, sizeof text, "%s", event->err.text);
    if (event->type != EVENT_DONE || event->request != request || event->err.code != code)
        fail_msg("request %llu ended with %s (%s)", (unsigned long long) event->request, err_id(event->err.code), text);
    event_discard(event);
    return text;
}

static void assert_include(struct fixture *f, const char *expected)
{
    char text[4096];
    FILE *file = fopen(f->include, "r");

    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(text, expected);
}

/* --- against a script --- */

/* BIRD's side of one connection: each command that it expects and what it then says; null: it hangs up. */
struct script {
    int listening;
    unsigned n;
    struct {
        const char *command, *answer;
    } steps[8];
    struct loop *loop;
    pthread_t thread;
    bool followed; /* to its end */
    bool done;     /* the connection has ended; seen from the loop */
};

static void say(int fd, const char *text)
{
    /* In two pieces, so that the driver has to put them together. */
    size_t half = strlen(text) / 2;

    (void) !write(fd, text, half);
    (void) !write(fd, text + half, strlen(text) - half);
}

/* Reads a line; false at the end of the connection. */
static bool hear(int fd, char *line, size_t size)
{
    size_t n = 0;

    while (n + 1 < size && read(fd, line + n, 1) == 1)
        if (line[n++] == '\n') {
            line[n] = '\0';
            return true;
        }
    return false;
}

static void end_script(void *arg)
{
    struct script *script = arg;

    script->done = true;
    loop_stop(script->loop);
}

static void *perform(void *arg)
{
    struct script *script = arg;
    int fd = accept(script->listening, NULL, NULL);
    char line[64];
    bool go_on = true;

    script->followed = false;
    for (unsigned i = 0; go_on && i < script->n; i++) {
        go_on = !script->steps[i].command ||
                (hear(fd, line, sizeof line) && strcmp(line, script->steps[i].command) == 0);
        if (go_on && script->steps[i].answer)
            say(fd, script->steps[i].answer);
        script->followed = go_on && i + 1 == script->n;
    }
    /* The script's last word is that nothing more comes, unless it hangs up. */
    if (script->followed && script->n && script->steps[script->n - 1].answer && hear(fd, line, sizeof line))
        script->followed = false;
    close(fd);
    loop_post(script->loop, end_script, script);
    return NULL;
}

static void listen_as_bird(struct fixture *f, struct script *script)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof address.sun_path, "%s", f->socket);
    script->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(script->listening, (struct sockaddr *) &address, sizeof address), 0);
    assert_int_equal(listen(script->listening, 4), 0);
}

static void begin(struct fixture *f, struct script *script)
{
    script->loop = f->loop;
    script->n = 0;
    while (script->n < ARRAY_LEN(script->steps) &&
           (script->steps[script->n].command || script->steps[script->n].answer))
        script->n++;
    assert_int_equal(pthread_create(&script->thread, NULL, perform, script), 0);
}

static void await_end(struct script *script)
{
    while (!script->done)
        loop_run(script->loop);
    pthread_join(script->thread, NULL);
}

static void assert_followed(struct script *script)
{
    await_end(script);
    assert_true(script->followed);
}

/* Ends the connection and checks that BIRD was told nothing but what the script says. */
static void finish_script(struct fixture *f, struct script *script)
{
    f->driver->ops->free(f->driver);
    f->driver = NULL;
    assert_followed(script);
    close(script->listening);
    new_driver(f);
}

static void test_set_and_the_same_again(void **state)
{
    struct fixture *f = *state;
    struct script script = {.steps = {{NULL, GREETING},
                                      {"configure soft\n", READING "0003 Reconfigured\n"},
                                      {"configure soft\n", READING "0003 Reconfigured\n"}}};
    struct stat st;

    listen_as_bird(f, &script);
    begin(f, &script);
    assert_include(f, "");
    set(f, 1, "10.100.0.12", "10.100.0.11");
    ends(f, 1, 0);
    assert_include(f, "route 10.100.0.11/32 blackhole;\nroute 10.100.0.12/32 blackhole;\n");
    assert_int_equal(stat(f->include, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    set(f, 2, "10.100.0.11", "10.100.0.12"); /* what BIRD has: it is not asked */
    ends(f, 2, 0);
    set(f, 3, NULL, NULL);
    ends(f, 3, 0);
    assert_include(f, "");
    finish_script(f, &script);
}

static void test_waiting_sets_are_replaced_by_the_newest(void **state)
{
    struct fixture *f = *state;
    struct script script = {.steps = {{NULL, GREETING},
                                      {"configure soft\n", READING "0003 Reconfigured\n"},
                                      {"configure soft\n", READING "0003 Reconfigured\n"}}};

    listen_as_bird(f, &script);
    set(f, 1, "10.0.0.1", NULL);
    set(f, 2, "10.0.0.2", NULL);
    set(f, 3, "10.0.0.3", NULL);
    set(f, 4, "10.0.0.4", NULL);
    assert_int_equal(f->queue.n, 0);
    assert_include(f, "route 10.0.0.1/32 blackhole;\n");
    begin(f, &script);
    for (uint64_t request = 1; request <= 4; request++)
        ends(f, request, 0);
    assert_include(f, "route 10.0.0.4/32 blackhole;\n");
    finish_script(f, &script);
}

static void test_reconfiguration_that_takes_its_time(void **state)
{
    struct fixture *f = *state;
    struct script script = {.steps = {{NULL, GREETING},
                                      {"configure soft\n", READING "0004 Reconfiguration in progress\n"},
                                      {"show status\n", STATUS_HEAD "0013 Reconfiguration in progress\n"},
                                      {"show status\n", STATUS_HEAD "0013 Daemon is up and running\n"}}};

    listen_as_bird(f, &script);
    begin(f, &script);
    set(f, 1, "10.0.0.1", NULL);
    ends(f, 1, 0);
    finish_script(f, &script);
}

static void test_refusal_restores_the_file(void **state)
{
    struct fixture *f = *state;
    struct script script = {.steps = {{NULL, GREETING},
                                      {"configure soft\n", READING "0003 Reconfigured\n"},
                                      {"configure soft\n", READING "8002 bird.conf:6:1 Route 2001:db8::1/128 "
                                                                   "incompatible with channel type\n"},
                                      {"configure soft\n", READING "0003 Reconfigured\n"}}};

    listen_as_bird(f, &script);
    begin(f, &script);
    set(f, 1, "10.0.0.1", NULL);
    ends(f, 1, 0);
    set(f, 2, "2001:db8::1", NULL);
    set(f, 3, "10.0.0.3", NULL);
    assert_non_null(strstr(ends(f, 2, ERR_REFUSED), "refused the routes: bird.conf:6:1 Route 2001:db8::1/128 "
                                                    "incompatible with channel type"));
    ends(f, 3, 0);
    assert_include(f, "route 10.0.0.3/32 blackhole;\n");
    finish_script(f, &script);

    /* Nothing has waited this time: the file is what it was. */
    struct script again = {.steps = {{NULL, GREETING}, {"configure soft\n", READING "8002 no\n"}}};
    unlink(f->socket);
    listen_as_bird(f, &again);
    begin(f, &again);
    set(f, 4, "10.0.0.4", NULL);
    ends(f, 4, ERR_REFUSED);
    assert_include(f, "route 10.0.0.3/32 blackhole;\n");
    finish_script(f, &again);
}

static void test_bird_is_down_and_comes_back(void **state)
{
    struct fixture *f = *state;
    struct script script = {
        .steps = {{NULL, GREETING}, {"configure soft\n", READING "0003 Reconfigured\n"}, {"configure soft\n", NULL}}};

    set(f, 1, "10.0.0.1", NULL);
    assert_non_null(strstr(ends(f, 1, ERR_UNREACHABLE), f->socket));
    assert_include(f, "route 10.0.0.1/32 blackhole;\n");

    listen_as_bird(f, &script);
    begin(f, &script);
    set(f, 2, "10.0.0.1", NULL);
    ends(f, 2, 0);
    set(f, 3, "10.0.0.3", NULL); /* BIRD dies over this one */
    ends(f, 3, ERR_UNKNOWN);
    assert_include(f, "route 10.0.0.3/32 blackhole;\n");
    assert_followed(&script);

    /* What the last connection has confirmed does not count any more. */
    struct script back = {.listening = script.listening,
                          .steps = {{NULL, GREETING}, {"configure soft\n", READING "0003 Reconfigured\n"}}};
    begin(f, &back);
    set(f, 4, "10.0.0.1", NULL);
    ends(f, 4, 0);
    finish_script(f, &back);
}

static void test_answers_that_end_the_connection(void **state)
{
    static const struct {
        const char *greeting, *answer;
        int code;
        const char *sentence;
    } cases[] = {
        {"0016 Access restricted\n", NULL, ERR_UNREACHABLE, "does not greet as BIRD does: 0016 Access restricted"},
        {"SSH-2.0-OpenSSH_9.2\n", NULL, ERR_UNKNOWN, "does not speak BIRD's control protocol: malformed message"},
        {GREETING, READING "0006 Reconfiguration ignored, shutting down\n", ERR_UNREACHABLE, "is shutting down"},
        {GREETING, "0000 \n", ERR_UNKNOWN, "gave an answer that was not expected: 0000"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct script script = {
            .steps = {{NULL, cases[i].greeting}, {cases[i].answer ? "configure soft\n" : NULL, cases[i].answer}}};

        unlink(f->socket);
        listen_as_bird(f, &script);
        begin(f, &script);
        set(f, 7, "10.0.0.1", NULL);
        assert_non_null(strstr(ends(f, 7, cases[i].code), cases[i].sentence));
        assert_include(f, "route 10.0.0.1/32 blackhole;\n");
        assert_followed(&script); /* the driver has hung up by itself */
        close(script.listening);
    }
}

/* This program is linked so that timers are set here (--wrap=timer_set): in a hurry all of them run out at once. */
static struct loop *in_a_hurry;

void __real_timer_set(struct timer *timer, struct mono at);
void __wrap_timer_set(struct timer *timer, struct mono at);

void __wrap_timer_set(struct timer *timer, struct mono at)
{
    __real_timer_set(timer, in_a_hurry && at.ms != MONO_NEVER.ms ? loop_now(in_a_hurry) : at);
}

static void test_bird_that_does_not_answer(void **state)
{
    struct fixture *f = *state;
    struct script script = {.steps = {{NULL, GREETING}, {"configure soft\n", READING "0003 Reconfigured\n"}}};
    struct script second = {.steps = {{NULL, GREETING}, {"configure soft\n", READING "0003 Reconfigured\n"}}};

    listen_as_bird(f, &script);
    second.listening = script.listening;
    begin(f, &script);
    set(f, 1, "10.0.0.1", NULL);
    ends(f, 1, 0);
    in_a_hurry = f->loop;
    set(f, 2, "10.0.0.2", NULL);
    assert_non_null(strstr(ends(f, 2, ERR_TIMEOUT), "has not taken over the routes within 30 s"));
    in_a_hurry = NULL;
    assert_include(f, "route 10.0.0.2/32 blackhole;\n");
    await_end(&script);

    /* The next request gets a connection of its own: no late answer can be taken for its own. */
    begin(f, &second);
    set(f, 3, "10.0.0.1", NULL);
    ends(f, 3, 0);
    finish_script(f, &second);
}

static void test_what_never_reaches_bird(void **state)
{
    struct fixture *f = *state;
    struct ip none = {0};
    struct err err;

    f->driver->ops->set(f->driver, 5, &none, 1);
    assert_string_equal(ends(f, 5, ERR_INVALID), "host 1 of 1 to announce has no address");

    AUTO_FREE char *obstacle = xasprintf("%s.new", f->include);
    assert_int_equal(mkdir(obstacle, 0700), 0); /* where the new file would be made */
    set(f, 6, "10.0.0.1", NULL);
    assert_non_null(strstr(ends(f, 6, ERR_IO), "cannot be written: Is a directory"));
    assert_include(f, "");
    assert_int_equal(rmdir(obstacle), 0);

    assert_null(routes_bird_new(f->loop, &f->queue, f->socket, "/nonexistent/routes.inc", &err));
    assert_string_equal(err.text, "routes file /nonexistent/routes.inc: cannot be written: No such file or directory");
    assert_null(routes_bird_new(f->loop, &f->queue, f->socket, f->dir, &err));
    assert_non_null(strstr(err.text, "cannot be read: Is a directory"));
}

/* --- against BIRD --- */

static pid_t start_bird(struct fixture *f)
{
    FILE *file = fopen(f->config, "w");
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    assert_non_null(file);
    fprintf(file, "router id 10.255.0.1;\nprotocol static hosts {\n  ipv4;\ninclude \"%s\";\n}\n", f->include);
    fclose(file);
    unlink(f->socket);

    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves no BIRD behind */
        execl("/usr/sbin/bird", "bird", "-f", "-c", f->config, "-s", f->socket, (char *) NULL);
        _exit(127);
    }
    /* It is there once it takes a connection. */
    snprintf(address.sun_path, sizeof address.sun_path, "%s", f->socket);
    for (int tries = 0; tries < 1000; tries++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int connected = connect(fd, (struct sockaddr *) &address, sizeof address);

        close(fd);
        if (connected == 0)
            return pid;
        assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
        poll(NULL, 0, 10);
    }
    fail_msg("bird has not come up");
    return -1;
}

static void stop_bird(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* The routes that BIRD has, as its own command line tells. */
static void assert_bird_has(struct fixture *f, const char *expected)
{
    AUTO_FREE char *command = xasprintf("routes=$(/usr/sbin/birdcl -s %s show route) && echo \"$routes\" | sort",
                                        f->socket);
    AUTO_STRBUF struct strbuf routes = {0};
    char line[256], prefix[64], type[32];
    FILE *output = popen(command, "re");

    assert_non_null(output);
    strbuf_puts(&routes, "");
    while (fgets(line, sizeof line, output))
        if (sscanf(line, "%63s %31s [hosts", prefix, type) == 2 && strchr(prefix, '/'))
            strbuf_printf(&routes, "%s %s; ", prefix, type);
    assert_int_equal(pclose(output), 0);
    assert_string_equal(routes.text, expected);
}

static void test_real_bird(void **state)
{
    struct fixture *f = *state;
    pid_t pid = start_bird(f);

    assert_bird_has(f, "");
    set(f, 1, "10.100.0.12", "10.100.0.11");
    ends(f, 1, 0);
    assert_bird_has(f, "10.100.0.11/32 blackhole; 10.100.0.12/32 blackhole; ");
    set(f, 2, "10.100.0.12", "10.100.0.13");
    ends(f, 2, 0);
    assert_bird_has(f, "10.100.0.12/32 blackhole; 10.100.0.13/32 blackhole; ");

    /* Its static protocol has an IPv4 channel. */
    set(f, 3, "10.100.0.14", "2001:db8::1");
    assert_non_null(strstr(ends(f, 3, ERR_REFUSED), "Route 2001:db8::1/128 incompatible with channel type"));
    assert_bird_has(f, "10.100.0.12/32 blackhole; 10.100.0.13/32 blackhole; ");

    /* BIRD starts again with the last set, and takes the next one. */
    stop_bird(pid);
    pid = start_bird(f);
    assert_bird_has(f, "10.100.0.12/32 blackhole; 10.100.0.13/32 blackhole; ");

    /* The gateway starts again; its first set goes out even if it is the one in the file. */
    new_driver(f);
    set(f, 4, "10.100.0.12", "10.100.0.13");
    ends(f, 4, 0);
    set(f, 5, NULL, NULL);
    ends(f, 5, 0);
    assert_bird_has(f, "");

    /* A set made while BIRD is down is announced when it starts. */
    stop_bird(pid);
    set(f, 6, "10.100.0.15", NULL);
    while (!f->queue.n)
        loop_run(f->loop);
    struct event *event = event_pop(&f->queue);
    assert_true(event->err.code == ERR_UNREACHABLE || event->err.code == ERR_UNKNOWN);
    event_discard(event);
    pid = start_bird(f);
    assert_bird_has(f, "10.100.0.15/32 blackhole; ");
    stop_bird(pid);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_set_and_the_same_again),
        TEST(test_waiting_sets_are_replaced_by_the_newest),
        TEST(test_reconfiguration_that_takes_its_time),
        TEST(test_refusal_restores_the_file),
        TEST(test_bird_is_down_and_comes_back),
        TEST(test_answers_that_end_the_connection),
        TEST(test_bird_that_does_not_answer),
        TEST(test_what_never_reaches_bird),
        TEST(test_real_bird),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
