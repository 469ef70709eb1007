// Compares computed tensors with a fixture's, as the fixtures' README says.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "entry.h"

namespace nala::golden {

/// Adds a test failure for every tensor that is off, and, when finish() is called, for every tensor
/// of the file that should have been compared and was not.
class Comparison {
 public:
  Comparison(const Entry& entry, const Tensors& tensors) : entry_(entry), tensors_(tensors) {}

  /// Compares with tensor `name` of the file by its tolerance.
  void compare(const std::string& name, const at::Tensor& computed);
  /// Whether the file has something to compare with under this name.
  [[nodiscard]] bool has(const std::string& name) const { return tensors_.contains(name); }
  void finish() const;

 private:
  void check(const std::string& name, const at::Tensor& computed, const at::Tensor& expected) const;

  const Entry& entry_;
  const Tensors& tensors_;
  std::set<std::string> compared_;
};

/// What is wrong by one term of a tolerance, "" if nothing is. `computed` and `expected` are
/// float64 of one shape; `scale` is grad_l2 for the terms that refer to it.
std::string violation(const std::string& term,
                      double bound,
                      const at::Tensor& computed,
                      const at::Tensor& expected,
                      const at::Tensor& scale);

}  // namespace nala::golden
