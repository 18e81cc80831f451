/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/err.h"

static const char *const level_names[] = {"error", "warning", "info", "debug"};
static const char *const fault_names[] = {"-", "ours", "peer", "operator"};

/* The one process-wide state: a log that had to be passed to every function would not be used. */
static enum log_level threshold = LOG_INFO;

void log_set_level(enum log_level level)
{
    threshold = level;
}

int log_level_parse(const char *name, enum log_level *level)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum log_level) i;
            return 0;
        }
    }
    return ERR_INVALID;
}

void log_write(enum log_level level, enum log_fault fault, const char *id, const char *format, ...)
{
    if (level > threshold)
        return;

    int saved_errno = errno;
    struct timespec now;
    struct tm tm;
    char line[2048], date[32];
    va_list args;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    fprintf(stderr, "%s.%03ldZ %s %s [%s] %s\n", date, now.tv_nsec / 1000000, level_names[level], fault_names[fault],
            id ? id : "-", line);
    errno = saved_errno;
}
