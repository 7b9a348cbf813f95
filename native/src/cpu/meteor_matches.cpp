#include "seqnative/meteor_matches.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace seqnative::meteor {

namespace {

constexpr std::size_t kMaxCandidates = 1000000;

std::string with_commas(std::size_t number) {
  std::string digits = std::to_string(number);
  for (std::ptrdiff_t k = static_cast<std::ptrdiff_t>(digits.size()) - 3; k > 0; k -= 3) {
    digits.insert(static_cast<std::size_t>(k), ",");
  }
  return digits;
}

std::string with_commas(std::int32_t number) {
  return with_commas(static_cast<std::size_t>(number));
}

// Calls use(phrase, start, length) wherever the target has a paraphrase of a phrase of the source.
template <typename Use>
void for_each_paraphrase(const PhraseBook& phrases, const Sentence& source, const Sentence& target,
                         const PlaceIndex& places, Use use) {
  const PhraseInSentence* const end = phrases.end(source.number);
  for (const PhraseInSentence* phrase = phrases.begin(source.number); phrase != end; ++phrase) {
    phrases.for_each(phrase->row, [&](const std::int32_t* words, std::int32_t length) {
      for (std::int32_t start = places.first(words[0]); start != kNone;
           start = places.next(start)) {
        if (start + length <= target.size &&
            std::equal(words, words + length, target.words + start)) {
          use(*phrase, start, length);
        }
      }
    });
  }
}

}  // namespace

MatchFinder::MatchFinder(const SentenceArrays& sentences, const PhraseBook& phrases)
    : sentences_(sentences), phrases_(phrases) {
  const auto vocabulary = static_cast<std::size_t>(sentences.table_words.size);
  hypothesis_words_.resize(vocabulary);
  reference_words_.resize(vocabulary);
  hypothesis_stems_.resize(vocabulary);
  signatures_.resize(vocabulary);
  for (std::size_t word = 0; word < vocabulary; ++word) {
    const std::int64_t row = static_cast<std::int64_t>(word);
    for (std::int64_t k = sentences.synset_starts[row]; k < sentences.synset_starts[row + 1]; ++k) {
      const auto synset = static_cast<std::uint32_t>(sentences.synsets[k]);
      signatures_[word] |= std::uint64_t{1} << ((synset * 2654435761U) >> 26);
    }
  }
}

const Matches& MatchFinder::find(std::int64_t hypothesis, std::int64_t reference) {
  set_hypothesis(hypothesis);
  matches_.reference = sentence(reference);
  propose();
  order_by_place();
  fix_matches();
  return matches_;
}

Sentence MatchFinder::sentence(std::int64_t number) const {
  const std::int64_t start = sentences_.starts[number];
  return {number, sentences_.words.data + start,
          static_cast<std::int32_t>(sentences_.starts[number + 1] - start)};
}

// Pairs often come in the order of their hypotheses, so its places are kept.
void MatchFinder::set_hypothesis(std::int64_t number) {
  if (number == matches_.hypothesis.number) {
    return;
  }
  hypothesis_words_.clear(matches_.hypothesis.words, matches_.hypothesis.size);
  hypothesis_stems_.clear(stems_.data(), static_cast<std::int32_t>(stems_.size()));
  matches_.hypothesis = sentence(number);
  stems_.resize(static_cast<std::size_t>(matches_.hypothesis.size));
  for (std::size_t place = 0; place < stems_.size(); ++place) {
    stems_[place] = sentences_.stems.data[matches_.hypothesis.words[place]];
  }
  hypothesis_words_.build(matches_.hypothesis.words, matches_.hypothesis.size);
  hypothesis_stems_.build(stems_.data(), matches_.hypothesis.size);
}

void MatchFinder::propose() {
  const Sentence& hypothesis = matches_.hypothesis;
  const Sentence& reference = matches_.reference;
  proposals_.clear();
  propose_exact();
  const bool equal =
      hypothesis.size == reference.size &&
      std::equal(hypothesis.words, hypothesis.words + hypothesis.size, reference.words);
  if (equal) {  // the exact matcher alone decides
    return;
  }
  propose_stems();
  propose_synonyms();
  propose_paraphrases();
}

void MatchFinder::add(Module module, std::int32_t start, std::int32_t length,
                      std::int32_t reference_start, std::int32_t reference_length) {
  if (proposals_.size() >= kMaxCandidates) {
    throw std::invalid_argument("captions of " + with_commas(matches_.hypothesis.size) + " and " +
                                with_commas(matches_.reference.size) + " words have more than " +
                                with_commas(kMaxCandidates) +
                                " possible word matches: too long for METEOR to align");
  }
  proposals_.push_back({module, start, length, reference_start, reference_length});
}

void MatchFinder::propose_exact() {
  const Sentence& reference = matches_.reference;
  for (std::int32_t place = 0; place < reference.size; ++place) {
    for (std::int32_t start = hypothesis_words_.first(reference.words[place]); start != kNone;
         start = hypothesis_words_.next(start)) {
      add(kExact, start, 1, place, 1);
    }
  }
}

void MatchFinder::propose_stems() {
  const Sentence& hypothesis = matches_.hypothesis;
  const Sentence& reference = matches_.reference;
  for (std::int32_t place = 0; place < reference.size; ++place) {
    const std::int32_t word = reference.words[place];
    for (std::int32_t start = hypothesis_stems_.first(sentences_.stems.data[word]); start != kNone;
         start = hypothesis_stems_.next(start)) {
      if (hypothesis.words[start] != word) {
        add(kStem, start, 1, place, 1);
      }
    }
  }
}

void MatchFinder::propose_synonyms() {
  const Sentence& hypothesis = matches_.hypothesis;
  const Sentence& reference = matches_.reference;
  for (std::int32_t place = 0; place < reference.size; ++place) {
    const std::int32_t word = reference.words[place];
    const std::uint64_t signature = signatures_[static_cast<std::size_t>(word)];
    if (signature == 0) {
      continue;
    }
    for (std::int32_t start = 0; start < hypothesis.size; ++start) {
      const std::int32_t other = hypothesis.words[start];
      if ((signature & signatures_[static_cast<std::size_t>(other)]) != 0 && other != word &&
          share_synset(word, other)) {
        add(kSynonym, start, 1, place, 1);
      }
    }
  }
}

bool MatchFinder::share_synset(std::int32_t a, std::int32_t b) const {
  const std::int64_t* starts = sentences_.synset_starts.data;
  const std::int32_t* synsets = sentences_.synsets.data;
  std::int64_t i = starts[a];
  std::int64_t j = starts[b];
  while (i < starts[a + 1] && j < starts[b + 1]) {
    if (synsets[i] == synsets[j]) {
      return true;
    }
    ++(synsets[i] < synsets[j] ? i : j);
  }
  return false;
}

// Phrases of the reference with paraphrases in the hypothesis, then the other way round.
void MatchFinder::propose_paraphrases() {
  const Sentence& hypothesis = matches_.hypothesis;
  const Sentence& reference = matches_.reference;
  for_each_paraphrase(
      phrases_, reference, hypothesis, hypothesis_words_,
      [this](const PhraseInSentence& phrase, std::int32_t start, std::int32_t length) {
        add(kParaphrase, start, length, phrase.place, phrase.length);
      });
  if (phrases_.begin(hypothesis.number) == phrases_.end(hypothesis.number)) {
    return;
  }
  reference_words_.build(reference.words, reference.size);
  for_each_paraphrase(
      phrases_, hypothesis, reference, reference_words_,
      [this](const PhraseInSentence& phrase, std::int32_t place, std::int32_t length) {
        add(kParaphrase, phrase.place, phrase.length, place, length);
      });
  reference_words_.clear(reference.words, reference.size);
}

// Candidates by their place in the reference, in the order of the matchers at each.
void MatchFinder::order_by_place() {
  std::vector<std::size_t>& offsets = matches_.offsets;
  offsets.assign(static_cast<std::size_t>(matches_.reference.size) + 1, 0);
  for (const Candidate& proposal : proposals_) {
    ++offsets[static_cast<std::size_t>(proposal.reference_start) + 1];
  }
  for (std::size_t place = 1; place < offsets.size(); ++place) {
    offsets[place] += offsets[place - 1];
  }
  fill_ = offsets;
  matches_.candidates.resize(proposals_.size());
  for (const Candidate& proposal : proposals_) {
    matches_.candidates[fill_[static_cast<std::size_t>(proposal.reference_start)]++] = proposal;
  }
}

// Matches without a rival: alone at their place, and no other covers any of their words.
void MatchFinder::fix_matches() {
  const std::vector<std::size_t>& offsets = matches_.offsets;
  covered_.assign(static_cast<std::size_t>(matches_.hypothesis.size), 0);
  covered_reference_.assign(static_cast<std::size_t>(matches_.reference.size), 0);
  for (const Candidate& candidate : matches_.candidates) {
    for (std::int32_t k = 0; k < candidate.length; ++k) {
      ++covered_[static_cast<std::size_t>(candidate.start + k)];
    }
    for (std::int32_t k = 0; k < candidate.reference_length; ++k) {
      ++covered_reference_[static_cast<std::size_t>(candidate.reference_start + k)];
    }
  }
  matches_.fixed.assign(static_cast<std::size_t>(matches_.reference.size), false);
  for (std::size_t place = 0; place < matches_.fixed.size(); ++place) {
    matches_.fixed[place] = offsets[place + 1] - offsets[place] == 1 &&
                            has_no_rival(matches_.candidates[offsets[place]]);
  }
}

bool MatchFinder::has_no_rival(const Candidate& candidate) const {
  for (std::int32_t k = 0; k < candidate.length; ++k) {
    if (covered_[static_cast<std::size_t>(candidate.start + k)] != 1) {
      return false;
    }
  }
  for (std::int32_t k = 0; k < candidate.reference_length; ++k) {
    if (covered_reference_[static_cast<std::size_t>(candidate.reference_start + k)] != 1) {
      return false;
    }
  }
  return true;
}

}  // namespace seqnative::meteor
