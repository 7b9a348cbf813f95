#include "seqnative/meteor.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>

#include "seqnative/meteor_phrases.hpp"
#include "seqnative/place_index.hpp"

namespace seqnative {

namespace {

constexpr std::size_t kBeam = 40;
constexpr std::size_t kMaxCandidates = 1000000;
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

struct Path {
  std::int64_t matches;
  std::int64_t chunks;
  std::int64_t distance;
  std::int32_t place;
  std::int32_t open_start;  // kNone: no chunk is open
  std::int32_t open_reference;
  std::int32_t parent;  // of the places used: a path of the step before
  std::int32_t candidate;
  std::int32_t chosen;  // the newest link of the chain of chosen candidates

  bool better_than(const Path& other) const {
    if (matches != other.matches) {
      return matches > other.matches;
    }
    if (chunks != other.chunks) {
      return chunks < other.chunks;
    }
    return distance < other.distance;
  }
};

struct Link {
  std::int32_t candidate;
  std::int32_t before;
};

// Keeps the kBeam best, in order; equals stay in the order in which they were made.
void sort_paths(std::vector<Path>* paths) {
  // Paths come nearly sorted from the step before, which insertion sort likes; a place with very
  // many candidates is another matter.
  if (paths->size() > 4 * kBeam) {
    std::stable_sort(paths->begin(), paths->end(),
                     [](const Path& a, const Path& b) { return a.better_than(b); });
  } else {
    for (std::size_t k = 1; k < paths->size(); ++k) {
      if (!(*paths)[k].better_than((*paths)[k - 1])) {
        continue;
      }
      const Path path = (*paths)[k];
      std::size_t hole = k;
      while (hole > 0 && path.better_than((*paths)[hole - 1])) {
        (*paths)[hole] = (*paths)[hole - 1];
        --hole;
      }
      (*paths)[hole] = path;
    }
  }
  if (paths->size() > kBeam) {
    paths->resize(kBeam);
  }
}

// Bit sets of the words taken, one of both captions for each path.
class UsedWords {
 public:
  void reset(std::int32_t hypothesis_size, std::int32_t reference_size) {
    reference_offset_ = static_cast<std::size_t>(hypothesis_size);
    width_ = (reference_offset_ + static_cast<std::size_t>(reference_size) + 63) / 64;
    bits_.assign(width_ * kBeam, 0);
    next_.assign(width_ * kBeam, 0);
  }

  void take(std::size_t path, const Candidate& candidate) {
    mark(bits_.data() + path * width_, candidate);
  }

  bool is_free(std::size_t path, const Candidate& candidate) const {
    const std::uint64_t* row = bits_.data() + path * width_;
    return none(row, static_cast<std::size_t>(candidate.start), candidate.length) &&
           none(row, reference_offset_ + static_cast<std::size_t>(candidate.reference_start),
                candidate.reference_length);
  }

  // Rows of the next step: each path has what its parent has and its candidate.
  void advance(const std::vector<Path>& paths, const std::vector<Candidate>& candidates) {
    for (std::size_t k = 0; k < paths.size(); ++k) {
      const std::uint64_t* parent =
          bits_.data() + static_cast<std::size_t>(paths[k].parent) * width_;
      std::uint64_t* row = next_.data() + k * width_;
      std::copy(parent, parent + width_, row);
      if (paths[k].candidate != kNone) {
        mark(row, candidates[static_cast<std::size_t>(paths[k].candidate)]);
      }
    }
    bits_.swap(next_);
  }

 private:
  static bool none(const std::uint64_t* row, std::size_t start, std::int32_t length) {
    for (std::size_t bit = start; bit < start + static_cast<std::size_t>(length); ++bit) {
      if ((row[bit / 64] >> (bit % 64)) & 1) {
        return false;
      }
    }
    return true;
  }

  static void set(std::uint64_t* row, std::size_t start, std::int32_t length) {
    for (std::size_t bit = start; bit < start + static_cast<std::size_t>(length); ++bit) {
      row[bit / 64] |= std::uint64_t{1} << (bit % 64);
    }
  }

  void mark(std::uint64_t* row, const Candidate& candidate) const {
    set(row, static_cast<std::size_t>(candidate.start), candidate.length);
    set(row, reference_offset_ + static_cast<std::size_t>(candidate.reference_start),
        candidate.reference_length);
  }

  std::size_t reference_offset_ = 0;
  std::size_t width_ = 0;
  std::vector<std::uint64_t> bits_;
  std::vector<std::uint64_t> next_;
};

// Aligns one pair after another; its buffers are used again.
class PairAligner {
 public:
  PairAligner(const SentenceArrays& sentences, const PhraseBook& phrases)
      : sentences_(sentences), phrases_(phrases) {
    const auto vocabulary = static_cast<std::size_t>(sentences.table_words.size);
    hypothesis_words_.resize(vocabulary);
    reference_words_.resize(vocabulary);
    hypothesis_stems_.resize(vocabulary);
    signatures_.resize(vocabulary);
    for (std::size_t word = 0; word < vocabulary; ++word) {
      const std::int64_t row = static_cast<std::int64_t>(word);
      for (std::int64_t k = sentences.synset_starts[row]; k < sentences.synset_starts[row + 1];
           ++k) {
        const auto synset = static_cast<std::uint32_t>(sentences.synsets[k]);
        signatures_[word] |= std::uint64_t{1} << ((synset * 2654435761U) >> 26);
      }
    }
  }

  void statistics(std::int64_t hypothesis, std::int64_t reference, std::int64_t* counts) {
    set_hypothesis(hypothesis);
    reference_ = sentence(reference);
    propose();
    order_by_place();
    fix_matches();
    search();
    count(counts);
  }

 private:
  Sentence sentence(std::int64_t number) const {
    const std::int64_t start = sentences_.starts[number];
    return {number, sentences_.words.data + start,
            static_cast<std::int32_t>(sentences_.starts[number + 1] - start)};
  }

  // Pairs often come in the order of their hypotheses, so its places are kept.
  void set_hypothesis(std::int64_t number) {
    if (number == hypothesis_.number) {
      return;
    }
    hypothesis_words_.clear(hypothesis_.words, hypothesis_.size);
    hypothesis_stems_.clear(stems_.data(), static_cast<std::int32_t>(stems_.size()));
    hypothesis_ = sentence(number);
    stems_.resize(static_cast<std::size_t>(hypothesis_.size));
    for (std::size_t place = 0; place < stems_.size(); ++place) {
      stems_[place] = sentences_.stems.data[hypothesis_.words[place]];
    }
    hypothesis_words_.build(hypothesis_.words, hypothesis_.size);
    hypothesis_stems_.build(stems_.data(), hypothesis_.size);
  }

  void propose() {
    proposals_.clear();
    propose_exact();
    const bool equal =
        hypothesis_.size == reference_.size &&
        std::equal(hypothesis_.words, hypothesis_.words + hypothesis_.size, reference_.words);
    if (equal) {  // the exact matcher alone decides
      return;
    }
    propose_stems();
    propose_synonyms();
    propose_paraphrases();
  }

  void add(Module module, std::int32_t start, std::int32_t length, std::int32_t reference_start,
           std::int32_t reference_length) {
    if (proposals_.size() >= kMaxCandidates) {
      throw std::invalid_argument("captions of " + with_commas(hypothesis_.size) + " and " +
                                  with_commas(reference_.size) + " words have more than " +
                                  with_commas(kMaxCandidates) +
                                  " possible word matches: too long for METEOR to align");
    }
    proposals_.push_back({module, start, length, reference_start, reference_length});
  }

  static std::string with_commas(std::size_t number) {
    std::string digits = std::to_string(number);
    for (std::ptrdiff_t k = static_cast<std::ptrdiff_t>(digits.size()) - 3; k > 0; k -= 3) {
      digits.insert(static_cast<std::size_t>(k), ",");
    }
    return digits;
  }
  static std::string with_commas(std::int32_t number) {
    return with_commas(static_cast<std::size_t>(number));
  }

  void propose_exact() {
    for (std::int32_t place = 0; place < reference_.size; ++place) {
      for (std::int32_t start = hypothesis_words_.first(reference_.words[place]); start != kNone;
           start = hypothesis_words_.next(start)) {
        add(kExact, start, 1, place, 1);
      }
    }
  }

  void propose_stems() {
    for (std::int32_t place = 0; place < reference_.size; ++place) {
      const std::int32_t word = reference_.words[place];
      for (std::int32_t start = hypothesis_stems_.first(sentences_.stems.data[word]);
           start != kNone; start = hypothesis_stems_.next(start)) {
        if (hypothesis_.words[start] != word) {
          add(kStem, start, 1, place, 1);
        }
      }
    }
  }

  void propose_synonyms() {
    for (std::int32_t place = 0; place < reference_.size; ++place) {
      const std::int32_t word = reference_.words[place];
      const std::uint64_t signature = signatures_[static_cast<std::size_t>(word)];
      if (signature == 0) {
        continue;
      }
      for (std::int32_t start = 0; start < hypothesis_.size; ++start) {
        const std::int32_t other = hypothesis_.words[start];
        if ((signature & signatures_[static_cast<std::size_t>(other)]) != 0 && other != word &&
            share_synset(word, other)) {
          add(kSynonym, start, 1, place, 1);
        }
      }
    }
  }

  bool share_synset(std::int32_t a, std::int32_t b) const {
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
  void propose_paraphrases() {
    for_each_paraphrase(
        reference_, hypothesis_, hypothesis_words_,
        [this](const PhraseInSentence& phrase, std::int32_t start, std::int32_t length) {
          add(kParaphrase, start, length, phrase.place, phrase.length);
        });
    if (phrases_.begin(hypothesis_.number) == phrases_.end(hypothesis_.number)) {
      return;
    }
    reference_words_.build(reference_.words, reference_.size);
    for_each_paraphrase(
        hypothesis_, reference_, reference_words_,
        [this](const PhraseInSentence& phrase, std::int32_t place, std::int32_t length) {
          add(kParaphrase, phrase.place, phrase.length, place, length);
        });
    reference_words_.clear(reference_.words, reference_.size);
  }

  template <typename Use>
  void for_each_paraphrase(const Sentence& source, const Sentence& target, const PlaceIndex& places,
                           Use use) {
    const PhraseInSentence* const end = phrases_.end(source.number);
    for (const PhraseInSentence* phrase = phrases_.begin(source.number); phrase != end; ++phrase) {
      phrases_.for_each(phrase->row, [&](const std::int32_t* words, std::int32_t length) {
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

  // Candidates by their place in the reference, in the order of the matchers at each.
  void order_by_place() {
    offsets_.assign(static_cast<std::size_t>(reference_.size) + 1, 0);
    for (const Candidate& proposal : proposals_) {
      ++offsets_[static_cast<std::size_t>(proposal.reference_start) + 1];
    }
    for (std::size_t place = 1; place < offsets_.size(); ++place) {
      offsets_[place] += offsets_[place - 1];
    }
    fill_ = offsets_;
    candidates_.resize(proposals_.size());
    for (const Candidate& proposal : proposals_) {
      candidates_[fill_[static_cast<std::size_t>(proposal.reference_start)]++] = proposal;
    }
  }

  // Matches without a rival: alone at their place, and no other covers any of their words.
  void fix_matches() {
    covered_.assign(static_cast<std::size_t>(hypothesis_.size), 0);
    covered_reference_.assign(static_cast<std::size_t>(reference_.size), 0);
    for (const Candidate& candidate : candidates_) {
      for (std::int32_t k = 0; k < candidate.length; ++k) {
        ++covered_[static_cast<std::size_t>(candidate.start + k)];
      }
      for (std::int32_t k = 0; k < candidate.reference_length; ++k) {
        ++covered_reference_[static_cast<std::size_t>(candidate.reference_start + k)];
      }
    }
    fixed_.assign(static_cast<std::size_t>(reference_.size), false);
    for (std::size_t place = 0; place < fixed_.size(); ++place) {
      fixed_[place] =
          offsets_[place + 1] - offsets_[place] == 1 && has_no_rival(candidates_[offsets_[place]]);
    }
  }

  bool has_no_rival(const Candidate& candidate) const {
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

  void search() {
    links_.clear();
    used_.reset(hypothesis_.size, reference_.size);
    for (std::size_t place = 0; place < fixed_.size(); ++place) {
      if (fixed_[place]) {
        used_.take(0, candidates_[offsets_[place]]);
      }
    }
    paths_.assign(1, {0, 0, 0, 0, kNone, kNone, 0, kNone, kNone});
    for (std::int32_t place = 0; place < reference_.size; ++place) {
      step(place);
    }
    // Ranked once more with their last chunks open, then closed: that decides between equals.
    sort_paths(&paths_);
    for (Path& path : paths_) {
      path.chunks += path.open_start != kNone;
    }
    best_ = *std::min_element(paths_.begin(), paths_.end(),
                              [](const Path& a, const Path& b) { return a.better_than(b); });
  }

  void step(std::int32_t place) {
    sort_paths(&paths_);
    if (place > 0) {
      used_.advance(paths_, candidates_);
      link_candidates();
    }
    grown_.clear();
    const auto row = static_cast<std::size_t>(place);
    for (std::size_t k = 0; k < paths_.size(); ++k) {
      Path& path = paths_[k];
      path.parent = static_cast<std::int32_t>(k);
      path.candidate = kNone;
      if (path.place > place) {
        grown_.push_back(path);
      } else if (fixed_[row]) {
        grown_.push_back(with_match(path, offsets_[row]));
        grown_.back().distance += distance_of(candidates_[offsets_[row]]);
      } else {
        branch(&path, k, row);
      }
    }
    paths_.swap(grown_);
  }

  // The path with each match that is free, and without one. The distance of a new match is added
  // to the path it was made from, after the copy, as in the original.
  void branch(Path* path, std::size_t number, std::size_t row) {
    for (std::size_t k = offsets_[row]; k < offsets_[row + 1]; ++k) {
      if (used_.is_free(number, candidates_[k])) {
        grown_.push_back(with_match(*path, k));
        path->distance += distance_of(candidates_[k]);
      }
    }
    Path without = *path;
    without.chunks += path->open_start != kNone;
    without.open_start = kNone;
    ++without.place;
    grown_.push_back(without);
  }

  Path with_match(const Path& path, std::size_t number) const {
    const Candidate& candidate = candidates_[number];
    Path grown = path;
    grown.matches += candidate.counted();
    grown.chunks += path.open_start != kNone && (path.open_start != candidate.start ||
                                                 path.open_reference != candidate.reference_start);
    grown.place = candidate.reference_start + candidate.reference_length;
    grown.open_start = candidate.start + candidate.length;
    grown.open_reference = grown.place;
    grown.candidate = static_cast<std::int32_t>(number);
    return grown;
  }

  static std::int64_t distance_of(const Candidate& candidate) {
    return std::abs(candidate.reference_start - candidate.start);
  }

  void link_candidates() {
    for (Path& path : paths_) {
      if (path.candidate != kNone) {
        links_.push_back({path.candidate, path.chosen});
        path.chosen = static_cast<std::int32_t>(links_.size()) - 1;
      }
    }
  }

  void count(std::int64_t* counts) const {
    std::fill(counts, counts + kMeteorStatistics, 0);
    counts[0] = hypothesis_.size;
    counts[1] = reference_.size;
    counts[2] = function_words(hypothesis_, 0, hypothesis_.size);
    counts[3] = function_words(reference_, 0, reference_.size);
    const Candidate* after = nullptr;
    if (best_.candidate != kNone) {
      after = count_match(candidates_[static_cast<std::size_t>(best_.candidate)], after, counts);
    }
    for (std::int32_t link = best_.chosen; link != kNone;
         link = links_[static_cast<std::size_t>(link)].before) {
      const auto number =
          static_cast<std::size_t>(links_[static_cast<std::size_t>(link)].candidate);
      after = count_match(candidates_[number], after, counts);
    }
  }

  // Matches come last first; `after` is the one behind.
  const Candidate* count_match(const Candidate& match, const Candidate* after,
                               std::int64_t* counts) const {
    const std::int64_t first = 4 + 4 * static_cast<std::int64_t>(match.module);
    const std::int64_t functions = function_words(hypothesis_, match.start, match.length);
    const std::int64_t reference_functions =
        function_words(reference_, match.reference_start, match.reference_length);
    counts[first] += match.length - functions;
    counts[first + 1] += match.reference_length - reference_functions;
    counts[first + 2] += functions;
    counts[first + 3] += reference_functions;
    counts[20] += after == nullptr || after->start != match.start + match.length ||
                  after->reference_start != match.reference_start + match.reference_length;
    counts[21] += match.length;
    counts[22] += match.reference_length;
    return &match;
  }

  std::int64_t function_words(const Sentence& sentence, std::int32_t start,
                              std::int32_t length) const {
    std::int64_t number = 0;
    for (std::int32_t k = start; k < start + length; ++k) {
      number += sentences_.is_function.data[sentence.words[k]];
    }
    return number;
  }

  const SentenceArrays& sentences_;
  const PhraseBook& phrases_;
  std::vector<std::uint64_t> signatures_;  // a word's synonym sets as a few bits
  Sentence hypothesis_;
  Sentence reference_;
  std::vector<std::int32_t> stems_;
  PlaceIndex hypothesis_words_;
  PlaceIndex hypothesis_stems_;
  PlaceIndex reference_words_;
  std::vector<Candidate> proposals_;
  std::vector<Candidate> candidates_;
  std::vector<std::size_t> offsets_;
  std::vector<std::size_t> fill_;
  std::vector<std::int32_t> covered_;
  std::vector<std::int32_t> covered_reference_;
  std::vector<bool> fixed_;
  UsedWords used_;
  std::vector<Path> paths_;
  std::vector<Path> grown_;
  std::vector<Link> links_;
  Path best_{};
};

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
  PairAligner aligner(sentences, phrases);
  for (std::int64_t pair = 0; pair < num_pairs; ++pair) {
    aligner.statistics(hypotheses[pair], references[pair], output + pair * kMeteorStatistics);
  }
}

}  // namespace seqnative
