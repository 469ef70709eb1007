#include "comparison.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace nala::golden {
namespace {

constexpr double kNever = -1;

bool is_information(const std::string& term) {
  return term.starts_with("measured_") || term == "max_abs_ref" || term == "note";
}

bool is_input(const std::string& name) {
  static const std::set<std::string> exact = {"q", "k", "v", "cos", "sin", "dy"};
  for (const char* prefix : {"input.", "state.", "mask.", "init."}) {
    if (name.starts_with(prefix)) {
      return true;
    }
  }
  return exact.contains(name) || name.ends_with("_f64");
}

// Row by row, last dimension; a vector is one row.
at::Tensor row_max(const at::Tensor& x) {
  return x.dim() == 0 ? x : x.amax(-1);
}

// Largest ratio of deviation to what is allowed; infinite where 0 is allowed and something is off.
double worst(const at::Tensor& deviation, const at::Tensor& allowed) {
  const at::Tensor ratio = at::where(deviation.eq(0), 0, deviation / allowed);
  return ratio.numel() == 0 ? 0 : ratio.max().item<double>();
}

}  // namespace

std::string violation(const std::string& term,
                      double bound,
                      const at::Tensor& computed,
                      const at::Tensor& expected,
                      const at::Tensor& scale) {
  const at::Tensor deviation = (computed - expected).abs();
  double excess = kNever;
  if (term == "abs") {
    excess = worst(deviation, at::full_like(deviation, bound));
  } else if (term == "mean_abs") {
    excess = deviation.mean().item<double>() / bound;
  } else if (term == "rel_to_max") {
    excess = worst(deviation.max(), bound * expected.abs().max());
  } else if (term == "rel_to_row_max") {
    excess = worst(row_max(deviation), bound * row_max(expected.abs()));
  } else if (term == "rel_each") {
    excess = worst(deviation, bound * expected.abs());
  } else if (term == "rel_to_that_param_grad_l2") {
    excess = worst(row_max(deviation), bound * scale.to(at::kDouble));
  } else {
    return "unknown tolerance " + term;
  }
  // Written so that NaN is a violation.
  return excess <= 1 ? "" : term + " exceeded " + std::to_string(excess) + " times";
}

void Comparison::compare(const std::string& name, const at::Tensor& computed) {
  compared_.insert(name);
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    ADD_FAILURE() << "the fixture has no tensor " << name;
  } else if (!computed.defined()) {
    ADD_FAILURE() << name << ": nothing was computed";
  } else if (computed.sizes() != found->second.sizes()) {
    ADD_FAILURE() << name << ": shape " << computed.sizes() << ", expected "
                  << found->second.sizes();
  } else {
    check(name, computed.detach().to(at::kDouble), found->second.to(at::kDouble));
  }
}

void Comparison::check(const std::string& name,
                       const at::Tensor& computed,
                       const at::Tensor& expected) const {
  const nlohmann::json all = entry_.fields.value("tolerance", nlohmann::json("exact"));
  nlohmann::json tolerance = all;
  if (all.is_object()) {
    tolerance = all.value(name, nlohmann::json("exact"));
  }
  if (!tolerance.is_object() || tolerance.contains("exact")) {
    EXPECT_TRUE(at::equal(computed, expected)) << name << ": not equal";
    return;
  }
  const auto scale = tensors_.find("grad_l2");
  for (const auto& [term, bound] : tolerance.items()) {
    if (!is_information(term)) {
      const std::string wrong = violation(term, bound.get<double>(), computed, expected,
                                          scale == tensors_.end() ? at::Tensor() : scale->second);
      EXPECT_EQ(wrong, "") << name;
    }
  }
}

void Comparison::finish() const {
  for (const auto& [name, tensor] : tensors_) {
    if (!is_input(name) && !compared_.contains(name)) {
      ADD_FAILURE() << name << ": in the fixture, but never compared";
    }
  }
}

}  // namespace nala::golden
