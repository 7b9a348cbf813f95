#include "seqnative/device.hpp"

namespace seqnative {

int device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    cudaGetLastError();  // no driver is an answer, not a failure: clear it for the next call
    return 0;
  }
  return count;
}

}  // namespace seqnative
