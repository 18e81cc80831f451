/* SPDX-License-Identifier: Apache-2.0 */
/* Where the tests of policies and flows put a VM's policy. */
#ifndef POLICY_SITE_H
#define POLICY_SITE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/pipeline.h"
#include "core/policy.h"

#define FROM_METER 7
#define TO_METER 8

static inline struct policy_site site_of(const char *address)
{
    struct policy_site site = {
        .cookie = cookie_make(COOKIE_VM, 1),
        .table = {TOR_POLICY_FROM, TOR_POLICY_TO},
        .next_table = {TOR_POLICY_TO, TOR_FORWARD},
    };

    assert_int_equal(ip_parse(address, &site.ip), 0);
    return site;
}

#endif
