/* SPDX-License-Identifier: Apache-2.0 */
#include "io/footprint.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static int drop_clean_pages(struct dl_phdr_info *info, size_t size, void *arg)
{
    uintptr_t page = *(const uintptr_t *) arg;

    (void) size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

        /* A segment that may be written to holds relocated data, which no file has. */
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W))
            continue;

        uintptr_t first = (info->dlpi_addr + segment->p_vaddr + page - 1) & ~(page - 1);
        uintptr_t end = (info->dlpi_addr + segment->p_vaddr + segment->p_filesz) & ~(page - 1);
        if (first < end)
            madvise((void *) first, end - first, MADV_DONTNEED); /* advice: that it may fail is fine */
    }
    return 0;
}

void footprint_trim(void)
{
    uintptr_t page = (uintptr_t) sysconf(_SC_PAGESIZE);

    malloc_trim(0);
    dl_iterate_phdr(drop_clean_pages, &page);
}
