#include "train/distributed/gradient_reducer.h"

#include <c10/util/Exception.h>
#include <torch/torch.h>

#include <algorithm>
#include <string>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>
#include <unordered_map>

namespace nala::train {
namespace {

// The first bucket is small, so that communication starts early.
constexpr int64_t kFirstBucketBytes = int64_t{1} << 20;

using Processes = c10::intrusive_ptr<c10d::ProcessGroup>;
using Future = c10::ivalue::Future;

// Halves the bytes on the wire; the mean is taken before rounding, the sum is in bfloat16.
class Bf16Hook : public c10d::CppCommHookInterface<Processes> {
 public:
  using CppCommHookInterface::CppCommHookInterface;

  c10::intrusive_ptr<Future> runHook(c10d::GradBucket& bucket) override {
    const at::Tensor buffer = bucket.getBuffer();                                   // (elements)
    std::vector<at::Tensor> small{(buffer / state_->getSize()).to(at::kBFloat16)};  // (elements)
    const auto sum = state_->allreduce(small)->getFuture();
    return sum->then(
        [buffer](Future& future) {
          buffer.copy_(future.value().toTensorVector().front());
          return c10::IValue(buffer);
        },
        c10::TensorType::get());
  }
};

// The layout of dimensions of size one is no reason to warn; all else is passed on.
class Warnings : public c10::WarningHandler {
 public:
  explicit Warnings(c10::WarningHandler* next) : next_(next) {}
  void process(const c10::Warning& warning) override {
    if (!warning.msg().starts_with("Grad strides do not match bucket view strides")) {
      next_->process(warning);
    }
  }

 private:
  c10::WarningHandler* next_;
};

}  // namespace

GradientReducer::GradientReducer(const torch::nn::Module& model,
                                 const Group& group,
                                 const DistributedConfig& config)
    : group_(group) {
  if (group.alone()) {
    return;
  }
  std::vector<at::Tensor> parameters;
  std::unordered_map<size_t, std::string> names;
  for (const auto& entry : model.named_parameters()) {
    if (entry.value().requires_grad()) {
      names.emplace(parameters.size(), entry.key());
      parameters.push_back(entry.value());
    }
  }
  const std::vector<bool> sparse(parameters.size(), false);
  const int64_t bytes = config.bucket_mb << 20;
  auto [buckets, limits] = c10d::compute_bucket_assignment_by_size(
      parameters, {static_cast<size_t>(kFirstBucketBytes), static_cast<size_t>(bytes)}, sparse, {});
  // Gradients become ready from the last layer to the first.
  std::reverse(buckets.begin(), buckets.end());
  reducer_ = std::make_unique<c10d::Reducer>(
      parameters, buckets, group.process_group(), sparse, bytes, /*find_unused_parameters=*/false,
      /*gradient_as_bucket_view=*/true, names, kFirstBucketBytes,
      /*skip_all_reduce_unused_params=*/false, /*use_python_reducer=*/false,
      std::vector<int64_t>{});
  if (config.compress == Compression::bf16) {
    reducer_->register_comm_hook(std::make_unique<Bf16Hook>(group.process_group()));
  }
}

GradientReducer::~GradientReducer() = default;

void GradientReducer::backward(const at::Tensor& loss, bool reduce) {
  if (!reducer_ || !reduce) {
    loss.backward();
    return;
  }
  Warnings warnings(c10::WarningUtils::get_warning_handler());
  const c10::WarningUtils::WarningHandlerGuard guard(&warnings);
  group_.guard("averaging of gradients", [&] {
    reducer_->prepare_for_backward({});
    loss.backward();
    reducer_->check_finalized();
  });
}

}  // namespace nala::train
