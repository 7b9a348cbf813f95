// Philox4x32-10 (Salmon et al., SC 2011): random words as a pure function of key and counter.
#pragma once

#include <array>
#include <cstdint>

namespace seqnative {

using PhiloxBlock = std::array<std::uint32_t, 4>;

inline PhiloxBlock philox4x32(PhiloxBlock counter, std::uint32_t key_0, std::uint32_t key_1) {
  constexpr std::uint64_t multiplier_0 = 0xD2511F53u;
  constexpr std::uint64_t multiplier_1 = 0xCD9E8D57u;
  constexpr int num_rounds = 10;
  for (int round = 0; round < num_rounds; ++round) {
    const std::uint64_t product_0 = multiplier_0 * counter[0];
    const std::uint64_t product_1 = multiplier_1 * counter[2];
    counter = {static_cast<std::uint32_t>(product_1 >> 32) ^ counter[1] ^ key_0,
               static_cast<std::uint32_t>(product_1),
               static_cast<std::uint32_t>(product_0 >> 32) ^ counter[3] ^ key_1,
               static_cast<std::uint32_t>(product_0)};
    key_0 += 0x9E3779B9u;
    key_1 += 0xBB67AE85u;
  }
  return counter;
}

// The draws of one stream of one example, in order.
class RandomWords {
 public:
  RandomWords(std::uint64_t seed, std::uint64_t index, std::uint32_t stream)
      : key_0_(static_cast<std::uint32_t>(seed)),
        key_1_(static_cast<std::uint32_t>(seed >> 32)),
        counter_{static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32), 0,
                 stream} {}

  std::uint32_t next() {
    if (used_ == block_.size()) {
      block_ = philox4x32(counter_, key_0_, key_1_);
      ++counter_[2];
      used_ = 0;
    }
    return block_[used_++];
  }

  // An integer in [0, limit); 0 for limit 0. The bias is below limit / 2**32.
  std::int64_t below(std::int64_t limit) {
    return static_cast<std::int64_t>((next() * static_cast<std::uint64_t>(limit)) >> 32);
  }

 private:
  std::uint32_t key_0_;
  std::uint32_t key_1_;
  PhiloxBlock counter_;
  PhiloxBlock block_{};
  std::size_t used_ = 4;
};

}  // namespace seqnative
