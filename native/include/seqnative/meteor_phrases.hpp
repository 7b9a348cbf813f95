// Paraphrases of the phrases of some captions, looked up in METEOR's table.
#pragma once

#include <cstdint>
#include <vector>

#include "seqnative/meteor.hpp"

namespace seqnative {

// A phrase of a sentence that has paraphrases: where it begins, its length, its row in the book.
struct PhraseInSentence {
  std::int32_t place;
  std::int32_t length;
  std::int32_t row;
};

// All phrases of all sentences, each with its paraphrases that consist of words of the sentences,
// in the order of the table. Words are numbered as in the sentences.
class PhraseBook {
 public:
  PhraseBook(const ParaphraseArrays& table, const SentenceArrays& sentences);

  const PhraseInSentence* begin(std::int64_t sentence) const {
    return phrases_.data() + phrase_starts_[static_cast<std::size_t>(sentence)];
  }
  const PhraseInSentence* end(std::int64_t sentence) const {
    return phrases_.data() + phrase_starts_[static_cast<std::size_t>(sentence) + 1];
  }

  // Calls use(words, length) for each paraphrase of a row.
  template <typename Use>
  void for_each(std::int32_t row, Use use) const {
    std::size_t entry = row_starts_[static_cast<std::size_t>(row)];
    const std::size_t last = row_starts_[static_cast<std::size_t>(row) + 1];
    while (entry < last) {
      const std::int32_t length = entries_[entry];
      use(entries_.data() + entry + 1, length);
      entry += static_cast<std::size_t>(length) + 1;
    }
  }

 private:
  void find_phrases(const ParaphraseArrays& table, const SentenceArrays& sentences,
                    std::int64_t sentence, std::vector<std::uint32_t>* lefts);
  void copy_entries(const ParaphraseArrays& table, std::uint32_t left,
                    const std::vector<std::int32_t>& word_of);

  std::vector<PhraseInSentence> phrases_;
  std::vector<std::size_t> phrase_starts_;
  std::vector<std::int32_t> entries_;  // length, words, length, words, ...
  std::vector<std::size_t> row_starts_;
};

}  // namespace seqnative
