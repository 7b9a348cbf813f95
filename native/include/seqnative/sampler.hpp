// The varying-frame-rate sampler. seqsynth/sampler.py is its specification: same bits, same errors.
#pragma once

#include <cstdint>
#include <vector>

namespace seqnative {

constexpr std::int64_t kMaxClips = 64;  // of one sequence

struct SamplerSpec {
  std::int64_t num_frames;
  std::int64_t min_clips;
  std::int64_t max_clips;
  std::int64_t min_frames_per_clip;
  std::int64_t min_relative_rate;
  std::int64_t max_relative_rate;
  bool jitter;
};

// Views of arrays that the caller keeps alive. pts and pts_ends are null for evenly spaced frames.
struct ClipTableView {
  std::int64_t num_clips;
  const std::int64_t* labels;
  const std::int64_t* durations_ms;
  const std::int64_t* num_source_frames;
  std::int64_t num_pts;
  const std::int64_t* pts;
  const std::int64_t* pts_ends;
};

// Row b belongs to the b-th index: arrays of B, B x max_clips (twice) and B x num_frames.
struct BatchOutput {
  std::int64_t* num_clips;
  std::int64_t* clip_ids;      // -1 after the last clip
  std::int64_t* frame_counts;  // 0 after the last clip
  std::int64_t* frame_indices;
};

class SequencePlanner {
 public:
  // Throws std::invalid_argument that names the setting or the row. Copies everything but pts.
  SequencePlanner(const ClipTableView& table, const SamplerSpec& spec);

  const SamplerSpec& spec() const { return spec_; }
  std::int64_t num_clips() const { return static_cast<std::int64_t>(durations_ms_.size()); }

  // Throws std::invalid_argument unless max_clips clips of different labels can be drawn.
  void check_labels() const;

  // Throws std::out_of_range for a row that is not there, std::invalid_argument for a wrong number.
  void check_clips(const std::int64_t* clip_ids, std::int64_t num_clips) const;

  // Draws the clips of one sequence into clip_ids (max_clips wide); returns how many.
  std::int64_t draw_clips(std::uint64_t seed, std::uint64_t index, std::int64_t* clip_ids) const;

  // Fills frame_counts (num_clips) and frame_indices (num_frames) for clips that passed the checks.
  void plan_clips(std::uint64_t seed, std::uint64_t index, const std::int64_t* clip_ids,
                  std::int64_t num_clips, std::int64_t* frame_counts,
                  std::int64_t* frame_indices) const;

  // Draws and plans one sequence for every index; the indices are not negative.
  void plan_batch(std::uint64_t seed, const std::int64_t* indices, std::int64_t num_indices,
                  const BatchOutput& output) const;

 private:
  void draw_frames(std::int64_t clip_id, std::int64_t count, class RandomWords* jitter,
                   std::int64_t* frame_indices) const;

  SamplerSpec spec_;
  std::vector<std::int64_t> durations_ms_;
  std::vector<std::int64_t> pts_starts_;
  std::vector<std::int64_t> spans_;
  std::vector<std::int64_t> clips_by_label_;
  std::vector<std::int64_t> label_starts_;
  const std::int64_t* pts_;
};

}  // namespace seqnative
