// What bindings/cpu.cpp gathers: each kernel family adds itself to the module.
#pragma once

#include <pybind11/pybind11.h>

void bind_sampler(pybind11::module_& module);
void bind_meteor(pybind11::module_& module);
void bind_pack(pybind11::module_& module);
