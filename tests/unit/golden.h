/* SPDX-License-Identifier: Apache-2.0 */
/* Golden files: texts that a test holds against what is stored below tests/data. SCG_GOLDEN=write writes them anew;
 * review the difference. */
#ifndef GOLDEN_H
#define GOLDEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "model/flow.h"

/* 'file' is below tests/data, "pcep/sent.hex". */
static inline void golden_text(const char *file, const char *text)
{
    AUTO_FREE char *path = xasprintf("%s/%s", TEST_DATA, file);
    const char *mode = getenv("SCG_GOLDEN");
    AUTO_STRBUF struct strbuf expected = {0};
    char block[4096];
    size_t n;

    if (mode && strcmp(mode, "write") == 0) {
        FILE *out = fopen(path, "w");

        assert_non_null(out);
        fputs(text, out);
        assert_int_equal(fclose(out), 0);
    }

    FILE *in = fopen(path, "r");

    if (!in)
        fail_msg("no %s: SCG_GOLDEN=write makes it", path);
    strbuf_puts(&expected, "");
    while ((n = fread(block, 1, sizeof block, in)) > 0)
        strbuf_add(&expected, block, n);
    fclose(in);
    assert_string_equal(text, expected.text);
}

/* DIRECTORY/NAME.txt; frees the transaction. */
static inline void golden_txn(const char *directory, const char *name, struct flow_txn *txn)
{
    AUTO_FREE char *file = xasprintf("%s/%s.txt", directory, name);
    AUTO_FREE char *text = flow_txn_format(txn);

    golden_text(file, text);
    flow_txn_free(txn);
}

#endif
