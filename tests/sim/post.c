/* SPDX-License-Identifier: Apache-2.0 */
/* Dummy peer calls: requests and answers are letters that are lost, late or come twice, through the real encoding. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "world.h"

struct letter {
    struct site *from;
    unsigned life;    /* of the sender's gateway */
    uint64_t request; /* 0: a copy that the network made; its answer goes nowhere */
    enum peer_verb verb;
    char id[UUID_TEXT_SIZE];
    char *body;
};

struct answer_slot {
    struct backend_reply reply;
    struct site *from; /* who asked */
    unsigned life;
    uint64_t request;
};

static struct site *site_of(struct peer_driver *driver)
{
    return (struct site *) ((char *) driver - offsetof(struct site, peers));
}

static void free_letter(struct world *world, void *arg)
{
    struct letter *letter = arg;

    (void) world;
    free(letter->body);
    free(letter);
}

static void send_answer(struct backend_reply *reply, int status, json_t *body)
{
    struct answer_slot *slot = (struct answer_slot *) reply;
    struct site *from = slot->from;
    struct world *world = from->world;

    if (slot->request && from->gateway && from->life == slot->life) {
        if (fault(world, world->percent_lost) || site_other(from)->cut) {
            json_decref(body);
        } else {
            struct event event = {.type = EVENT_DONE, .request = slot->request, .owns = EVENT_OWNS_ANSWER};

            event.answer.status = status;
            event.answer.body = body;
            tell(world, site_other(from), "answers %d", status);
            deliver(from, 2 + chance(world, 60), event);
        }
    } else {
        json_decref(body);
    }
    free(slot);
}

static void open_letter(struct world *world, void *arg)
{
    static const char *const verbs[] = {"configure", "activate", "take connections", "abort", "commit",
                                        "status",    "plan"};
    struct letter *letter = arg;
    struct site *from = letter->from, *to = site_other(from);

    if (!to->gateway) {
        if (letter->request && from->gateway && from->life == letter->life)
            deliver_done(from, 1, letter->request, ERR_UNREACHABLE, "the dummy peer is not there");
        free_letter(world, letter);
        return;
    }

    struct backend backend = gateway_backend(to->gateway);
    struct answer_slot *slot = xmalloc(sizeof *slot);
    json_t *body = letter->body ? json_loads(letter->body, 0, NULL) : NULL;

    *slot = (struct answer_slot) {{send_answer}, from, letter->life, letter->request};
    tell(world, to, "is asked to %s", verbs[letter->verb]);
    switch (letter->verb) {
    case PEER_CONFIGURE:
        backend.peer_configure(to->gateway, from->dc, letter->id, body, &slot->reply);
        break;
    case PEER_ACTIVATE:
        backend.peer_activate(to->gateway, from->dc, letter->id, body, &slot->reply);
        break;
    case PEER_CONNECTIONS:
        backend.peer_connections(to->gateway, from->dc, letter->id, body, &slot->reply);
        break;
    case PEER_ABORT:
        backend.peer_abort(to->gateway, from->dc, letter->id, &slot->reply);
        break;
    case PEER_COMMIT:
        backend.peer_commit(to->gateway, from->dc, letter->id, body, &slot->reply);
        break;
    case PEER_STATUS:
        backend.peer_status(to->gateway, from->dc, letter->id, &slot->reply);
        break;
    case PEER_PLAN:
        backend.peer_plan(to->gateway, from->dc, letter->id, body, &slot->reply);
        break;
    }
    json_decref(body);
    free_letter(world, letter);
}

static struct letter *copy_letter(const struct letter *letter)
{
    struct letter *copy = xmemdup(letter, sizeof *letter);

    copy->body = letter->body ? xstrdup(letter->body) : NULL;
    copy->request = 0;
    return copy;
}

static void call(struct peer_driver *driver, uint64_t request, const char *dc, enum peer_verb verb, const char *id,
                 json_t *body, uint32_t timeout_ms)
{
    struct site *site = site_of(driver);
    struct world *world = site->world;
    struct letter *letter = xcalloc(1, sizeof *letter);

    (void) dc;
    maybe_crash(site);
    *letter = (struct letter) {.from = site, .life = site->life, .request = request, .verb = verb};
    snprintf(letter->id, sizeof letter->id, "%s", id);
    letter->body = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    if (site->cut) {
        free_letter(world, letter);
        return;
    }
    /* Ignored if the answer has come by then. */
    deliver_done(site, timeout_ms, request, ERR_TIMEOUT, "the dummy peer did not answer");
    if (fault(world, world->percent_lost)) {
        free_letter(world, letter);
    } else {
        if (fault(world, world->percent_lost))
            world_at(world, 20 + chance(world, 3000), site, false, open_letter, copy_letter(letter), free_letter);
        world_at(world, 2 + chance(world, 60), site, false, open_letter, letter, free_letter);
    }
    maybe_crash(site);
}

static void free_driver(struct peer_driver *driver)
{
    (void) driver;
}

static const struct peer_ops ops = {.call = call, .free = free_driver};

void post_init(struct site *site)
{
    site->peers.ops = &ops;
}
