// Names and tensors of a module, as PyTorch's own state_dict() gives them.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <string>
#include <vector>

#include "io/named_tensors.h"

namespace nala::io {

/// The live parameters and buffers (no copies), in the order of Python's Module.state_dict(): of
/// each module its own parameters, its own buffers, then its children in the order of registration.
/// Undefined entries (a layer without bias) are left out.
NamedTensors state_dict(const torch::nn::Module& module);

/// What became of a module's names and of a file's.
struct LoadReport {
  struct Reshaped {
    std::string name;
    std::vector<int64_t> found;     ///< in the file
    std::vector<int64_t> expected;  ///< in the module
  };
  std::vector<std::string> loaded;      ///< in the module's order
  std::vector<std::string> missing;     ///< the module has them, the file does not
  std::vector<std::string> unexpected;  ///< the file has them, the module does not
  std::vector<Reshaped> reshaped;       ///< both have them, in different shapes

  /// Everything was loaded and nothing was left over.
  [[nodiscard]] bool complete() const;
  /// One line: the four counts.
  [[nodiscard]] std::string summary() const;
  /// One line: every differing key, with both shapes where shapes differ; empty if complete.
  [[nodiscard]] std::string differences() const;
  /// For people, a line each for what was loaded and for every kind of difference. Names of one
  /// list that no other name begins like stand as one, 'layers.0.*' (43); of many such entries the
  /// first stand there.
  [[nodiscard]] std::string overview() const;
};

/// Copies into the module, in place, what fits by name and shape, converting dtype and device;
/// leaves the rest of the module as it is. Never resizes, never throws on a difference.
LoadReport load_state_dict(torch::nn::Module& module, const NamedTensors& tensors);

/// The same, of all or nothing: throws Error(checkpoint) that begins with `source` and lists every
/// differing key, and then has changed nothing.
void load_state_dict_strictly(torch::nn::Module& module,
                              const NamedTensors& tensors,
                              const std::string& source);

}  // namespace nala::io
