#include <algorithm>
#include <stdexcept>
#include <string>

#include "seqnative/pack_device.hpp"

namespace seqnative {
namespace {

constexpr int kTableValues = 3 * 256;
constexpr int kThreads = 256;
constexpr std::int64_t kItemsPerThread = 4;
constexpr std::int64_t kMaxPlaces = 65'535;  // of a grid's second dimension
constexpr std::size_t kClipsPerLaunch = 64;

// Goes along as the kernel's argument: nothing is allocated, nothing copied beforehand.
struct Launch {
  DeviceLayout layout;
  DeviceClip clips[kClipsPerLaunch];
};
static_assert(sizeof(Launch) <= 4096, "what every CUDA takes as arguments of a kernel");

template <typename Value>
struct alignas(4 * sizeof(Value)) FourValues {
  Value of[4];
};

struct alignas(4) FourBytes {
  std::uint8_t of[4];
};

struct DeviceFrame {
  const std::uint8_t* pixels;
  unsigned char* planes;
  std::int64_t row_stride;
  bool is_filled;  // otherwise it lies after the last frame of its clip and becomes zeros
};

// Calls make_item(table, frame, item) for the items of this thread, of num_items a frame.
template <typename Value, typename MakeItem>
__device__ void for_each_item(const Launch& launch, std::int64_t num_items, MakeItem make_item) {
  __shared__ Value table[kTableValues];
  for (int place = static_cast<int>(threadIdx.x); place < kTableValues; place += kThreads) {
    table[place] = static_cast<const Value*>(launch.layout.table)[place];
  }
  __syncthreads();
  const DeviceClip& clip = launch.clips[blockIdx.z];
  if (blockIdx.y >= clip.num_places) {
    return;
  }
  const DeviceFrame frame = {clip.pixels + blockIdx.y * clip.frame_stride,
                             clip.planes + blockIdx.y * launch.layout.place_stride, clip.row_stride,
                             blockIdx.y < clip.num_frames};
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kThreads;
  for (std::int64_t item = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
       item < num_items; item += step) {
    make_item(table, frame, item);
  }
}

// Four pixels at a time: three words in, one vector a plane out. Frames without gaps, at addresses
// that are multiples of what is read and written.
template <typename Value>
__global__ void __launch_bounds__(kThreads) pack_vectors(const __grid_constant__ Launch launch) {
  const DeviceLayout& layout = launch.layout;
  for_each_item<Value>(
      launch, layout.height * layout.width / 4,
      [&layout](const Value* table, const DeviceFrame& frame, std::int64_t item) {
        FourBytes words[3] = {};
        if (frame.is_filled) {
          for (int word = 0; word < 3; ++word) {
            words[word] = reinterpret_cast<const FourBytes*>(frame.pixels)[3 * item + word];
          }
        }
        for (int channel = 0; channel < 3; ++channel) {
          FourValues<Value> values = {};
          if (frame.is_filled) {
            for (int pixel = 0; pixel < 4; ++pixel) {
              const int byte = 3 * pixel + channel;
              values.of[pixel] = table[256 * channel + words[byte / 4].of[byte % 4]];
            }
          }
          unsigned char* plane = frame.planes + channel * layout.plane_stride;
          reinterpret_cast<FourValues<Value>*>(plane)[item] = values;
        }
      });
}

// One pixel at a time: crops, odd sizes, odd addresses.
template <typename Value>
__global__ void __launch_bounds__(kThreads) pack_pixels(const __grid_constant__ Launch launch) {
  const DeviceLayout& layout = launch.layout;
  for_each_item<Value>(launch, layout.height * layout.width,
                       [&layout](const Value* table, const DeviceFrame& frame, std::int64_t item) {
                         const std::int64_t row = item / layout.width;
                         const std::uint8_t* pixel = frame.pixels + row * frame.row_stride +
                                                     3 * (item - row * layout.width);
                         for (int channel = 0; channel < 3; ++channel) {
                           const Value value =
                               frame.is_filled ? table[256 * channel + pixel[channel]] : Value{0};
                           unsigned char* plane = frame.planes + channel * layout.plane_stride;
                           reinterpret_cast<Value*>(plane)[item] = value;
                         }
                       });
}

void check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) {
    throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(status));
  }
}

// The device that holds the memory is the current one while this lives.
class DeviceOf {
 public:
  explicit DeviceOf(const void* memory) {
    cudaPointerAttributes attributes{};
    check(cudaPointerGetAttributes(&attributes, memory), "the memory of out");
    check(cudaGetDevice(&before_), "the current device");
    if (attributes.type != cudaMemoryTypeDevice && attributes.type != cudaMemoryTypeManaged) {
      throw std::invalid_argument("out is not in the memory of a CUDA device");
    }
    check(cudaSetDevice(attributes.device), "the device of out");
  }
  ~DeviceOf() { cudaSetDevice(before_); }
  DeviceOf(const DeviceOf&) = delete;
  DeviceOf& operator=(const DeviceOf&) = delete;

 private:
  int before_ = 0;
};

bool is_multiple(std::int64_t number, std::size_t of) {
  return number % static_cast<std::int64_t>(of) == 0;
}

bool is_multiple(const void* address, std::size_t of) {
  return reinterpret_cast<std::uintptr_t>(address) % of == 0;
}

bool fits_vectors(const DeviceLayout& layout, const DeviceClip& clip) {
  const std::size_t vector = 4 * layout.bytes_per_value;
  return clip.row_stride == 3 * layout.width && is_multiple(layout.height * layout.width, 4) &&
         is_multiple(clip.pixels, 4) && is_multiple(clip.frame_stride, 4) &&
         is_multiple(clip.planes, vector) && is_multiple(layout.place_stride, vector) &&
         is_multiple(layout.plane_stride, vector);
}

template <typename Value>
void launch_kernel(const Launch& launch, std::size_t num_clips, cudaStream_t stream) {
  bool vectors = true;
  std::int64_t num_places = 0;
  for (std::size_t clip = 0; clip < num_clips; ++clip) {
    vectors = vectors && fits_vectors(launch.layout, launch.clips[clip]);
    num_places = std::max(num_places, launch.clips[clip].num_places);
  }
  const std::int64_t num_pixels = launch.layout.height * launch.layout.width;
  if (num_places == 0 || num_pixels == 0) {
    return;
  }
  const std::int64_t num_items = vectors ? num_pixels / 4 : num_pixels;
  const std::int64_t per_block = kThreads * kItemsPerThread;
  const dim3 grid(static_cast<unsigned>((num_items + per_block - 1) / per_block),
                  static_cast<unsigned>(num_places), static_cast<unsigned>(num_clips));
  if (vectors) {
    pack_vectors<Value><<<grid, kThreads, 0, stream>>>(launch);
  } else {
    pack_pixels<Value><<<grid, kThreads, 0, stream>>>(launch);
  }
  check(cudaGetLastError(), "packing frames");
}

}  // namespace

void pack_clips_on_device(const DeviceLayout& layout, const std::vector<DeviceClip>& clips,
                          void* stream) {
  if (clips.empty()) {
    return;
  }
  for (std::size_t number = 0; number < clips.size(); ++number) {
    if (clips[number].num_places > kMaxPlaces) {
      throw std::invalid_argument("clips[" + std::to_string(number) + "] takes " +
                                  std::to_string(clips[number].num_places) + " frames, at most " +
                                  std::to_string(kMaxPlaces) + " will do");
    }
  }
  const DeviceOf device(clips.front().planes);
  for (std::size_t first = 0; first < clips.size(); first += kClipsPerLaunch) {
    Launch launch{layout, {}};
    const std::size_t count = std::min(kClipsPerLaunch, clips.size() - first);
    std::copy_n(clips.begin() + static_cast<std::ptrdiff_t>(first), count, launch.clips);
    if (layout.bytes_per_value == sizeof(std::uint32_t)) {
      launch_kernel<std::uint32_t>(launch, count, static_cast<cudaStream_t>(stream));
    } else {
      launch_kernel<std::uint16_t>(launch, count, static_cast<cudaStream_t>(stream));
    }
  }
}

}  // namespace seqnative
