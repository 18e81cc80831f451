/* SPDX-License-Identifier: Apache-2.0 */
/* lsp ADDRESS PCEP-PORT: the PCE of a measurement. Each line of its input is a JSON object that says what to do, each
 * line of its output the answer to one:
 *
 *   {"do": "await", "nodes": N}            until so many ingresses have synchronised
 *   {"do": "setup", "lsp": LSP, "count": N, "rest_ms": N, "wire": {"space", "interface", "port", "to"}}
 *       N times in turn: a bare UDP echo to 'to'; the LSP set up and removed. Each after a rest
 *   {"do": "fill", "lsps": [LSP], "count": N, "ahead": N}
 *       N LSPs, of these kinds by turns; a further one is asked for when fewer than 'ahead' are not up yet
 *   {"do": "drain"}                        removes them all
 *   {"do": "central", "address", "port": P, "nodes": N}
 *       listens for the bridges 1..N on the ports behind P, until all are there
 *   {"do": "program", "paths": [[NODE]], "first": N, "count": N}
 *       the flows of as many LSPs, from all bridges' controller, each after the one before is there
 *   {"do": "unprogram", "paths": [[NODE]], "count": N}
 *   {"do": "echo", "count": N, "out", "back", "wire": {...}}
 *       N bare UDP echoes one after the other
 *
 * LSP: {"ingress", "egress": "ROUTER ID", "client": [ID, ID], "route": ["ADDRESS"]}. Times are nanoseconds. What goes
 * wrong ends the program with a sentence. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "base/alloc.h"
#include "central.h"
#include "orders.h"
#include "tap.h"
#include "tools/pce_sessions.h"

#define BANDWIDTH_BPS 1000000 /* of each LSP */
#define REQUEST 1             /* of each, as only its report counts */

struct wish {
    int64_t asked_ns;
    uint32_t ingress;
    bool up, gone;
};

struct meter {
    struct loop *loop;
    struct pce *pce;
    unsigned synced, wanted;
    struct wish *wishes; /* LSP n is called "n" */
    size_t n_wishes, capacity;
    size_t n_up, n_gone;
    size_t until_up, until_gone; /* the loop runs until these are reached, */
    bool waiting;                /* if this is set */
    json_t *up_ns;               /* from the request to the report that it is up */
    struct central *central;
    unsigned bridges, bridges_wanted;
};

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

static void rest(long ms)
{
    nanosleep(&(struct timespec) {ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* ---- what nodes say ---- */

static void synced(struct meter *meter)
{
    meter->synced++;
    if (meter->wanted && meter->synced == meter->wanted)
        loop_stop(meter->loop);
}

static void failed(void *arg, const char *text)
{
    (void) arg;
    fprintf(stderr, "lsp: %s\n", text);
    exit(1);
}

static void report(struct meter *meter, const struct lsp_report *report)
{
    size_t n = strtoul(report->name, NULL, 10);
    struct wish *wish = n < meter->n_wishes ? &meter->wishes[n] : NULL;

    if (!wish || wish->gone)
        return;
    if (report->error.code || (report->removed && !wish->up)) {
        AUTO_FREE char *text = lsp_error_format(&report->error);

        fprintf(stderr, "lsp: LSP %s failed: %s\n", report->name, text);
        exit(1);
    }
    if (report->state == LSP_UP && !wish->up) {
        wish->up = true;
        meter->n_up++;
        json_array_append_new(meter->up_ns, json_integer(now_ns() - wish->asked_ns));
    }
    if (report->removed) {
        wish->gone = true;
        meter->n_gone++;
    }
    if (meter->waiting && meter->n_up >= meter->until_up && meter->n_gone >= meter->until_gone)
        loop_stop(meter->loop);
}

static void handle(void *arg, struct pcc *pcc, const struct pcep_event *event)
{
    (void) pcc;
    if (event->type == PCEP_EVENT_SYNCED)
        synced(arg);
    else if (event->type == PCEP_EVENT_REPORT)
        report(arg, &event->report);
    else if (event->err.code)
        failed(NULL, event->err.text);
}

static struct pcc *ingress_of(const struct meter *meter, uint32_t router)
{
    struct pcc *pcc = pce_find(meter->pce, router);

    if (!pcc || !pcc->synced)
        failed(NULL, "an ingress has no session");
    return pcc;
}

static void run_until(struct meter *meter, size_t up, size_t gone)
{
    meter->until_up = up;
    meter->until_gone = gone;
    meter->waiting = meter->n_up < up || meter->n_gone < gone;
    if (meter->waiting)
        loop_run(meter->loop);
    meter->waiting = false;
}

/* ---- what to ask for ---- */

static uint32_t address_of(const json_t *json)
{
    uint32_t address = 0;

    if (json_is_string(json))
        ipv4_parse(json_string_value(json), &address);
    return address;
}

static struct lsp_request request_of(const json_t *json)
{
    const json_t *client = json_object_get(json, "client"), *route = json_object_get(json, "route");
    struct lsp_request lsp = {
        .ingress = address_of(json_object_get(json, "ingress")),
        .egress = address_of(json_object_get(json, "egress")),
        .ingress_client = {(uint32_t) json_integer_value(json_array_get(client, 0)), CLIENT_VLAN_ANY},
        .egress_client = {(uint32_t) json_integer_value(json_array_get(client, 1)), CLIENT_VLAN_ANY},
        .bandwidth_bps = BANDWIDTH_BPS,
        .setup_priority = 7,
        .holding_priority = 7};
    size_t i;
    json_t *hop;

    json_array_foreach(route, i, hop)
        lsp_route_add(&lsp.route, (struct lsp_hop) {.type = HOP_IPV4, .length = 32, .address = address_of(hop)});
    return lsp;
}

static void ask(struct meter *meter, struct lsp_request *lsp)
{
    meter->wishes = array_reserve(meter->wishes, meter->n_wishes, &meter->capacity, sizeof *meter->wishes);
    snprintf(lsp->name, sizeof lsp->name, "%zu", meter->n_wishes);
    meter->wishes[meter->n_wishes++] = (struct wish) {.asked_ns = now_ns(), .ingress = lsp->ingress};
    pce_initiate(ingress_of(meter, lsp->ingress), lsp, REQUEST);
}

static size_t take_back(struct meter *meter, size_t n)
{
    char name[LSP_NAME_SIZE];

    if (meter->wishes[n].gone)
        return 0;
    snprintf(name, sizeof name, "%zu", n);
    pce_remove(ingress_of(meter, meter->wishes[n].ingress), name, REQUEST);
    return 1;
}

/* ---- commands ---- */

static uint32_t number(const json_t *json, const char *key)
{
    return (uint32_t) json_integer_value(json_object_get(json, key));
}

static void open_tap(struct tap *tap, const json_t *json)
{
    tap_open(tap, json_string_value(json_object_get(json, "space")),
             json_string_value(json_object_get(json, "interface")), (uint16_t) number(json, "port"));
}

static void add_trip(json_t *array, const struct tap_trip *trip)
{
    if (!trip->out_ns || !trip->back_ns)
        failed(NULL, "the capture has missed a packet");
    json_array_append_new(array, json_integer(trip->back_ns - trip->out_ns));
}

static json_t *await(struct meter *meter, const json_t *order)
{
    meter->wanted = number(order, "nodes");
    if (meter->synced < meter->wanted)
        loop_run(meter->loop);
    return json_object();
}

/* The first LSP only tells how long its messages are, so that the echo's are as long. */
static json_t *setup(struct meter *meter, const json_t *order)
{
    const json_t *to = json_object_get(order, "wire");
    struct lsp_request lsp = request_of(json_object_get(order, "lsp"));
    json_t *lsp_ns = json_array(), *echo_ns = json_array();
    struct tap_trip trip = {0};
    struct tap tap;

    open_tap(&tap, to);
    for (uint32_t i = 0; i <= number(order, "count"); i++) {
        rest(number(order, "rest_ms"));
        if (i) {
            struct tap_trip echo = tap_echo(&tap, address_of(json_object_get(to, "to")), trip.out_bytes,
                                            trip.back_bytes);

            add_trip(echo_ns, &echo);
            rest(number(order, "rest_ms"));
        }
        tap_clear(&tap);
        ask(meter, &lsp);
        run_until(meter, meter->n_up + 1, 0);
        trip = tap_setup(&tap);
        if (i)
            add_trip(lsp_ns, &trip);
        else
            json_array_clear(meter->up_ns);
        take_back(meter, meter->n_wishes - 1);
        run_until(meter, 0, meter->n_gone + 1);
    }
    tap_close(&tap);
    lsp_request_free(&lsp);
    return json_pack("{s:o, s:o, s:I, s:I}", "lsp", lsp_ns, "echo", echo_ns, "out", (json_int_t) trip.out_bytes, "back",
                     (json_int_t) trip.back_bytes);
}

static json_t *fill(struct meter *meter, const json_t *order)
{
    const json_t *kinds = json_object_get(order, "lsps");
    uint32_t count = number(order, "count"), ahead = number(order, "ahead");
    size_t n_kinds = json_array_size(kinds), first_up = meter->n_up;
    AUTO_FREE struct lsp_request *lsps = xcalloc(n_kinds + 1, sizeof *lsps);
    int64_t began;

    for (size_t i = 0; i < n_kinds; i++)
        lsps[i] = request_of(json_array_get(kinds, i));
    began = now_ns();
    for (uint32_t i = 0; i < count; i++) {
        if (i >= ahead)
            run_until(meter, first_up + i + 1 - ahead, 0);
        ask(meter, &lsps[i % n_kinds]);
    }
    run_until(meter, first_up + count, 0);
    began = now_ns() - began;
    for (size_t i = 0; i < n_kinds; i++)
        lsp_request_free(&lsps[i]);
    return json_pack("{s:I}", "took", (json_int_t) began);
}

static json_t *drain(struct meter *meter)
{
    int64_t began = now_ns();
    size_t asked = 0, first = meter->n_gone;

    for (size_t n = 0; n < meter->n_wishes; n++)
        asked += take_back(meter, n);
    run_until(meter, 0, first + asked);
    return json_pack("{s:I}", "took", (json_int_t) (now_ns() - began));
}

/* ---- a controller of all bridges ---- */

static void bridge_is_there(void *arg)
{
    struct meter *meter = arg;

    if (++meter->bridges == meter->bridges_wanted)
        loop_stop(meter->loop);
}

static void bridges_done(void *arg, uint32_t n)
{
    struct meter *meter = arg;

    (void) n;
    loop_stop(meter->loop);
}

static json_t *central(struct meter *meter, const json_t *order)
{
    static const struct central_callbacks callbacks = {bridge_is_there, bridges_done, failed};
    struct err err;

    meter->bridges_wanted = number(order, "nodes");
    meter->central = central_new(meter->loop, json_string_value(json_object_get(order, "address")),
                                 (uint16_t) number(order, "port"), meter->bridges_wanted, &callbacks, meter, &err);
    if (!meter->central)
        failed(NULL, err.text);
    loop_run(meter->loop);
    return json_object();
}

/* Number of hops. */
static size_t path_of(const json_t *paths, uint32_t n, uint32_t *path)
{
    const json_t *json = json_array_get(paths, n % json_array_size(paths));
    size_t i;
    json_t *node;

    json_array_foreach(json, i, node)
        path[i] = (uint32_t) json_integer_value(node);
    return i - 1;
}

static json_t *program(struct meter *meter, const json_t *order, bool set)
{
    const json_t *paths = json_object_get(order, "paths");
    uint32_t first = number(order, "first"), count = number(order, "count"), path[CENTRAL_NODES_MAX];
    int64_t began = now_ns();

    for (uint32_t n = first; n < first + count; n++) {
        size_t hops = path_of(paths, n, path);

        if (set)
            central_set(meter->central, n, path, hops);
        else
            central_clear(meter->central, n, path, hops);
        loop_run(meter->loop);
    }
    return json_pack("{s:I}", "took", (json_int_t) (now_ns() - began));
}

static json_t *echo(const json_t *order)
{
    const json_t *to = json_object_get(order, "wire");
    json_t *times = json_array();
    struct tap tap;

    open_tap(&tap, to);
    for (uint32_t i = 0; i < number(order, "count"); i++) {
        struct tap_trip trip = tap_echo(&tap, address_of(json_object_get(to, "to")), number(order, "out"),
                                        number(order, "back"));

        add_trip(times, &trip);
    }
    tap_close(&tap);
    return json_pack("{s:o}", "echo", times);
}

static json_t *obey(struct meter *meter, const json_t *order)
{
    const char *what = json_string_value(json_object_get(order, "do"));

    if (what && strcmp(what, "await") == 0)
        return await(meter, order);
    if (what && strcmp(what, "setup") == 0)
        return setup(meter, order);
    if (what && strcmp(what, "fill") == 0)
        return fill(meter, order);
    if (what && strcmp(what, "drain") == 0)
        return drain(meter);
    if (what && strcmp(what, "central") == 0)
        return central(meter, order);
    if (what && strcmp(what, "program") == 0)
        return program(meter, order, true);
    if (what && strcmp(what, "unprogram") == 0)
        return program(meter, order, false);
    if (what && strcmp(what, "echo") == 0)
        return echo(order);
    failed(NULL, "an order that is not known");
    return NULL;
}

static json_t *obey_and_tell(void *arg, const json_t *order)
{
    struct meter *meter = arg;

    meter->up_ns = json_array();
    json_t *answer = obey(meter, order);

    json_object_set_new(answer, "up", meter->up_ns);
    return answer;
}

int main(int argc, char **argv)
{
    static const struct pce_callbacks callbacks = {.event = handle};
    struct meter meter = {.loop = loop_new()};
    struct err err;

    if (argc != 3) {
        fputs("usage: lsp ADDRESS PCEP-PORT\n", stderr);
        return 2;
    }
    meter.pce = pce_new(meter.loop, argv[1], (uint16_t) atoi(argv[2]), &callbacks, &meter, &err);
    if (!meter.pce)
        failed(NULL, err.text);
    orders_serve(meter.loop, obey_and_tell, &meter);
    central_free(meter.central);
    pce_free(meter.pce);
    loop_free(meter.loop);
    free(meter.wishes);
    return 0;
}
