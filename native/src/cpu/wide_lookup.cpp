#include "seqnative/wide_lookup.hpp"

#if defined(__x86_64__) && defined(__GNUC__)
#define SEQNATIVE_WIDE_LOOKUP 1
#include <immintrin.h>
#endif

namespace seqnative {

#if defined(SEQNATIVE_WIDE_LOOKUP)
namespace {

#define SEQNATIVE_VBMI __attribute__((target("avx512f,avx512bw,avx512vbmi")))

using Bytes = std::array<std::uint8_t, 64>;

// Where a channel's bytes lie in 64 pixels. Values are put together from their bytes within
// quarters of a register, which is why pixels are not taken in their order: after that they are.
template <std::size_t kNumBytes>
constexpr Bytes places_of(std::size_t channel) {
  constexpr std::size_t quarter = 16;
  constexpr std::size_t run = quarter / kNumBytes;  // pixels of a quarter of one result
  Bytes places{};
  for (std::size_t place = 0; place < places.size(); ++place) {
    const std::size_t result = place % quarter / run;
    const std::size_t pixel = result * 4 * run + place / quarter * run + place % run;
    places[place] = static_cast<std::uint8_t>(3 * pixel + channel);
  }
  return places;
}

template <std::size_t kNumBytes>
constexpr std::array<Bytes, 3> kPlaces = {places_of<kNumBytes>(0), places_of<kNumBytes>(1),
                                          places_of<kNumBytes>(2)};

// A byte's upper bit says in which half of the table it is looked up.
SEQNATIVE_VBMI inline __m512i look_up(const __m512i* table, __m512i shades, __mmask64 is_upper) {
  const __m512i lower = _mm512_permutex2var_epi8(table[0], shades, table[1]);
  const __m512i upper = _mm512_permutex2var_epi8(table[2], shades, table[3]);
  return _mm512_mask_blend_epi8(is_upper, lower, upper);
}

template <bool kStreamed>
SEQNATIVE_VBMI inline void store(unsigned char* place, __m512i values) {
  if constexpr (kStreamed) {
    _mm512_stream_si512(reinterpret_cast<__m512i*>(place), values);
  } else {
    _mm512_storeu_si512(place, values);
  }
}

template <bool kStreamed>
SEQNATIVE_VBMI inline void store_values(unsigned char* place, const __m512i (&bytes)[2]) {
  store<kStreamed>(place, _mm512_unpacklo_epi8(bytes[0], bytes[1]));
  store<kStreamed>(place + 64, _mm512_unpackhi_epi8(bytes[0], bytes[1]));
}

template <bool kStreamed>
SEQNATIVE_VBMI inline void store_values(unsigned char* place, const __m512i (&bytes)[4]) {
  const __m512i lows[2] = {_mm512_unpacklo_epi8(bytes[0], bytes[1]),
                           _mm512_unpackhi_epi8(bytes[0], bytes[1])};
  const __m512i highs[2] = {_mm512_unpacklo_epi8(bytes[2], bytes[3]),
                            _mm512_unpackhi_epi8(bytes[2], bytes[3])};
  for (std::size_t half = 0; half < 2; ++half) {
    store<kStreamed>(place + 128 * half, _mm512_unpacklo_epi16(lows[half], highs[half]));
    store<kStreamed>(place + 128 * half + 64, _mm512_unpackhi_epi16(lows[half], highs[half]));
  }
}

template <typename Value, bool kStreamed>
SEQNATIVE_VBMI void look_up_turns(const std::uint8_t* pixels, std::size_t channel,
                                  std::ptrdiff_t num_turns, const ByteTables<Value>& tables,
                                  unsigned char* plane) {
  constexpr std::size_t num_bytes = sizeof(Value);
  __m512i registers[num_bytes][4];
  for (std::size_t byte = 0; byte < num_bytes; ++byte) {
    for (std::size_t part = 0; part < 4; ++part) {
      registers[byte][part] = _mm512_loadu_si512(tables[byte].data() + 64 * part);
    }
  }
  const __m512i from = _mm512_loadu_si512(kPlaces<num_bytes>[channel].data());
  const __mmask64 is_last = _mm512_movepi8_mask(from);  // in the last 64 of the 192 bytes
  for (; num_turns > 0; --num_turns) {
    __m512i shades =
        _mm512_permutex2var_epi8(_mm512_loadu_si512(pixels), from, _mm512_loadu_si512(pixels + 64));
    shades = _mm512_mask_permutexvar_epi8(shades, is_last, from, _mm512_loadu_si512(pixels + 128));
    const __mmask64 is_upper = _mm512_movepi8_mask(shades);
    __m512i bytes[num_bytes];
    for (std::size_t byte = 0; byte < num_bytes; ++byte) {
      bytes[byte] = look_up(registers[byte], shades, is_upper);
    }
    store_values<kStreamed>(plane, bytes);
    pixels += 3 * kPixelsPerTurn;
    plane += kPixelsPerTurn * static_cast<std::ptrdiff_t>(num_bytes);
  }
}

}  // namespace

bool has_wide_lookup() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vbmi");
}

template <typename Value>
void look_up_wide(const std::uint8_t* pixels, std::size_t channel, std::ptrdiff_t num_turns,
                  const ByteTables<Value>& tables, unsigned char* plane, bool is_streamed) {
  if (is_streamed) {
    look_up_turns<Value, true>(pixels, channel, num_turns, tables, plane);
  } else {
    look_up_turns<Value, false>(pixels, channel, num_turns, tables, plane);
  }
}

#else

bool has_wide_lookup() { return false; }

template <typename Value>
void look_up_wide(const std::uint8_t*, std::size_t, std::ptrdiff_t, const ByteTables<Value>&,
                  unsigned char*, bool) {}

#endif

template void look_up_wide<std::uint32_t>(const std::uint8_t*, std::size_t, std::ptrdiff_t,
                                          const ByteTables<std::uint32_t>&, unsigned char*, bool);
template void look_up_wide<std::uint16_t>(const std::uint8_t*, std::size_t, std::ptrdiff_t,
                                          const ByteTables<std::uint16_t>&, unsigned char*, bool);

}  // namespace seqnative
