# SPDX-License-Identifier: Apache-2.0
"""PCEP, read by our decoder and by tshark: both must say the same of every field, and tshark must find nothing wrong in
what our encoder wrote. Needs no lab."""

from dissect import DATA, by_frame, differences, malformed, tool, tshark

PCEP = DATA / "pcep"
PCEP_FIELDS = """
    pcep.msg pcep.obj.open.pcep_version pcep.obj.open.keepalive pcep.obj.open.deadtime pcep.obj.open.sid
    pcep.stateful-pce-capability.flags pcep.stateful-pce-capability.lsp-update
    pcep.stateful-pce-capability.lsp-instantiation pcep.pst_capability.pst pcep.sub-tlv.sr-pce-capability.msd
    pcep.obj.srp.id-number pcep.obj.srp.flags.remove pcep.obj.rp.requested_id_number pcep.obj.rp.flags pcep.pst
    pcep.obj.no_path.nature_of_issue pcep.no_path_tlvs.pce pcep.error.type pcep.error.value pcep.obj.lsp.plsp-id
    pcep.obj.lsp.flags.operational pcep.obj.lsp.flags.delegate pcep.obj.lsp.flags.sync pcep.obj.lsp.flags.remove
    pcep.obj.lsp.flags.administrative pcep.obj.lsp.flags.create pcep.tlv.symbolic-path-name
    pcep.tlv.ipv4-lsp-id.tunnel-sender-addr pcep.tlv.ipv4-lsp-id.lsp-id pcep.tlv.ipv4-lsp-id.tunnel-id
    pcep.tlv.ipv4-lsp-id.extended-tunnel-id pcep.tlv.ipv4-lsp-id.tunnel-endpoint-addr pcep.tlv.lsp-error-code
    pcep.obj.end_point.source_ipv4_address
    pcep.obj.end_point.destination_ipv4_address pcep.subobj.ipv4.ipv4 pcep.subobj.ipv4.prefix_length
    pcep.subobj.unnumb_interfaceID.router_id pcep.subobj.unnumb_interfaceID.interface_id
    pcep.subobj.label_control.u pcep.subobj.label_control.label pcep.subobj.sr.l pcep.subobj.sr.st
    pcep.subobj.sr.flags.m pcep.subobj.sr.flags.c pcep.subobj.sr.flags.s pcep.subobj.sr.flags.f pcep.subobj.sr.sid
    pcep.subobj.sr.nai.ipv4node pcep.subobj.sr.nai.localipv4addr pcep.subobj.sr.nai.remoteipv4addr
    pcep.obj.lspa.exclude_any pcep.obj.lspa.include_any pcep.obj.lspa.include_all pcep.obj.lspa.setup_priority
    pcep.obj.lspa.holding_priority pcep.lspa.flags.l pcep.bandwidth pcep.obj.metric.type pcep.metric.flags.b
    pcep.metric.flags.c pcep.obj.metric.metric_value pcep.obj.close.reason pcep.obj.notification.value""".split()

KNOWN = (1, 2, 3, 4, 5, 6, 7, 10, 11, 12)       # types of messages

# How tshark says that it does not know something.
UNKNOWN = ("pcep.unknown_object", "pcep.subobject_bad_length", "pcep.object_length.bad", "pcep.non_defined_subobject",
           "pcep.unknown_type_object")


def pcep_differences(pcap, ours):
    assert {field for frame in ours.values() for field in frame} <= set(PCEP_FIELDS)
    return differences(pcap, ours, PCEP_FIELDS, "pcep")


def test_pcep_of_pathd_reads_as_tshark_reads_it():
    pcap = PCEP / "pathd.pcap"
    ours = by_frame(tool("pcep_tool", "decode", pcap))
    assert len(ours) > 40
    assert pcep_differences(pcap, ours) == []


def test_pcep_of_opendaylight_reads_as_tshark_reads_it(tmp_path):
    """Of the messages that we take; the others are refused for what the golden texts of the unit test say."""
    pcap = tmp_path / "opendaylight.pcap"
    tool("pcep_tool", "capture", PCEP / "opendaylight.hex", pcap)
    lines = tool("pcep_tool", "decode", pcap)
    taken = [line for line in lines if "fields" in line and line["fields"]["pcep.msg"][0] in KNOWN]
    ours = by_frame(taken)
    assert len(ours) >= 18
    assert [one for one in pcep_differences(pcap, ours) if one[0] in ours] == []


def test_tshark_finds_no_fault_in_pcep_that_we_wrote(tmp_path):
    """One message of each type, with every object and TLV that we send."""
    pcap = tmp_path / "sample.pcap"
    tool("pcep_tool", "sample", pcap)
    assert malformed(pcap) == []
    # That of Debian 12 is older than generalized endpoints.
    assert tshark(pcap, ["frame.number"], f"({' || '.join(UNKNOWN)}) && !(pcep.obj.endpoint.type == 5)") == []
    rows = tshark(pcap, ["pcep.msg"], "pcep")
    assert [row["pcep.msg"][0] for row in rows] == "1 1 2 12 11 10 10 12 12 3 4 6 7 5".split()
    assert pcep_differences(pcap, by_frame(tool("pcep_tool", "decode", pcap))) == []
