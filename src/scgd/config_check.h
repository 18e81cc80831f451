/* SPDX-License-Identifier: Apache-2.0 */
/* What a schema cannot say about a configuration. */
#ifndef SCGD_CONFIG_CHECK_H
#define SCGD_CONFIG_CHECK_H

#include "scgd/config.h"

/* Checks a loaded configuration as a whole and fills in its parsed members (addresses). 0, or ERR_INVALID and a
 * sentence that names the member by its path and the value. */
int config_check(struct config *config, struct err *err);

#endif
