// Pixels to a normalised batch, by table. seqsynth/frame_packing.py is its specification: same
// bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace seqnative {

constexpr std::ptrdiff_t kNumChannels = 3;
constexpr std::size_t kTableSize = 3 * 256;

// One frame and where it goes, all distances in bytes. Without pixels the planes are filled with
// zeros.
struct PackedFrame {
  const std::uint8_t* pixels;
  std::ptrdiff_t row_stride;
  std::ptrdiff_t pixel_stride;
  std::ptrdiff_t channel_stride;
  unsigned char* planes;
};

// What all frames of a batch share. `bytes_per_value` is 4 or 2; a plane's rows lie one after
// another, and the table has the values of one channel after those of another.
struct PackLayout {
  std::ptrdiff_t height;
  std::ptrdiff_t width;
  std::ptrdiff_t plane_stride;
  std::size_t bytes_per_value;
  const void* table;
};

// Writes table[channel][value] for every value of every channel. The frames are shared out over
// that many threads, the caller's among them; planes must not overlap.
void pack_frames(const PackLayout& layout, const std::vector<PackedFrame>& frames, int num_threads);

}  // namespace seqnative
