/* SPDX-License-Identifier: Apache-2.0 */
/* What a daemon keeps in memory when it has nothing to do. */
#ifndef IO_FOOTPRINT_H
#define IO_FOOTPRINT_H

/* Gives back what only the start needed: free heap, and the pages of code and constants of the program and its
 * libraries (dynamic linking and the initialisation of sixty libraries touch most of them). They are clean pages of
 * files; those that are used again come back by a minor fault. To be called once, when the program has settled. */
void footprint_trim(void);

#endif
