# SPDX-License-Identifier: Apache-2.0
"""TE LSAs, read by our decoder and by tshark: both must say the same of every field, and tshark must find nothing wrong
in what our encoder wrote. Needs no lab."""

import pytest
from dissect import DATA, by_frame, differences, malformed, tool

OSPF = DATA / "ospf"
OSPF_FIELDS = """
    ospf.lsa.age ospf.v2.options ospf.lsa ospf.lsa.id ospf.lsid_opaque_type ospf.lsid_te_lsa.instance ospf.advrouter
    ospf.lsa.seqnum ospf.lsa.chksum ospf.lsa.length ospf.mpls.routerid ospf.mpls.linktype ospf.mpls.linkid
    ospf.mpls.local_addr ospf.mpls.remote_addr ospf.mpls.te_metric ospf.mpls.link_max_bw ospf.mpls.linkcolor
    ospf.mpls.local_id ospf.mpls.remote_id ospf.mpls.protection_capability ospf.mpls.pri ospf.mpls.switching_type
    ospf.mpls.encoding ospf.mpls.shared_risk_link_group""".split()


def ospf_differences(pcap, ours):
    assert {field for frame in ours.values() for field in frame} <= set(OSPF_FIELDS)
    return differences(pcap, ours, OSPF_FIELDS, "ospf.msg == 4")


@pytest.mark.parametrize("name", ["ospf-gmpls", "ospf-te-rfc4203-foreign-speaker-vs-frr"])
def test_lsas_of_others_read_as_tshark_reads_them(name):
    ours = by_frame(tool("ospf_tool", "decode", OSPF / f"{name}.pcap"))
    assert len(ours) >= 3
    assert ospf_differences(OSPF / f"{name}.pcap", ours) == []


def test_tshark_finds_no_fault_in_lsas_that_we_wrote(tmp_path):
    pcap = tmp_path / "sample.pcap"
    tool("ospf_tool", "sample", pcap)
    assert malformed(pcap) == []
    ours = by_frame(tool("ospf_tool", "decode", pcap))
    assert len(ours) == 3
    assert ospf_differences(pcap, ours) == []
