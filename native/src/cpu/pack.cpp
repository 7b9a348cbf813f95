#include "seqnative/pack.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <system_error>
#include <thread>

#include "seqnative/wide_lookup.hpp"

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace seqnative {
namespace {

// Batches above this size leave the caches before anybody reads them: writing past the caches saves
// reading the lines that are overwritten (a quarter of the time of float32).
constexpr std::size_t kMinStreamedBytes = std::size_t{16} << 20;

template <typename Value>
struct Lookup {
  std::array<Value, kTableSize> table;
  std::array<ByteTables<Value>, kNumChannels> bytes;  // set if is_wide
  bool is_wide;
};

template <bool kStreamed>
inline void store_word(unsigned char* place, std::uint64_t word) {
#if defined(__x86_64__)
  if constexpr (kStreamed) {
    _mm_stream_si64(reinterpret_cast<long long*>(place), static_cast<long long>(word));
    return;
  }
#endif
  std::memcpy(place, &word, sizeof word);
}

// One channel of the pixels from `first` to `last`, three bytes each.
template <typename Value>
void pack_few(const std::uint8_t* pixels, std::ptrdiff_t first, std::ptrdiff_t last,
              const Value* values, unsigned char* plane) {
  for (; first < last; ++first) {
    std::memcpy(plane + first * static_cast<std::ptrdiff_t>(sizeof(Value)),
                &values[pixels[kNumChannels * first]], sizeof(Value));
  }
}

// Three bytes a pixel, no gaps, 64 pixels at once.
template <typename Value, bool kStreamed>
void pack_wide(const std::uint8_t* pixels, std::ptrdiff_t num_pixels, const Lookup<Value>& lookup,
               const std::array<unsigned char*, kNumChannels>& planes) {
  constexpr auto value_bytes = static_cast<std::ptrdiff_t>(sizeof(Value));
  for (std::size_t channel = 0; channel < kNumChannels; ++channel) {
    const Value* values = lookup.table.data() + 256 * channel;
    unsigned char* plane = planes[channel];
    // How many pixels lie before the first place from which whole turns can be streamed, if any.
    const auto past =
        static_cast<std::ptrdiff_t>(-reinterpret_cast<std::uintptr_t>(plane) % kTurnAlignment);
    const bool is_streamed = kStreamed && past % value_bytes == 0;
    const std::ptrdiff_t first = is_streamed ? std::min(past / value_bytes, num_pixels) : 0;
    const std::ptrdiff_t num_turns = (num_pixels - first) / kPixelsPerTurn;
    pack_few(pixels + channel, 0, first, values, plane);
    look_up_wide<Value>(pixels + kNumChannels * first, channel, num_turns, lookup.bytes[channel],
                        plane + value_bytes * first, is_streamed);
    pack_few(pixels + channel, first + kPixelsPerTurn * num_turns, num_pixels, values, plane);
  }
}

// Three bytes a pixel, no gaps. Looking up is all there is to do: instead of the compiler's one
// store a value, as many values as fit are put into a word.
template <typename Value, bool kStreamed>
void pack_dense(const std::uint8_t* pixels, std::ptrdiff_t num_pixels, const Lookup<Value>& lookup,
                const std::array<unsigned char*, kNumChannels>& planes) {
  if (lookup.is_wide && num_pixels >= kPixelsPerTurn) {
    pack_wide<Value, kStreamed>(pixels, num_pixels, lookup, planes);
    return;
  }
  constexpr std::ptrdiff_t values_per_word = sizeof(std::uint64_t) / sizeof(Value);
  constexpr std::ptrdiff_t pixels_per_turn = 4;
  std::ptrdiff_t pixel = 0;
  for (; pixel + pixels_per_turn <= num_pixels; pixel += pixels_per_turn) {
    for (std::size_t channel = 0; channel < kNumChannels; ++channel) {
      const Value* values = lookup.table.data() + 256 * channel;
      for (std::ptrdiff_t first = 0; first < pixels_per_turn; first += values_per_word) {
        const std::uint8_t* source =
            pixels + kNumChannels * (pixel + first) + static_cast<std::ptrdiff_t>(channel);
        std::uint64_t word = 0;
        for (std::ptrdiff_t place = 0; place < values_per_word; ++place) {
          word |= std::uint64_t{values[source[kNumChannels * place]]}
                  << (8 * sizeof(Value) * static_cast<std::size_t>(place));
        }
        store_word<kStreamed>(
            planes[channel] + (pixel + first) * static_cast<std::ptrdiff_t>(sizeof(Value)), word);
      }
    }
  }
  for (std::size_t channel = 0; channel < kNumChannels; ++channel) {
    pack_few(pixels + channel, pixel, num_pixels, lookup.table.data() + 256 * channel,
             planes[channel]);
  }
}

// Any distances between pixels and channels: mirrored pictures, BGR, every other pixel.
template <typename Value>
void pack_scattered(const PackedFrame& frame, const std::uint8_t* row, std::ptrdiff_t width,
                    const Lookup<Value>& lookup,
                    const std::array<unsigned char*, kNumChannels>& planes) {
  for (std::size_t channel = 0; channel < kNumChannels; ++channel) {
    const std::uint8_t* source = row + static_cast<std::ptrdiff_t>(channel) * frame.channel_stride;
    for (std::ptrdiff_t pixel = 0; pixel < width; ++pixel) {
      const std::size_t value = source[pixel * frame.pixel_stride];
      std::memcpy(planes[channel] + pixel * static_cast<std::ptrdiff_t>(sizeof(Value)),
                  &lookup.table[256 * channel + value], sizeof(Value));
    }
  }
}

template <typename Value, bool kStreamed>
void pack_frame(const PackLayout& layout, const PackedFrame& frame, const Lookup<Value>& lookup) {
  const auto row_bytes = layout.width * static_cast<std::ptrdiff_t>(sizeof(Value));
  std::array<unsigned char*, kNumChannels> planes{};
  for (std::ptrdiff_t channel = 0; channel < kNumChannels; ++channel) {
    planes[static_cast<std::size_t>(channel)] = frame.planes + channel * layout.plane_stride;
  }
  if (frame.pixels == nullptr) {
    for (unsigned char* plane : planes) {
      std::memset(plane, 0, static_cast<std::size_t>(layout.height * row_bytes));
    }
    return;
  }
  const bool is_dense = frame.pixel_stride == kNumChannels && frame.channel_stride == 1;
  if (is_dense && frame.row_stride == kNumChannels * layout.width) {
    pack_dense<Value, kStreamed>(frame.pixels, layout.height * layout.width, lookup, planes);
    return;
  }
  for (std::ptrdiff_t row = 0; row < layout.height; ++row) {
    const std::uint8_t* source = frame.pixels + row * frame.row_stride;
    if (is_dense) {
      pack_dense<Value, kStreamed>(source, layout.width, lookup, planes);
    } else {
      pack_scattered<Value>(frame, source, layout.width, lookup, planes);
    }
    for (unsigned char*& plane : planes) {
      plane += row_bytes;
    }
  }
}

template <typename Value, bool kStreamed>
void pack_range(const PackLayout& layout, const PackedFrame* first, const PackedFrame* last) {
  Lookup<Value> lookup;  // with its own copy: nothing that is written can change it
  std::memcpy(lookup.table.data(), layout.table, sizeof lookup.table);
  lookup.is_wide = has_wide_lookup();
  for (std::size_t channel = 0; lookup.is_wide && channel < kNumChannels; ++channel) {
    lookup.bytes[channel] = byte_tables(lookup.table.data() + 256 * channel);
  }
  for (; first != last; ++first) {
    pack_frame<Value, kStreamed>(layout, *first, lookup);
  }
#if defined(__x86_64__)
  if constexpr (kStreamed) {
    _mm_sfence();
  }
#endif
}

using RangePacker = void (*)(const PackLayout&, const PackedFrame*, const PackedFrame*);

RangePacker choose_packer(const PackLayout& layout, std::size_t num_frames) {
  const std::size_t num_bytes = num_frames * static_cast<std::size_t>(kNumChannels) *
                                static_cast<std::size_t>(layout.height * layout.width) *
                                layout.bytes_per_value;
  const bool is_streamed = num_bytes >= kMinStreamedBytes;
  if (layout.bytes_per_value == sizeof(std::uint32_t)) {
    return is_streamed ? &pack_range<std::uint32_t, true> : &pack_range<std::uint32_t, false>;
  }
  return is_streamed ? &pack_range<std::uint16_t, true> : &pack_range<std::uint16_t, false>;
}

}  // namespace

void pack_frames(const PackLayout& layout, const std::vector<PackedFrame>& frames,
                 int num_threads) {
  const RangePacker pack = choose_packer(layout, frames.size());
  const std::size_t num_parts =
      std::max<std::size_t>(1, std::min(frames.size(), static_cast<std::size_t>(num_threads)));
  const auto start_of = [&](std::size_t part) {
    return frames.data() + frames.size() * part / num_parts;
  };
  std::vector<std::thread> helpers;
  helpers.reserve(num_parts - 1);
  std::size_t done_here = num_parts - 1;  // the parts from here on are the caller's
  for (std::size_t part = 0; part + 1 < num_parts; ++part) {
    try {
      helpers.emplace_back(pack, std::cref(layout), start_of(part), start_of(part + 1));
    } catch (const std::system_error&) {  // no more threads to be had: do the rest here
      done_here = part;
      break;
    }
  }
  pack(layout, start_of(done_here), start_of(num_parts));
  for (std::thread& helper : helpers) {
    helper.join();
  }
}

}  // namespace seqnative
