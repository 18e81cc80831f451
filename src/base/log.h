/* SPDX-License-Identifier: Apache-2.0 */
/* The log: one line an event on stderr, "TIME LEVEL FAULT [ID] text". It says whose fault a warning is, and carries the
 * migration or the device that it is about. Only the daemons and drivers log; base, model, proto and core never do. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* Who has to act on it. */
enum log_fault {
    FAULT_NONE,     /* nobody: information */
    FAULT_OURS,     /* a defect of this program */
    FAULT_PEER,     /* another gateway, a device, a hypervisor */
    FAULT_OPERATOR, /* the configuration or a command */
};

void log_set_level(enum log_level level);

/* 0 and '*level', or ERR_INVALID. 'name' is error, warning, info or debug. */
int log_level_parse(const char *name, enum log_level *level);

/* 'id' is a migration id, a switch, a peer...; may be null. */
void log_write(enum log_level level, enum log_fault fault, const char *id, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#define log_debug(id, ...) log_write(LOG_DEBUG, FAULT_NONE, id, __VA_ARGS__)
#define log_info(id, ...) log_write(LOG_INFO, FAULT_NONE, id, __VA_ARGS__)
#define log_warn(fault, id, ...) log_write(LOG_WARNING, fault, id, __VA_ARGS__)
#define log_error(fault, id, ...) log_write(LOG_ERROR, fault, id, __VA_ARGS__)

#endif
