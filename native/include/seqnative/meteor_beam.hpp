// METEOR's beam search for the alignment of a pair of captions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "seqnative/meteor_matches.hpp"

namespace seqnative::meteor {

constexpr std::size_t kBeam = 40;

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

  bool better_than(const Path& other) const;
};

struct Link {
  std::int32_t candidate;
  std::int32_t before;
};

// Bit sets of the words taken, one of both captions for each path.
class UsedWords {
 public:
  void reset(std::int32_t hypothesis_size, std::int32_t reference_size);
  void take(std::size_t path, const Candidate& candidate);
  bool is_free(std::size_t path, const Candidate& candidate) const;
  // Rows of the next step: each path has what its parent has and its candidate.
  void advance(const std::vector<Path>& paths, const std::vector<Candidate>& candidates);

 private:
  void mark(std::uint64_t* row, const Candidate& candidate) const;

  std::size_t reference_offset_ = 0;
  std::size_t width_ = 0;
  std::vector<std::uint64_t> bits_;
  std::vector<std::uint64_t> next_;
};

// Searches one pair after another; its buffers are used again.
class BeamSearch {
 public:
  // The numbers of the candidates of the best alignment, the last in the reference first. What it
  // returns holds until the next call.
  const std::vector<std::int32_t>& search(const Matches& matches);

 private:
  void step(const Matches& matches, std::int32_t place);
  void branch(const Matches& matches, Path* path, std::size_t number, std::size_t row);
  void link_candidates();
  void unroll(const Path& best);

  UsedWords used_;
  std::vector<Path> paths_;
  std::vector<Path> grown_;
  std::vector<Link> links_;
  std::vector<std::int32_t> chosen_;
};

}  // namespace seqnative::meteor
