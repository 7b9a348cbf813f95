#include "seqnative/sampler.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <stdexcept>
#include <string>

#include "seqnative/philox.hpp"

namespace seqnative {
namespace {

enum Stream : std::uint32_t { kNumClips, kLabels, kClips, kRates, kJitter };

constexpr std::int64_t kMaxFrames = 65'536;
constexpr std::int64_t kMaxRelativeRate = 65'535;
constexpr std::int64_t kMaxDurationMs = (std::int64_t{1} << 28) - 1;
constexpr std::int64_t kMaxSpanTicks = (std::int64_t{1} << 32) - 1;
constexpr std::int64_t kMaxTicks = (std::int64_t{1} << 62) - 1;

using ClipSlots = std::array<std::int64_t, kMaxClips>;

std::string text(std::int64_t value) { return std::to_string(value); }

void check_range(const std::string& name, std::int64_t value, std::int64_t low, std::int64_t high) {
  if (value < low || value > high) {
    throw std::invalid_argument(name + " = " + text(value) + " must be in [" + text(low) + ", " +
                                text(high) + "]");
  }
}

void check_rows(const std::string& name, const std::int64_t* values, std::int64_t count,
                std::int64_t low, std::int64_t high) {
  for (std::int64_t row = 0; row < count; ++row) {
    if (values[row] < low || values[row] > high) {
      check_range(name + "[" + text(row) + "]", values[row], low, high);
    }
  }
}

void check_clips_fit(const SamplerSpec& spec, std::int64_t num_clips) {
  if (num_clips * spec.min_frames_per_clip > spec.num_frames) {
    throw std::invalid_argument(text(num_clips) + " clips of at least " +
                                text(spec.min_frames_per_clip) +
                                " frames do not fit into num_frames = " + text(spec.num_frames));
  }
}

void check_spec(const SamplerSpec& spec) {
  check_range("num_frames", spec.num_frames, 1, kMaxFrames);
  check_range("max_clips", spec.max_clips, 1, kMaxClips);
  check_range("min_clips", spec.min_clips, 1, spec.max_clips);
  check_range("min_frames_per_clip", spec.min_frames_per_clip, 1, kMaxFrames);
  check_range("max_relative_rate", spec.max_relative_rate, 1, kMaxRelativeRate);
  check_range("min_relative_rate", spec.min_relative_rate, 1, spec.max_relative_rate);
  check_clips_fit(spec, spec.max_clips);
}

// Times of every clip increase, and its last frame lasts. Steps between clips are no steps.
void check_pts(const ClipTableView& table, const std::vector<std::int64_t>& starts) {
  check_rows("pts", table.pts, table.num_pts, -kMaxTicks, kMaxTicks);
  check_rows("pts_ends", table.pts_ends, table.num_clips, -kMaxTicks, kMaxTicks);
  for (std::size_t clip = 0; clip + 1 < starts.size(); ++clip) {
    for (std::int64_t row = starts[clip] + 1; row < starts[clip + 1]; ++row) {
      if (table.pts[row] <= table.pts[row - 1]) {
        throw std::invalid_argument("pts[" + text(row) + "] = " + text(table.pts[row]) +
                                    " must be greater than the time before it, " +
                                    text(table.pts[row - 1]));
      }
    }
  }
  for (std::size_t clip = 0; clip + 1 < starts.size(); ++clip) {
    const std::int64_t first = table.pts[starts[clip]];
    const std::int64_t last = table.pts[starts[clip + 1] - 1];
    const std::int64_t end = table.pts_ends[clip];
    if (end <= last || end - first > kMaxSpanTicks) {
      throw std::invalid_argument("pts_ends[" + std::to_string(clip) + "] = " + text(end) +
                                  " must be greater than the clip's last time, " + text(last) +
                                  ", and at most " + text(kMaxSpanTicks) +
                                  " ticks after its first");
    }
  }
}

// An ordered draw without replacement from [0, num_labels). Each draw counts the labels that are
// left, then steps over the ones taken, smallest first.
void draw_distinct(RandomWords words, std::int64_t num_labels, std::int64_t count,
                   ClipSlots& labels) {
  ClipSlots taken;
  for (std::int64_t slot = 0; slot < count; ++slot) {
    std::int64_t label = words.below(num_labels - slot);
    std::int64_t place = 0;
    while (place < slot && taken[static_cast<std::size_t>(place)] <= label) {
      ++label;
      ++place;
    }
    for (std::int64_t other = slot; other > place; --other) {
      taken[static_cast<std::size_t>(other)] = taken[static_cast<std::size_t>(other - 1)];
    }
    taken[static_cast<std::size_t>(place)] = label;
    labels[static_cast<std::size_t>(slot)] = label;
  }
}

// Counts of at least min_frames that sum to num_frames, by largest remainders, ties to the earlier.
void split_frames(const ClipSlots& weights, std::int64_t num_clips, const SamplerSpec& spec,
                  std::int64_t* counts) {
  const std::int64_t spare = spec.num_frames - spec.min_frames_per_clip * num_clips;
  const std::int64_t total =
      std::accumulate(weights.begin(), weights.begin() + num_clips, std::int64_t{0});
  ClipSlots remainders;
  std::int64_t left = spare;
  for (std::int64_t slot = 0; slot < num_clips; ++slot) {
    const std::int64_t share = weights[static_cast<std::size_t>(slot)] * spare;
    counts[slot] = spec.min_frames_per_clip + share / total;
    remainders[static_cast<std::size_t>(slot)] = share % total;
    left -= share / total;
  }
  for (; left > 0; --left) {
    const auto largest = std::max_element(remainders.begin(), remainders.begin() + num_clips);
    ++counts[largest - remainders.begin()];
    *largest = -1;  // below every remainder: no clip gets two
  }
}

}  // namespace

SequencePlanner::SequencePlanner(const ClipTableView& table, const SamplerSpec& spec)
    : spec_(spec), pts_(table.pts) {
  check_spec(spec);
  if (table.num_clips == 0) {
    throw std::invalid_argument("a clip table needs at least one clip");
  }
  check_rows("durations_ms", table.durations_ms, table.num_clips, 1, kMaxDurationMs);
  check_rows("num_source_frames", table.num_source_frames, table.num_clips, 1, kMaxSpanTicks);
  const auto num_clips = static_cast<std::size_t>(table.num_clips);
  durations_ms_.assign(table.durations_ms, table.durations_ms + num_clips);
  spans_.assign(table.num_source_frames, table.num_source_frames + num_clips);
  pts_starts_.resize(num_clips + 1, 0);
  std::partial_sum(spans_.begin(), spans_.end(), pts_starts_.begin() + 1);
  if (pts_ != nullptr) {
    if (table.num_pts != pts_starts_.back()) {
      throw std::invalid_argument("pts has " + text(table.num_pts) + " rows, expected " +
                                  text(pts_starts_.back()));
    }
    check_pts(table, pts_starts_);
    for (std::size_t clip = 0; clip < num_clips; ++clip) {
      spans_[clip] = table.pts_ends[clip] - pts_[pts_starts_[clip]];
    }
  }
  clips_by_label_.resize(num_clips);
  std::iota(clips_by_label_.begin(), clips_by_label_.end(), std::int64_t{0});
  std::stable_sort(clips_by_label_.begin(), clips_by_label_.end(),
                   [&](std::int64_t left, std::int64_t right) {
                     return table.labels[left] < table.labels[right];
                   });
  for (std::size_t place = 0; place < num_clips; ++place) {
    if (place == 0 ||
        table.labels[clips_by_label_[place]] != table.labels[clips_by_label_[place - 1]]) {
      label_starts_.push_back(static_cast<std::int64_t>(place));
    }
  }
  label_starts_.push_back(table.num_clips);
}

void SequencePlanner::check_labels() const {
  const auto num_labels = static_cast<std::int64_t>(label_starts_.size()) - 1;
  if (num_labels < spec_.max_clips) {
    throw std::invalid_argument("max_clips = " + text(spec_.max_clips) +
                                " clips of different labels cannot be drawn from a table of " +
                                text(num_labels) + " labels: lower max_clips or add clips");
  }
}

void SequencePlanner::check_clips(const std::int64_t* clip_ids, std::int64_t num_clips) const {
  check_range("the number of clips", num_clips, 1, kMaxClips);
  check_clips_fit(spec_, num_clips);
  for (std::int64_t slot = 0; slot < num_clips; ++slot) {
    if (clip_ids[slot] < 0 || clip_ids[slot] >= this->num_clips()) {
      throw std::out_of_range("clip_ids[" + text(slot) + "] = " + text(clip_ids[slot]) +
                              " is not a row of a table of " + text(this->num_clips()) + " clips");
    }
  }
}

std::int64_t SequencePlanner::draw_clips(std::uint64_t seed, std::uint64_t index,
                                         std::int64_t* clip_ids) const {
  const std::int64_t num_clips =
      spec_.min_clips +
      RandomWords(seed, index, kNumClips).below(spec_.max_clips - spec_.min_clips + 1);
  ClipSlots labels;
  const auto num_labels = static_cast<std::int64_t>(label_starts_.size()) - 1;
  draw_distinct(RandomWords(seed, index, kLabels), num_labels, num_clips, labels);
  RandomWords places(seed, index, kClips);
  for (std::int64_t slot = 0; slot < num_clips; ++slot) {
    const auto label = static_cast<std::size_t>(labels[static_cast<std::size_t>(slot)]);
    const std::int64_t size = label_starts_[label + 1] - label_starts_[label];
    clip_ids[slot] =
        clips_by_label_[static_cast<std::size_t>(label_starts_[label] + places.below(size))];
  }
  return num_clips;
}

void SequencePlanner::plan_clips(std::uint64_t seed, std::uint64_t index,
                                 const std::int64_t* clip_ids, std::int64_t num_clips,
                                 std::int64_t* frame_counts, std::int64_t* frame_indices) const {
  ClipSlots weights;
  RandomWords rates(seed, index, kRates);
  for (std::int64_t slot = 0; slot < num_clips; ++slot) {
    const std::int64_t rate = spec_.min_relative_rate +
                              rates.below(spec_.max_relative_rate - spec_.min_relative_rate + 1);
    weights[static_cast<std::size_t>(slot)] =
        durations_ms_[static_cast<std::size_t>(clip_ids[slot])] * rate;
  }
  split_frames(weights, num_clips, spec_, frame_counts);
  RandomWords jitter(seed, index, kJitter);
  for (std::int64_t slot = 0; slot < num_clips; ++slot) {
    draw_frames(clip_ids[slot], frame_counts[slot], spec_.jitter ? &jitter : nullptr,
                frame_indices);
    frame_indices += frame_counts[slot];
  }
}

void SequencePlanner::plan_batch(std::uint64_t seed, const std::int64_t* indices,
                                 std::int64_t num_indices, const BatchOutput& output) const {
  for (std::int64_t row = 0; row < num_indices; ++row) {
    const auto index = static_cast<std::uint64_t>(indices[row]);
    std::int64_t* clip_ids = output.clip_ids + row * spec_.max_clips;
    std::int64_t* frame_counts = output.frame_counts + row * spec_.max_clips;
    const std::int64_t num_clips = draw_clips(seed, index, clip_ids);
    output.num_clips[row] = num_clips;
    plan_clips(seed, index, clip_ids, num_clips, frame_counts,
               output.frame_indices + row * spec_.num_frames);
    std::fill(clip_ids + num_clips, clip_ids + spec_.max_clips, std::int64_t{-1});
    std::fill(frame_counts + num_clips, frame_counts + spec_.max_clips, std::int64_t{0});
  }
}

void SequencePlanner::draw_frames(std::int64_t clip_id, std::int64_t count, RandomWords* jitter,
                                  std::int64_t* frame_indices) const {
  const auto clip = static_cast<std::size_t>(clip_id);
  const std::int64_t step = spans_[clip] / count;
  const std::int64_t rest = spans_[clip] % count;
  const std::int64_t* first = pts_ == nullptr ? nullptr : pts_ + pts_starts_[clip];
  const std::int64_t* last = pts_ == nullptr ? nullptr : pts_ + pts_starts_[clip + 1];
  const std::int64_t* on_screen = first;
  std::int64_t low = 0;
  std::int64_t carry = 0;
  for (std::int64_t slice = 0; slice < count; ++slice) {
    // Slice j is [j * span / count, (j + 1) * span / count), kept without a division each.
    carry += rest;
    const std::int64_t width = step + (carry >= count ? 1 : 0);
    carry -= carry >= count ? count : 0;
    const std::int64_t instant = low + (jitter == nullptr ? width / 2 : jitter->below(width));
    low += width;
    if (first == nullptr) {
      frame_indices[slice] = instant;
    } else {
      on_screen = std::upper_bound(on_screen, last, *first + instant);
      frame_indices[slice] = on_screen - first - 1;
    }
  }
}

}  // namespace seqnative
