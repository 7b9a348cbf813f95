#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace seqnative {

// The places of each value in a sequence, rising: first[value], then next[place].
class PlaceIndex {
 public:
  static constexpr std::int32_t kNoPlace = -1;

  void resize(std::size_t num_values) { first_.assign(num_values, kNoPlace); }

  void build(const std::int32_t* values, std::int32_t size) {
    next_.resize(static_cast<std::size_t>(size));
    for (std::int32_t place = size - 1; place >= 0; --place) {
      std::int32_t& head = first_[static_cast<std::size_t>(values[place])];
      next_[static_cast<std::size_t>(place)] = head;
      head = place;
    }
  }

  void clear(const std::int32_t* values, std::int32_t size) {
    for (std::int32_t place = 0; place < size; ++place) {
      first_[static_cast<std::size_t>(values[place])] = kNoPlace;
    }
  }

  std::int32_t first(std::int32_t value) const { return first_[static_cast<std::size_t>(value)]; }
  std::int32_t next(std::int32_t place) const { return next_[static_cast<std::size_t>(place)]; }

 private:
  std::vector<std::int32_t> first_;
  std::vector<std::int32_t> next_;
};

}  // namespace seqnative
