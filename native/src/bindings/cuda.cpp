#include <pybind11/pybind11.h>

#include "seqnative/device.hpp"

PYBIND11_MODULE(_cuda, module) {
  module.doc() = "CUDA kernels; built only where CMake found a CUDA compiler.";
  module.def("device_count", &seqnative::device_count,
             "CUDA devices that this process can use; 0 without a driver.");
}
