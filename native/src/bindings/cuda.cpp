// Checks and error mapping of the CUDA kernels; nothing else.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <pybind11/typing.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "seqnative/device.hpp"
#include "seqnative/pack_device.hpp"

namespace py = pybind11;

namespace {

constexpr std::int64_t kNumChannels = 3;

std::string text(const py::handle& object) { return py::str(object); }

// What `__cuda_array_interface__` tells; strides in bytes.
struct DeviceArray {
  std::uintptr_t address;
  bool is_read_only;
  std::string typestr;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;

  std::size_t dims() const { return shape.size(); }
  std::int64_t itemsize() const { return typestr.back() - '0'; }
  bool is_empty() const { return std::find(shape.begin(), shape.end(), 0) != shape.end(); }
  // Counted from the last axis.
  std::int64_t size_at(std::size_t from_end) const { return shape[dims() - from_end]; }
  std::int64_t stride_at(std::size_t from_end) const { return strides[dims() - from_end]; }
};

std::string shape_of(const DeviceArray& array) { return text(py::tuple(py::cast(array.shape))); }

DeviceArray device_array(const std::string& name, const py::handle& object) {
  if (!py::hasattr(object, "__cuda_array_interface__")) {
    throw py::type_error(name + " is " + text(py::type::handle_of(object).attr("__name__")) +
                         ", expected an array in device memory (__cuda_array_interface__)");
  }
  const py::dict facts = object.attr("__cuda_array_interface__");
  const py::tuple data = facts["data"];
  DeviceArray array{data[0].cast<std::uintptr_t>(),
                    data[1].cast<bool>(),
                    facts["typestr"].cast<std::string>(),
                    facts["shape"].cast<std::vector<std::int64_t>>(),
                    {}};
  if (facts.contains("strides") && !facts["strides"].is_none()) {
    array.strides = facts["strides"].cast<std::vector<std::int64_t>>();
    return array;
  }
  array.strides.resize(array.dims());
  std::int64_t stride = array.itemsize();
  for (std::size_t axis = array.dims(); axis-- > 0;) {
    array.strides[axis] = stride;
    stride *= array.shape[axis];
  }
  return array;
}

// float32, or two bytes that hold a bfloat16: torch calls them <V2, others <u2.
bool is_value_type(const std::string& typestr) {
  return typestr == "<f4" || typestr == "<u2" || typestr == "<V2";
}

DeviceArray checked_table(const py::handle& object) {
  const DeviceArray table = device_array("table", object);
  if (!is_value_type(table.typestr)) {
    throw py::type_error("table is " + table.typestr +
                         ", expected <f4, or <u2 or <V2 (bits of bfloat16)");
  }
  if (table.shape != std::vector<std::int64_t>{kNumChannels, 256}) {
    throw std::invalid_argument("table must have shape (3, 256), got shape " + shape_of(table));
  }
  if (table.strides != std::vector<std::int64_t>{256 * table.itemsize(), table.itemsize()}) {
    throw std::invalid_argument("table must be contiguous");
  }
  return table;
}

DeviceArray checked_out(const py::handle& object, const DeviceArray& table) {
  const DeviceArray out = device_array("out", object);
  if (!is_value_type(out.typestr) || out.itemsize() != table.itemsize()) {
    throw py::type_error("out is " + out.typestr + ", expected " + table.typestr +
                         ", as the table is");
  }
  if ((out.dims() != 4 && out.dims() != 5) || out.size_at(3) != kNumChannels) {
    throw std::invalid_argument("out must have shape (N, 3, H, W) or (B, F, 3, H, W), got shape " +
                                shape_of(out));
  }
  if (out.is_read_only) {
    throw std::invalid_argument("out cannot be written to");
  }
  const bool in_order =
      (out.size_at(1) == 1 || out.stride_at(1) == out.itemsize()) &&
      (out.size_at(2) == 1 || out.stride_at(2) == out.size_at(1) * out.itemsize());
  if (!out.is_empty() && !in_order) {
    throw std::invalid_argument(
        "the rows of a plane of out must lie one after another, got strides " +
        text(py::tuple(py::cast(out.strides))));
  }
  return out;
}

DeviceArray checked_clip(std::size_t number, const py::handle& object, const DeviceArray& out) {
  const std::string name = "clips[" + std::to_string(number) + "]";
  DeviceArray clip = device_array(name, object);
  if (clip.typestr != "|u1") {
    throw py::type_error(name + " is " + clip.typestr + ", expected an array of uint8");
  }
  if ((clip.dims() != 3 && clip.dims() != 4) || clip.size_at(3) != out.size_at(2) ||
      clip.size_at(2) != out.size_at(1) || clip.size_at(1) != kNumChannels) {
    const std::string sides =
        std::to_string(out.size_at(2)) + ", " + std::to_string(out.size_at(1)) + ", 3)";
    throw std::invalid_argument(name + " has shape " + shape_of(clip) + ", expected (F, " + sides +
                                " or (" + sides);
  }
  if (clip.stride_at(1) != 1 || (clip.size_at(2) > 1 && clip.stride_at(2) != kNumChannels)) {
    throw std::invalid_argument(name +
                                ": the pixels of a row must lie one after another, got strides " +
                                text(py::tuple(py::cast(clip.strides))));
  }
  if (clip.dims() == 3) {  // a single frame
    clip.shape.insert(clip.shape.begin(), 1);
    clip.strides.insert(clip.strides.begin(), 0);
  }
  return clip;
}

std::vector<seqnative::DeviceClip> placed(const std::vector<DeviceArray>& clips,
                                          const DeviceArray& out) {
  const bool is_padded = out.dims() == 5;
  if (is_padded && static_cast<std::int64_t>(clips.size()) != out.shape[0]) {
    throw std::invalid_argument("there are " + std::to_string(clips.size()) + " clips, out has " +
                                std::to_string(out.shape[0]) + " rows");
  }
  std::vector<seqnative::DeviceClip> jobs;
  std::int64_t total = 0;
  for (std::size_t number = 0; number < clips.size(); ++number) {
    const DeviceArray& clip = clips[number];
    const std::int64_t count = clip.shape[0];
    if (is_padded && count > out.shape[1]) {
      throw std::invalid_argument("clips[" + std::to_string(number) + "] has " +
                                  std::to_string(count) + " frames, out has " +
                                  std::to_string(out.shape[1]) + " a row");
    }
    const std::int64_t first = is_padded ? static_cast<std::int64_t>(number) : total;
    const auto offset = static_cast<std::uintptr_t>(first * out.strides[0]);
    jobs.push_back({reinterpret_cast<const std::uint8_t*>(clip.address),
                    reinterpret_cast<unsigned char*>(out.address + offset), clip.strides[0],
                    clip.stride_at(3), count, is_padded ? out.shape[1] : count});
    total += count;
  }
  if (!is_padded && total != out.shape[0]) {
    throw std::invalid_argument("the clips have " + std::to_string(total) + " frames, out has " +
                                std::to_string(out.shape[0]));
  }
  return jobs;
}

void pack_normalize(const py::typing::List<py::object>& clip_list, const py::object& table_object,
                    const py::object& out_object, std::uintptr_t stream) {
  const DeviceArray table = checked_table(table_object);
  const DeviceArray out = checked_out(out_object, table);
  std::vector<DeviceArray> clips;
  for (std::size_t number = 0; number < clip_list.size(); ++number) {
    clips.push_back(checked_clip(number, clip_list[number], out));
  }
  const std::vector<seqnative::DeviceClip> jobs = placed(clips, out);
  if (out.is_empty()) {
    return;
  }
  const seqnative::DeviceLayout layout{out.size_at(2),
                                       out.size_at(1),
                                       out.stride_at(4),
                                       out.stride_at(3),
                                       static_cast<std::size_t>(out.itemsize()),
                                       reinterpret_cast<const void*>(table.address)};
  const py::gil_scoped_release release;
  seqnative::pack_clips_on_device(layout, jobs, reinterpret_cast<void*>(stream));
}

}  // namespace

PYBIND11_MODULE(_cuda, module) {
  module.doc() = "CUDA kernels; built only where CMake found a CUDA compiler.";
  module.def("device_count", &seqnative::device_count,
             "CUDA devices that this process can use; 0 without a driver.");
  module.def("pack_normalize", &pack_normalize, py::arg("clips"), py::arg("table"), py::arg("out"),
             py::arg("stream").noconvert() = 0,
             "seqsynth.frame_packing.pack_normalize on arrays in device memory: starts kernels on "
             "the stream (its address; 0 is the default one) and returns.");
}
