# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""A verification is worth what it refuses: each protection is taken away, and the checks that tell are named.

The topology has two compute nodes, networks of all three kinds that cross them, and a second project with the addresses
of the first.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
import subprocess
import time
from collections.abc import Callable, Sequence

import pytest
from ansible_collections.tenantnet.ovs.plugins.action.verify import chosen
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan import ids, names
from ansible_collections.tenantnet.ovs.plugins.plugin_utils.plan.check import Check, from_json

from ..deployment import PREPARED, Deployment
from ..measured import failures
from ..streams import Enter, server, stream
from ..traffic import INTERVAL, Ping, Questions


@dataclasses.dataclass(frozen=True)
class Fault:
    """What is taken away on a node, and which of the checks of some groups must fail: these and no others.

    Asked are the checks of that node; of a network node's, who serves all the others, those of all nodes.
    """

    name: str
    commands: tuple[str, ...]
    groups: tuple[str, ...]
    noticed: tuple[str, ...]  # words of titles
    node: str = "compute1"
    attack: bool = False  # the checks of playbooks/attack.yml are asked
    alone: bool = False  # what it takes away is felt by checks that are about other faults, too
    repair: tuple[str, ...] = ()  # where it is a guest's own, which nobody else puts right

    def __str__(self) -> str:
        return self.name


FLOWS = "for p in $(ovs-vsctl list-ports br-int | grep qvo); do ovs-ofctl --names --strict del-flows br-int {}; done"
ROUTERS = "for r in $(ip netns list | grep -o 'qrouter-[^ ]*'); do ip netns exec $r sh -c '{}'; done"
DHCP = "for n in $(ip netns list | grep -o 'qdhcp-[^ ]*'); do ip netns exec $n {}; done"
DEVICES = "for d in $(ls /sys/class/net | grep {}); do {}; done"
GUEST = names.guest_namespace(ids.of("lab", "demo", "instance", "instance3"))
PLANNED = """\
- hosts: controllers
  gather_facts: false
  tasks:
    - tenantnet.ovs.plan: {{topology: "{{{{ tenantnet_topology }}}}", write_lock: false}}
      register: plan
    - ansible.builtin.copy: {{content: "{{{{ plan.checks | to_json }}}}", dest: "{directory}/planned.json"}}
      delegate_to: localhost
      connection: local
"""
OTHER_TYPES = ("what is neither IPv4 nor ARP", "RARP", "LLDP")

FAULTS = (
    Fault(
        "ARP is not looked at",
        (FLOWS.format('"table=0,priority=10,arp,in_port=\\"$p\\""'),),
        ("spoofing",),
        ("an ARP request with a forged address", "an ARP reply with a forged address", "a gratuitous ARP"),
    ),
    Fault(
        "MACs are not looked at",
        (
            FLOWS.format('"table=0,priority=10,arp,in_port=\\"$p\\""'),
            FLOWS.format('"table=0,priority=9,in_port=\\"$p\\""'),
        ),
        ("spoofing",),
        (
            "ARP with a forged MAC",
            "an ARP request with a forged address",
            "an ARP reply with a forged address",
            "a gratuitous ARP",
            *OTHER_TYPES,
        ),
    ),
    Fault(
        "IPv6 passes",
        (
            FLOWS.format('"table=0,priority=11,ipv6,in_port=\\"$p\\""'),
            FLOWS.format('"table=0,priority=9,in_port=\\"$p\\""'),
            "ip6tables -D FORWARD -j tenantnet-sg-FORWARD",
        ),
        ("spoofing",),
        ("an IPv6 router advertisement", "an IPv6 neighbour", "a ping6", "an IPv6 packet", *OTHER_TYPES),
    ),
    Fault(
        "security groups are not asked",
        ("iptables -D FORWARD -j tenantnet-sg-FORWARD",),
        ("security", "spoofing"),
        (
            "stay closed",
            "for the closed port",
            "a packet with a forged address",
            "a packet with the address of",
            "a DHCP server's reply",
            "one from another port than a DHCP server's",
        ),
    ),
    Fault(  # either of the two that look at it is enough
        "nobody looks at the MAC of a packet",
        (FLOWS.format('"table=0,priority=9,in_port=\\"$p\\""'), "iptables -D FORWARD -j tenantnet-sg-FORWARD"),
        ("spoofing",),
        (
            *OTHER_TYPES,
            "a packet with a forged MAC",
            "a packet with a forged address",
            "a packet with the address of",
            "a DHCP server's reply",
            "one from another port than a DHCP server's",
        ),
    ),
    Fault(
        "routers take any source from outside",
        ("for n in $(ls /run/netns | grep qrouter); do ip netns exec $n iptables -F tenantnet-l3-forged; done",),
        ("spoofing",),
        ("Nobody outside sends with an address of",),
        node="network",
    ),
    Fault(
        "members of a group are unknown",
        ("for s in $(ipset list -name); do ipset flush $s; done",),
        ("switching",),
        ("demo/instance6 reaches demo/instance1", "other/instance2 reaches other/instance1"),
    ),
    Fault(
        "fragments of all ports wait in one queue",
        ("nft delete table ip tenantnet-sg",),
        ("isolation",),
        ("Fragments of demo/instance1 and other/instance1",),
    ),
    Fault(
        "the node is there for its guests",
        ("iptables -D INPUT -j tenantnet-sg-INPUT",),
        ("node",),
        ("reaches no address of its node compute1",),
    ),
    Fault(
        "the node sees what Open vSwitch receives",
        ("iptables -t raw -D PREROUTING -j tenantnet-sw-PREROUTING",),
        ("node",),
        ("reaches no address of its node compute1",),
    ),
    Fault(
        "bridges answer ARP",
        (DEVICES.format("qbr", "sysctl -qw net.ipv4.conf.$d.arp_ignore=0"),),
        ("node",),
        ("reaches no address of its node compute1",),
    ),
    Fault(
        "the tunnel NIC answers ARP too",
        ("sysctl -qw net.ipv4.conf.eth1.arp_ignore=0",),
        ("switching",),
        ("for the tunnel address 10.0.1.31",),
    ),
    Fault(
        "routers forward no ports and send nobody back",
        (
            ROUTERS.format("iptables -t nat -F tenantnet-l3-fip-pf 2>&- || true"),
            ROUTERS.format(
                "iptables -t nat -S tenantnet-l3-snat | sed -n s/^-A/-D/p | grep DNAT | xargs -r iptables -t nat"
            ),
        ),
        ("floating",),
        ("by forwarded ports", "and back through their router"),
        "network",
    ),
    Fault(
        "routers know only their subnets, and hide everybody",
        (
            ROUTERS.format("ip route del 192.168.3.0/24 via 192.168.2.254 2>&- || true"),
            ROUTERS.format("iptables -t nat -A tenantnet-l3-snat -o qg-+ -j MASQUERADE"),
        ),
        ("routing",),
        (
            "by demo/inner and demo/router",
            "by demo/router and demo/inner",
            "demo/instance5 reaches demo/instance3 by demo/inner",  # the answers come by the other router
            "What other/instance4 sends out by router",
        ),
        "network",
    ),
    Fault(
        "a node's underlay carries less than hosts.yml says",
        ("ovs-vsctl set Interface br-underlay mtu_request=8899",),
        ("structure",),
        ("Bridge br-tun of compute1",),
        alone=True,
        repair=("ovs-vsctl set Interface br-underlay mtu_request=8900",),
    ),
    Fault(
        "a guest does not know the routes of its subnet",
        (f"ip -netns {GUEST} route del 192.168.4.0/24",),
        ("leases", "routing"),
        ("demo/instance3 has its lease", "demo/instance3 reaches demo/instance5 at 192.168.4.11"),
        node="compute2",
        repair=(f"ip -netns {GUEST} route add 192.168.4.0/24 via 192.168.2.254",),
    ),
    Fault(
        "routers do not find a gateway that is outside its subnet",
        (ROUTERS.format("ip route del default via 203.0.113.1 2>&- && ip route del 203.0.113.1 || true"),),
        ("routing",),
        ("outside by ping", "outside by HTTP", "What demo/instance2 sends out", "What other/instance1 sends out"),
        node="network",
    ),
    Fault(
        "the way through routers is narrow",
        (ROUTERS.format("for d in /sys/class/net/qr-*; do ip link set ${d##*/} mtu 1400; done"),),
        ("switching",),
        tuple(f"bytes unfragmented to {at}," for at in ("192.168.1.1", "192.168.2.1", "192.168.3.1", "10.9.0.1")),
        node="network",
        alone=True,
    ),
    Fault(
        "nobody is behind a floating IP",
        (
            ROUTERS.format(
                'iptables -t nat -S | sed -n s/^-A/-D/p | grep -- "--to-destination [0-9.]*$" |'
                " xargs -rL1 iptables -t nat"
            ),
        ),
        ("floating",),
        ("demo/instance1 at 203.0.113.102", "demo/instance1 at 203.0.113.103"),
        node="network",
    ),
    Fault(
        "any frame of a trunk gets into an external network",
        (
            "vlan=$(ovs-ofctl -O OpenFlow14 --names dump-flows br-int table=0 | grep int-br-provider |"
            " grep -o 'set_field:[0-9]*->vlan_vid');"
            " ovs-ofctl -O OpenFlow14 --names --strict mod-flows br-int"
            ' "table=0,priority=2,in_port=int-br-provider,actions=push_vlan:0x8100,$vlan,resubmit(,58)"',
        ),
        ("isolation",),
        ("From the wire 'provider', an untagged frame",),
        node="network",
    ),
    Fault(
        "br-tun is not told who is where",
        (
            "ovs-ofctl del-flows br-tun table=21,arp",
            "ovs-ofctl -O OpenFlow14 mod-flows br-tun 'table=10,actions=output:patch-int'",  # nor learns it
            "ovs-ofctl del-flows br-tun table=20,dl_dst=00:00:00:00:00:00/01:00:00:00:00:00",
            # What goes to two nodes goes to a third.
            "ovs-ofctl --names --no-stats dump-flows br-tun table=22 | grep vxlan | grep -v 0a000120 |"
            " sed -n 's/.*\\(table=22.*vxlan-\\).*/\\10a000116,output:vxlan-0a000120/p' | tr -d '\" ' |"
            " sed s/actions/,actions/ | ovs-ofctl -O OpenFlow14 --names mod-flows br-tun -",
        ),
        ("switching",),
        ("other/alone travels from compute1", "for the MAC of DHCP server of other/alone", "itself: nothing travels"),
        alone=True,
    ),
    Fault(
        "every number is let in",
        (
            "for table in 3 4; do ovs-ofctl -O OpenFlow14 --strict mod-flows br-tun "
            '"table=$table,priority=0,actions=push_vlan:0x8100,set_field:4097->vlan_vid,resubmit(,10)"; done',
            "ovs-ofctl -O OpenFlow14 --names --strict mod-flows br-int "
            '"table=0,priority=2,in_port=int-br-vlan,actions=resubmit(,58)"',
        ),
        ("isolation",),
        ("a frame of VNI", "a frame of GRE key", "a frame of VLAN 1,"),
    ),
    Fault(
        "the node remembers what tunnels carry",
        ("iptables -t raw -D OUTPUT -j tenantnet-sw-OUTPUT",),
        ("node",),
        ("compute1 tracks no packet of a tunnel",),
    ),
    Fault(
        "iptables does not see what is in SNAP",
        ("nft delete table bridge tenantnet-sg",),
        ("spoofing", "security"),
        ("a packet with a forged address in SNAP", "in SNAP"),
        attack=True,
    ),
    Fault(
        "tags of VLAN 0 are taken off",
        (FLOWS.format('"table=0,priority=11,vlan_tci=0x1000/0x1000,in_port=\\"$p\\""'),),
        ("spoofing",),
        ("one behind a VLAN tag",),
    ),
    Fault(
        "MAC tables learn from everybody",
        (
            FLOWS.format('"table=0,priority=10,arp,in_port=\\"$p\\""'),
            FLOWS.format('"table=0,priority=9,in_port=\\"$p\\""'),
        ),
        ("exhaustion",),
        ("source MACs",),
        attack=True,
        alone=True,
    ),
    Fault(
        "routers go the way that a packet asks for",
        (ROUTERS.format("for f in /proc/sys/net/ipv4/conf/*/accept_source_route; do echo 1 >$f; done"),),
        ("security",),
        ("by a source route through",),
        node="network",
        attack=True,
    ),
    Fault(
        "metadata proxies answer by their own port",
        (ROUTERS.format(f"iptables -D tenantnet-l3-INPUT -p tcp -m tcp --dport {names.METADATA_PORT} -j DROP"),),
        ("node",),
        ("from the metadata proxy of",),
        node="network",
        attack=True,
    ),
    Fault(
        "DHCP servers believe whoever asks",
        (DHCP.format("iptables -F tenantnet-dh-clients"),),
        ("leases",),
        ("is offered nothing in the name of",),
        node="network",
        attack=True,
    ),
    Fault(
        "the openvswitch firewall believes everybody",
        ("ovs-ofctl -O OpenFlow13 mod-flows br-int 'table=71,actions=resubmit(,94)'",),
        ("spoofing",),
        (
            *OTHER_TYPES,
            "ARP with a forged MAC",
            "an ARP request with a forged address",
            "an ARP reply with a forged address",
            "a forged ARP reply in SNAP",
            "a gratuitous ARP",
            "a packet with a forged MAC",
            "a packet with a forged address",
            "a packet with the address of",
            "a DHCP server's reply",
            "one from another port than a DHCP server's",
        ),
        node="compute2",
        attack=True,
        alone=True,
    ),
)


@pytest.fixture
def deployed(rich: Deployment) -> Deployment:
    return rich


@pytest.fixture(scope="module")
def planned(rich: Deployment, tmp_path_factory: pytest.TempPathFactory) -> list[Check]:
    """All checks of the plan."""
    directory = tmp_path_factory.mktemp("planned")
    (directory / "planned.yml").write_text(PLANNED.format(directory=directory))
    rich.succeed(directory / "planned.yml")
    return [from_json(check) for check in json.loads((directory / "planned.json").read_text())]


def test_everything_is_measured_and_right(deployed: Deployment) -> None:
    output = deployed.succeed("verify")
    assert "618 checks passed" in output.text
    assert "not measured" not in output.text


def learned(deployed: Deployment, node: str) -> list[tuple[float, str]]:
    """MACs of ports of ours that were learned: how many seconds ago, and the flow."""
    flows = deployed.node(node, "ovs-ofctl", "--names", "dump-flows", "br-tun", "table=20").stdout.splitlines()
    ages = [(re.search(r"duration=([\d.]+)s.*hard_timeout=300.*dl_dst=fa:16:3e", flow), flow) for flow in flows]
    return [(float(age[1]), flow) for age, flow in ages if age]


def test_nodes_that_were_told_may_flood_and_learn_and_the_other_way_round(deployed: Deployment) -> None:
    told = "  l2_population: true\n  arp_responder: true\n"
    for before, after in ((told, ""), ("tunnels:\n", f"tunnels:\n{told}")):
        began = time.monotonic()
        deployed.edit("topology/provider.yml", before, after)
        deployed.succeed("site", args=PREPARED)
        for node in ("network", "compute1", "compute2"):
            stale = [flow for age, flow in learned(deployed, node) if age > time.monotonic() - began]
            assert not stale, node
        deployed.succeed("verify", args=("-e", json.dumps({"tenantnet_verify_groups": ["structure", "switching"]})))
        assert learned(deployed, "network")


Failed = dict[Fault, dict[str, str]]  # titles and messages


@pytest.fixture(scope="module")
def failed(
    rich: Deployment, planned: list[Check], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Fault], Failed]:
    """Measures a fault beside others that are about other checks, all of them once."""
    batches, done = together(planned), Failed()

    def of(fault: Fault) -> Failed:
        if fault not in done:
            batch = next(batch for batch in batches if fault in batch)
            done.update(measured(rich, batch, tmp_path_factory.mktemp("faults")))
        return done

    return of


def together(planned: list[Check]) -> list[dict[Fault, list[Check]]]:
    """Faults with the checks that each is about; of those that are together no two ask the same."""
    batches: list[dict[Fault, list[Check]]] = []
    for fault in FAULTS:
        asked = chosen(planned, fault.groups, fault.attack)
        near = [check for check in asked if check.node == fault.node or fault.node == "network"]
        names = {check.id for check in near}
        crowds = (b for b in batches if not fault.alone and not any(other.alone for other in b))
        free = (b for b in crowds if not names & {check.id for checks in b.values() for check in checks})
        batch = next(free, None)
        if batch is None:
            batches.append(batch := {})
        batch[fault] = near
    return batches


def measured(deployed: Deployment, batch: dict[Fault, list[Check]], directory: pathlib.Path) -> Failed:
    """Take it all away, measure, and put it right."""
    node = "/var/lib/tenantnet/bin/tenantnet-node"
    broken = sorted({fault.node for fault in batch if not fault.repair})
    try:
        shell(deployed, [(fault.node, command) for fault in batch for command in fault.commands])
        titles = failures(deployed, [check for checks in batch.values() for check in checks], directory)
    finally:
        restored = {name: deployed.node(name, node, "restore") for name in broken}
        shell(deployed, [(fault.node, command) for fault in batch for command in fault.repair])
    assert all("was changed" in done.stdout for done in restored.values()), restored
    assert not [name for name in broken if deployed.node(name, node, "status").returncode]
    return {fault: {c.title: titles[c.title] for c in checks if c.title in titles} for fault, checks in batch.items()}


def shell(deployed: Deployment, commands: Sequence[tuple[str, str]]) -> None:
    for node, command in commands:
        done = deployed.node(node, "sh", "-ec", command)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_is_noticed(failed: Callable[[Fault], Failed], fault: Fault) -> None:
    titles = failed(fault)[fault]
    for words in fault.noticed:
        assert any(words in title for title in titles), (words, titles)
    strange = {title: why for title, why in titles.items() if not any(words in title for words in fault.noticed)}
    assert not strange


@pytest.mark.alone
def test_an_external_network_gets_another_vlan(deployed: Deployment) -> None:
    """Then it answers in that one, and not in the one of before."""
    device = "$(ip -o -4 address show to 192.0.2.1 | cut -d' ' -f2)"
    ask = ("sh", "-ec", f"arping -c 1 -w 5 -I {device} 192.0.2.101")  # the router's address there
    changed = ["isolation", "routing", "switching"]
    for old, new, groups in ((200, 201, changed), (201, 200, ["structure"])):
        deployed.edit("topology/provider.yml", f"segmentation_id: {old}", f"segmentation_id: {new}")
        unrelated = Ping(deployed.machine("outside").enter([]), "203.0.113.102")
        deployed.succeed("site", args=PREPARED)
        gap = unrelated.stop().longest_gap
        assert deployed.node("outside", *ask).returncode != 0
        retag = f"ovs-vsctl set Port $(ovs-vsctl --bare --columns=name find Port tag={old}) tag={new}"
        assert deployed.node("outside", "sh", "-ec", retag).returncode == 0
        assert deployed.node("outside", *ask).returncode == 0
        assert gap < 0.1
        output = deployed.succeed("verify", args=("-e", json.dumps({"tenantnet_verify_groups": groups})))
        assert "not measured" not in output.text


MOVES = (
    ("demo", "{ip_address: 192.168.1.11, floating_ip: 203.0.113.102}", "192.168.1.11"),
    ("demo", "{ip_address: 192.168.1.21, floating_ip: 203.0.113.103}", "192.168.1.21"),
    ("demo", "fixed_ip: 192.168.1.12}", "fixed_ip: 192.168.1.12, floating_ip: 203.0.113.103}"),
    (
        "other",
        "fixed_ip: 192.168.1.11}",
        "fixed_ip: 192.168.1.11, floating_ip: 203.0.113.102, security_groups: [default, ping]}",
    ),
    ("other", "routers:\n", "security_groups: {ping: {rules: [{direction: ingress, protocol: icmp}]}}\nrouters:\n"),
    ("other", "router: {external_network: public,", "router: {external_network: public, node: network2,"),
)
BACK = (
    ("demo", "- 192.168.1.11\n", "- {ip_address: 192.168.1.11, floating_ip: 203.0.113.102}\n"),
    ("other", "floating_ip: 203.0.113.102, ", ""),
    ("demo", "fixed_ip: 192.168.1.12, floating_ip: 203.0.113.103}", "fixed_ip: 192.168.1.12}"),
)
IP_SEEN = "import urllib.request as r; print(r.urlopen('http://203.0.113.1/', timeout=5).read().decode().strip())"


@pytest.mark.alone
def test_floating_ips_move_to_another_router_and_to_another_instance(deployed: Deployment) -> None:
    """Streams through them break, one by the same router goes on, and the outside need not ask where they are now.

    Whoever asks is never answered by two, nor by the old one after the new one.
    """

    def guest(node: str, project: str, name: str) -> Enter:
        namespace = names.guest_namespace(ids.of("lab", project, "instance", name))
        return lambda argv: deployed.machine(node).enter(["ip", "netns", "exec", namespace, *argv])

    def mac(address: str) -> str:
        (entry,) = json.loads(deployed.node("outside", "ip", "-json", "neigh", "show", address).stdout)
        return str(entry["lladdr"])

    def move(moves: Sequence[tuple[str, str, str]]) -> None:
        for project, old, new in moves:
            deployed.edit(f"topology/projects/{project}.yml", old, new)
        pings = Ping(outside([]), "203.0.113.102")
        questions = Questions(outside([]), "203.0.113.99", "203.0.113.102", mac="020000000099")
        deployed.succeed("site", args=PREPARED)
        assert deployed.node("outside", "ping", "-c", "1", "-w", "10", "203.0.113.102").returncode == 0
        time.sleep(10 * INTERVAL)  # so that the pings that are counted are answered, too
        found, answers = pings.stop(), questions.stop()
        print(f"floating IP to a router of another node: {found}")
        assert (len(answers.macs), answers.doubled) == (2, 0), answers
        assert found.duplicates == 0
        assert found.longest_gap < 1

    outside = deployed.machine("outside").enter
    never = "net.ipv4.neigh.eth0.base_reachable_time_ms=3600000"  # an hour before it asks again for whom it knows
    assert deployed.node("outside", "sysctl", "-qw", never).returncode == 0
    assert deployed.node("outside", "ip", "neigh", "flush", "all").returncode == 0
    with (
        server(guest("compute1", "demo", "instance1"), 22),
        server(guest("compute2", "demo", "instance3"), 22),
        stream(outside, "203.0.113.102", 22) as moved,
        stream(outside, "203.0.113.103", 22) as changed,
        stream(outside, "203.0.113.110", 2222) as unrelated,
    ):
        before = {address: mac(address) for address in ("203.0.113.102", "203.0.113.103")}
        move(MOVES)
        assert mac("203.0.113.102") != before["203.0.113.102"]
        assert mac("203.0.113.103") == before["203.0.113.103"]
        assert moved.broke()
        assert changed.broke()
        assert unrelated.longest_stall() < 1
    for where, seen in ((("compute1", "other", "instance1"), "102"), (("compute2", "demo", "instance2"), "103")):
        command = guest(*where)(["/usr/bin/python3", "-c", IP_SEEN])
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == f"203.0.113.{seen}\n"
    with (
        server(outside, 2300),
        stream(guest("compute2", "demo", "instance2"), "203.0.113.1", 2300) as by_what_goes,
        stream(guest("compute2", "demo", "instance3"), "203.0.113.1", 2300) as by_the_gateway,
    ):
        move(BACK)
        assert by_what_goes.broke()
        assert by_the_gateway.longest_stall() < 1
    assert mac("203.0.113.102") == before["203.0.113.102"]
