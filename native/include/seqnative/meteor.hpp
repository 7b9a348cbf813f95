// METEOR's aligner. vidmetrics/meteor_align.py is its specification: same numbers, same errors.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace seqnative {

// A read-only array of somebody else, checked at every access: the arrays of the data file are
// mapped, and a damaged file must not become a crash.
template <typename Value>
struct ArrayView {
  const Value* data = nullptr;
  std::int64_t size = 0;

  Value operator[](std::int64_t index) const {
    if (index < 0 || index >= size) {
      throw std::out_of_range("index " + std::to_string(index) + " of " + std::to_string(size));
    }
    return data[index];
  }
};

// Arrays of the data file, described in vidmetrics/meteor_tables.py.
struct ParaphraseArrays {
  ArrayView<std::uint32_t> first_words;
  ArrayView<std::uint32_t> left_starts;
  ArrayView<std::uint16_t> left_words;
  ArrayView<std::uint32_t> entry_starts;
  ArrayView<std::uint32_t> entry_counts;
  ArrayView<std::uint32_t> right_starts;
  ArrayView<std::uint8_t> right_lengths;
  ArrayView<std::uint16_t> right_words;
};

// Captions as numbers, described in vidmetrics/meteor_words.py.
struct SentenceArrays {
  ArrayView<std::int64_t> starts;
  ArrayView<std::int32_t> words;
  ArrayView<std::int32_t> stems;
  ArrayView<std::int32_t> table_words;
  ArrayView<std::uint8_t> is_function;
  ArrayView<std::int64_t> synset_starts;
  ArrayView<std::int32_t> synsets;
};

// Columns of the statistics, described in vidmetrics/meteor_score.py.
constexpr std::int64_t kMeteorStatistics = 23;
constexpr std::int64_t kChunks = 20;
constexpr std::int64_t kHypothesisMatched = 21;
constexpr std::int64_t kReferenceMatched = 22;

class MeteorAligner {
 public:
  // Keeps pointers into the arrays, which the caller keeps alive.
  explicit MeteorAligner(const ParaphraseArrays& paraphrases) : paraphrases_(paraphrases) {}

  // Fills output (num_pairs x 23) with the statistics of pairs of sentence numbers. Throws
  // std::invalid_argument for a pair too long to align, std::out_of_range for a wrong number.
  void statistics(const SentenceArrays& sentences, const std::int64_t* hypotheses,
                  const std::int64_t* references, std::int64_t num_pairs,
                  std::int64_t* output) const;

 private:
  ParaphraseArrays paraphrases_;
};

}  // namespace seqnative
