// nala::linear_attention_forward and _backward on CUDA tensors: checks, memory, and the launch of
// the kernels. Calls that the kernels do not serve go to the table of ops/implementations.h, whose
// reference runs on any device.
#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

#include <limits>

#include "linear_attention_launch.h"
#include "ops/arguments.h"
#include "ops/cuda/every_device.h"
#include "ops/cuda/tensor_memory.h"
#include "ops/feature_maps.h"
#include "ops/linear_attention_kernels.h"

namespace nala::cuda {
namespace {

using ops::OptionalTensor;

constexpr const char* kName = "nala::linear_attention";

at::Tensor or_undefined(const OptionalTensor& x) {
  return x.value_or(at::Tensor());
}

struct Settings {
  std::string_view feature_map;
  bool norm_aware;
  double lambd, tau, alpha;
};

// "" when the kernels serve q, else why not.
std::string_view refusal(const at::Tensor& q) {
  if (q.scalar_type() != at::kFloat && q.scalar_type() != at::kBFloat16 &&
      q.scalar_type() != at::kHalf) {
    return "it computes float32, bfloat16 and float16";
  }
  if (q.size(3) > 128) {
    return "d is above 128";
  }
  // Every launch has fewer blocks than there are tokens and splits.
  const int64_t rows = q.size(0) * q.size(1) * (q.size(2) + 1);
  if (q.numel() == 0 || rows > std::numeric_limits<int>::max()) {
    return "there are no heads, or B h N is above 2^31";
  }
  return "";
}

// Whether the kernels run the call; throws when they are asked for by name and cannot.
bool serves(const at::Tensor& q, std::string_view implementation) {
  if (implementation != "auto" && implementation != "cuda") {
    return false;
  }
  const std::string_view reason = refusal(q);
  TORCH_CHECK(reason.empty() || implementation == "auto", kName, ": implementation cuda cannot be ",
              "used: ", reason);
  return reason.empty();
}

// The table's functions are registered for every device; this file's stand in front of them.
template <class Schema, class... Arguments>
auto by_table(const char* name, Arguments&&... arguments) {
  const auto handle = c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Schema>();
  return handle.redispatch(kEveryDevice, std::forward<Arguments>(arguments)...);
}

// The rotation's tables as the kernels read them; keeps them alive.
struct Tables {
  at::Tensor cos, sin;

  Tables(const OptionalTensor& given_cos, const OptionalTensor& given_sin) {
    if (given_cos) {
      cos = given_cos->to(at::kFloat).contiguous();  // (N, d)
      sin = given_sin->to(at::kFloat).contiguous();
    }
  }
  RotationTables view() const {
    return cos.defined() ? RotationTables{cos.const_data_ptr<float>(), sin.const_data_ptr<float>()}
                         : RotationTables{};
  }
};

AttentionCall call_of(const at::Tensor& q, const Tables& tables, const Settings& settings) {
  AttentionCall call;
  call.shape = {q.size(0), static_cast<int>(q.size(1)), static_cast<int>(q.size(2)),
                static_cast<int>(q.size(3))};
  call.rule = {static_cast<Map>(ops::feature_map_or_throw(settings.feature_map)),
               settings.norm_aware, static_cast<float>(settings.lambd),
               static_cast<float>(settings.tau), static_cast<float>(settings.alpha)};
  call.rotation = tables.view();
  call.plan = plan_splits(call.shape);
  return call;
}

Rows<void> rows_of(const at::Tensor& x) {
  return {x.data_ptr(), x.stride(0), x.stride(1), x.stride(2)};
}
Rows<const void> const_rows_of(const at::Tensor& x) {
  return {x.const_data_ptr(), x.stride(0), x.stride(1), x.stride(2)};
}

at::Tensor workspace_of(const at::Tensor& q, int64_t floats) {
  return at::empty({floats}, q.options().dtype(at::kFloat));
}

StateView state_of(const at::Tensor& matrix, const at::Tensor& mean) {
  return {matrix.data_ptr<float>(), mean.data_ptr<float>()};
}

template <class Call>
void launch_for(at::ScalarType dtype,
                const Call& call,
                void (*float32)(const Call&, const void*),
                void (*bfloat16)(const Call&, const void*),
                void (*float16)(const Call&, const void*)) {
  const void* const stream = c10::cuda::getCurrentCUDAStream().stream();
  (dtype == at::kFloat ? float32 : dtype == at::kBFloat16 ? bfloat16 : float16)(call, stream);
}

void check_saved(at::TensorList saved, const AttentionCall& call) {
  const int64_t b = call.shape.images;
  const int64_t h = call.shape.heads;
  const int64_t d = call.shape.channels;
  const int64_t width = halves_of(call.rule.map) * d;
  const std::vector<std::vector<int64_t>> shapes = {
      {b, h, width, d}, {b, h, width}, {b, h, call.shape.tokens}};
  TORCH_CHECK(saved.size() == shapes.size(), kName, ": saved has ", saved.size(),
              " tensors, expected the forward's 3");
  for (size_t i = 0; i < shapes.size(); ++i) {
    TORCH_CHECK(saved[i].sizes() == shapes[i] && saved[i].scalar_type() == at::kFloat &&
                    saved[i].is_contiguous() && saved[i].is_cuda(),
                kName, ": saved[", i, "] is not what the forward returned: shape ",
                saved[i].sizes(), ", expected contiguous float32 ", shapes[i]);
  }
}

ops::ForwardTuple forward(const at::Tensor& q,
                          const at::Tensor& k,
                          const at::Tensor& v,
                          const OptionalTensor& cos,
                          const OptionalTensor& sin,
                          std::string_view feature_map,
                          bool norm_aware,
                          double lambd,
                          double tau,
                          double alpha,
                          double eps,
                          std::string_view implementation) {
  ops::check_arguments(kName, {q, k, v, or_undefined(cos), or_undefined(sin)});
  if (!serves(q, implementation)) {
    return by_table<ops::ForwardSchema>("nala::linear_attention_forward", q, k, v, cos, sin,
                                        feature_map, norm_aware, lambd, tau, alpha, eps,
                                        implementation);
  }
  const c10::cuda::CUDAGuard device(q.device());
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const Tables tables(cos, sin);
  const AttentionCall call = call_of(q, tables, {feature_map, norm_aware, lambd, tau, alpha});
  const at::Tensor readable_q = readable(q);
  const at::Tensor readable_k = readable(k);
  const at::Tensor readable_v = readable(v);
  const int64_t width = halves_of(call.rule.map) * q.size(3);
  const auto floats = q.options().dtype(at::kFloat);
  const at::Tensor y = ops::empty_tokens_first(q);
  const at::Tensor matrix = at::empty({q.size(0), q.size(1), width, q.size(3)}, floats);
  const at::Tensor mean = at::empty({q.size(0), q.size(1), width}, floats);
  const at::Tensor normaliser = at::empty({q.size(0), q.size(1), q.size(2)}, floats);
  const at::Tensor workspace = workspace_of(q, forward_workspace_floats(call));
  launch_for<ForwardCall>(q.scalar_type(),
                          {.call = call,
                           .q = const_rows_of(readable_q),
                           .k = const_rows_of(readable_k),
                           .v = const_rows_of(readable_v),
                           .y = rows_of(y),
                           .state = state_of(matrix, mean),
                           .normaliser = normaliser.data_ptr<float>(),
                           .workspace = workspace.data_ptr<float>(),
                           .eps = static_cast<float>(eps)},
                          launch_forward<Dtype::float32>, launch_forward<Dtype::bfloat16>,
                          launch_forward<Dtype::float16>);
  return {y, {matrix, mean, normaliser}};
}

ops::GradientTuple backward(const at::Tensor& dy,
                            const at::Tensor& q,
                            const at::Tensor& k,
                            const at::Tensor& v,
                            const OptionalTensor& cos,
                            const OptionalTensor& sin,
                            at::TensorList saved,
                            std::string_view feature_map,
                            bool norm_aware,
                            double lambd,
                            double tau,
                            double alpha,
                            double eps,
                            std::string_view implementation) {
  ops::check_arguments(kName, {q, k, v, or_undefined(cos), or_undefined(sin)});
  ops::check_gradient(kName, dy, q);
  if (!serves(q, implementation)) {
    return by_table<ops::BackwardSchema>("nala::linear_attention_backward", dy, q, k, v, cos, sin,
                                         saved, feature_map, norm_aware, lambd, tau, alpha, eps,
                                         implementation);
  }
  const c10::cuda::CUDAGuard device(q.device());
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const Tables tables(cos, sin);
  const AttentionCall call = call_of(q, tables, {feature_map, norm_aware, lambd, tau, alpha});
  check_saved(saved, call);
  const at::Tensor readable_dy = readable(dy.to(q.scalar_type()));
  const at::Tensor readable_q = readable(q);
  const at::Tensor readable_k = readable(k);
  const at::Tensor readable_v = readable(v);
  const at::Tensor dq = ops::empty_tokens_first(q);
  const at::Tensor dk = ops::empty_tokens_first(q);
  const at::Tensor dv = ops::empty_tokens_first(q);
  const at::Tensor workspace = workspace_of(q, backward_workspace_floats(call));
  launch_for<BackwardCall>(q.scalar_type(),
                           {.call = call,
                            .dy = const_rows_of(readable_dy),
                            .q = const_rows_of(readable_q),
                            .k = const_rows_of(readable_k),
                            .v = const_rows_of(readable_v),
                            .state = state_of(saved[0], saved[1]),
                            .normaliser = saved[2].const_data_ptr<float>(),
                            .workspace = workspace.data_ptr<float>(),
                            .dq = rows_of(dq),
                            .dk = rows_of(dk),
                            .dv = rows_of(dv)},
                           launch_backward<Dtype::float32>, launch_backward<Dtype::bfloat16>,
                           launch_backward<Dtype::float16>);
  return {dq, dk, dv};
}

}  // namespace
}  // namespace nala::cuda

TORCH_LIBRARY_IMPL(nala, CUDA, library) {
  library.impl("linear_attention_forward", TORCH_FN(nala::cuda::forward));
  library.impl("linear_attention_backward", TORCH_FN(nala::cuda::backward));
}
