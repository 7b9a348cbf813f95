#include "seqnative/meteor_phrases.hpp"

#include <algorithm>
#include <stdexcept>

namespace seqnative {

namespace {

// Compares what a left phrase has behind its first word with `length` words of a sentence; longer
// phrases compare by their beginning.
int compare_rest(const ParaphraseArrays& table, std::uint32_t left, const std::int32_t* words,
                 std::int64_t length) {
  const std::int64_t start = table.left_starts[left];
  const std::int64_t end = table.left_starts[static_cast<std::int64_t>(left) + 1];
  for (std::int64_t k = 0; k < length; ++k) {
    if (start + k >= end) {
      return -1;
    }
    const std::int32_t word = table.left_words[start + k];
    if (word != words[k]) {
      return word < words[k] ? -1 : 1;
    }
  }
  return 0;
}

}  // namespace

PhraseBook::PhraseBook(const ParaphraseArrays& table, const SentenceArrays& sentences) {
  const std::int64_t num_sentences = sentences.starts.size - 1;
  std::vector<std::uint32_t> lefts;  // of each phrase, to be replaced by rows
  phrase_starts_.push_back(0);
  for (std::int64_t sentence = 0; sentence < num_sentences; ++sentence) {
    if (table.first_words.size > 0) {
      find_phrases(table, sentences, sentence, &lefts);
    }
    phrase_starts_.push_back(phrases_.size());
  }
  std::vector<std::uint32_t> distinct = lefts;
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  for (std::size_t k = 0; k < phrases_.size(); ++k) {
    const auto found = std::lower_bound(distinct.begin(), distinct.end(), lefts[k]);
    phrases_[k].row = static_cast<std::int32_t>(found - distinct.begin());
  }
  // The number in the sentences of each word of the table, -1 if none of them has it.
  const std::int64_t table_size = std::max<std::int64_t>(table.first_words.size - 1, 0);
  std::vector<std::int32_t> word_of(static_cast<std::size_t>(table_size), -1);
  for (std::int64_t word = 0; word < sentences.table_words.size; ++word) {
    const std::int32_t table_word = sentences.table_words[word];
    if (table_word >= 0 && table_word < table_size) {
      word_of[static_cast<std::size_t>(table_word)] = static_cast<std::int32_t>(word);
    }
  }
  row_starts_.push_back(0);
  for (const std::uint32_t left : distinct) {
    copy_entries(table, left, word_of);
    row_starts_.push_back(entries_.size());
  }
}

void PhraseBook::find_phrases(const ParaphraseArrays& table, const SentenceArrays& sentences,
                              std::int64_t sentence, std::vector<std::uint32_t>* lefts) {
  std::vector<std::int32_t> words;  // as the table numbers them; -1 is a word that it lacks
  for (std::int64_t k = sentences.starts[sentence]; k < sentences.starts[sentence + 1]; ++k) {
    words.push_back(sentences.table_words[sentences.words[k]]);
  }
  const auto end = static_cast<std::int64_t>(words.size());
  for (std::int64_t place = 0; place < end; ++place) {
    const std::int32_t* const behind = words.data() + place + 1;
    const std::int32_t word = behind[-1];
    if (word < 0) {
      continue;
    }
    std::uint32_t low = table.first_words[word];
    std::uint32_t high = table.first_words[static_cast<std::int64_t>(word) + 1];
    for (std::int64_t rest = 0; low < high; ++rest) {
      const std::int64_t left_length = table.left_starts[static_cast<std::int64_t>(low) + 1] -
                                       static_cast<std::int64_t>(table.left_starts[low]);
      // All phrases in the range begin with what was read so far; the shortest stands first.
      if (left_length == rest) {
        phrases_.push_back(
            {static_cast<std::int32_t>(place), static_cast<std::int32_t>(rest + 1), 0});
        lefts->push_back(low);
      }
      if (place + rest + 1 >= end || behind[rest] < 0) {
        break;
      }
      const auto less = [&](std::uint32_t left, int wanted) {
        return compare_rest(table, left, behind, rest + 1) < wanted;
      };
      // Binary search for the first phrase not below (then: above) the longer beginning.
      for (const int wanted : {0, 1}) {
        std::uint32_t from = low;
        std::uint32_t to = high;
        while (from < to) {
          const std::uint32_t middle = from + (to - from) / 2;
          if (less(middle, wanted)) {
            from = middle + 1;
          } else {
            to = middle;
          }
        }
        (wanted == 0 ? low : high) = from;
      }
    }
  }
}

void PhraseBook::copy_entries(const ParaphraseArrays& table, std::uint32_t left,
                              const std::vector<std::int32_t>& word_of) {
  const std::int64_t start = table.entry_starts[left];
  const std::int64_t count = table.entry_counts[left];
  std::int64_t place = table.right_starts[left];
  for (std::int64_t entry = start; entry < start + count; ++entry) {
    const std::int32_t length = table.right_lengths[entry];
    if (length == 0) {  // searches begin with an entry's first word
      throw std::out_of_range("entry " + std::to_string(entry) + " without words");
    }
    const std::size_t kept = entries_.size();
    entries_.push_back(length);
    for (std::int32_t k = 0; k < length; ++k) {
      const std::uint16_t word = table.right_words[place + k];
      const std::int32_t number = word < word_of.size() ? word_of[word] : -1;
      if (number < 0) {
        entries_.resize(kept);
        break;
      }
      entries_.push_back(number);
    }
    place += length;
  }
}

}  // namespace seqnative
