#include "models/init.h"

#include <torch/torch.h>

#include <cmath>
#include <string_view>

#include "core/rng.h"
#include "models/layers.h"

namespace nala::models {
namespace {

// FNV-1a, so that the key does not depend on the standard library.
uint64_t hash(std::string_view text) {
  uint64_t value = 14695981039346656037ULL;
  for (const char c : text) {
    value = (value ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  }
  return value;
}

template <class Draw>
void fill(at::Tensor& tensor, const Draw& draw) {
  float* values = tensor.mutable_data_ptr<float>();
  for (int64_t i = 0; i < tensor.numel(); ++i) {
    values[i] = static_cast<float>(draw());
  }
}

double truncated_normal(Rng& rng) {
  double value = 0;
  do {
    value = 0.02 * rng.normal();
  } while (std::abs(value) > 2);
  return value;
}

class Initialiser {
 public:
  explicit Initialiser(uint64_t seed) : seed_(seed) {}

  void visit(const std::string& name, torch::nn::Module& module) const {
    if (auto* linear = module.as<LinearImpl>()) {
      const double bound = 1 / std::sqrt(static_cast<double>(linear->weight.size(1)));
      uniform(name + ".weight", linear->weight, bound);
      uniform(name + ".bias", linear->bias, bound);
    } else if (auto* conv = module.as<Conv2dImpl>()) {
      fill_conv(name + ".weight", conv->weight, conv->init());
      if (conv->bias.defined()) {
        conv->bias.zero_();
      }
    } else if (auto* norm = module.as<LayerNormImpl>()) {
      norm->weight.fill_(1);
      norm->bias.zero_();
    }
  }

 private:
  [[nodiscard]] Rng rng_of(const std::string& name) const {
    return {Stream::init, {seed_, hash(name)}};
  }
  void fill_conv(const std::string& name, at::Tensor& weight, ConvInit init) const {
    Rng rng = rng_of(name);
    const auto area = static_cast<double>(weight.size(2) * weight.size(3));
    const auto out = static_cast<double>(weight.size(0)) * area;
    const auto in = static_cast<double>(weight.size(1)) * area;
    switch (init) {
      case ConvInit::truncated_normal:
        return fill(weight, [&] { return truncated_normal(rng); });
      case ConvInit::kaiming_fan_out:
        return fill(weight, [&] { return std::sqrt(2 / out) * rng.normal(); });
      case ConvInit::xavier_uniform:
        return uniform(name, weight, std::sqrt(6 / (in + out)));
      case ConvInit::small_normal:
        return fill(weight, [&] { return 0.01 * rng.normal(); });
    }
  }
  void uniform(const std::string& name, at::Tensor& tensor, double bound) const {
    Rng rng = rng_of(name);
    fill(tensor, [&] { return rng.uniform(-bound, bound); });
  }

  uint64_t seed_;
};

}  // namespace

void initialise(torch::nn::Module& model, uint64_t seed) {
  const torch::NoGradGuard no_grad;
  const Initialiser initialiser(seed);
  for (const auto& item : model.named_modules()) {
    initialiser.visit(item.key(), *item.value());
  }
}

}  // namespace nala::models
