// Looking up 64 pixels at once, on processors whose registers hold a table of bytes (AVX-512 VBMI).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace seqnative {

constexpr std::ptrdiff_t kPixelsPerTurn = 64;
constexpr std::size_t kTurnAlignment = 64;

// The values of one channel with the first bytes of all, then the second ones, and so on.
template <typename Value>
using ByteTables = std::array<std::array<std::uint8_t, 256>, sizeof(Value)>;

template <typename Value>
ByteTables<Value> byte_tables(const Value* values) {
  ByteTables<Value> tables{};
  for (std::size_t shade = 0; shade < 256; ++shade) {
    for (std::size_t byte = 0; byte < sizeof(Value); ++byte) {
      tables[byte][shade] = static_cast<std::uint8_t>(values[shade] >> (8 * byte));
    }
  }
  return tables;
}

// Whether this processor can.
bool has_wide_lookup();

// Writes the values of one channel of 64 * num_turns pixels of three bytes each. Streamed is past
// the caches; then the plane has to start at a multiple of kTurnAlignment. Value is std::uint32_t
// or std::uint16_t.
template <typename Value>
void look_up_wide(const std::uint8_t* pixels, std::size_t channel, std::ptrdiff_t num_turns,
                  const ByteTables<Value>& tables, unsigned char* plane, bool is_streamed);

}  // namespace seqnative
