// What LibTorch's operators and our own are, and the least that a call of one has to do.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nala::tools {

enum class OperatorKind {
  matrix_product,  ///< linear layers and 1x1 convolutions
  depthwise_3x3,
  depthwise_5x5,
  convolution,  ///< stem and down-sampling
  attention,
  attention_epilogue,
  normalisation,
  activation,
  optimizer,
  copy,         ///< other layouts and dtypes, concatenation
  elementwise,  ///< sums, products and reductions that stand alone
  other,        ///< views, allocation, and code outside of operators
};
inline constexpr size_t kOperatorKinds = 12;
std::string_view name_of(OperatorKind kind);

/// A tensor that an operator is given or gives; of an undefined one everything is empty.
struct Operand {
  std::vector<int64_t> sizes;
  at::ScalarType dtype = at::kFloat;
  double bytes = 0;  ///< of memory: a broadcast dimension counts once
  const void* storage = nullptr;
};

/// The tensors among an operator's arguments or results, those of lists one by one.
std::vector<Operand> operands_of(c10::ArrayRef<const c10::IValue> values);

/// One call of an operator. Outputs are known only once it is done.
struct OperatorCall {
  std::string name;  ///< "aten::addmm"
  std::vector<Operand> inputs, outputs;
};

/// What a call has to do at the least: each input read and each result written once.
struct Work {
  double flop = 0;
  double bytes = 0;
  at::ScalarType dtype = at::kFloat;  ///< of the arithmetic

  [[nodiscard]] bool any() const { return flop > 0 || bytes > 0; }
};

/// By the name and, for convolutions, the weight's shape; none for operators that are made of
/// others, views, and elementwise arithmetic.
std::optional<OperatorKind> kind_of(const OperatorCall& call);

/// Of a finished call of LibTorch's; nothing for views, allocations and calls without results.
Work work_of(const OperatorCall& call);

/// An operator of ours, which is taken as a whole, whatever it calls.
struct OwnOperator {
  OperatorKind kind = OperatorKind::other;
  Work forward, backward;
};

/// By the name that it records itself under and its inputs; none for names that are not ours.
std::optional<OwnOperator> own_operator(const OperatorCall& call);

}  // namespace nala::tools
