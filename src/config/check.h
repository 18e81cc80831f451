/* SPDX-License-Identifier: Apache-2.0 */
/* What a schema cannot say about a daemon's configuration. Each check names the member by its path and the value, and
 * says what is wrong with it. */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

#include <stdint.h>

#include "base/err.h"
#include "config/types.h"
#include "model/addr.h"

struct config; /* the daemon's own */

/* The checks so far: the first failure stays, and what follows it does nothing. */
struct check {
    struct config *config;
    struct err *err;
    int status;
};

/* A member's path for messages. */
struct path {
    char text[64];
};

struct path path_of(const char *list, unsigned index, const char *member); /* "servers[1].uri" */
struct path path_in(const char *group, const char *member);                /* "rest.port" */
void refuse(struct check *c, const char *path, const char *format, ...) __attribute__((format(printf, 3, 4)));
void check_range(struct check *c, const char *path, uint32_t value, uint32_t min, uint32_t max);
struct ip check_ip(struct check *c, const char *path, const char *text); /* all zero after a failure */
void check_port(struct check *c, const char *path, uint32_t port);
void check_endpoint(struct check *c, const char *path, const struct config_endpoint *endpoint); /* 'path': the group */
/* That 'first' to 'last' of the group 'path' is a range within 'min' to 'max'. */
void check_first_last(struct check *c, const char *path, uint32_t first, uint32_t last, uint32_t min, uint32_t max);
/* That 'text' of list[i].member is not 'other' of list[j].member. */
void check_unlike(struct check *c, const char *list, unsigned i, unsigned j, const char *member, const char *text,
                  const char *other);
/* A daemon's working directory is an accident, so a file is named from the root. */
void check_file(struct check *c, const char *path, const char *text);
void check_socket(struct check *c, const char *path, const char *text);

#endif
