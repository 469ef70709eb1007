#include "ops/arguments.h"

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

namespace nala::ops {
namespace {

void check_operand(const char* op, const char* name, const at::Tensor& x, const at::Tensor& q) {
  TORCH_CHECK(x.defined(), op, ": ", name, " is undefined");
  TORCH_CHECK(x.sym_sizes() == q.sym_sizes(), op, ": ", name, " has shape ", x.sym_sizes(),
              ", q has ", q.sym_sizes(), "; they must be equal");
  TORCH_CHECK(x.scalar_type() == q.scalar_type(), op, ": ", name, " is ", x.scalar_type(),
              ", q is ", q.scalar_type(), "; they must be equal");
  TORCH_CHECK(x.device() == q.device(), op, ": ", name, " is on ", x.device(), ", q on ",
              q.device());
}

void check_table(const char* op, const char* name, const at::Tensor& table, const at::Tensor& q) {
  TORCH_CHECK(
      table.dim() == 2 && table.sym_size(0) == q.sym_size(2) && table.sym_size(1) == q.sym_size(3),
      op, ": ", name, " has shape ", table.sym_sizes(), ", expected (N, d) = (", q.sym_size(2),
      ", ", q.sym_size(3), ")");
  TORCH_CHECK(at::isFloatingType(table.scalar_type()), op, ": ", name, " is ", table.scalar_type(),
              ", expected a floating dtype");
  TORCH_CHECK(table.device() == q.device(), op, ": ", name, " is on ", table.device(), ", q on ",
              q.device());
}

}  // namespace

void check_arguments(const char* op, const AttentionArguments& arguments) {
  const auto& [q, k, v, cos, sin] = arguments;
  TORCH_CHECK(q.defined() && q.dim() == 4, op, ": q must have shape (B, h, N, d)");
  TORCH_CHECK(at::isFloatingType(q.scalar_type()), op, ": q is ", q.scalar_type(),
              ", expected a floating dtype");
  TORCH_CHECK(q.sym_size(2) >= 1, op, ": N must be at least 1, q has shape ", q.sym_sizes());
  TORCH_CHECK(q.sym_size(3) >= 4 && q.sym_size(3) % 4 == 0, op,
              ": d must be a multiple of 4, q has shape ", q.sym_sizes());
  check_operand(op, "k", k, q);
  check_operand(op, "v", v, q);
  TORCH_CHECK(cos.defined() == sin.defined(), op,
              ": cos and sin must both be given or both be None");
  if (cos.defined()) {
    check_table(op, "cos", cos, q);
    check_table(op, "sin", sin, q);
  }
}

void check_gradient(const char* op, const at::Tensor& dy, const at::Tensor& q) {
  TORCH_CHECK(dy.sym_sizes() == q.sym_sizes(), op, ": dy has shape ", dy.sym_sizes(), ", q has ",
              q.sym_sizes(), "; they must be equal");
  TORCH_CHECK(dy.device() == q.device(), op, ": dy is on ", dy.device(), ", q on ", q.device());
}

FeatureMap feature_map_or_throw(std::string_view name) {
  const std::optional<FeatureMap> map = feature_map_named(name);
  TORCH_CHECK(map, "nala::linear_attention: feature_map '", name,
              "'; known: relu_split cosine elu relu focused");
  return *map;
}

at::Tensor empty_tokens_first(const at::Tensor& like) {
  const c10::SymIntArrayRef size = like.sym_sizes();
  return at::empty_symint({size[0], size[2], size[1], size[3]}, like.options()).transpose(1, 2);
}

at::Tensor tokens_first(const at::Tensor& y) {
  return y.transpose(1, 2).contiguous().transpose(1, 2);
}

at::ScalarType compute_type(at::ScalarType dtype) {
  return dtype == at::kDouble ? at::kDouble : at::kFloat;
}

}  // namespace nala::ops
