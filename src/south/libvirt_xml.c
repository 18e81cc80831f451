/* SPDX-License-Identifier: Apache-2.0 */
#include "south/libvirt_xml.h"

#include <errno.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define METADATA_NS "https://service-control-gateway.org/xmlns/vm/1"

static void free_document(xmlDoc **document)
{
    xmlFreeDoc(*document);
}

static void free_text(xmlChar **text)
{
    if (*text)
        xmlFree(*text);
}

#define AUTO_DOCUMENT __attribute__((cleanup(free_document)))
#define AUTO_TEXT __attribute__((cleanup(free_text)))

/* Whether 'node' is an element of that name in the namespace, or, with null, in none. */
static bool is_element(const xmlNode *node, const char *ns, const char *name)
{
    if (node->type != XML_ELEMENT_NODE || strcmp((const char *) node->name, name))
        return false;
    return ns ? node->ns && !strcmp((const char *) node->ns->href, ns) : !node->ns;
}

/* The first such sibling from 'node' on, or null. */
static xmlNode *find(xmlNode *node, const char *ns, const char *name)
{
    while (node && !is_element(node, ns, name))
        node = node->next;
    return node;
}

static xmlNode *child(const xmlNode *parent, const char *ns, const char *name)
{
    return parent ? find(parent->children, ns, name) : NULL;
}

static xmlChar *attribute(const xmlNode *node, const char *name)
{
    return node ? xmlGetNoNsProp(node, (const xmlChar *) name) : NULL;
}

static int parse_identity(const xmlNode *domain, struct vm *vm, struct err *err)
{
    AUTO_TEXT xmlChar *name = xmlNodeGetContent(child(domain, NULL, "name"));
    AUTO_TEXT xmlChar *uuid = xmlNodeGetContent(child(domain, NULL, "uuid"));

    if (!name || !*name)
        return err_set(err, ERR_MALFORMED, "a domain without a name");
    if (name_copy(vm->name, (const char *) name))
        return err_set(err, ERR_TOO_LARGE, "domain '%.80s...': its name has more than %d bytes", (const char *) name,
                       NAME_SIZE - 1);
    if (!uuid || uuid_parse((const char *) uuid, vm->uuid))
        return err_set(err, ERR_MALFORMED, "VM %s: '%.60s' is no UUID", vm->name, uuid ? (const char *) uuid : "");
    return 0;
}

/* libvirt writes KiB, whatever unit the domain was defined with; other drivers than QEMU's may differ. */
static int parse_memory(const xmlNode *domain, struct vm *vm, struct err *err)
{
    static const struct {
        const char *name;
        uint64_t kib;
    } units[] = {{"KiB", 1}, {"k", 1}, {"MiB", 1 << 10}, {"M", 1 << 10}, {"GiB", 1 << 20}, {"G", 1 << 20}};
    const xmlNode *memory = child(domain, NULL, "memory");
    AUTO_TEXT xmlChar *text = xmlNodeGetContent(memory);
    AUTO_TEXT xmlChar *unit = attribute(memory, "unit");
    size_t i = 0;
    char *end;

    if (!text || *text < '0' || *text > '9')
        return err_set(err, ERR_MALFORMED, "VM %s: its memory is not a number", vm->name);
    errno = 0;
    unsigned long long value = strtoull((const char *) text, &end, 10);
    while (unit && i < ARRAY_LEN(units) && strcmp((const char *) unit, units[i].name))
        i++;
    if (errno || *end || i == ARRAY_LEN(units) || value > UINT64_MAX / units[i].kib)
        return err_set(err, ERR_MALFORMED, "VM %s: its memory '%.40s %.20s' is not understood", vm->name,
                       (const char *) text, unit ? (const char *) unit : "");
    vm->memory_kib = value * units[i].kib;
    return 0;
}

/* libvirt writes <mtu> only if somebody chose one. */
static int parse_mtu(const xmlNode *interface, const char *vm, uint32_t *mtu, struct err *err)
{
    AUTO_TEXT xmlChar *text = attribute(child(interface, NULL, "mtu"), "size");
    char *end;

    *mtu = MTU_ETHERNET;
    if (!text)
        return 0;
    unsigned long value = strtoul((const char *) text, &end, 10);
    if (*text < '0' || *text > '9' || *end || value < MTU_MIN || value > MTU_MAX)
        return err_set(err, ERR_MALFORMED, "VM %s: '%.20s' is no MTU; expected %d to %d", vm, (const char *) text,
                       MTU_MIN, MTU_MAX);
    *mtu = (uint32_t) value;
    return 0;
}

static int parse_nics(const xmlNode *domain, struct vm *vm, struct err *err)
{
    const xmlNode *devices = child(domain, NULL, "devices");

    for (xmlNode *node = child(devices, NULL, "interface"); node; node = find(node->next, NULL, "interface")) {
        AUTO_TEXT xmlChar *mac = attribute(child(node, NULL, "mac"), "address");

        if (!mac)
            continue;
        if (vm->n_nics == VM_NICS_MAX)
            return err_set(err, ERR_TOO_LARGE, "VM %s has more than %d interfaces", vm->name, VM_NICS_MAX);
        if (mac_parse((const char *) mac, &vm->nics[vm->n_nics].mac))
            return err_set(err, ERR_MALFORMED, "VM %s: '%.40s' is no MAC address", vm->name, (const char *) mac);
        int status = parse_mtu(node, vm->name, &vm->nics[vm->n_nics].mtu, err);
        if (status)
            return status;
        vm->n_nics++;
    }
    return 0;
}

/* A list as XML Schema has them: separated by white space. */
static int parse_ipv6(const xmlNode *node, const char *vm, struct ip6_list *list, struct err *err)
{
    AUTO_TEXT xmlChar *text = attribute(node, "ipv6");
    char *rest = (char *) text, *save = NULL;

    for (const char *word = text ? strtok_r(rest, " \t\r\n", &save) : NULL; word;
         word = strtok_r(NULL, " \t\r\n", &save)) {
        struct ip ip = {0};
        int status = ip_parse(word, &ip);

        if (!status)
            status = ip6_list_add(list, &ip);
        if (status)
            return err_set(err, ERR_INVALID, "VM %s: '%.60s' in its metadata %s", vm, word, ip6_list_error(status));
    }
    return 0;
}

static int parse_metadata_nic(const xmlNode *node, struct vm *vm, struct err *err)
{
    AUTO_TEXT xmlChar *mac_text = attribute(node, "mac");
    AUTO_TEXT xmlChar *address = attribute(node, "address");
    struct ip6_list ip6 = {0};
    struct mac mac;
    struct ip ip;

    if (!mac_text || mac_parse((const char *) mac_text, &mac))
        return err_set(err, ERR_INVALID, "VM %s: '%.40s' in its metadata is no MAC address", vm->name,
                       mac_text ? (const char *) mac_text : "");
    if (!address || ip_parse((const char *) address, &ip))
        return err_set(err, ERR_INVALID, "VM %s: '%.60s' in its metadata is no IP address", vm->name,
                       address ? (const char *) address : "");
    int status = parse_ipv6(node, vm->name, &ip6, err);
    if (status)
        return status;
    for (unsigned i = 0; i < vm->n_nics; i++) {
        if (!mac_equal(&vm->nics[i].mac, &mac))
            continue;
        vm->nics[i].ip = ip;
        vm->nics[i].ip6 = ip6;
    }
    return 0;
}

static int parse_metadata(const xmlNode *domain, struct vm *vm, struct err *err)
{
    const xmlNode *scg = child(child(domain, NULL, "metadata"), METADATA_NS, "vm");
    AUTO_TEXT xmlChar *segment = attribute(scg, "segment");

    if (segment && name_copy(vm->segment, (const char *) segment))
        return err_set(err, ERR_TOO_LARGE, "VM %s: the segment in its metadata has more than %d bytes", vm->name,
                       NAME_SIZE - 1);
    for (xmlNode *node = child(scg, METADATA_NS, "interface"); node;
         node = find(node->next, METADATA_NS, "interface")) {
        int result = parse_metadata_nic(node, vm, err);

        if (result)
            return result;
    }
    return 0;
}

int libvirt_xml_parse(const char *xml, struct vm *vm, struct err *err)
{
    static int (*const parts[])(const xmlNode *, struct vm *, struct err *) = {parse_identity, parse_memory, parse_nics,
                                                                               parse_metadata};
    size_t length = strlen(xml);
    struct vm parsed = {0};

    if (length > INT32_MAX)
        return err_set(err, ERR_MALFORMED, "a domain's XML has %zu bytes", length);
    /* Without XML_PARSE_NOENT and with NONET: nothing outside the text is read. */
    AUTO_DOCUMENT xmlDoc *document = xmlReadMemory(xml, (int) length, "domain.xml", NULL,
                                                   XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    const xmlNode *root = document ? xmlDocGetRootElement(document) : NULL;
    if (!root || !is_element(root, NULL, "domain"))
        return err_set(err, ERR_MALFORMED, "this is no domain XML: '%.60s'", xml);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        int result = parts[i](root, &parsed, err);

        if (result)
            return result;
    }
    *vm = parsed;
    return 0;
}
