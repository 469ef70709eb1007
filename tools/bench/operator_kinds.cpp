#include "bench/operator_kinds.h"

#include <algorithm>

namespace nala::tools {
namespace {

constexpr std::string_view kAten = "aten::";

Operand operand_of(const at::Tensor& tensor) {
  Operand operand;
  if (!tensor.defined()) {
    return operand;
  }
  operand.sizes = tensor.sizes().vec();
  operand.dtype = tensor.scalar_type();
  operand.bytes = static_cast<double>(tensor.numel()) * static_cast<double>(tensor.element_size());
  if (tensor.has_storage()) {
    operand.storage = tensor.storage().unsafeGetStorageImpl();
    operand.bytes = std::min(operand.bytes, static_cast<double>(tensor.storage().nbytes()));
  }
  return operand;
}

double count_of(const Operand& operand) {
  double count = operand.sizes.empty() ? 0 : 1;
  for (const int64_t size : operand.sizes) {
    count *= static_cast<double>(size);
  }
  return count;
}

double bytes_of(const std::vector<Operand>& operands) {
  double bytes = 0;
  for (const Operand& operand : operands) {
    bytes += operand.bytes;
  }
  return bytes;
}

double at_of(const Operand& operand, size_t dimension) {
  return dimension < operand.sizes.size() ? static_cast<double>(operand.sizes[dimension]) : 0;
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool holds_one_of(std::string_view name, std::initializer_list<std::string_view> parts) {
  return std::any_of(parts.begin(), parts.end(), [&](std::string_view part) {
    return name.find(part) != std::string_view::npos;
  });
}

// The name without "aten::"; empty for others.
std::string_view aten_name(const OperatorCall& call) {
  const std::string_view name = call.name;
  return name.starts_with(kAten) ? name.substr(kAten.size()) : std::string_view();
}

bool is_backward(std::string_view name) {
  return name.find("backward") != std::string_view::npos;
}

bool is_product(std::string_view name) {
  return is_one_of(name, {"mm", "bmm", "addmm", "baddbmm", "matmul", "linear", "mkldnn_linear"});
}

// Convolutions take the gradient before input and weight when they run backward.
bool is_convolution(std::string_view name) {
  return holds_one_of(name, {"convolution", "conv1d", "conv2d", "conv3d"});
}

const Operand* operand_at(const std::vector<Operand>& operands, size_t index) {
  return index < operands.size() && !operands[index].sizes.empty() ? &operands[index] : nullptr;
}

OperatorKind kind_of_convolution(const Operand& input, const Operand& weight) {
  const double kernel = at_of(weight, 2) * at_of(weight, 3);
  if (at_of(weight, 1) == 1 && at_of(input, 1) > 1) {
    return kernel == 9    ? OperatorKind::depthwise_3x3
           : kernel == 25 ? OperatorKind::depthwise_5x5
                          : OperatorKind::convolution;
  }
  return kernel == 1 ? OperatorKind::matrix_product : OperatorKind::convolution;
}

bool is_attention(std::string_view name) {
  return holds_one_of(name, {"scaled_dot_product", "flash_attention"});
}

double product_flop(std::string_view name, const OperatorCall& call) {
  const bool adds = is_one_of(name, {"addmm", "baddbmm"});
  const Operand* const left = operand_at(call.inputs, adds ? 1 : 0);
  return left == nullptr ? 0
                         : 2 * count_of(call.outputs[0]) * static_cast<double>(left->sizes.back());
}

// Each of the gradients of input and weight costs what the forward costs.
double convolution_flop(std::string_view name, const OperatorCall& call) {
  const size_t first = is_backward(name) ? 1 : 0;
  const Operand* const weight = operand_at(call.inputs, first + 1);
  if (weight == nullptr) {
    return 0;
  }
  const double per_value = 2 * at_of(*weight, 1) * at_of(*weight, 2) * at_of(*weight, 3);
  if (first == 0) {
    return per_value * count_of(call.outputs[0]);
  }
  const double results = (operand_at(call.outputs, 0) != nullptr ? 1 : 0) +
                         (operand_at(call.outputs, 1) != nullptr ? 1 : 0);
  return results * per_value * count_of(call.inputs[0]);
}

// Two products forward; backward those of the scores once more, and of four gradients.
double attention_flop(bool backward, const Operand& q, const Operand& k) {
  const double product = 2 * count_of(q) * at_of(k, k.sizes.size() - 2);
  return product * (backward ? 5 : 2);
}

double flop_of(std::string_view name, const OperatorCall& call) {
  if (is_product(name)) {
    return product_flop(name, call);
  }
  if (is_convolution(name)) {
    return convolution_flop(name, call);
  }
  if (is_attention(name)) {
    const size_t first = is_backward(name) ? 1 : 0;
    const Operand* const q = operand_at(call.inputs, first);
    const Operand* const k = operand_at(call.inputs, first + 1);
    return q == nullptr || k == nullptr ? 0 : attention_flop(first == 1, *q, *k);
  }
  return 0;
}

bool allocates(std::string_view name) {
  return holds_one_of(name, {"empty"}) ||
         is_one_of(name, {"resize_", "detach_", "set_", "squeeze_", "unsqueeze_", "transpose_",
                          "t_", "requires_grad_", "as_strided_"});
}

// The fused optimizers give nothing back, but write the parameters and the moments.
double optimizer_bytes(std::string_view name, const OperatorCall& call) {
  const double read = bytes_of(call.inputs);
  return name.find("sgd") != std::string_view::npos ? read * 5 / 3 : read * 7 / 4;
}

double moved_bytes(std::string_view name, const OperatorCall& call) {
  if (name.starts_with("_fused_")) {
    return optimizer_bytes(name, call);
  }
  const bool in_place = name.ends_with("_") && !call.outputs.empty();
  double written = 0;
  for (const Operand& output : call.outputs) {
    const bool given =
        std::any_of(call.inputs.begin(), call.inputs.end(), [&](const Operand& input) {
          return output.storage != nullptr && input.storage == output.storage;
        });
    written += given && !in_place ? 0 : output.bytes;
  }
  if (written == 0) {
    return 0;
  }
  const bool overwrites = is_one_of(name, {"copy_", "fill_", "zero_"}) && !call.inputs.empty();
  return written + bytes_of(call.inputs) - (overwrites ? call.inputs[0].bytes : 0);
}

OwnOperator own_depthwise(const OperatorCall& call) {
  const Operand& map = call.inputs[0];
  const Operand& weight = call.inputs[1];
  const double flop = 2 * count_of(map) * at_of(weight, 2) * at_of(weight, 3);
  return {.kind = kind_of_convolution(map, weight),
          .forward = {.flop = flop, .bytes = 2 * map.bytes},
          .backward = {.flop = 2 * flop, .bytes = 3 * map.bytes}};
}

OwnOperator own_linear(const OperatorCall& call) {
  const Operand& x = call.inputs[0];
  const Operand& weight = call.inputs[1];
  const double flop = 2 * count_of(x) * at_of(weight, 0);
  const double result = x.bytes * at_of(weight, 0) / std::max(1.0, at_of(weight, 1));
  return {
      .kind = OperatorKind::matrix_product,
      .forward = {.flop = flop, .bytes = x.bytes + weight.bytes + result, .dtype = x.dtype},
      .backward = {
          .flop = 2 * flop, .bytes = 2 * x.bytes + 2 * weight.bytes + result, .dtype = x.dtype}};
}

// The features are twice as wide as a head.
OwnOperator own_linear_attention(const OperatorCall& call) {
  const Operand& q = call.inputs[0];
  const double flop = 8 * count_of(q) * static_cast<double>(q.sizes.back());
  return {.kind = OperatorKind::attention,
          .forward = {.flop = flop, .bytes = 4 * q.bytes},
          .backward = {.flop = 2 * flop, .bytes = 7 * q.bytes}};
}

// Its backward is made of LibTorch's operators, which are counted themselves.
OwnOperator own_softmax_attention(const OperatorCall& call) {
  return {.kind = OperatorKind::attention,
          .forward = {.flop = attention_flop(false, call.inputs[0], call.inputs[1]),
                      .bytes = 4 * call.inputs[0].bytes},
          .backward = {}};
}

OwnOperator own_epilogue(const OperatorCall& call) {
  const double given = bytes_of(call.inputs);
  const double y = call.inputs[0].bytes;
  return {.kind = OperatorKind::attention_epilogue,
          .forward = {.flop = 0, .bytes = given + y},
          .backward = {.flop = 0, .bytes = 2 * given + y}};
}

struct OwnName {
  std::string_view name;
  OwnOperator (*describe)(const OperatorCall& call);
};
constexpr std::array kOwnNames{OwnName{"nala::depthwise", own_depthwise},
                               OwnName{"nala::linear", own_linear},
                               OwnName{"nala::linear_attention", own_linear_attention},
                               OwnName{"nala::softmax_attention", own_softmax_attention},
                               OwnName{"nala::attention_epilogue", own_epilogue}};

}  // namespace

std::string_view name_of(OperatorKind kind) {
  constexpr std::array<std::string_view, kOperatorKinds> kNames{
      "matrix product",     "depthwise 3x3", "depthwise 5x5", "other convolution", "attention",
      "attention epilogue", "normalisation", "activation",    "optimizer",         "copies",
      "elementwise",        "other"};
  return kNames.at(static_cast<size_t>(kind));
}

std::vector<Operand> operands_of(c10::ArrayRef<const c10::IValue> values) {
  std::vector<Operand> operands;
  for (const c10::IValue& value : values) {
    if (value.isTensor()) {
      operands.push_back(operand_of(value.toTensor()));
    } else if (value.isTensorList()) {
      for (const at::Tensor& tensor : value.toTensorVector()) {
        operands.push_back(operand_of(tensor));
      }
    }
  }
  return operands;
}

std::optional<OperatorKind> kind_of(const OperatorCall& call) {
  const std::string_view name = aten_name(call);
  if (is_product(name)) {
    return OperatorKind::matrix_product;
  }
  if (is_convolution(name)) {
    const size_t first = is_backward(name) ? 1 : 0;
    const Operand* const input = operand_at(call.inputs, first);
    const Operand* const weight = operand_at(call.inputs, first + 1);
    return input == nullptr || weight == nullptr ? OperatorKind::convolution
                                                 : kind_of_convolution(*input, *weight);
  }
  if (is_attention(name)) {
    return OperatorKind::attention;
  }
  if (holds_one_of(name, {"layer_norm", "batch_norm", "group_norm"})) {
    return OperatorKind::normalisation;
  }
  if (holds_one_of(name, {"gelu", "silu", "relu", "sigmoid"})) {
    return OperatorKind::activation;
  }
  if (name.starts_with("_fused_adam") || name.starts_with("_fused_sgd")) {
    return OperatorKind::optimizer;
  }
  if (is_one_of(name, {"copy_", "clone", "contiguous", "to", "_to_copy", "cat", "stack"})) {
    return OperatorKind::copy;
  }
  return std::nullopt;
}

Work work_of(const OperatorCall& call) {
  const std::string_view name = aten_name(call);
  if (name.empty() || allocates(name)) {
    return {};
  }
  Work work{.bytes = moved_bytes(name, call)};
  if (!call.outputs.empty() && work.bytes > 0) {
    work.flop = flop_of(name, call);
    work.dtype = call.outputs[0].sizes.empty() && call.outputs.size() > 1 ? call.outputs[1].dtype
                                                                          : call.outputs[0].dtype;
  }
  return work;
}

std::optional<OwnOperator> own_operator(const OperatorCall& call) {
  for (const OwnName& own : kOwnNames) {
    if (own.name == call.name && call.inputs.size() > 1 && !call.inputs[0].sizes.empty()) {
      return own.describe(call);
    }
  }
  return std::nullopt;
}

}  // namespace nala::tools
