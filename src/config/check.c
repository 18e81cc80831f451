/* SPDX-License-Identifier: Apache-2.0 */
#include "config/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define UNIX_PATH_MAX (sizeof((struct sockaddr_un *) 0)->sun_path - 1)

struct path path_of(const char *list, unsigned index, const char *member)
{
    struct path path;

    snprintf(path.text, sizeof path.text, "%s[%u].%s", list, index, member);
    return path;
}

struct path path_in(const char *group, const char *member)
{
    struct path path;

    snprintf(path.text, sizeof path.text, "%s.%s", group, member);
    return path;
}

void refuse(struct check *c, const char *path, const char *format, ...)
{
    char text[ERR_TEXT_SIZE];
    va_list args;

    if (c->status)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    c->status = err_set(c->err, ERR_INVALID, "%s: %s", path, text);
}

void check_range(struct check *c, const char *path, uint32_t value, uint32_t min, uint32_t max)
{
    if (value < min || value > max)
        refuse(c, path, "%u is not between %u and %u", value, min, max);
}

struct ip check_ip(struct check *c, const char *path, const char *text)
{
    struct ip ip = {0};

    if (ip_parse(text, &ip) < 0)
        refuse(c, path, "\"%s\" is not an IP address", text);
    return ip;
}

void check_port(struct check *c, const char *path, uint32_t port)
{
    check_range(c, path, port, 1, 65535);
}

void check_endpoint(struct check *c, const char *path, const struct config_endpoint *endpoint)
{
    check_ip(c, path_in(path, "address").text, endpoint->address);
    check_port(c, path_in(path, "port").text, endpoint->port);
}

void check_first_last(struct check *c, const char *path, uint32_t first, uint32_t last, uint32_t min, uint32_t max)
{
    const char *dot = strrchr(path, '.');

    check_range(c, path_in(path, "first").text, first, min, max);
    check_range(c, path_in(path, "last").text, last, min, max);
    if (first > last)
        refuse(c, path_in(path, "last").text, "%u is less than %s.first, which is %u", last, dot ? dot + 1 : path,
               first);
}

void check_unlike(struct check *c, const char *list, unsigned i, unsigned j, const char *member, const char *text,
                  const char *other)
{
    if (strcmp(text, other) == 0)
        refuse(c, path_of(list, i, member).text, "\"%s\" is the %s of %s[%u] already", text, member, list, j);
}

void check_file(struct check *c, const char *path, const char *text)
{
    if (text[0] != '/')
        refuse(c, path, "\"%s\" does not begin with \"/\"", text);
}

void check_socket(struct check *c, const char *path, const char *text)
{
    check_file(c, path, text);
    if (strlen(text) > UNIX_PATH_MAX)
        refuse(c, path, "\"%s\" is longer than the %zu bytes that a socket's name may have", text, UNIX_PATH_MAX);
}
