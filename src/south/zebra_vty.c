/* SPDX-License-Identifier: Apache-2.0 */
#include "south/zebra_vty.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "proto/ovsdb/reconnect.h"

#define LOG_ID "zebra"
#define LIMIT_MS 5000       /* of connecting, of an answer, of silence before a probe */
#define PATH_LENGTH_MAX 107 /* of a Unix socket's address */
#define GATHER_MS 20        /* for values that follow each other */
#define PROBE "enable"      /* changes nothing */

struct link {
    struct vty_link want;
    struct vty_link told; /* in zebra, if 'known' */
    bool known;
    bool waiting; /* 'want' has to be told */
};

/* The commands of one link, or of a probe, sent one by one. */
struct dialogue {
    char *commands; /* each with its null byte; null: there is no dialogue */
    size_t size, at;
    struct vty_link link; /* what it tells; no interface: a probe */
    struct err refusal;
};

struct zebra_vty {
    struct loop *loop;
    char *where;
    zebra_vty_done_fn *done;
    void *arg;
    struct reconnect reconnect;
    struct timer *timer;
    struct mono gathered; /* MONO_NEVER, or when what waits is to be told */
    struct stream *stream;
    bool up, failed;
    struct dialogue dialogue;
    struct link *links;
    size_t n_links, cap_links;
    size_t next; /* whose turn it is */
};

static void set_timer(struct zebra_vty *zebra)
{
    bool idle = zebra->up && !zebra->dialogue.commands;

    timer_set(zebra->timer, mono_min(reconnect_deadline(&zebra->reconnect), idle ? zebra->gathered : MONO_NEVER));
}

static struct link *find(const struct zebra_vty *zebra, const char *interface)
{
    for (size_t i = 0; i < zebra->n_links; i++) {
        if (strcmp(zebra->links[i].want.interface, interface) == 0)
            return &zebra->links[i];
    }
    return NULL;
}

/* ---- Dialogues ---- */

static void dialogue_clear(struct zebra_vty *zebra)
{
    free(zebra->dialogue.commands);
    zebra->dialogue = (struct dialogue) {0};
}

static void send_command(struct zebra_vty *zebra)
{
    const char *command = zebra->dialogue.commands + zebra->dialogue.at;

    stream_write(zebra->stream, command, strlen(command) + 1);
}

static void dialogue_begin(struct zebra_vty *zebra, struct strbuf *commands, const struct vty_link *link)
{
    zebra->dialogue.size = commands->length;
    zebra->dialogue.commands = strbuf_take(commands);
    if (link)
        zebra->dialogue.link = *link;
    send_command(zebra);
}

static void tell_done(const struct zebra_vty *zebra, const char *interface, const struct err *err)
{
    if (err)
        log_warn(FAULT_OPERATOR, LOG_ID, "%s", err->text);
    if (zebra->done)
        zebra->done(zebra->arg, interface, err);
}

/* Begins with the next link that has to be told something. */
static void next_dialogue(struct zebra_vty *zebra)
{
    AUTO_STRBUF struct strbuf commands = {0};

    for (size_t i = 0; i < zebra->n_links && zebra->up && !zebra->dialogue.commands; i++) {
        struct link *link = &zebra->links[zebra->next++ % zebra->n_links];

        if (!link->waiting)
            continue;
        link->waiting = false;
        const struct vty_link want = link->want; /* the callback may have the array moved */
        if (vty_link_encode(&want, link->known ? &link->told : NULL, &commands))
            dialogue_begin(zebra, &commands, &want);
        else
            tell_done(zebra, want.interface, NULL);
    }
    if (!zebra->dialogue.commands)
        zebra->gathered = MONO_NEVER;
}

static void dialogue_end(struct zebra_vty *zebra)
{
    const struct vty_link told = zebra->dialogue.link;
    const struct err refusal = zebra->dialogue.refusal;
    struct link *link = find(zebra, told.interface);

    dialogue_clear(zebra);
    if (link) {
        /* After a refusal nobody knows which of the values stand. */
        link->known = refusal.code == 0;
        link->told = told;
        if (!link->waiting)
            tell_done(zebra, told.interface, refusal.code ? &refusal : NULL);
    }
    next_dialogue(zebra);
}

static void answered(struct zebra_vty *zebra, const struct vty_answer *answer)
{
    struct dialogue *dialogue = &zebra->dialogue;
    const char *command = dialogue->commands + dialogue->at;

    if (answer->status && !dialogue->refusal.code)
        err_set(&dialogue->refusal, ERR_REFUSED, "interface %s: zebra refuses \"%s\" with status %u: %s",
                dialogue->link.interface, command, answer->status, answer->text);
    dialogue->at += strlen(command) + 1;
    if (dialogue->at >= dialogue->size) {
        dialogue_end(zebra);
        return;
    }
    /* What is left makes no sense in a mode that was not entered, but the mode has to be left. */
    if (dialogue->refusal.code)
        dialogue->at = dialogue->size - sizeof "end";
    send_command(zebra);
}

/* ---- The connection ---- */

static void lost(struct zebra_vty *zebra, enum log_fault fault, const struct err *reason)
{
    if (zebra->stream)
        stream_close(zebra->stream);
    zebra->stream = NULL;
    if (zebra->up || !zebra->failed)
        log_warn(fault, LOG_ID, "free bandwidth is not flooded: %s; trying again", reason->text);
    zebra->up = false;
    zebra->failed = true;
    dialogue_clear(zebra);
    for (size_t i = 0; i < zebra->n_links; i++) {
        zebra->links[i].known = false;
        zebra->links[i].waiting = true;
    }
    set_timer(zebra);
}

static void on_up(void *arg)
{
    struct zebra_vty *zebra = arg;

    zebra->up = true;
    zebra->failed = false;
    reconnect_connected(&zebra->reconnect, loop_now(zebra->loop));
    next_dialogue(zebra);
    set_timer(zebra);
}

static void on_down(void *arg, const struct err *reason)
{
    struct zebra_vty *zebra = arg;

    zebra->stream = NULL;
    reconnect_disconnected(&zebra->reconnect, loop_now(zebra->loop));
    lost(zebra, reason->code == ERR_UNREACHABLE ? FAULT_OPERATOR : FAULT_PEER, reason);
}

static size_t on_data(void *arg, const uint8_t *bytes, size_t n)
{
    struct zebra_vty *zebra = arg;
    struct vty_answer answer;
    size_t used = 0;
    int taken = 0;

    reconnect_received(&zebra->reconnect, loop_now(zebra->loop));
    while (zebra->dialogue.commands && (taken = vty_answer_decode(bytes + used, n - used, &answer)) > 0) {
        used += (size_t) taken;
        answered(zebra, &answer);
    }
    if (taken < 0 || (!zebra->dialogue.commands && used < n)) {
        struct err err;

        err_set(&err, ERR_MALFORMED, "%s does not answer as zebra's command line does", zebra->where);
        reconnect_disconnected(&zebra->reconnect, loop_now(zebra->loop));
        lost(zebra, FAULT_PEER, &err);
        return n;
    }
    set_timer(zebra);
    return used;
}

static const struct stream_callbacks callbacks = {.up = on_up, .data = on_data, .down = on_down};

static void probe(struct zebra_vty *zebra)
{
    AUTO_STRBUF struct strbuf commands = {0};

    if (zebra->dialogue.commands)
        return; /* its answer is what is waited for */
    strbuf_add(&commands, PROBE, sizeof PROBE);
    dialogue_begin(zebra, &commands, NULL);
}

static void timer_rings(void *arg)
{
    struct zebra_vty *zebra = arg;
    const struct mono now = loop_now(zebra->loop);
    struct err err;

    switch (reconnect_run(&zebra->reconnect, now)) {
    case RECONNECT_NOTHING:
        break;
    case RECONNECT_CONNECT:
        zebra->stream = stream_connect(zebra->loop, zebra->where, &callbacks, zebra, &err);
        if (!zebra->stream) {
            reconnect_disconnected(&zebra->reconnect, now);
            lost(zebra, FAULT_OPERATOR, &err);
        }
        break;
    case RECONNECT_PROBE:
        probe(zebra);
        break;
    case RECONNECT_DISCONNECT:
        err_set(&err, ERR_TIMEOUT, "zebra at %s does not answer", zebra->where);
        lost(zebra, FAULT_PEER, &err);
        break;
    }
    if (zebra->up && !zebra->dialogue.commands && mono_reached(zebra->gathered, now))
        next_dialogue(zebra);
    set_timer(zebra);
}

/* ---- For the caller ---- */

struct zebra_vty *zebra_vty_new(struct loop *loop, const char *path, zebra_vty_done_fn *done, void *arg,
                                struct err *err)
{
    if (!path)
        path = VTY_ZEBRA_PATH;
    if (strlen(path) > PATH_LENGTH_MAX) {
        err_set(err, ERR_INVALID, "zebra's socket %s: the path is longer than %d characters", path, PATH_LENGTH_MAX);
        return NULL;
    }
    struct zebra_vty *zebra = xcalloc(1, sizeof *zebra);
    zebra->loop = loop;
    zebra->where = xasprintf("unix:%s", path);
    zebra->done = done;
    zebra->arg = arg;
    zebra->gathered = MONO_NEVER;
    zebra->timer = timer_new(loop, timer_rings, zebra);
    reconnect_init(&zebra->reconnect, LIMIT_MS, loop_now(loop));
    set_timer(zebra);
    return zebra;
}

void zebra_vty_free(struct zebra_vty *zebra)
{
    if (!zebra)
        return;
    if (zebra->stream)
        stream_close(zebra->stream);
    timer_free(zebra->timer);
    dialogue_clear(zebra);
    free(zebra->links);
    free(zebra->where);
    free(zebra);
}

int zebra_vty_set(struct zebra_vty *zebra, const struct vty_link *link, struct err *err)
{
    struct link *known = find(zebra, link->interface);

    if (!vty_interface_is_valid(link->interface))
        return err_set(err, ERR_INVALID, "\"%s\" is no name of an interface", link->interface);
    if (!known) {
        zebra->links = array_reserve(zebra->links, zebra->n_links, &zebra->cap_links, sizeof *zebra->links);
        known = &zebra->links[zebra->n_links++];
        *known = (struct link) {0};
    }
    known->want = *link;
    known->waiting = true;
    zebra->gathered = mono_min(zebra->gathered, mono_add(loop_now(zebra->loop), GATHER_MS));
    set_timer(zebra);
    return 0;
}

void zebra_vty_forget(struct zebra_vty *zebra, const char *interface)
{
    struct link *link = find(zebra, interface);

    if (link)
        *link = zebra->links[--zebra->n_links];
}

bool zebra_vty_settled(const struct zebra_vty *zebra)
{
    for (size_t i = 0; i < zebra->n_links; i++) {
        if (zebra->links[i].waiting)
            return false;
    }
    return zebra->up && !zebra->dialogue.commands;
}
