#include "seqnative/meteor_beam.hpp"

#include <algorithm>
#include <cstdlib>

namespace seqnative::meteor {

namespace {

bool all_free(const std::uint64_t* row, std::size_t start, std::int32_t length) {
  for (std::size_t bit = start; bit < start + static_cast<std::size_t>(length); ++bit) {
    if ((row[bit / 64] >> (bit % 64)) & 1) {
      return false;
    }
  }
  return true;
}

void take_all(std::uint64_t* row, std::size_t start, std::int32_t length) {
  for (std::size_t bit = start; bit < start + static_cast<std::size_t>(length); ++bit) {
    row[bit / 64] |= std::uint64_t{1} << (bit % 64);
  }
}

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

std::int64_t distance_of(const Candidate& candidate) {
  return std::abs(candidate.reference_start - candidate.start);
}

// The path with a match; `number` is that of the candidate.
Path with_match(const Path& path, const Candidate& candidate, std::size_t number) {
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

}  // namespace

bool Path::better_than(const Path& other) const {
  if (matches != other.matches) {
    return matches > other.matches;
  }
  if (chunks != other.chunks) {
    return chunks < other.chunks;
  }
  return distance < other.distance;
}

void UsedWords::reset(std::int32_t hypothesis_size, std::int32_t reference_size) {
  reference_offset_ = static_cast<std::size_t>(hypothesis_size);
  width_ = (reference_offset_ + static_cast<std::size_t>(reference_size) + 63) / 64;
  bits_.assign(width_ * kBeam, 0);
  next_.assign(width_ * kBeam, 0);
}

void UsedWords::take(std::size_t path, const Candidate& candidate) {
  mark(bits_.data() + path * width_, candidate);
}

bool UsedWords::is_free(std::size_t path, const Candidate& candidate) const {
  const std::uint64_t* row = bits_.data() + path * width_;
  return all_free(row, static_cast<std::size_t>(candidate.start), candidate.length) &&
         all_free(row, reference_offset_ + static_cast<std::size_t>(candidate.reference_start),
                  candidate.reference_length);
}

void UsedWords::advance(const std::vector<Path>& paths, const std::vector<Candidate>& candidates) {
  for (std::size_t k = 0; k < paths.size(); ++k) {
    const std::uint64_t* parent = bits_.data() + static_cast<std::size_t>(paths[k].parent) * width_;
    std::uint64_t* row = next_.data() + k * width_;
    std::copy(parent, parent + width_, row);
    if (paths[k].candidate != kNone) {
      mark(row, candidates[static_cast<std::size_t>(paths[k].candidate)]);
    }
  }
  bits_.swap(next_);
}

void UsedWords::mark(std::uint64_t* row, const Candidate& candidate) const {
  take_all(row, static_cast<std::size_t>(candidate.start), candidate.length);
  take_all(row, reference_offset_ + static_cast<std::size_t>(candidate.reference_start),
           candidate.reference_length);
}

const std::vector<std::int32_t>& BeamSearch::search(const Matches& matches) {
  links_.clear();
  used_.reset(matches.hypothesis.size, matches.reference.size);
  for (std::size_t place = 0; place < matches.fixed.size(); ++place) {
    if (matches.fixed[place]) {
      used_.take(0, matches.candidates[matches.offsets[place]]);
    }
  }
  paths_.assign(1, {0, 0, 0, 0, kNone, kNone, 0, kNone, kNone});
  for (std::int32_t place = 0; place < matches.reference.size; ++place) {
    step(matches, place);
  }
  // Ranked once more with their last chunks open, then closed: that decides between equals.
  sort_paths(&paths_);
  for (Path& path : paths_) {
    path.chunks += path.open_start != kNone;
  }
  unroll(*std::min_element(paths_.begin(), paths_.end(),
                           [](const Path& a, const Path& b) { return a.better_than(b); }));
  return chosen_;
}

void BeamSearch::step(const Matches& matches, std::int32_t place) {
  sort_paths(&paths_);
  if (place > 0) {
    used_.advance(paths_, matches.candidates);
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
    } else if (matches.fixed[row]) {
      grown_.push_back(
          with_match(path, matches.candidates[matches.offsets[row]], matches.offsets[row]));
      grown_.back().distance += distance_of(matches.candidates[matches.offsets[row]]);
    } else {
      branch(matches, &path, k, row);
    }
  }
  paths_.swap(grown_);
}

// The path with each match that is free, and without one. The distance of a new match is added
// to the path it was made from, after the copy, as in the original.
void BeamSearch::branch(const Matches& matches, Path* path, std::size_t number, std::size_t row) {
  for (std::size_t k = matches.offsets[row]; k < matches.offsets[row + 1]; ++k) {
    if (used_.is_free(number, matches.candidates[k])) {
      grown_.push_back(with_match(*path, matches.candidates[k], k));
      path->distance += distance_of(matches.candidates[k]);
    }
  }
  Path without = *path;
  without.chunks += path->open_start != kNone;
  without.open_start = kNone;
  ++without.place;
  grown_.push_back(without);
}

void BeamSearch::link_candidates() {
  for (Path& path : paths_) {
    if (path.candidate != kNone) {
      links_.push_back({path.candidate, path.chosen});
      path.chosen = static_cast<std::int32_t>(links_.size()) - 1;
    }
  }
}

// The path's last candidate is not linked yet.
void BeamSearch::unroll(const Path& best) {
  chosen_.clear();
  if (best.candidate != kNone) {
    chosen_.push_back(best.candidate);
  }
  for (std::int32_t link = best.chosen; link != kNone;
       link = links_[static_cast<std::size_t>(link)].before) {
    chosen_.push_back(links_[static_cast<std::size_t>(link)].candidate);
  }
}

}  // namespace seqnative::meteor
