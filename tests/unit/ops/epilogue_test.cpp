#include "ops/epilogue.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>

#include "drawn.h"

namespace nala::ops {
namespace {

constexpr std::array kMembers = {&Epilogue::y, &Epilogue::lepe, &Epilogue::gate, &Epilogue::weight,
                                 &Epilogue::bias};

Epilogue drawn_epilogue(int64_t batch, int64_t tokens, int64_t channels) {
  return {.y = drawn({batch, tokens, channels}, 1),
          .lepe = drawn({batch, tokens, channels}, 2),
          .gate = 3 * drawn({batch, tokens, channels}, 3),
          .weight = drawn({channels}, 4),
          .bias = drawn({channels}, 5)};
}

Epilogue with_dtype(Epilogue e, at::ScalarType dtype) {
  for (const auto member : {&Epilogue::y, &Epilogue::lepe, &Epilogue::gate}) {
    e.*member = (e.*member).defined() ? (e.*member).to(dtype) : at::Tensor();
  }
  const at::ScalarType parameters = dtype == at::kDouble ? at::kDouble : at::kFloat;
  e.weight = e.weight.to(parameters);
  e.bias = e.bias.to(parameters);
  return e;
}

// The definition in ATen, differentiable by its autograd, in the dtype of the operands.
at::Tensor by_definition(const Epilogue& e) {
  at::Tensor x = e.lepe.defined() ? e.y + e.lepe : e.y;
  x = at::layer_norm(x, {x.size(-1)}, e.weight.to(x.scalar_type()), e.bias.to(x.scalar_type()),
                     e.eps);
  return e.gate.defined() ? x * at::silu(e.gate) : x;
}

struct Outcome {
  at::Tensor out;
  std::vector<at::Tensor> gradients;
};

template <class Run>
Outcome differentiate(const Epilogue& given, const at::Tensor& dout, const Run& run) {
  Epilogue leaves = given;
  for (const auto member : kMembers) {
    if ((leaves.*member).defined()) {
      leaves.*member = (leaves.*member).detach().requires_grad_();
    }
  }
  const at::Tensor out = run(leaves);
  out.backward(dout.to(out.scalar_type()));
  Outcome outcome{out.detach(), {}};
  for (const auto member : kMembers) {
    if ((leaves.*member).defined()) {
      outcome.gradients.push_back((leaves.*member).grad());
    }
  }
  return outcome;
}

double error(const at::Tensor& got, const at::Tensor& exact) {
  return (got.to(at::kDouble) - exact).abs().max().item<double>();
}

// At most twice the error of plain ATen at the same dtype, and a small floor.
void expect_as_good_as_aten(const Epilogue& given, at::ScalarType dtype) {
  const Epilogue rounded = with_dtype(given, dtype);
  const at::Tensor dout = drawn(given.y.sizes(), 6).to(dtype);
  const Outcome exact =
      differentiate(with_dtype(rounded, at::kDouble), dout.to(at::kDouble), by_definition);
  const Outcome plain = differentiate(rounded, dout, by_definition);
  const Outcome got = differentiate(rounded, dout, attention_epilogue);
  const auto compare = [](const at::Tensor& mine, const at::Tensor& aten, const at::Tensor& right) {
    EXPECT_EQ(mine.scalar_type(), aten.scalar_type());
    EXPECT_LE(error(mine, right), 2 * error(aten, right) + 2e-7 * right.abs().max().item<double>());
  };
  compare(got.out, plain.out, exact.out);
  EXPECT_TRUE(got.out.is_contiguous());
  ASSERT_EQ(got.gradients.size(), exact.gradients.size());
  for (size_t i = 0; i < exact.gradients.size(); ++i) {
    SCOPED_TRACE(i);
    compare(got.gradients[i], plain.gradients[i], exact.gradients[i]);
  }
}

TEST(Epilogue, IsAsGoodAsATen) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    // More rows than one chunk; channels that fill vectors, leave a tail, or are less than one.
    for (const auto& [tokens, channels] :
         {std::pair{300, 32}, {7, 128}, {5, 44}, {3, 4}, {1, 96}}) {
      SCOPED_TRACE(testing::Message() << dtype << ' ' << tokens << 'x' << channels);
      expect_as_good_as_aten(drawn_epilogue(2, tokens, channels), dtype);
    }
  }
}

TEST(Epilogue, PartsCanBeAbsent) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    Epilogue e = drawn_epilogue(2, 9, 20);
    e.lepe = at::Tensor();
    expect_as_good_as_aten(e, dtype);
    e.gate = at::Tensor();
    expect_as_good_as_aten(e, dtype);
    e.lepe = drawn(e.y.sizes(), 8);
    expect_as_good_as_aten(e, dtype);
  }
}

TEST(Epilogue, GradientsAreThoseOfFiniteDifferences) {
  const Epilogue e = drawn_epilogue(1, 2, 4);  // float64
  const at::Tensor dout = drawn(e.y.sizes(), 9);
  const Outcome got = differentiate(e, dout, attention_epilogue);
  for (size_t m = 0; m < kMembers.size(); ++m) {
    const at::Tensor& x = e.*kMembers[m];
    for (int64_t i = 0; i < x.numel(); ++i) {
      const auto value = [&](double shift) {
        Epilogue moved = e;
        moved.*kMembers[m] = x.clone();
        (moved.*kMembers[m]).view(-1)[i] += shift;
        return (attention_epilogue(moved) * dout).sum().item<double>();
      };
      EXPECT_NEAR(got.gradients[m].view(-1)[i].item<double>(), (value(1e-6) - value(-1e-6)) / 2e-6,
                  1e-7);
    }
  }
}

// The same values from slices of a packed projection and from tensors of their own.
TEST(Epilogue, TakesAnyStrides) {
  const Epilogue e = with_dtype(drawn_epilogue(3, 6, 24), at::kFloat);
  const at::Tensor packed = at::stack({e.y, e.lepe, e.gate, e.y}, 2);  // (B, N, 4, C)
  Epilogue sliced = e;
  sliced.y = packed.select(2, 0);
  sliced.lepe = packed.select(2, 1);
  sliced.gate = packed.select(2, 2);
  const at::Tensor dout = drawn(e.y.sizes(), 6).to(at::kFloat);
  const Outcome expected = differentiate(e, dout, attention_epilogue);
  Epilogue scattered = e;
  scattered.y = e.y.permute({2, 1, 0}).contiguous().permute({2, 1, 0});
  scattered.gate = e.gate.transpose(0, 1).contiguous().transpose(0, 1);
  for (const Epilogue& other : {sliced, scattered}) {
    const Outcome got =
        differentiate(other, dout.transpose(0, 1).contiguous().transpose(0, 1), attention_epilogue);
    EXPECT_TRUE(at::equal(got.out, expected.out));
    for (size_t i = 0; i < got.gradients.size(); ++i) {
      EXPECT_TRUE(at::equal(got.gradients[i], expected.gradients[i])) << i;
    }
  }
}

// Each tensor may have a dtype of its own: y + lepe is not rounded to that of y.
TEST(Epilogue, MixedDtypesAreAddedInFloat32) {
  Epilogue e = with_dtype(drawn_epilogue(2, 5, 32), at::kFloat);
  e.y = e.y.to(at::kBFloat16);
  e.gate = e.gate.to(at::kHalf);
  Epilogue wide = with_dtype(e, at::kFloat);
  EXPECT_TRUE(at::equal(attention_epilogue(e), attention_epilogue(wide).to(at::kBFloat16)));
  const Outcome got = differentiate(e, e.y, attention_epilogue);
  EXPECT_EQ(got.gradients[0].scalar_type(), at::kBFloat16);
  EXPECT_EQ(got.gradients[1].scalar_type(), at::kFloat);
  EXPECT_EQ(got.gradients[2].scalar_type(), at::kHalf);
}

TEST(Epilogue, ConstantRowsGiveTheBias) {
  Epilogue e = with_dtype(drawn_epilogue(1, 3, 20), at::kFloat);
  e.y = at::full_like(e.y, 1000.25);
  e.lepe = at::Tensor();
  e.gate = at::Tensor();
  EXPECT_TRUE(at::equal(attention_epilogue(e), e.bias.expand_as(e.y)));
}

TEST(Epilogue, ExtremeGatesAreThoseOfSiLU) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Epilogue e = with_dtype(drawn_epilogue(1, 1, 32), at::kFloat);
  e.weight = at::zeros({32});
  e.bias = at::ones({32});  // so that the result is SiLU(gate)
  e.gate = torch::tensor({0.0F, -0.0F, 1e-30F, -1e-30F, 20.F, -20.F, 87.F, -87.F, 88.9F, -88.9F,
                          1000.F, -1000.F, 3e38F, -3e38F, infinity, -infinity, nan})
               .index({at::arange(32) % 17})
               .view({1, 1, 32});
  const at::Tensor got = attention_epilogue(e);
  const at::Tensor expected = at::silu(e.gate.to(at::kDouble));
  EXPECT_TRUE(at::allclose(got.to(at::kDouble), expected, 1e-6, 1e-30, /*equal_nan=*/true)) << got;
}

// Every bit of SiLU's own precision: a coefficient that is off by half a percent shows here.
TEST(Epilogue, GateIsSiLUToTheLastDigits) {
  Epilogue e = with_dtype(drawn_epilogue(1, 256, 64), at::kFloat);
  e.weight = at::zeros({64});
  e.bias = at::ones({64});  // so that the result is SiLU(gate)
  e.gate = at::linspace(-20, 20, 256 * 64).view({1, 256, 64});
  const at::Tensor expected = at::silu(e.gate.to(at::kDouble));
  const at::Tensor relative = (attention_epilogue(e).to(at::kDouble) - expected) / expected;
  EXPECT_LT(relative.abs().max().item<double>(), 4e-7);
}

TEST(Epilogue, NaNSpoilsItsRowAlone) {
  Epilogue e = with_dtype(drawn_epilogue(1, 4, 20), at::kFloat);
  e.y = e.y.clone();
  e.y[0][2][19] = std::nan("");
  const at::Tensor row = attention_epilogue(e).isnan().all(-1);  // (1, 4)
  EXPECT_TRUE(at::equal(row, torch::tensor({{false, false, true, false}})));
}

TEST(Epilogue, ResultsDoNotDependOnThreads) {
  const Epilogue e = with_dtype(drawn_epilogue(3, 700, 36), at::kFloat);
  const at::Tensor dout = drawn(e.y.sizes(), 6).to(at::kFloat);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const Outcome one = differentiate(e, dout, attention_epilogue);
  at::set_num_threads(2);
  const Outcome two = differentiate(e, dout, attention_epilogue);
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(one.out, two.out));
  for (size_t i = 0; i < one.gradients.size(); ++i) {
    EXPECT_TRUE(at::equal(one.gradients[i], two.gradients[i])) << i;
  }
}

TEST(Epilogue, RefusesImpossibleArguments) {
  const Epilogue e = drawn_epilogue(2, 3, 8);
  const auto refuses = [&](at::Tensor Epilogue::*member, const at::Tensor& value,
                           const char* text) {
    Epilogue bad = e;
    bad.*member = value;
    try {
      attention_epilogue(bad);
      ADD_FAILURE() << "no error: " << text;
    } catch (const c10::Error& error) {
      EXPECT_NE(std::string(error.what_without_backtrace()).find(text), std::string::npos)
          << error.what_without_backtrace();
    }
  };
  refuses(&Epilogue::y, e.y[0], "(B, N, C)");
  refuses(&Epilogue::lepe, e.lepe.narrow(1, 0, 2), "lepe has shape");
  refuses(&Epilogue::gate, e.gate.to(at::kLong), "gate is");
  refuses(&Epilogue::weight, e.weight.narrow(0, 0, 5), "weight must have shape");
  refuses(&Epilogue::bias, at::Tensor(), "bias must have shape");
}

}  // namespace
}  // namespace nala::ops
