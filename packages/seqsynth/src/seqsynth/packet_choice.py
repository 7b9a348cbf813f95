"""Which packets of a video a decoder has to be given to get some of its frames.

Decoding is most of the cost of a frame, and most packets are not needed: those of other groups of
pictures, those behind the last frame that is wanted, and in H.264 the pictures that no other one
refers to. What is left out changes no pixel of what is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SKIP, SEND, SEND_AND_DRAIN = 0, 1, 2
"""What to do with a packet; after the last kind, the decoder is emptied and starts afresh."""

BoolArray = NDArray[np.bool_]
Int64Array = NDArray[np.int64]
Uint8Array = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class PacketTable:
    """The packets of a video in the order in which they are decoded.

    Attributes:
        pts: (N,) int64, when each is shown, in ticks; no two alike.
        is_key: (N,) bool, decoding can start here; the first can.
        is_shown: (N,) bool; others are decoded for what refers to them, and never counted.
        is_droppable: (N,) bool, no other picture refers to this one.
    """

    pts: Int64Array
    is_key: BoolArray
    is_shown: BoolArray
    is_droppable: BoolArray

    def frame_pts(self) -> Int64Array:
        """When each frame is shown: frame k of the video has the k-th of these times."""
        return np.sort(self.pts[self.is_shown])


def select_packets(table: PacketTable, frame_indices: Sequence[int] | Int64Array) -> Uint8Array:
    """What to do with each packet to get the frames with these numbers.

    A group of pictures starts with a key packet. Of a group that has a wanted frame, packets up to
    the last wanted one are decoded. A wanted frame shown before the key picture of its group (an
    open group) may refer to the group before, which is then decoded as a whole.

    Args:
        table: the packets.
        frame_indices: in [0, number of frames), any order.

    Returns:
        (N,) uint8: `SKIP`, `SEND` or `SEND_AND_DRAIN`.

    Raises:
        IndexError: no such frame.

    Example:
        >>> keys, shown = np.array([1, 0, 0, 1, 0, 0], bool), np.ones(6, bool)
        >>> table = PacketTable(np.array([0, 2, 1, 3, 5, 4]), keys, shown, ~shown)
        >>> select_packets(table, [4]).tolist()
        [0, 0, 0, 1, 1, 2]
    """
    frame_pts = table.frame_pts()
    indices = np.asarray(frame_indices, dtype=np.int64)
    outside = indices[(indices < 0) | (indices >= len(frame_pts))]
    if len(outside):
        raise IndexError(f"frame {outside[0]} of {len(frame_pts)}")
    is_wanted = table.is_shown & np.isin(table.pts, frame_pts[indices])
    edges = [*np.flatnonzero(table.is_key).tolist(), len(table.pts)]
    ends = _group_ends(table, is_wanted, edges)
    actions: Uint8Array = np.zeros(len(table.pts), dtype=np.uint8)
    for group, end in enumerate(ends):
        if end is None:
            continue
        sent = np.flatnonzero(
            is_wanted[edges[group] : end] | ~table.is_droppable[edges[group] : end]
        )
        actions[edges[group] + sent] = SEND
        # A group that was cut short must not run on into the next one.
        is_cut = end < edges[group + 1]
        if len(sent) and (is_cut or group + 1 == len(ends) or ends[group + 1] is None):
            actions[edges[group] + sent[-1]] = SEND_AND_DRAIN
    return actions


def _group_ends(table: PacketTable, is_wanted: BoolArray, edges: list[int]) -> list[int | None]:
    """For each group of pictures, the packet to stop before; None: nothing of it is needed."""
    ends: list[int | None] = [None] * (len(edges) - 1)
    for group in np.unique(np.searchsorted(edges, np.flatnonzero(is_wanted), side="right") - 1):
        start = edges[group]
        wanted = start + np.flatnonzero(is_wanted[start : edges[group + 1]])
        ends[group] = max(ends[group] or 0, int(wanted[-1]) + 1)
        if group > 0 and (table.pts[wanted] < table.pts[start]).any():
            ends[group - 1] = start
    return ends
