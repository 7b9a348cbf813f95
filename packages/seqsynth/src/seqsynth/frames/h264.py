"""What the first bytes of an H.264 packet say: does anything refer to it, can decoding start here.

Packets come with start codes before their units (Annex B) or with lengths (as in MP4), which the
header of the stream tells; ITU-T H.264, 7.3 and Annex B.
"""

from __future__ import annotations

from collections.abc import Iterator

_SLICE, _IDR_SLICE = 1, 5
_INTRA = (2, 4)  # slice types I and SI, modulo 5
_SEARCHED_BYTES = 256  # of a packet with start codes; those of key pictures hold more before it
_SEARCHED_KEY_BYTES = 1 << 16
_SLICE_HEADER_BYTES = 16  # hold the two numbers that are read


class H264Reader:
    """Reads packets of one stream.

    Args:
        extradata: the stream's header, as FFmpeg has it.
    """

    def __init__(self, extradata: bytes | None) -> None:
        self._length_bytes = 0
        if extradata and extradata[0] == 1 and len(extradata) > 4:
            self._length_bytes = (extradata[4] & 3) + 1

    def is_droppable(self, packet: memoryview) -> bool:
        """Whether no picture refers to this one; False where that cannot be told."""
        for start in self._units(packet):
            if packet[start] & 31 in (_SLICE, _IDR_SLICE):
                return packet[start] & 0x60 == 0  # nal_ref_idc, the same in all slices
        return False

    def is_clean_start(self, packet: memoryview) -> bool:
        """Whether decoding can start here: a picture of intra slices.

        Streams that refresh the picture bit by bit have key packets too, from which a decoder only
        recovers after some frames.
        """
        for start in self._units(packet, _SEARCHED_KEY_BYTES):
            kind = packet[start] & 31
            if kind == _IDR_SLICE:
                return True
            if kind == _SLICE:
                return _slice_type(packet[start + 1 : start + 1 + _SLICE_HEADER_BYTES]) in _INTRA
        return False

    def _units(self, packet: memoryview, num_bytes: int = _SEARCHED_BYTES) -> Iterator[int]:
        """Where each unit starts, at the byte that says what it is."""
        if self._length_bytes:
            start = self._length_bytes
            while start < len(packet):
                yield start
                size = int.from_bytes(packet[start - self._length_bytes : start], "big")
                start += size + self._length_bytes
            return
        head = bytes(packet[:num_bytes])
        start = head.find(b"\0\0\1")
        while 0 <= start < len(head) - 3:
            yield start + 3
            start = head.find(b"\0\0\1", start + 3)


def _slice_type(header: memoryview) -> int:
    """The second number of a slice header, modulo 5; -1 where it cannot be read."""
    content = bytes(header).replace(b"\0\0\3", b"\0\0")
    bits = "".join(f"{byte:08b}" for byte in content)
    position = value = 0
    for _ in range(2):
        zeros = bits.find("1", position) - position
        end = position + 2 * zeros + 1
        if zeros < 0 or end > len(bits):
            return -1
        value = int(bits[position + zeros : end], 2) - 1
        position = end
    return value % 5
