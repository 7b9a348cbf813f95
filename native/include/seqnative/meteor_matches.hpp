// Which words of two captions may be matched: METEOR's four matchers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "seqnative/meteor.hpp"
#include "seqnative/meteor_phrases.hpp"
#include "seqnative/place_index.hpp"

namespace seqnative::meteor {

constexpr std::int32_t kNone = -1;

enum Module : std::int32_t { kExact, kStem, kSynonym, kParaphrase };

struct Candidate {
  std::int32_t module;
  std::int32_t start;
  std::int32_t length;
  std::int32_t reference_start;
  std::int32_t reference_length;

  // Length times weight (1 or 0.5), added to an integer: see Candidate.counted in Python.
  std::int64_t counted() const {
    return module == kExact ? length + reference_length : length / 2 + reference_length / 2;
  }
};

struct Sentence {
  std::int64_t number = kNone;
  const std::int32_t* words = nullptr;
  std::int32_t size = 0;
};

// A pair of captions and what may be matched in it.
struct Matches {
  Sentence hypothesis;
  Sentence reference;
  std::vector<Candidate> candidates;  // by their place in the reference
  std::vector<std::size_t> offsets;   // place k has candidates [offsets[k], offsets[k + 1])
  std::vector<bool> fixed;            // places whose one candidate has no rival
};

// Takes one pair after another; its buffers are used again.
class MatchFinder {
 public:
  // Keeps references to both.
  MatchFinder(const SentenceArrays& sentences, const PhraseBook& phrases);

  // What it returns holds until the next call. Throws std::invalid_argument for a pair with too
  // many matches to align.
  const Matches& find(std::int64_t hypothesis, std::int64_t reference);

 private:
  Sentence sentence(std::int64_t number) const;
  void set_hypothesis(std::int64_t number);
  void propose();
  void add(Module module, std::int32_t start, std::int32_t length, std::int32_t reference_start,
           std::int32_t reference_length);
  void propose_exact();
  void propose_stems();
  void propose_synonyms();
  bool share_synset(std::int32_t a, std::int32_t b) const;
  void propose_paraphrases();
  void order_by_place();
  void fix_matches();
  bool has_no_rival(const Candidate& candidate) const;

  const SentenceArrays& sentences_;
  const PhraseBook& phrases_;
  std::vector<std::uint64_t> signatures_;  // a word's synonym sets as a few bits
  std::vector<std::int32_t> stems_;        // of the hypothesis
  PlaceIndex hypothesis_words_;
  PlaceIndex hypothesis_stems_;
  PlaceIndex reference_words_;
  std::vector<Candidate> proposals_;
  std::vector<std::size_t> fill_;
  std::vector<std::int32_t> covered_;
  std::vector<std::int32_t> covered_reference_;
  Matches matches_;
};

}  // namespace seqnative::meteor
