# SPDX-License-Identifier: Apache-2.0
"""Malformed input of every layer, each kind with the counter that must count it.

frames()  Ethernet frames: ARP, IPv4, UDP, TCP, ICMP headers that lie. No fragments: the kernel keeps
          those back to put them together before the af_packet port sees them.
mqtt()    byte streams for a new MQTT connection
coap()    UDP payloads for the CoAP port
json()    payloads of well-formed messages

Each yields kinds (counter, make), where make(rng) gives the bytes.
"""
import socket
import struct


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def noise(rng, least, most):
    return rng.randbytes(rng.randint(least, most))


# --- frames ---

class Frames:
    def __init__(self, source_mac, target_mac, source, target):
        self.source_mac, self.target_mac = source_mac, target_mac
        self.source, self.target = socket.inet_aton(source), socket.inet_aton(target)

    def ethernet(self, ethertype, payload):
        frame = self.target_mac + self.source_mac + struct.pack("!H", ethertype) + payload
        return frame.ljust(60, b"\0")

    def ipv4(self, protocol, payload, **lies):
        """An IPv4 packet whose header fields can be replaced: version, words, total, fragment,
        source, target, options, sum."""
        options = lies.get("options", b"")
        words = lies.get("words", 5 + len(options) // 4)
        header = struct.pack(
            "!BBHHHBBH4s4s", lies.get("version", 4) << 4 | words, 0,
            lies.get("total", 20 + len(options) + len(payload)), 1, lies.get("fragment", 0), 64,
            protocol, 0, lies.get("source", self.source), lies.get("target", self.target))
        header += options
        total = checksum(header) ^ lies.get("sum", 0)
        header = header[:10] + struct.pack("!H", total) + header[12:]
        return self.ethernet(0x0800, header + payload)

    def pseudo(self, protocol, length):
        return self.source + self.target + struct.pack("!BBH", 0, protocol, length)

    def udp(self, payload, length=None, port=5683, lie=0):
        length = 8 + len(payload) if length is None else length
        segment = struct.pack("!HHHH", 40000, port, length, 0) + payload
        total = checksum(self.pseudo(17, len(segment)) + segment) ^ lie
        return segment[:6] + struct.pack("!H", total or 0xffff) + segment[8:]

    def tcp(self, payload, words=5, lie=0, flags=0x18, options=b""):
        words += len(options) // 4
        segment = struct.pack("!HHIIBBHHH", 40000, 1883, 1, 1, words << 4, flags, 1000, 0, 0)
        segment += options + payload
        total = checksum(self.pseudo(6, len(segment)) + segment) ^ lie
        return segment[:16] + struct.pack("!H", total) + segment[18:]

    def tcp_cut(self, length):
        """Less than a header, but with a right checksum."""
        segment = struct.pack("!HHIIBBHHH", 40000, 1883, 1, 1, 0x50, 0x18, 1000, 0, 0)[:length]
        total = checksum(self.pseudo(6, length) + segment)
        return segment[:16] + struct.pack("!H", total) + segment[18:]

    @staticmethod
    def icmp(kind, payload, lie=0):
        message = struct.pack("!BBHHH", kind, 0, 0, 1, 1) + payload
        return message[:2] + struct.pack("!H", checksum(message) ^ lie) + message[4:]

    def arp(self, operation, target, hardware=1):
        return struct.pack("!HHBBH6s4s6s4s", hardware, 0x0800, 6, 4, operation, self.source_mac,
                           self.source, bytes(6), target)


def frames(source_mac, target_mac, source, target):
    f = Frames(source_mac, target_mac, source, target)
    stranger = bytes([2, 0, 0, 0, 0, 9])
    broken_options = [b"\x07\x00\0\0", b"\x44\x09\x05\0", b"\x83\x07\x04\x0a\x4d\0\x09\0",
                      b"\x89\x07\x04\x0a\x4d\0\x09\0"]
    return [
        ("net_rx_drop_short", lambda r: f.ethernet(0x0806, b"")[:14] + noise(r, 0, 27)),
        ("net_rx_drop_short", lambda r: f.ethernet(0x0800, b"")[:14] + noise(r, 0, 19)),
        ("net_rx_drop_ethertype", lambda r: f.ethernet(0x88b5, noise(r, 50, 500))),
        ("net_rx_drop_ipv6", lambda r: f.ethernet(0x86dd, noise(r, 50, 500))),
        ("net_rx_drop_mac", lambda r: stranger + f.ipv4(17, f.udp(noise(r, 30, 99)))[6:]),
        ("net_rx_drop_arp", lambda r: f.ethernet(0x0806, f.arp(1, f.target, hardware=6))),
        ("net_rx_drop_arp", lambda r: f.ethernet(0x0806, f.arp(r.randint(3, 99), f.target))),
        ("net_rx_drop_arp", lambda r: f.ethernet(0x0806, f.arp(1, b"\x0a\x4d\0\x63"))),
        ("net_rx_drop_ip_header", lambda r: f.ipv4(17, noise(r, 30, 99), version=5)),
        ("net_rx_drop_ip_header", lambda r: f.ipv4(17, noise(r, 30, 99), words=r.randint(0, 4))),
        ("net_rx_drop_ip_header", lambda r: f.ipv4(17, noise(r, 30, 99), total=1400)),
        ("net_rx_drop_ip_header", lambda r: f.ipv4(17, noise(r, 30, 99), total=19)),
        ("net_rx_drop_ip_checksum", lambda r: f.ipv4(17, noise(r, 30, 99), sum=0x1234)),
        ("net_rx_drop_ip_source", lambda r: f.ipv4(17, noise(r, 30, 99), source=b"\x7f\0\0\x01")),
        ("net_rx_drop_ip_source", lambda r: f.ipv4(17, noise(r, 30, 99), source=f.target)),
        ("net_rx_drop_ip_destination",
         lambda r: f.ipv4(17, noise(r, 30, 99), target=b"\x0a\x4d\0\x63")),
        ("net_rx_drop_ip_options",
         lambda r: f.ipv4(17, noise(r, 30, 99), options=r.choice(broken_options))),
        ("net_rx_drop_protocol", lambda r: f.ipv4(r.randint(100, 250), noise(r, 30, 99))),
        ("net_rx_drop_l4_header", lambda r: f.ipv4(17, f.udp(noise(r, 30, 99), length=7))),
        ("net_rx_drop_l4_header", lambda r: f.ipv4(17, f.udp(noise(r, 30, 99), length=900))),
        ("net_rx_drop_l4_checksum", lambda r: f.ipv4(17, f.udp(noise(r, 30, 99), lie=0x101))),
        ("net_rx_drop_l4_checksum", lambda r: f.ipv4(6, f.tcp(noise(r, 30, 99), lie=0x101))),
        ("net_rx_drop_l4_checksum", lambda r: f.ipv4(1, f.icmp(8, noise(r, 30, 99), lie=0x101))),
        ("net_rx_drop_udp_port", lambda r: f.ipv4(17, f.udp(noise(r, 30, 99), port=9))),
        ("net_rx_drop_icmp", lambda r: f.ipv4(1, f.icmp(13, noise(r, 30, 99)))),
        ("tcp_drop_short", lambda r: f.ipv4(6, f.tcp_cut(r.randint(18, 19)))),
        ("tcp_drop_data_offset",
         lambda r: f.ipv4(6, f.tcp(noise(r, 30, 99), words=r.randint(0, 4)))),
        ("tcp_drop_data_offset", lambda r: f.ipv4(6, f.tcp(b"", words=15))),
        ("tcp_drop_options", lambda r: f.ipv4(6, f.tcp(b"", options=b"\x02\x00\0\0"))),
        ("tcp_drop_options", lambda r: f.ipv4(6, f.tcp(b"", options=b"\x08\x28\0\0"))),
        ("tcp_drop_syn_fin", lambda r: f.ipv4(6, f.tcp(b"", flags=3))),
        ("tcp_drop_no_flags", lambda r: f.ipv4(6, f.tcp(b"", flags=0))),
    ]


# --- MQTT 3.1.1 ---

def mqtt_text(text):
    return struct.pack("!H", len(text)) + text


def mqtt_packet(first, body):
    length, left = b"", len(body)
    while True:
        byte, left = left % 128, left // 128
        length += bytes([byte | (0x80 if left else 0)])
        if not left:
            return bytes([first]) + length + body


def mqtt_connect(client=b"forger", flags=2, name=b"MQTT", level=4, more=b""):
    return mqtt_packet(0x10, mqtt_text(name) + bytes([level, flags, 0, 60]) + mqtt_text(client)
                       + more)


def mqtt_publish(topic, payload, qos=0, packet_id=1, first=0x30):
    middle = struct.pack("!H", packet_id) if qos else b""
    return mqtt_packet(first | qos << 1, mqtt_text(topic) + middle + payload)


def mqtt(topic=b"meters/SM-00001/readings"):
    hello = mqtt_connect()
    hello_5 = mqtt_packet(0x10, mqtt_text(b"MQTT") + b"\5\2\0\x3c\0" + mqtt_text(b"forger"))
    return [
        ("mqtt_error_first_not_connect", lambda r: mqtt_publish(topic, noise(r, 1, 99))),
        ("mqtt_error_first_not_connect", lambda r: b"\xc0\x00"),
        ("mqtt_error_second_connect", lambda r: hello + hello),
        ("mqtt_error_type", lambda r: hello + mqtt_packet(0xf0, b"")),
        ("mqtt_error_type", lambda r: hello + mqtt_packet(0x20, b"\0\0")),
        ("mqtt_error_flags", lambda r: hello + bytes([0xc0 | r.randint(1, 15), 0])),
        ("mqtt_error_remaining_length", lambda r: hello + b"\x30\xff\xff\xff\xff\x01"),
        ("mqtt_error_oversize", lambda r: hello + b"\x30\xff\xff\xff\x7f" + noise(r, 1, 999)),
        ("mqtt_error_length", lambda r: hello + mqtt_packet(0x30, b"\x00\xff" + noise(r, 1, 99))),
        ("mqtt_error_length", lambda r: mqtt_packet(0x10, b"\0\4MQTT\4\2\0\x3c\0\x63abc")),
        ("mqtt_error_utf8", lambda r: hello + mqtt_publish(b"meters/\xc3\x28/readings", b"{}")),
        ("mqtt_error_utf8", lambda r: hello + mqtt_publish(b"meters/\0/readings", b"{}")),
        ("mqtt_error_packet_id", lambda r: hello + mqtt_publish(topic, b"{}", 1, 0)),
        ("mqtt_error_protocol_name", lambda r: mqtt_connect(name=b"MQTX")),
        ("mqtt_error_connect_flags", lambda r: mqtt_connect(flags=3)),
        ("mqtt_error_connect_will", lambda r: mqtt_connect(flags=2 | 0x18)),
        ("mqtt_error_connect_password", lambda r: mqtt_connect(flags=2 | 0x40,
                                                                more=mqtt_text(b"x"))),
        ("mqtt_error_publish_dup", lambda r: hello + mqtt_publish(topic, b"{}", first=0x38)),
        ("mqtt_error_publish_qos3", lambda r: hello + mqtt_publish(topic, b"{}", 3, 1)),
        ("mqtt_error_varint", lambda r: hello_5 + mqtt_packet(0x30, b"\0\1a\x80\0")),
        ("mqtt_error_property", lambda r: hello_5 + mqtt_packet(0x30, b"\0\1a\2\x0b\1")),
        ("mqtt_error_property_twice",
         lambda r: hello_5 + mqtt_packet(0x30, b"\0\1a\4\1\0\1\0")),
        ("mqtt_error_property_value", lambda r: hello_5 + mqtt_packet(0x30, b"\0\1a\2\1\2")),
        ("mqtt_error_topic_alias", lambda r: hello_5 + mqtt_packet(0x30, b"\0\1a\3\x23\0\0")),
        ("mqtt_error_reason", lambda r: hello_5 + mqtt_packet(0x40, b"\0\1\x92")),
        ("mqtt_error_session_expiry",
         lambda r: hello_5 + mqtt_packet(0xe0, b"\0\5\x11\0\0\0\1")),
        ("mqtt_error_auth", lambda r: hello_5 + mqtt_packet(0xf0, b"")),
        ("mqtt_error_topic_empty", lambda r: hello + mqtt_publish(b"", b"{}")),
        ("mqtt_error_topic_wildcard", lambda r: hello + mqtt_publish(b"meters/+/x", b"{}")),
        ("mqtt_refused_version", lambda r: mqtt_connect(level=9)),
    ]


# --- CoAP (RFC 7252) ---

def coap_request(kind=0, code=2, mid=1, token=b"", options=b"\xb8readings", payload=b"{}"):
    head = bytes([0x40 | kind << 4 | len(token), code]) + struct.pack("!H", mid)
    return head + token + options + (b"\xff" + payload if payload else b"")


def coap():
    def mid(r):
        return r.randint(0, 65535)
    return [
        ("coap_error_short", lambda r: noise(r, 0, 3)),
        ("coap_error_version", lambda r: bytes([0x80 | r.randint(0, 63)]) + noise(r, 3, 99)),
        ("coap_error_token", lambda r: bytes([0x49 + r.randint(0, 6), 2]) + noise(r, 20, 99)),
        ("coap_error_token", lambda r: bytes([0x48, 2]) + noise(r, 2, 9)),
        ("coap_error_class", lambda r: coap_request(code=r.choice([1, 6, 7]) << 5, mid=mid(r))),
        ("coap_error_empty", lambda r: coap_request(code=0, mid=mid(r))),
        ("coap_error_option_reserved", lambda r: coap_request(options=b"\xf1a", mid=mid(r))),
        ("coap_error_option_reserved", lambda r: coap_request(options=b"\xbfa", mid=mid(r))),
        ("coap_error_option_length",
         lambda r: coap_request(options=b"\xbd\xf0abc", payload=b"", mid=mid(r))),
        ("coap_error_payload",
         lambda r: coap_request(payload=b"", options=b"\xb8readings\xff", mid=mid(r))),
    ]


# --- JSON ---

GOOD = (b'{"meterId":"SM-00001","ts":"2025-06-15T14:15:00Z","kWh":1247.83,"kW":3.21,"pf":0.97,'
        b'"v":239.4,"status":"OK"}')


def json_cut(rng):
    return GOOD[:rng.randint(1, len(GOOD) - 1)]


def json_flipped(rng):
    """One structural byte replaced by one that can't stand there."""
    places = [i for i, byte in enumerate(GOOD) if byte in b'{}:,']
    data = bytearray(GOOD)
    data[rng.choice(places)] = rng.choice(b"\x00\x01#;<\x7f")
    return bytes(data)


def json_noise(rng):
    return noise(rng, 1, 300)


def json_deep(rng):
    depth = rng.randint(100, 5000)
    return b'{"kWh":' + b"[" * depth + b"]" * depth + b"}"


def json_wrong_type(rng):
    return GOOD.replace(b"1247.83", rng.choice(
        [b"null", b"true", b'"x"', b"{}", b"[1]", b"1e999", b"1" * 400, b"0x10", b"+1", b".5"]))


def json_wrong_time(rng):
    return GOOD.replace(b"2025-06-15T14:15:00Z", rng.choice(
        [b"", b"yesterday", b"2025-13-01T00:00:00Z", b"2025-02-30T00:00:00Z", b"\\u0032025"]))


def json_missing(rng):
    return rng.choice([b'{"kWh":1}', b'{"kWh":1,"ts":"2025-06-15T14:15:00Z"}',
                       b'{"meterId":"SM-00001","kWh":1}', b'{"kWh":{}}', b'{}', b'null', b'7'])


def json():
    """None of these is a reading; each must end, as one, in the error queue."""
    return [json_cut, json_flipped, json_noise, json_deep, json_wrong_type, json_wrong_time,
            json_missing]
