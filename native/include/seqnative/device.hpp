#pragma once

namespace seqnative {

// CUDA devices that this process can use; 0 without a driver.
int device_count();

}  // namespace seqnative
