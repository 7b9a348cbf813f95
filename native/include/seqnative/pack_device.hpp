// The packing of pack.hpp on a GPU: the same table, the same bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace seqnative {

// Frames in device memory and where they go, all distances in bytes. Pixels of a row lie one after
// another. Places after the last frame are filled with zeros.
struct DeviceClip {
  const std::uint8_t* pixels;
  unsigned char* planes;
  std::int64_t frame_stride;
  std::int64_t row_stride;
  std::int64_t num_frames;
  std::int64_t num_places;
};

struct DeviceLayout {
  std::int64_t height;
  std::int64_t width;
  std::int64_t place_stride;  // from one frame of the output to the next
  std::int64_t plane_stride;
  std::size_t bytes_per_value;  // 4 or 2
  const void* table;            // in device memory, (3, 256)
};

// Starts the kernels on the stream (a cudaStream_t; null is the default one) of the device that
// holds the planes, and returns. Throws std::runtime_error with CUDA's words.
void pack_clips_on_device(const DeviceLayout& layout, const std::vector<DeviceClip>& clips,
                          void* stream);

}  // namespace seqnative
