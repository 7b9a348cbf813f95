#include "bindings.hpp"

PYBIND11_MODULE(_cpu, module) {
  module.doc() = "CPU kernels. The Python code they mirror is their specification.";
  bind_sampler(module);
  bind_meteor(module);
  bind_pack(module);
}
