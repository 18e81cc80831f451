/* SPDX-License-Identifier: Apache-2.0 */
/* A domain's XML (libvirt's formatdomain) as a VM. Pure.
 *
 * What libvirt does not know stands in the domain's metadata:
 *   <scg:vm xmlns:scg="https://service-control-gateway.org/xmlns/vm/1" segment="web">
 *     <scg:interface mac="52:54:00:00:00:11" address="10.100.0.11" ipv6="2001:db8::11 2001:db8::12"/>
 *   </scg:vm>
 * "ipv6" is a list of up to IP6_LIST_MAX addresses, and may be left out. */
#ifndef SOUTH_LIBVIRT_XML_H
#define SOUTH_LIBVIRT_XML_H

#include "base/err.h"
#include "model/inventory.h"

/* Fills name, uuid, memory, segment and nics of '*vm'; the rest is zero. An interface of the metadata that the domain
 * does not have is ignored. Returns 0, ERR_MALFORMED if it is no domain XML, ERR_INVALID if a value cannot be used, or
 * ERR_TOO_LARGE for a name or a number of interfaces that the model does not hold; '*vm' is then left alone. Threads
 * may call it at once. */
int libvirt_xml_parse(const char *xml, struct vm *vm, struct err *err);

#endif
