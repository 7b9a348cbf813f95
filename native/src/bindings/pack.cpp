// Checks, GIL and error mapping of packing; nothing else.
#include "seqnative/pack.hpp"

#include <pybind11/numpy.h>
#include <pybind11/typing.h>

#include <stdexcept>
#include <string>

#include "bindings.hpp"

namespace py = pybind11;

namespace {

constexpr std::int64_t kMaxThreads = 256;

std::string text(const py::handle& object) { return py::str(object); }
std::string shape_of(const py::array& array) { return text(array.attr("shape")); }

bool has_dtype(const py::array& array, const py::dtype& dtype) {
  return array.dtype().equal(dtype);
}

void check_table(const py::array& table) {
  if (!has_dtype(table, py::dtype::of<float>()) &&
      !has_dtype(table, py::dtype::of<std::uint16_t>())) {
    throw py::type_error("table is " + text(table.dtype()) +
                         ", expected float32 or uint16 (bits of bfloat16)");
  }
  if (table.ndim() != 2 || table.shape(0) != seqnative::kNumChannels || table.shape(1) != 256) {
    throw std::invalid_argument("table must have shape (3, 256), got shape " + shape_of(table));
  }
  if ((table.flags() & py::array::c_style) == 0) {
    throw std::invalid_argument("table must be contiguous");
  }
}

void check_out(const py::array& out, const py::array& table) {
  if (!has_dtype(out, table.dtype())) {
    throw py::type_error("out is " + text(out.dtype()) + ", expected " + text(table.dtype()) +
                         ", as the table is");
  }
  const py::ssize_t dims = out.ndim();
  if ((dims != 4 && dims != 5) || out.shape(dims - 3) != seqnative::kNumChannels) {
    throw std::invalid_argument("out must have shape (N, 3, H, W) or (B, F, 3, H, W), got shape " +
                                shape_of(out));
  }
  if (!out.writeable()) {
    throw std::invalid_argument("out cannot be written to");
  }
  const py::ssize_t height = out.shape(dims - 2);
  const py::ssize_t width = out.shape(dims - 1);
  const bool in_order = (width == 1 || out.strides(dims - 1) == out.itemsize()) &&
                        (height == 1 || out.strides(dims - 2) == width * out.itemsize());
  if (out.size() != 0 && !in_order) {
    throw std::invalid_argument(
        "the rows of a plane of out must lie one after another, got strides " +
        text(out.attr("strides")));
  }
}

py::array checked_clip(py::ssize_t number, const py::handle& object, py::ssize_t height,
                       py::ssize_t width) {
  const std::string name = "clips[" + std::to_string(number) + "]";
  const bool is_array = py::isinstance<py::array>(object);
  if (!is_array ||
      !has_dtype(py::reinterpret_borrow<py::array>(object), py::dtype::of<std::uint8_t>())) {
    const py::object got =
        is_array ? object.attr("dtype") : py::type::handle_of(object).attr("__name__");
    throw py::type_error(name + " is " + text(got) + ", expected an array of uint8");
  }
  const auto clip = py::reinterpret_borrow<py::array>(object);
  const py::ssize_t dims = clip.ndim();
  if ((dims != 3 && dims != 4) || clip.shape(dims - 3) != height || clip.shape(dims - 2) != width ||
      clip.shape(dims - 1) != seqnative::kNumChannels) {
    const std::string sides = std::to_string(height) + ", " + std::to_string(width) + ", 3)";
    throw std::invalid_argument(name + " has shape " + shape_of(clip) + ", expected (F, " + sides +
                                " or (" + sides);
  }
  return clip;
}

py::ssize_t num_frames_of(const py::array& clip) { return clip.ndim() == 3 ? 1 : clip.shape(0); }

void check_room(const std::vector<py::array>& clips, const py::array& out) {
  if (out.ndim() == 4) {
    py::ssize_t total = 0;
    for (const py::array& clip : clips) {
      total += num_frames_of(clip);
    }
    if (total != out.shape(0)) {
      throw std::invalid_argument("the clips have " + std::to_string(total) + " frames, out has " +
                                  std::to_string(out.shape(0)));
    }
    return;
  }
  if (static_cast<py::ssize_t>(clips.size()) != out.shape(0)) {
    throw std::invalid_argument("there are " + std::to_string(clips.size()) + " clips, out has " +
                                std::to_string(out.shape(0)) + " rows");
  }
  for (std::size_t number = 0; number < clips.size(); ++number) {
    if (num_frames_of(clips[number]) > out.shape(1)) {
      throw std::invalid_argument("clips[" + std::to_string(number) + "] has " +
                                  std::to_string(num_frames_of(clips[number])) +
                                  " frames, out has " + std::to_string(out.shape(1)) + " a row");
    }
  }
}

seqnative::PackedFrame frame_of(const py::array& clip, py::ssize_t number, unsigned char* planes) {
  const auto* pixels = static_cast<const std::uint8_t*>(clip.data());
  const py::ssize_t dims = clip.ndim();
  if (dims == 4) {
    pixels += number * clip.strides(0);
  }
  return {pixels, clip.strides(dims - 3), clip.strides(dims - 2), clip.strides(dims - 1), planes};
}

std::vector<seqnative::PackedFrame> frames_of(const std::vector<py::array>& clips, py::array& out) {
  auto* data = static_cast<unsigned char*>(out.mutable_data());
  std::vector<seqnative::PackedFrame> frames;
  if (out.ndim() == 4) {
    for (const py::array& clip : clips) {
      for (py::ssize_t frame = 0; frame < num_frames_of(clip); ++frame) {
        const auto place = static_cast<py::ssize_t>(frames.size());
        frames.push_back(frame_of(clip, frame, data + place * out.strides(0)));
      }
    }
    return frames;
  }
  for (py::ssize_t row = 0; row < out.shape(0); ++row) {
    const py::array& clip = clips[static_cast<std::size_t>(row)];
    for (py::ssize_t frame = 0; frame < out.shape(1); ++frame) {
      unsigned char* planes = data + row * out.strides(0) + frame * out.strides(1);
      if (frame < num_frames_of(clip)) {
        frames.push_back(frame_of(clip, frame, planes));
      } else {
        frames.push_back({nullptr, 0, 0, 0, planes});
      }
    }
  }
  return frames;
}

void pack_normalize(const py::typing::List<py::array>& clip_list, const py::array& table,
                    py::array out, std::int64_t num_threads) {
  check_table(table);
  check_out(out, table);
  if (num_threads < 1 || num_threads > kMaxThreads) {
    throw std::invalid_argument("num_threads = " + std::to_string(num_threads) +
                                " must be in [1, " + std::to_string(kMaxThreads) + "]");
  }
  const py::ssize_t dims = out.ndim();
  std::vector<py::array> clips;  // keeps them alive: another thread may change the list
  for (std::size_t number = 0; number < clip_list.size(); ++number) {
    clips.push_back(checked_clip(static_cast<py::ssize_t>(number), clip_list[number],
                                 out.shape(dims - 2), out.shape(dims - 1)));
  }
  check_room(clips, out);
  if (out.size() == 0) {
    return;
  }
  const seqnative::PackLayout layout{out.shape(dims - 2), out.shape(dims - 1),
                                     out.strides(dims - 3),
                                     static_cast<std::size_t>(out.itemsize()), table.data()};
  const std::vector<seqnative::PackedFrame> frames = frames_of(clips, out);
  const py::gil_scoped_release release;
  seqnative::pack_frames(layout, frames, static_cast<int>(num_threads));
}

}  // namespace

void bind_pack(py::module_& module) {
  module.def("pack_normalize", &pack_normalize, py::arg("clips"), py::arg("table").noconvert(),
             py::arg("out").noconvert(), py::arg("num_threads").noconvert() = 1,
             "Writes frames into a normalised batch, by table, without the GIL; the twin of "
             "seqsynth.frame_packing.");
}
