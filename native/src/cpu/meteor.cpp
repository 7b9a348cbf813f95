#include "seqnative/meteor.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "seqnative/meteor_beam.hpp"
#include "seqnative/meteor_matches.hpp"
#include "seqnative/meteor_phrases.hpp"

namespace seqnative {

namespace {

using meteor::Candidate;
using meteor::Matches;

std::int64_t function_words(const SentenceArrays& sentences, const meteor::Sentence& sentence,
                            std::int32_t start, std::int32_t length) {
  std::int64_t number = 0;
  for (std::int32_t k = start; k < start + length; ++k) {
    number += sentences.is_function.data[sentence.words[k]];
  }
  return number;
}

// Matches come last first; `after` is the one behind.
const Candidate* count_match(const SentenceArrays& sentences, const Matches& matches,
                             const Candidate& match, const Candidate* after, std::int64_t* counts) {
  const std::int64_t first = 4 + 4 * static_cast<std::int64_t>(match.module);
  const std::int64_t functions =
      function_words(sentences, matches.hypothesis, match.start, match.length);
  const std::int64_t reference_functions =
      function_words(sentences, matches.reference, match.reference_start, match.reference_length);
  counts[first] += match.length - functions;
  counts[first + 1] += match.reference_length - reference_functions;
  counts[first + 2] += functions;
  counts[first + 3] += reference_functions;
  counts[kChunks] += after == nullptr || after->start != match.start + match.length ||
                     after->reference_start != match.reference_start + match.reference_length;
  counts[kHypothesisMatched] += match.length;
  counts[kReferenceMatched] += match.reference_length;
  return &match;
}

// The statistics of one alignment: `chosen` are numbers of candidates, the last one first.
void count(const SentenceArrays& sentences, const Matches& matches,
           const std::vector<std::int32_t>& chosen, std::int64_t* counts) {
  std::fill(counts, counts + kMeteorStatistics, 0);
  counts[0] = matches.hypothesis.size;
  counts[1] = matches.reference.size;
  counts[2] = function_words(sentences, matches.hypothesis, 0, matches.hypothesis.size);
  counts[3] = function_words(sentences, matches.reference, 0, matches.reference.size);
  const Candidate* after = nullptr;
  for (const std::int32_t number : chosen) {
    after = count_match(sentences, matches, matches.candidates[static_cast<std::size_t>(number)],
                        after, counts);
  }
}

void check_sentences(const SentenceArrays& sentences) {
  const std::int64_t vocabulary = sentences.table_words.size;
  const auto expect = [](bool holds, const char* what) {
    if (!holds) {
      throw std::invalid_argument(what);
    }
  };
  expect(sentences.stems.size == vocabulary && sentences.is_function.size == vocabulary &&
             sentences.synset_starts.size == vocabulary + 1,
         "stems, table_words, is_function and synset_starts must have a row for each word");
  expect(sentences.starts.size > 0 && sentences.starts[0] == 0 &&
             sentences.starts[sentences.starts.size - 1] == sentences.words.size,
         "starts must go from 0 to the number of words");
  expect(sentences.synset_starts[0] == 0 &&
             sentences.synset_starts[vocabulary] == sentences.synsets.size,
         "synset_starts must go from 0 to the number of synsets");
  for (const ArrayView<std::int64_t>& starts : {sentences.starts, sentences.synset_starts}) {
    expect(std::is_sorted(starts.data, starts.data + starts.size), "starts must rise");
  }
  const auto in_vocabulary = [&](const ArrayView<std::int32_t>& values) {
    return std::all_of(values.data, values.data + values.size,
                       [&](std::int32_t value) { return value >= 0 && value < vocabulary; });
  };
  expect(in_vocabulary(sentences.words) && in_vocabulary(sentences.stems),
         "words and stems must be numbers of words");
}

}  // namespace

void MeteorAligner::statistics(const SentenceArrays& sentences, const std::int64_t* hypotheses,
                               const std::int64_t* references, std::int64_t num_pairs,
                               std::int64_t* output) const {
  check_sentences(sentences);
  const std::int64_t num_sentences = sentences.starts.size - 1;
  for (std::int64_t pair = 0; pair < num_pairs; ++pair) {
    for (const std::int64_t number : {hypotheses[pair], references[pair]}) {
      if (number < 0 || number >= num_sentences) {
        throw std::out_of_range("pair " + std::to_string(pair) + " names sentence " +
                                std::to_string(number) + " of " + std::to_string(num_sentences));
      }
    }
  }
  const PhraseBook phrases(paraphrases_, sentences);
  meteor::MatchFinder finder(sentences, phrases);
  meteor::BeamSearch beam;
  for (std::int64_t pair = 0; pair < num_pairs; ++pair) {
    const Matches& matches = finder.find(hypotheses[pair], references[pair]);
    count(sentences, matches, beam.search(matches), output + pair * kMeteorStatistics);
  }
}

}  // namespace seqnative
