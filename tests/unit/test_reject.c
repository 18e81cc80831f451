/* SPDX-License-Identifier: Apache-2.0 */
/* What is told about packets that a policy rejects. The frames were made by other code and judged by tshark. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "core/reject.h"
#include "rsvp_hex.h"

static const struct {
    const char *what, *frame, *answer;
} answers[] = {
    {"a connection that begins: RST and ACK of its SYN",
     "025c6700000102000000000b08004500002c123440003f06f54e0a01000bc633640a9c400019fffffffe000000006002"
     "faf0cc930000020405b4",
     "02000000000b025c670000010800450000280000400040060687c633640a0a01000b00199c4000000000ffffffff5014"
     "0000df2d0000"},
    {"one that goes on: RST where the other end is",
     "025c6700000102000000000b08004500002d123440003f06f54d0a01000bc633640a9c400019010203040a0b0c0d5018"
     "faf08643000068656c6c6f",
     "02000000000b025c670000010800450000280000400040060687c633640a0a01000b00199c400a0b0c0d000000005004"
     "0000c9250000"},
    {"without ACK: SYN, five bytes and FIN are acknowledged",
     "025c6700000102000000000b080045000031123440003f06f5490a01000bc633640a9c400019ffffffff000000076003"
     "faf088b30000020405b468656c6c6f",
     "02000000000b025c670000010800450000280000400040060687c633640a0a01000b00199c4000000000000000065014"
     "0000df270000"},
    {"UDP, padded by Ethernet",
     "025c6700000102000000000b08004500001d123440003f11f5520a01000bc633640a9c4013880009dcc93f0000000000"
     "000000000000000000000000",
     "02000000000b025c67000001080045000039000040004001067bc633640a0a01000b030d3157000000004500001d1234"
     "40003f11f5520a01000bc633640a9c4013880009dcc93f"},
    {"an echo request",
     "025c6700000102000000000b080045000021123440003f01f55e0a01000bc633640a0800b42a0001000268656c6c6f",
     "02000000000b025c6700000108004500003d0000400040010677c633640a0a01000b030dfcf200000000450000211234"
     "40003f01f55e0a01000bc633640a0800b42a0001000268656c6c6f"},
    {"IPv6: a connection that begins",
     "025c6700000102000000000b86dd600000000018063f20010db800000000000000000000001120010db8000100000000"
     "0000000000109c40001900000005000000006002faf0a5430000020405b4",
     "02000000000b025c6700000186dd600000000014064020010db800010000000000000000001020010db8000000000000"
     "00000000001100199c40000000000000000650140000b7dd0000"},
    {"the same behind extension headers, as a first fragment",
     "025c6700000102000000000b86dd60000000002c003f20010db800000000000000000000001120010db8000100000000"
     "0000000000103c000104000000002c0001040000000006000001000000079c40001900000005000000095010faf0bce8"
     "0000",
     "02000000000b025c6700000186dd600000000014064020010db800010000000000000000001020010db8000000000000"
     "00000000001100199c40000000090000000050040000b7ea0000"},
    {"IPv6: UDP",
     "025c6700000102000000000b86dd600000000009113f20010db800000000000000000000001120010db8000100000000"
     "0000000000109c4013880009b57f3f",
     "02000000000b025c6700000186dd6000000000393a4020010db800010000000000000000001020010db8000000000000"
     "000000000011010131c900000000600000000009113f20010db800000000000000000000001120010db8000100000000"
     "0000000000109c4013880009b57f3f"},
};

static void answers_by_the_byte(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        uint8_t frame[256], wanted[256], answer[REJECT_ANSWER_MAX], again[REJECT_ANSWER_MAX];
        size_t size = from_hex(answers[i].frame, frame), n = from_hex(answers[i].answer, wanted);

        if (reject_answer(frame, size, answer) != n || memcmp(answer, wanted, n) != 0)
            fail_msg("%s", answers[i].what);
        assert_int_equal(reject_answer(answer, n, again), 0); /* nobody answers an answer */
    }
}

/* One of the frames above with a byte changed: there is no answer. */
static void silent_where_it_must_be(void **state)
{
    enum { TCP_V4, UDP_V4 = 3, ECHO_V4, TCP_V6, LATER_V6, UDP_V6 };
    static const struct {
        const char *what;
        unsigned frame, at, byte;
    } cases[] = {
        {"to many Ethernet stations", TCP_V4, 0, 0x03},
        {"from an Ethernet group", TCP_V4, 6, 0x03},
        {"another ethertype", TCP_V4, 13, 0x06},
        {"a VLAN tag", TCP_V4, 12, 0x81},
        {"no version 4", TCP_V4, 14, 0x65},
        {"a header that is too short", TCP_V4, 14, 0x44},
        {"a header beyond the packet", TCP_V4, 14, 0x4f},
        {"less than its header", TCP_V4, 17, 19},
        {"a later fragment", TCP_V4, 21, 1},
        {"from this network", TCP_V4, 26, 0},
        {"from a loopback", TCP_V4, 26, 127},
        {"from a group", TCP_V4, 26, 224},
        {"from everybody", TCP_V4, 26, 255},
        {"to a group", UDP_V4, 30, 239},
        {"to everybody", UDP_V4, 30, 255},
        {"a reset", TCP_V4, 47, 0x04},
        {"a reset with ACK", TCP_V4, 47, 0x14},
        {"a TCP header that is too short", TCP_V4, 46, 0x40},
        {"a TCP header beyond the packet", TCP_V4, 46, 0x70},
        {"unreachable", ECHO_V4, 34, 3},
        {"source quench", ECHO_V4, 34, 4},
        {"redirect", ECHO_V4, 34, 5},
        {"time exceeded", ECHO_V4, 34, 11},
        {"parameter problem", ECHO_V4, 34, 12},
        {"no version 6", TCP_V6, 14, 0x40},
        {"from an IPv6 group", TCP_V6, 22, 0xff},
        {"to an IPv6 group", UDP_V6, 38, 0xff},
        {"a later fragment of IPv6", LATER_V6, 73, 0x08},
        {"extension headers beyond the packet", LATER_V6, 55, 0x20},
        {"extension headers beyond what IP says", LATER_V6, 19, 20},
        {"an IPv6 reset", TCP_V6, 67, 0x04},
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t frame[256], answer[REJECT_ANSWER_MAX];
        size_t size = from_hex(answers[cases[i].frame].frame, frame);

        frame[cases[i].at] = (uint8_t) cases[i].byte;
        if (reject_answer(frame, size, answer) != 0)
            fail_msg("%s", cases[i].what);
    }
}

static void silent_about_icmpv6(void **state)
{
    static const struct {
        uint8_t type;
        bool answered;
    } cases[] = {{1, false}, {127, false}, {128, true}, {129, true}, {137, false}};
    uint8_t frame[256], answer[REJECT_ANSWER_MAX];
    size_t size = from_hex(answers[7].frame, frame);

    (void) state;
    frame[20] = 58;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        frame[54] = cases[i].type;
        assert_int_equal(reject_answer(frame, size, answer) > 0, cases[i].answered);
    }
    frame[54] = 128;
    memset(frame + 22, 0, 16); /* from nowhere, and from a loopback */
    assert_int_equal(reject_answer(frame, size, answer), 0);
    frame[37] = 1;
    assert_int_equal(reject_answer(frame, size, answer), 0);
    frame[37] = 2;
    assert_true(reject_answer(frame, size, answer) > 0);
}

/* Cut off anywhere it is answered, if at all, as a whole one would be, but for the quote. */
static void cut_off_frames(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        uint8_t frame[256], wanted[256], answer[REJECT_ANSWER_MAX];
        size_t size = from_hex(answers[i].frame, frame), n = from_hex(answers[i].answer, wanted), n_answered = 0;

        for (size_t cut = 0; cut < size; cut++) {
            uint8_t *part = xmemdup(frame, cut + 1); /* so that sanitizers see what is read beyond */
            size_t got = reject_answer(part, cut, answer);

            free(part);
            assert_true(got <= n);
            if (got)
                assert_memory_equal(answer, wanted, 14);
            n_answered += got > 0;
        }
        assert_true(n_answered < size - 33);
    }
}

/* The quote fills a packet that passes everywhere, and what is to be read of the frame is enough for that. */
static void quotes_what_fits(void **state)
{
    static const struct {
        unsigned frame, length_at, lengthened, header;
        enum ip_family family;
        size_t max;
    } cases[] = {{3, 16, 1500, 14 + 28, IP_V4, 14 + REJECT_ICMP_MAX},
                 {7, 18, 1460, 14 + 48, IP_V6, 14 + REJECT_ICMPV6_MAX}};

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t frame[1514], answer[REJECT_ANSWER_MAX], other[REJECT_ANSWER_MAX];

        memset(frame, 0xa5, sizeof frame);
        from_hex(answers[cases[i].frame].frame, frame);
        frame[cases[i].length_at] = (uint8_t) (cases[i].lengthened >> 8);
        frame[cases[i].length_at + 1] = (uint8_t) cases[i].lengthened;
        assert_int_equal(reject_answer(frame, sizeof frame, answer), cases[i].max);
        assert_memory_equal(answer + cases[i].header, frame + 14, cases[i].max - cases[i].header);
        assert_int_equal(reject_answer(frame, reject_read_size(cases[i].family), other), cases[i].max);
        assert_memory_equal(answer, other, cases[i].max);
        assert_int_equal(reject_answer(frame, reject_read_size(cases[i].family) - 1u, other), cases[i].max - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_by_the_byte), cmocka_unit_test(silent_where_it_must_be),
        cmocka_unit_test(silent_about_icmpv6), cmocka_unit_test(cut_off_frames),
        cmocka_unit_test(quotes_what_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
