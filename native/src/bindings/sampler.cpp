// Checks, GIL and error mapping of the sampler; nothing else.
#include "seqnative/sampler.hpp"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>
#include <pybind11/typing.h>

#include <optional>
#include <string>

#include "bindings.hpp"

namespace py = pybind11;

namespace {

using Int64Array = py::array_t<std::int64_t, py::array::c_style>;

using PlanArrays = py::typing::Tuple<Int64Array, Int64Array, Int64Array>;
using BatchArrays = py::typing::Tuple<Int64Array, Int64Array, Int64Array, Int64Array>;

const std::int64_t* vector_data(const char* name, const Int64Array& array) {
  if (array.ndim() != 1) {
    const std::string shape = py::str(array.attr("shape"));
    throw std::invalid_argument(std::string(name) + " must have one dimension, got shape " + shape);
  }
  return array.data();
}

void check_length(const char* name, const Int64Array& array, py::ssize_t expected) {
  if (array.size() != expected) {
    throw std::invalid_argument(std::string(name) + " has " + std::to_string(array.size()) +
                                " rows, expected " + std::to_string(expected));
  }
}

// Python integers of any size; pybind11 alone would answer TypeError for -1.
std::uint64_t checked_uint(const char* name, const py::int_& value, std::uint64_t high) {
  const unsigned long long number = PyLong_AsUnsignedLongLong(value.ptr());
  const bool failed = PyErr_Occurred() != nullptr;
  if (failed) {
    PyErr_Clear();
  }
  if (failed || number > high) {
    throw std::invalid_argument(std::string(name) + " = " + std::string(py::str(value)) +
                                " must be in [0, " + std::to_string(high) + "]");
  }
  return number;
}

std::uint64_t checked_seed(const py::int_& seed) { return checked_uint("seed", seed, UINT64_MAX); }
std::uint64_t checked_index(const py::int_& index) {
  return checked_uint("index", index, INT64_MAX);
}

// Keeps the arrays alive that the planner looks into.
struct BoundPlanner {
  seqnative::SequencePlanner planner;
  std::optional<Int64Array> pts;
};

BoundPlanner make_planner(const Int64Array& labels, const Int64Array& durations_ms,
                          const Int64Array& num_source_frames, const std::optional<Int64Array>& pts,
                          const std::optional<Int64Array>& pts_ends, std::int64_t num_frames,
                          std::int64_t min_clips, std::int64_t max_clips,
                          std::int64_t min_frames_per_clip, std::int64_t min_relative_rate,
                          std::int64_t max_relative_rate, bool jitter) {
  if (pts.has_value() != pts_ends.has_value()) {
    throw std::invalid_argument("pts and pts_ends belong together: give both or neither");
  }
  seqnative::ClipTableView table{};
  table.num_clips = labels.size();
  table.labels = vector_data("labels", labels);
  table.durations_ms = vector_data("durations_ms", durations_ms);
  table.num_source_frames = vector_data("num_source_frames", num_source_frames);
  check_length("durations_ms", durations_ms, labels.size());
  check_length("num_source_frames", num_source_frames, labels.size());
  if (pts.has_value()) {
    table.num_pts = pts->size();
    table.pts = vector_data("pts", *pts);
    table.pts_ends = vector_data("pts_ends", *pts_ends);
    check_length("pts_ends", *pts_ends, labels.size());
  }
  const seqnative::SamplerSpec spec{
      num_frames,        min_clips,         max_clips, min_frames_per_clip,
      min_relative_rate, max_relative_rate, jitter};
  return {seqnative::SequencePlanner(table, spec), pts};
}

PlanArrays plan(const BoundPlanner& self, const py::int_& seed_object,
                const py::int_& index_object) {
  const std::uint64_t seed = checked_seed(seed_object);
  const std::uint64_t index = checked_index(index_object);
  const seqnative::SequencePlanner& planner = self.planner;
  planner.check_labels();
  std::int64_t clips[seqnative::kMaxClips];
  const std::int64_t num_clips = planner.draw_clips(seed, index, clips);
  Int64Array clip_ids(num_clips, clips);
  Int64Array frame_counts(num_clips);
  Int64Array frame_indices(planner.spec().num_frames);
  planner.plan_clips(seed, index, clips, num_clips, frame_counts.mutable_data(),
                     frame_indices.mutable_data());
  return py::make_tuple(clip_ids, frame_counts, frame_indices);
}

PlanArrays plan_clips(const BoundPlanner& self, const py::int_& seed_object,
                      const py::int_& index_object, const Int64Array& clip_ids) {
  const std::uint64_t seed = checked_seed(seed_object);
  const std::uint64_t index = checked_index(index_object);
  const std::int64_t* clips = vector_data("clip_ids", clip_ids);
  const seqnative::SequencePlanner& planner = self.planner;
  planner.check_clips(clips, clip_ids.size());
  Int64Array frame_counts(clip_ids.size());
  Int64Array frame_indices(planner.spec().num_frames);
  planner.plan_clips(seed, index, clips, clip_ids.size(), frame_counts.mutable_data(),
                     frame_indices.mutable_data());
  return py::make_tuple(clip_ids, frame_counts, frame_indices);
}

BatchArrays plan_batch(const BoundPlanner& self, const py::int_& seed_object,
                       const Int64Array& indices) {
  const std::uint64_t seed = checked_seed(seed_object);
  const std::int64_t* rows = vector_data("indices", indices);
  const seqnative::SequencePlanner& planner = self.planner;
  planner.check_labels();
  const std::int64_t num_rows = indices.size();
  for (std::int64_t row = 0; row < num_rows; ++row) {
    if (rows[row] < 0) {
      throw std::invalid_argument("indices[" + std::to_string(row) +
                                  "] = " + std::to_string(rows[row]) + " must be in [0, " +
                                  std::to_string(INT64_MAX) + "]");
    }
  }
  const std::int64_t max_clips = planner.spec().max_clips;
  const std::int64_t num_frames = planner.spec().num_frames;
  Int64Array num_clips(num_rows);
  Int64Array clip_ids({num_rows, max_clips});
  Int64Array frame_counts({num_rows, max_clips});
  Int64Array frame_indices({num_rows, num_frames});
  std::int64_t* num_clips_data = num_clips.mutable_data();
  std::int64_t* clip_data = clip_ids.mutable_data();
  std::int64_t* count_data = frame_counts.mutable_data();
  std::int64_t* frame_data = frame_indices.mutable_data();
  {
    const py::gil_scoped_release release;
    planner.plan_batch(seed, rows, num_rows, {num_clips_data, clip_data, count_data, frame_data});
  }
  return py::make_tuple(num_clips, clip_ids, frame_counts, frame_indices);
}

}  // namespace

void bind_sampler(py::module_& module) {
  py::class_<BoundPlanner>(module, "SequencePlanner",
                           "Draws plans of clip sequences; the twin of seqsynth.sampler.")
      .def(py::init(&make_planner), py::arg("labels").noconvert(),
           py::arg("durations_ms").noconvert(), py::arg("num_source_frames").noconvert(),
           py::arg("pts").noconvert() = py::none(), py::arg("pts_ends").noconvert() = py::none(),
           py::kw_only(), py::arg("num_frames").noconvert(), py::arg("min_clips").noconvert(),
           py::arg("max_clips").noconvert(), py::arg("min_frames_per_clip").noconvert(),
           py::arg("min_relative_rate").noconvert(), py::arg("max_relative_rate").noconvert(),
           py::arg("jitter").noconvert())
      .def("plan", &plan, py::arg("seed"), py::arg("index"),
           "(clip_ids, frame_counts, frame_indices) of one sequence.")
      .def("plan_clips", &plan_clips, py::arg("seed"), py::arg("index"),
           py::arg("clip_ids").noconvert(),
           "(clip_ids, frame_counts, frame_indices) for clips chosen by the caller.")
      .def(
          "plan_batch", &plan_batch, py::arg("seed"), py::arg("indices").noconvert(),
          "(num_clips, clip_ids, frame_counts, frame_indices) of many sequences, without the GIL.");
}
