/* SPDX-License-Identifier: Apache-2.0 */
/* Domain XML as libvirt 9.0 wrote it (tests/data/libvirt), and what is no domain XML or cannot be used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "south/libvirt_xml.h"

#ifndef TEST_DATA
#define TEST_DATA "tests/data"
#endif

static char *read_data(const char *name)
{
    AUTO_FREE char *path = xasprintf("%s/libvirt/%s", TEST_DATA, name);
    FILE *file = fopen(path, "r");
    struct strbuf text = {0};
    char bytes[4096];
    size_t n;

    assert_non_null(file);
    while ((n = fread(bytes, 1, sizeof bytes, file)) > 0)
        strbuf_add(&text, bytes, n);
    fclose(file);
    return strbuf_take(&text);
}

static void assert_nic(const struct vm *vm, unsigned i, const char *mac, const char *address)
{
    char text[IP_TEXT_SIZE] = "";

    assert_string_equal(mac_format(&vm->nics[i].mac, text), mac);
    if (!address)
        assert_int_equal(vm->nics[i].ip.family, IP_NONE);
    else
        assert_string_equal(ip_format(&vm->nics[i].ip, text), address);
}

static void test_running_vm(void **state)
{
    (void) state;
    AUTO_FREE char *xml = read_data("running.xml");
    char uuid[UUID_TEXT_SIZE];
    struct vm vm;

    assert_int_equal(libvirt_xml_parse(xml, &vm, NULL), 0);
    assert_string_equal(vm.name, "V1");
    uuid_format(vm.uuid, uuid);
    assert_string_equal(uuid, "5c670000-0000-4000-8000-525400000011");
    assert_string_equal(vm.segment, "web");
    assert_string_equal(vm.server, "");
    assert_int_equal(vm.memory_kib, 131072);
    assert_int_equal(vm.n_nics, 1);
    assert_nic(&vm, 0, "52:54:00:00:00:11", "10.100.0.11");
}

/* Metadata of another program beside ours, another prefix for our namespace, an escaped segment, capital letters in a
 * MAC, an IPv6 address, an interface without an address, and an address for an interface that is not there. */
static void test_two_interfaces(void **state)
{
    (void) state;
    AUTO_FREE char *xml = read_data("two-interfaces.xml");
    struct vm vm;

    assert_int_equal(libvirt_xml_parse(xml, &vm, NULL), 0);
    assert_string_equal(vm.name, "mail");
    assert_string_equal(vm.segment, "mail & list");
    assert_int_equal(vm.memory_kib, 2 << 20);
    assert_int_equal(vm.n_nics, 2);
    assert_nic(&vm, 0, "52:54:00:aa:00:01", NULL);
    assert_int_equal(vm.nics[0].mtu, 1500);
    assert_nic(&vm, 1, "52:54:00:aa:00:02", "2001:db8::25");
    assert_int_equal(vm.nics[1].mtu, 9000);
}

static void test_no_metadata(void **state)
{
    (void) state;
    AUTO_FREE char *xml = read_data("test-driver.xml");
    struct vm vm;

    assert_int_equal(libvirt_xml_parse(xml, &vm, NULL), 0);
    assert_string_equal(vm.name, "test");
    assert_string_equal(vm.segment, "");
    assert_int_equal(vm.memory_kib, 8388608);
    assert_int_equal(vm.n_nics, 1);
    assert_nic(&vm, 0, "aa:bb:cc:dd:ee:ff", NULL);
}

#define UUID "<uuid>5c670000-0000-4000-8000-525400000011</uuid>"
#define NS "xmlns:scg='https://service-control-gateway.org/xmlns/vm/1'"
#define NIC "<interface><mac address='52:54:00:00:00:11'/></interface>"
#define SIXTY "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

#define MTU(size) \
    "<domain><name>V1</name>" UUID "<memory>1</memory><devices><interface><mac address='52:54:00:00:00:11'/>" \
    "<mtu size='" size "'/></interface></devices></domain>"

#define IPV6(list) \
    "<domain><name>V1</name>" UUID "<memory>1</memory><metadata><scg:vm " NS "><scg:interface " \
    "mac='52:54:00:00:00:11' address='10.0.0.1' ipv6='" list "'/></scg:vm></metadata><devices>" NIC \
    "</devices></domain>"

static void test_ipv6(void **state)
{
    (void) state;
    struct vm vm;
    char text[IP_TEXT_SIZE];

    assert_int_equal(libvirt_xml_parse(IPV6(" fd00::1\t2001:db8:0::2 "), &vm, NULL), 0);
    assert_int_equal(vm.nics[0].ip6.n, 2);
    assert_string_equal(ip_format(&vm.nics[0].ip6.items[0], text), "fd00::1");
    assert_string_equal(ip_format(&vm.nics[0].ip6.items[1], text), "2001:db8::2");
    assert_nic(&vm, 0, "52:54:00:00:00:11", "10.0.0.1");
    assert_int_equal(libvirt_xml_parse(IPV6(""), &vm, NULL), 0);
    assert_int_equal(vm.nics[0].ip6.n, 0);
}

struct nonsense {
    const char *xml;
    int code;
    const char *says; /* part of the sentence */
};

static void test_nonsense(void **state)
{
    (void) state;
    static const struct nonsense cases[] = {
        {"", ERR_MALFORMED, "no domain XML"},
        {"VM V1", ERR_MALFORMED, "no domain XML"},
        {"<domain", ERR_MALFORMED, "no domain XML"},
        {"<domain><name>V1</name>", ERR_MALFORMED, "no domain XML"},
        {"<network><name>V1</name></network>", ERR_MALFORMED, "no domain XML"},
        {"<domain xmlns='urn:other'><name>V1</name></domain>", ERR_MALFORMED, "no domain XML"},
        {"<domain/>", ERR_MALFORMED, "without a name"},
        {"<domain><name/></domain>", ERR_MALFORMED, "without a name"},
        {"<domain><name>" SIXTY "abcd</name></domain>", ERR_TOO_LARGE, "more than 63 bytes"},
        {"<domain><name>V1</name></domain>", ERR_MALFORMED, "VM V1: '' is no UUID"},
        {"<domain><name>V1</name><uuid>5c67</uuid></domain>", ERR_MALFORMED, "'5c67' is no UUID"},
        {"<domain><name>V1</name>" UUID "</domain>", ERR_MALFORMED, "memory is not a number"},
        {"<domain><name>V1</name>" UUID "<memory>-1</memory></domain>", ERR_MALFORMED, "memory is not a number"},
        {"<domain><name>V1</name>" UUID "<memory>1x</memory></domain>", ERR_MALFORMED, "'1x ' is not understood"},
        {"<domain><name>V1</name>" UUID "<memory unit='acre'>1</memory></domain>", ERR_MALFORMED, "'1 acre'"},
        {"<domain><name>V1</name>" UUID "<memory unit='GiB'>18446744073709551615</memory></domain>", ERR_MALFORMED,
         "is not understood"},
        {"<domain><name>V1</name>" UUID "<memory>99999999999999999999</memory></domain>", ERR_MALFORMED,
         "is not understood"},
        {"<domain><name>V1</name>" UUID "<memory>1</memory><devices><interface><mac address='52:54'/></interface>"
         "</devices></domain>",
         ERR_MALFORMED, "'52:54' is no MAC address"},
        {MTU("67"), ERR_MALFORMED, "'67' is no MTU; expected 68 to 65535"},
        {MTU("65536"), ERR_MALFORMED, "'65536' is no MTU"},
        {MTU("1500x"), ERR_MALFORMED, "'1500x' is no MTU"},
        {MTU("-1500"), ERR_MALFORMED, "'-1500' is no MTU"},
        {MTU(""), ERR_MALFORMED, "'' is no MTU"},
        {"<domain><name>V1</name>" UUID "<memory>1</memory><devices>" NIC NIC NIC NIC NIC NIC NIC NIC NIC
         "</devices></domain>",
         ERR_TOO_LARGE, "more than 8 interfaces"},
        {"<domain><name>V1</name>" UUID "<memory>1</memory><metadata><scg:vm " NS " segment='" SIXTY "abcd'/>"
         "</metadata></domain>",
         ERR_TOO_LARGE, "segment"},
        {"<domain><name>V1</name>" UUID "<memory>1</memory><metadata><scg:vm " NS "><scg:interface address='10.0.0.1'/>"
         "</scg:vm></metadata></domain>",
         ERR_INVALID, "VM V1: '' in its metadata is no MAC address"},
        {"<domain><name>V1</name>" UUID "<memory>1</memory><metadata><scg:vm " NS "><scg:interface "
         "mac='52:54:00:00:00:11' address='10.0.0.256'/></scg:vm></metadata></domain>",
         ERR_INVALID, "VM V1: '10.0.0.256' in its metadata is no IP address"},
        {IPV6("fd00::1 fe80::1"), ERR_INVALID, "VM V1: 'fe80::1' in its metadata is no global or unique local IPv6"},
        {IPV6("fd00::1/64"), ERR_INVALID, "'fd00::1/64' in its metadata is no global"},
        {IPV6("fd00::1 10.0.0.2"), ERR_INVALID, "'10.0.0.2' in its metadata is no global"},
        {IPV6("fd00::1 fd00:0::1"), ERR_INVALID, "'fd00:0::1' in its metadata is named twice"},
        {IPV6("fd00::1 fd00::2 fd00::3 fd00::4 fd00::5"), ERR_INVALID, "'fd00::5' in its metadata is one too many"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct vm vm = {.name = "before"};
        struct err err = {0};

        assert_int_equal(libvirt_xml_parse(cases[i].xml, &vm, &err), cases[i].code);
        assert_int_equal(err.code, cases[i].code);
        if (!strstr(err.text, cases[i].says))
            fail_msg("case %zu: \"%s\" does not say \"%s\"", i, err.text, cases[i].says);
        assert_string_equal(vm.name, "before");
        assert_int_equal(libvirt_xml_parse(cases[i].xml, &vm, NULL), cases[i].code);
    }
}

/* An interface of another namespace, or deeper in the tree, is not ours; one without a MAC cannot be a VM's port. */
static void test_look_alikes_are_ignored(void **state)
{
    (void) state;
    struct vm vm;
    const char *xml = "<domain><name>V1</name>" UUID "<memory unit='MiB'>3</memory>"
                      "<metadata><vm xmlns='urn:other' segment='other'><interface mac='x'/></vm></metadata>"
                      "<devices><hub>" NIC "</hub><interface type='user'/>" NIC
                      "<o:interface xmlns:o='urn:other'><mac address='52:54:00:00:00:12'/></o:interface></devices>"
                      "</domain>";

    assert_int_equal(libvirt_xml_parse(xml, &vm, NULL), 0);
    assert_string_equal(vm.segment, "");
    assert_int_equal(vm.memory_kib, 3072);
    assert_int_equal(vm.n_nics, 1);
    assert_nic(&vm, 0, "52:54:00:00:00:11", NULL);
}

/* Neither files nor entities are followed. */
static void test_entities_stay_unresolved(void **state)
{
    (void) state;
    struct vm vm;
    const char *xml = "<!DOCTYPE domain [<!ENTITY file SYSTEM 'file:///etc/hostname'>]>"
                      "<domain><name>&file;</name>" UUID "<memory>1</memory></domain>";

    assert_int_equal(libvirt_xml_parse(xml, &vm, NULL), ERR_MALFORMED);
}

/* Each beginning of a real text is refused, and none reads beyond its end. */
static void test_truncated(void **state)
{
    (void) state;
    AUTO_FREE char *xml = read_data("running.xml");
    size_t length = strlen(xml);
    struct vm vm;

    while (length > 0 && xml[length - 1] == '\n')
        length--;
    for (size_t n = 0; n < length; n++) {
        AUTO_FREE char *part = xstrndup(xml, n);

        assert_int_equal(libvirt_xml_parse(part, &vm, NULL), ERR_MALFORMED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_running_vm),
        cmocka_unit_test(test_two_interfaces),
        cmocka_unit_test(test_no_metadata),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_look_alikes_are_ignored),
        cmocka_unit_test(test_entities_stay_unresolved),
        cmocka_unit_test(test_truncated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
