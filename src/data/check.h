// Decoding a whole data set to find its faulty files.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/image_io.h"

namespace nala::data {

struct FaultyFile {
  std::string path;
  Fault fault = Fault::unreadable;
  std::string reason;  ///< the error's message, starting with the path
};

struct CheckResult {
  int64_t pictures = 0;                   ///< looked at, faulty ones included
  std::vector<int64_t> per_class;         ///< usable pictures of each class, or with pixels of it
  std::array<int64_t, 6> fault_counts{};  ///< by Fault
  std::vector<FaultyFile> faulty;         ///< in the order of the data set
  int64_t smallest_side = 0, largest_side = 0;  ///< over usable pictures
};

/// Decodes every picture with `workers` threads (at least one). `progress(done)`, when given, is
/// called from the calling thread now and then. The result does not depend on the threads.
CheckResult check_dataset(const Dataset& dataset,
                          int64_t workers,
                          const std::function<void(int64_t done)>& progress = {});

}  // namespace nala::data
